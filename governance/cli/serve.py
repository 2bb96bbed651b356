"""``safe-conduct serve``: the API on one process, with first keys shown once."""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import suppress

import uvicorn

from api.app import make_app
from governance.access import Caller, Role
from governance.cli.output import show
from governance.errors import InputError
from governance.store.tables import api_keys
from governance.usecases.ports import House
from governance.usecases.register import issue_key

__all__ = ["run_server"]


def run_server(house: House, *, host: str, port: int, as_json: bool = False) -> None:
    """Serve until interrupted or terminated; then finish what is under way and stop.

    The first time a tenant is served, a custodian's and an officer's key are made and printed once; further keys
    come from ``safe-conduct key make`` while the server is stopped, or from an administrator's key.

    Args:
        house: the composed house.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        as_json: print address and keys as one JSON document.

    Raises:
        InputError: the address cannot be listened on.
    """
    with _listen(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}"
        keys = _first_keys(house)
        lines = [f"Safe Conduct listens on {address} (API: /docs)",
                 *(f"  {role}'s key, shown once: {key}" for role, key in keys.items())]  # fmt: skip
        show({"address": address, "keys": keys}, "\n".join(lines), as_json=as_json)
        sys.stdout.flush()
        server = uvicorn.Server(uvicorn.Config(make_app(house), log_config=None, access_log=False, server_header=False))
        # uvicorn raises the signal that stopped it once more; both end here, so that the house is closed
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Take the port now, so that whoever reads the address can connect."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise InputError(f"cannot listen on `{host}` port {port}: {error.strerror}", where="--host, --port",
                         hint="choose another port, or 0 for a free one") from error  # fmt: skip
    return listening


def _first_keys(house: House) -> dict[str, str]:
    """Make the first keys of a tenant that has none: one for each person that the main job needs."""
    tenant = house.settings.tenant
    with house.engine.connect() as connection:
        if connection.execute(api_keys.select().where(api_keys.c.tenant == tenant)).first() is not None:
            return {}
    caller = Caller(tenant=tenant, user="first-start", role=Role.ADMINISTRATOR)
    return {str(role): issue_key(house, caller, f"first-{role}", role)[0] for role in (Role.CUSTODIAN, Role.OFFICER)}
