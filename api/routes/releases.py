"""``/v1/releases``: records in, de-identified records, manifest and receipt out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.answers import answer, json_of
from api.auth import CallerDep, HouseDep
from governance.access import Caller
from governance.errors import InputError
from governance.usecases.ports import House
from governance.usecases.release import release

__all__ = ["router"]

router = APIRouter(prefix="/v1/releases", tags=["releases"])
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {
            "type": "object", "required": ["request", "records"],
            "properties": {
                "request": {"type": "object", "description": "As for /v1/decisions."},
                "records": {"description": "A FHIR R4 Bundle, or a list of Bundles.",
                            "oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
            },
        }}},
    }
}  # fmt: skip


@router.post("", summary="Release records under a request", openapi_extra=_BODY)
async def post(
    request: Request, house: HouseDep, caller: CallerDep,
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
) -> Response:  # fmt: skip
    """Decide, change, check and hand out; a denial or referral answers 200 with the decision and no records."""
    body = await json_of(request)
    if not isinstance(body, dict) or not isinstance(body.get("request"), dict) or set(body) - {"request", "records"}:
        raise InputError("the body has `request` and `records`", where="body")
    given = body.get("records")
    records = given if isinstance(given, list) else [given]
    if not records or not all(isinstance(record, dict) for record in records):
        raise InputError("records are a FHIR Bundle or a list of Bundles", where="records")
    return answer(await run_in_threadpool(_release, house, caller, body["request"], records, key))


def _release(
    house: House, caller: Caller, request: dict[str, Any], records: list[Any], key: str | None
) -> dict[str, Any]:
    """Run the release in a private folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="safe-conduct-") as private:
        source, out = Path(private) / "in", Path(private) / "out"
        source.mkdir()
        for number, record in enumerate(records, start=1):
            (source / f"{number:06d}.json").write_bytes(orjson.dumps(record))
        done = release(house, caller, source, request, out, key=key)
        document: dict[str, Any] = {"decision": done.decided.document, "release": None, "records": []}
        if done.summary is not None:
            document["release"] = {name: value for name, value in done.summary.items() if name != "folder"}
            document["manifest"] = orjson.loads((out / "manifest.json").read_bytes())
            document["records"] = list(_written(out / "records"))
        return document


def _written(folder: Path) -> Iterator[Any]:
    for path in sorted(folder.iterdir()):
        yield orjson.loads(path.read_bytes())
