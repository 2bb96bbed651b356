"""Opening the house for one command: settings from options and environment, and who is acting.

On the command line whoever may read the key ring's file acts; ``--as`` and ``--role`` say as whom. Roles are
checked as everywhere else.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from governance.access import Caller, Role
from governance.bootstrap import open_house
from governance.errors import Diagnostic, InputError
from governance.settings import Settings
from governance.usecases.ports import House

__all__ = ["As", "Home", "LevelName", "RoleName", "Tenant", "caller_for", "house_for", "settings_for"]

Home = Annotated[Path | None, typer.Option("--home", help="Folder of database, keys and log [SAFE_CONDUCT_HOME].")]
LevelName = Annotated[str | None, typer.Option("--level", help="How well the law must be known for a permit: "
                                               "signed-off, verified or knowledge [SAFE_CONDUCT_LEVEL].")]  # fmt: skip
Tenant = Annotated[str | None, typer.Option("--tenant", help="Tenant to act in [SAFE_CONDUCT_TENANT].")]
As = Annotated[str | None, typer.Option("--as", help="Who is acting; by default the login name.")]
RoleName = Annotated[Role | None, typer.Option("--role", help="Role of whoever is acting; by default custodian.")]


def settings_for(**options: object) -> Settings:
    """Read settings from the environment, overridden by the options given.

    Raises:
        InputError: if one of them is not usable; all at once.
    """
    try:
        return Settings(**{key: value for key, value in options.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [Diagnostic(where=".".join(map(str, e["loc"])), message=str(e["msg"]).lower()) for e in error.errors()]
        raise InputError("the settings are not usable", diagnostics=faults) from error


@contextmanager
def house_for(
    *, home: Path | None, level: str | None, tenant: str | None, policies: Path | None = None
) -> Iterator[House]:
    """Open the house, and close it whatever happens."""
    with open_house(settings_for(home=home, level=level, tenant=tenant, policies=policies)) as house:
        yield house


def caller_for(house: House, user: str | None, role: Role | None) -> Caller:
    """Return who acts on the command line."""
    return Caller(tenant=house.settings.tenant, user=user or getpass.getuser(), role=role or Role.CUSTODIAN)
