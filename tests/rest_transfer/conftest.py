"""A real server on a free port of loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from tellapart.errors import TellapartError


async def problem(request: Request, error: Exception) -> JSONResponse:
    """An error as the server tells it."""
    assert isinstance(error, TellapartError)
    return JSONResponse(error.to_dict(), error.http_status)


@contextlib.contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve `app`; its base URL."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="critical", lifespan="off", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
