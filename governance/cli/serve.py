"""``safe-conduct serve``: the API on one process, with a first key shown once."""

from __future__ import annotations

import socket

import uvicorn

from api.app import make_app
from governance.access import Caller, Role
from governance.store.tables import api_keys
from governance.usecases.ports import House
from governance.usecases.register import issue_key

__all__ = ["run_server"]


def run_server(house: House, *, host: str, port: int) -> None:
    """Serve until interrupted.

    The first time a tenant is served an administrator's key is made and printed once; further keys come from
    ``safe-conduct key make`` while the server is stopped, or from that administrator.

    Args:
        house: the composed house.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    shown = f"[{host}]" if ":" in host else host
    print(f"Safe Conduct listens on http://{shown}:{listening.getsockname()[1]} (API: /docs)", flush=True)
    for role, key in _first_keys(house).items():
        print(f"  {role}'s key, shown once: {key}", flush=True)
    server = uvicorn.Server(uvicorn.Config(make_app(house), log_config=None, access_log=False, server_header=False))
    server.run(sockets=[listening])


def _first_keys(house: House) -> dict[str, str]:
    """Make the first keys of a tenant that has none: one for each person that the main job needs."""
    tenant = house.settings.tenant
    with house.engine.connect() as connection:
        if connection.execute(api_keys.select().where(api_keys.c.tenant == tenant)).first() is not None:
            return {}
    caller = Caller(tenant=tenant, user="first-start", role=Role.ADMINISTRATOR)
    return {str(role): issue_key(house, caller, f"first-{role}", role)[0] for role in (Role.CUSTODIAN, Role.OFFICER)}
