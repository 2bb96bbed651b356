"""The application: routes, problem documents, bounds on bodies, a request id on every answer."""

from __future__ import annotations

import secrets

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import HouseDep
from api.problems import install_problems, problem
from api.routes import audit, consents, decisions, registers, releases
from governance.usecases.ports import House

__all__ = ["make_app"]

_LONGEST_ID = 128


def make_app(house: House) -> FastAPI:
    """Make the application over a composed house."""
    app = FastAPI(
        title="Safe Conduct", version="1",
        description="Decides whether health data may cross a border, changes them until they may, and proves it.",
    )  # fmt: skip
    app.state.house = house
    install_problems(app)
    for module in (decisions, releases, registers, consents, audit):
        app.include_router(module.router)

    @app.get("/healthz", summary="Is the server alive, and does its database answer?")
    def healthz(house: HouseDep) -> JSONResponse:
        with house.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        return JSONResponse({"status": "ok", "policy": house.current().policies.digest})

    app.add_middleware(_Bounds, limit=house.settings.body_limit)
    return app


class _Bounds:
    """Refuses a body that is larger than the limit before anything reads it; names each answer."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        given = headers.get(b"x-request-id", b"")
        safe = given.replace(b"-", b"").isalnum() and len(given) <= _LONGEST_ID
        name = given if safe else secrets.token_hex(8).encode()

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", name)]
            await send(message)

        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limit:
            await self._refused()(scope, receive, named)
            return
        seen, too_large = 0, False

        async def counted() -> Message:
            nonlocal seen, too_large
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                too_large = True
                return {"type": "http.disconnect"}
            return message

        async def guarded(message: Message) -> None:
            if not too_large:
                await named(message)

        await self._app(scope, counted, guarded)
        if too_large:
            await self._refused()(scope, receive, named)

    def _refused(self) -> JSONResponse:
        return problem(413, "too-large", f"the body is larger than {self._limit} bytes", hint="send it in parts")
