"""Registers: parties, projects, data sets, flows, patients, evidence."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.answers import answer, json_of, receipt_of
from api.auth import CallerDep, HouseDep
from governance.access import Role
from governance.usecases.register import Item, issue_key, register, retire_key, revoke, verify

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["registers"])
Replace = Annotated[bool, Query(description="Other content under a known id replaces it.")]
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}


def _route(item: Item) -> None:
    """Add the route of one kind of document."""

    @router.post(f"/{item}", summary=f"Register {item}", name=f"register_{item}", openapi_extra=_BODY)
    async def post(
        request: Request, house: HouseDep, caller: CallerDep, replace: Replace = False,  # noqa: FBT002 - a flag
    ) -> Response:  # fmt: skip
        """Register one document or a list, all or none; the same content again changes nothing."""
        documents = await json_of(request)
        done, receipt = await run_in_threadpool(register, house, caller, item, documents, replace=replace)
        return answer({"added": done.added, "replaced": done.replaced, "unchanged": done.unchanged,
                       "receipt": receipt_of(receipt)}, 201 if done.added else 200)  # fmt: skip


for _item in Item:
    _route(_item)

Id = Annotated[str, Path(max_length=200)]


@router.post("/evidence/{evidence}/verification", summary="Confirm a submitted document", tags=["evidence"])
def verification(evidence: Id, house: HouseDep, caller: CallerDep) -> Response:
    """Confirm it as another person than who submitted it."""
    return answer({"evidence": evidence, "state": "verified", "receipt": receipt_of(verify(house, caller, evidence))})


@router.post("/evidence/{evidence}/revocation", summary="Take a document out of force", tags=["evidence"])
def revocation(evidence: Id, house: HouseDep, caller: CallerDep) -> Response:
    """Revoke it; it stops counting with the very next decision."""
    return answer({"evidence": evidence, "state": "revoked", "receipt": receipt_of(revoke(house, caller, evidence))})


class NewKey(BaseModel):
    """Whom a key is for."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(min_length=1, max_length=200)
    role: Role


@router.post("/keys", summary="Make a key for a person or program", tags=["keys"], status_code=201)
def make_key(body: NewKey, house: HouseDep, caller: CallerDep) -> Response:
    """Make a key; it is shown in this answer and never again."""
    key, receipt = issue_key(house, caller, body.user, body.role)
    return answer({"key": key, "user": body.user, "role": str(body.role), "receipt": receipt_of(receipt)}, 201)


@router.delete("/keys/{prefix}", summary="Revoke a key", tags=["keys"])
def drop_key(prefix: Annotated[str, Path(max_length=16)], house: HouseDep, caller: CallerDep) -> Response:
    """Revoke the key with this prefix; it stops at once."""
    return answer({"revoked": prefix, "receipt": receipt_of(retire_key(house, caller, prefix))})
