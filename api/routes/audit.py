"""``/v1/audit``: checkpoint, proofs, entries, a patient's account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import PlainTextResponse, Response

from api.answers import answer
from api.auth import CallerDep, HouseDep
from governance.access import Action
from governance.errors import NotFoundError
from governance.usecases.audit import account_of, read_entry

__all__ = ["router"]

router = APIRouter(prefix="/v1/audit", tags=["audit"])
Index = Annotated[int, Path(ge=0, lt=2**53)]


@router.get("/checkpoint", summary="The latest signed checkpoint (C2SP)")
def checkpoint(house: HouseDep, caller: CallerDep) -> Response:
    """Return the signed state of the tenant's log."""
    note = house.log.checkpoint(caller.tenant)
    if note is None:
        raise NotFoundError("the log is empty")
    return PlainTextResponse(note)


@router.get("/entries/{index}", summary="One entry's details and proof")
def entry(index: Index, house: HouseDep, caller: CallerDep) -> Response:
    """Return an entry; reading it is an entry of its own."""
    return answer(read_entry(house, caller, index))


@router.get("/entries/{index}/proof", summary="The proof that an entry is in the log")
def proof(index: Index, house: HouseDep, caller: CallerDep) -> Response:
    """Return a ``.tlog-proof`` against the latest checkpoint; it tells nothing but hashes."""
    house.access.require(caller, Action.READ_AUDIT)
    return PlainTextResponse(house.log.receipt(caller.tenant, index).proof)


@router.get("/accounts/{subject}", summary="Everything logged about one patient")
def account(subject: Annotated[str, Path(max_length=200)], house: HouseDep, caller: CallerDep,
            reason: Annotated[str, Query(description="request, complaint or audit")]) -> Response:  # fmt: skip
    """Return a patient's account; looking it up needs a reason and is logged in it."""
    return answer({"entries": list(account_of(house, caller, subject, reason=reason))})
