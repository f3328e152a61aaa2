"""The routes of the second earlier program, for apps that still call them: a thin layer.

Requests are checked before they are accepted, nothing is ready before it is, and a model is sent
piece by piece. The replies are those of then; what went wrong is told in today's shape.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from tellapart.errors import RequestError
from tellapart.rest.auth import Reading, Writing
from tellapart.rest.downloads import File, answer
from tellapart.rest.predictions import HELD
from tellapart.runtime.old_models import OldModels

router = APIRouter(tags=["earlier programs"])

_MOST_SPEC = 1_000_000
_SPEC: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
ModelName = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


@router.post("/make-model", openapi_extra=_SPEC, response_class=PlainTextResponse)
async def make_model(request: Request, desk: Writing) -> PlainTextResponse:
    """Queue the training of a spec; `X-Run` of the answer is its run."""
    async with HELD.body(request, _MOST_SPEC) as data:
        try:
            spec = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise RequestError(
                "The body is not UTF-8.", expected="a spec as JSON", do="Send it in UTF-8."
            ) from None
    run = await asyncio.to_thread(OldModels(desk).make, spec)
    return PlainTextResponse("Request received", headers={"X-Run": run.id})


@router.get("/check-model")
async def check_model(model_name: ModelName, desk: Reading) -> dict[str, Any]:
    """`ready`, `progress`, `progress_info` {loss, acc, epoch, total_epochs}; `error` if any."""
    return await asyncio.to_thread(OldModels(desk).check, model_name)


@router.head("/get-model", include_in_schema=False)
@router.get(
    "/get-model",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The Core ML file"},
        206: {"content": {"application/octet-stream": {}}, "description": "The range asked for"},
        404: {"description": "No such model, or not ready yet"},
    },
)
async def get_model(request: Request, model_name: ModelName, desk: Reading) -> Response:
    """The Core ML file, with `Range` and `ETag`; 404 until it is ready."""
    found = await asyncio.to_thread(OldModels(desk).model, model_name)
    return await answer(request, File.of(found))


@router.get("/get-all")
async def get_all(desk: Reading) -> list[dict[str, Any]]:
    """Every model with `model_name`, `ready`, `state`, `test_acc`, `dataset`."""
    return await asyncio.to_thread(OldModels(desk).all)


@router.get("/stop-model")
async def stop_model(request: Request, model_name: ModelName, desk: Writing) -> dict[str, Any]:
    """End the training; what was learned so far is compiled. A waiting run is cancelled."""
    site = request.headers.get("sec-fetch-site", "none")
    if site not in ("none", "same-origin"):
        # A GET that changes something: another site's picture tag must not do it.
        raise RequestError(
            f"The request comes from another site's page ({site:.40}).",
            expected="a request of an app, or of this server's own pages",
            do="Use POST /api/v1/runs/ID/stop.",
            status=403,
        )
    run = await asyncio.to_thread(OldModels(desk).stop, model_name)
    return {"stopped": True, "state": run.state, "asked": run.asked}


class Greeting(Route):
    """`GET /` for the older app: whoever can show pages gets the start page instead."""

    def __init__(self) -> None:
        super().__init__("/", _greet, methods=["GET"], include_in_schema=False)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["path"] == "/":
            headers = dict(scope["headers"])
            accepts = headers.get(b"accept", b"").lower()
            plain = b"application/json" in accepts or b"text/plain" in accepts
            if plain and b"html" not in accepts and b"*/*" not in accepts:
                return super().matches(scope)
        return Match.NONE, {}


async def _greet(request: Request) -> PlainTextResponse:
    return PlainTextResponse("QuickML is running. POST a spec to /make-model.")
