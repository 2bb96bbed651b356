"""Who calls: a key in the ``Authorization`` header, looked up by its hash each time.

Without a valid key 401, with the wrong role 403 (raised by the use case). A revoked key stops at once.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from governance.access import Caller
from governance.store.callers import caller_of
from governance.usecases.ports import House

__all__ = ["CallerDep", "HouseDep"]

_LONGEST_KEY = 200


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


def _caller(request: Request) -> Caller:
    """Return whom the key belongs to, or answer 401."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    caller = None
    if scheme.lower() == "bearer" and 0 < len(key) <= _LONGEST_KEY:
        with _house(request).engine.connect() as connection:
            caller = caller_of(connection, key.strip())
    if caller is None:
        raise HTTPException(401, "a valid key is needed: Authorization: Bearer sc_...", {"WWW-Authenticate": "Bearer"})
    return caller


HouseDep = Annotated[House, Depends(_house)]
CallerDep = Annotated[Caller, Depends(_caller)]
