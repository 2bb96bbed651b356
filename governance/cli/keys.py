"""``safe-conduct key``: keys for callers of the API."""

from __future__ import annotations

from typing import Annotated

import typer

from governance.access import Role
from governance.cli.house import As, Home, LevelName, Tenant, caller_for, house_for
from governance.cli.output import show

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make and revoke keys for callers of the API.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def make(
    user: Annotated[str, typer.Argument(help="Whom the key is for.")],
    role: Annotated[Role, typer.Argument(help="What that person or program may do.")],
    as_json: Json = False, home: Home = None, level: LevelName = None, tenant: Tenant = None, actor: As = None,
) -> None:  # fmt: skip
    """Make a key; it is shown once and never again."""
    from governance.usecases.register import issue_key

    with house_for(home=home, level=level, tenant=tenant) as house:
        key, receipt = issue_key(house, caller_for(house, actor, Role.ADMINISTRATOR), user, role)
    show({"key": key, "user": user, "role": str(role), "entry": receipt.index}, key, as_json=as_json)


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="The eight characters after `sc_`.")],
    as_json: Json = False, home: Home = None, level: LevelName = None, tenant: Tenant = None, actor: As = None,
) -> None:  # fmt: skip
    """Revoke a key."""
    from governance.usecases.register import retire_key

    with house_for(home=home, level=level, tenant=tenant) as house:
        receipt = retire_key(house, caller_for(house, actor, Role.ADMINISTRATOR), prefix)
    show({"revoked": prefix, "entry": receipt.index}, f"revoked (entry {receipt.index})", as_json=as_json)
