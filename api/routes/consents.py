"""``/v1/consents``: what patients said, as FHIR, and withdrawals."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.answers import answer, json_of, receipt_of
from api.auth import CallerDep, HouseDep
from governance.errors import InputError
from governance.usecases.consent import record_consents, withdraw_consent

__all__ = ["router"]

router = APIRouter(prefix="/v1/consents", tags=["consents"])
_BODY = {"requestBody": {"required": True, "content": {"application/fhir+json": {"schema": {}}}}}


class Withdrawal(BaseModel):
    """A patient takes consent back."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(max_length=200, description="Register id of the patient.")
    consent: str | None = Field(default=None, max_length=200, description="Id of the consent; by default all.")


@router.post("", summary="Record FHIR Consents", openapi_extra=_BODY, status_code=201)
async def record(request: Request, house: HouseDep, caller: CallerDep,
                 subject: Annotated[str | None, Query(max_length=200)] = None) -> Response:  # fmt: skip
    """Record one Consent or a list; answers what was understood, mended, and not expressed."""
    given = await json_of(request)
    listed = given if isinstance(given, list) else [given]
    documents = [document for document in listed if isinstance(document, dict)]
    if not documents or len(documents) != len(listed):
        raise InputError("consents are FHIR resources, each a JSON object", where="body")
    recorded, receipt = await run_in_threadpool(record_consents, house, caller, documents, subject=subject)
    rows = [{"number": r.number, "dialect": r.dialect, "repairs": list(r.repairs),
             "not_expressed": list(r.not_expressed), "unclear": r.unclear} for r in recorded]  # fmt: skip
    return answer({"recorded": rows, "receipt": receipt_of(receipt)}, 201)


@router.post("/withdrawals", summary="Withdraw consent", status_code=201)
def withdraw(body: Withdrawal, house: HouseDep, caller: CallerDep) -> Response:
    """Withdraw one consent of a patient, or all; the very next decision knows."""
    receipt = withdraw_consent(house, caller, body.subject, consent=body.consent)
    return answer({"withdrawn": True, "receipt": receipt_of(receipt)}, 201)
