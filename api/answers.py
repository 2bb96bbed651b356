"""Small things that every route needs: reading a bounded body, answering JSON with sorted keys."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from governance.errors import InputError
from governance.usecases.ports import Receipt

__all__ = ["EXAMPLE_REQUEST", "answer", "body_of", "json_of", "receipt_of"]

EXAMPLE_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {
            "schema": {"type": "object"},
            "example": {
                "purpose": "treatment", "exporter": "hospital-a", "dataset": "records-a",
                "legs": [{"action": "transfer", "recipient": "hospital-b", "destination": "XX"}],
                "subjects": {"ids": ["patient-1"]}, "profiles": ["as-is"],
            },
        }},
    }
}  # fmt: skip
"""OpenAPI for bodies that the use case itself reads, so that all faults are reported at once."""


def answer(document: object, status: int = 200) -> Response:
    """Answer canonical JSON (sorted keys)."""
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return Response(body, status_code=status, media_type="application/json")


def receipt_of(receipt: Receipt) -> dict[str, object]:
    """Render a receipt."""
    return {"index": receipt.index, "proof": receipt.proof}


async def body_of(request: Request) -> bytes:
    """Read the body, which the middleware has bounded.

    Raises:
        InputError: it is not JSON by its content type, or empty.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (kind in {"application/json", "application/fhir+json"} or kind.endswith("+json")):
        raise InputError("the body must be JSON", where="Content-Type", hint="send application/json")
    try:
        raw = await request.body()
    except ClientDisconnect as error:
        raise InputError("the body was cut off") from error
    if not raw:
        raise InputError("the body is empty", where="body")
    return raw


async def json_of(request: Request) -> object:
    """Read the body as JSON.

    Raises:
        InputError: it is not JSON; says where, not what stands there.
    """
    raw = await body_of(request)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InputError("the body is not JSON", where=f"body:{error.lineno}:{error.colno}") from None
