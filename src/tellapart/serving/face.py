"""uvicorn, with our connections, our signals and our sockets."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Iterator

import uvicorn

from tellapart.serving.app import App
from tellapart.serving.connections import Connection, connection_class
from tellapart.serving.options import Options

#: Seconds for which a connection may stay open between two requests.
_KEEP_ALIVE = 75
_BACKLOG = 2048


class Face(uvicorn.Server):
    """The HTTP server of one app."""

    def __init__(self, app: App, options: Options) -> None:
        self.face = app
        self._listening = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                app,
                http=connection_class(options),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=math.ceil(options.drain),
            )
        )

    async def listening(self) -> None:
        """Return when connections are accepted."""
        await self._listening.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()

    def check(self, now: float) -> None:
        """End connections that let the server wait too long; `now`: of the loop's clock."""
        for one in list(self.server_state.connections):
            if isinstance(one, Connection):
                one.check(now)

    async def close(self) -> None:
        """Close what the app holds beside connections."""
        await self.face.elsewhere.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the program's, whose order of stopping is its own."""
        yield
