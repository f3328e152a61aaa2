"""The FastAPI application, put together."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse

from tellapart import __version__
from tellapart.rest import document, errors
from tellapart.rest.auth import desks_of, visitor_of
from tellapart.rest.events import Streams
from tellapart.rest.gate import Gate
from tellapart.rest.idempotency import Once
from tellapart.rest.old_quickml import Greeting
from tellapart.runtime.entrance import Access, Desks

#: Rooms with a `router` below /api/v1, and those at the root.
_API = (
    "projects",
    "pictures",
    "curation",
    "runs",
    "versions",
    "downloads",
    "uploads",
    "predictions",
    "decks",
    "candidates",
)
_ACCOUNTS = ("accounts", "tokens")
#: For calls of pages and routes that block.
_THREADS = 48
_ROOT = ("links", "old_quickml", "old_picaisso")


def build(desks: Desks, access: Access) -> FastAPI:
    """See `tellapart.rest.build`."""
    app = FastAPI(
        title="Tellapart",
        version=__version__,
        summary="From the things you want told apart to a verified classifier.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.desks, app.state.access, app.state.streams = desks, access, Streams()
    errors.install(app)
    api = APIRouter(prefix="/api/v1", responses=document.ERRORS)
    for name in (*_API, *_ACCOUNTS):
        api.include_router(importlib.import_module(f"tellapart.rest.{name}").router)
    api.add_api_route("/health", _health, methods=["GET"], tags=["server"], name="health")
    app.include_router(api)
    app.router.routes.append(Greeting())  # before the pages' start page
    for name in _ROOT:
        app.include_router(importlib.import_module(f"tellapart.rest.{name}").router)
    app.add_api_route("/api", _page, methods=["GET"], include_in_schema=False)
    # The last one added is the first one asked.
    app.add_middleware(Once)
    app.add_middleware(Gate, desks=desks, access=access)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    desks: Desks = app.state.desks
    # The default is few threads on few cores, and some calls wait: for a turn, for the database.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "desk"))
    try:
        yield
    finally:
        desks.close()
        if desks.residents is not None:
            await desks.residents.close()


def _health(request: Request) -> dict[str, object]:
    """Whether the server stands: `ok` or `warning`; to who is known, why."""
    account = visitor_of(request).account
    if account is None:
        return {"state": "ok"}
    found = desks_of(request).of(account).health()
    if account.is_admin:
        return found.to_dict()
    return {"state": found.state, "warnings": found.warnings}


def _page(request: Request) -> HTMLResponse:
    """The addresses for people, as one page that loads nothing."""
    return HTMLResponse(document.page(request.app.openapi()))
