"""``/v1/decisions``: ask, read again, report what was sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.answers import EXAMPLE_REQUEST, answer, body_of, receipt_of
from api.auth import CallerDep, HouseDep
from governance.usecases.decide import decide_request, read_decision, report_outcome

__all__ = ["router"]

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
Id = Annotated[str, Path(max_length=64)]


class Outcome(BaseModel):
    """What a platform that carried the data itself reports."""

    model_config = ConfigDict(extra="forbid")

    sent: bool = Field(description="Whether anything was sent.")
    people: int | None = Field(default=None, ge=0, description="How many people's data were sent.")


@router.post("", summary="Decide a request", openapi_extra=EXAMPLE_REQUEST)
async def decide(request: Request, house: HouseDep, caller: CallerDep, key: Key = None) -> Response:
    """Answer permit, deny or refer with reasons, duties and receipt; a denial is an answer (200)."""
    raw = await body_of(request)
    decided = await run_in_threadpool(decide_request, house, caller, raw, key=key)
    return answer(decided.document)


@router.get("/{decision}", summary="Read a decision again")
def read(decision: Id, house: HouseDep, caller: CallerDep) -> Response:
    """Return the decision, as much of it as the caller may see."""
    return answer(read_decision(house, caller, decision))


@router.post("/{decision}/outcome", summary="Close a grant by reporting what was sent")
def outcome(decision: Id, body: Outcome, house: HouseDep, caller: CallerDep) -> Response:
    """Close the grant; unclosed it counts as sent."""
    receipt = report_outcome(house, caller, decision, sent=body.sent, people=body.people)
    return answer({"decision": decision, "closed": True, "receipt": receipt_of(receipt)})
