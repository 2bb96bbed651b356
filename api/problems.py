"""Failures as RFC 9457 problem documents; no message carries a patient's value, id or file name."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from governance.errors import SafeConductError
from governance.logs import get_log

__all__ = ["install_problems", "problem"]

_TYPE = "https://safe-conduct.example/problems/"


def problem(status: int, code: str, title: str, **more: object) -> JSONResponse:
    """Make one problem document.

    Args:
        status: HTTP status.
        code: stable word, the last segment of the problem's type.
        title: what happened, in words.
        **more: extension members; None is left out.
    """
    body = {"type": _TYPE + code, "title": title, "status": status, "code": code}
    body |= {key: value for key, value in more.items() if value is not None}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SafeConductError)
    if error.status >= 500:
        get_log().error("request failed", code=error.code, status=error.status, method=request.method)
    faults = [
        {"where": d.where, "message": d.message, "hint": d.hint, "severity": d.severity} for d in error.diagnostics
    ]
    return problem(error.status, error.code, error.message, where=error.where, hint=error.hint, errors=faults or None)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, "http", str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [{"where": ".".join(map(str, e["loc"])), "message": str(e["msg"])} for e in error.errors()]
    return problem(400, "input", "the request is not usable", errors=faults)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    get_log().error("request failed", code="fault", status=500, method=request.method, error_type=type(error).__name__)
    return problem(500, "fault", "something failed on our side; nothing was handed out")


def install_problems(app: FastAPI) -> None:
    """Answer every failure with a problem document."""
    app.add_exception_handler(SafeConductError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
