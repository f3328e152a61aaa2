"""The HTTP server of one app: its sockets and its connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from email.utils import formatdate

from tellapart.serving.app import App
from tellapart.serving.connections import Connection
from tellapart.serving.links import settled

_BACKLOG = 2048
#: Seconds that clients get to take their last answers.
_LAST = 1.0


class Face:
    """Accepts connections for one app. One event loop's."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.connections: set[Connection] = set()
        #: The line of a head that tells the time; renewed by `check`.
        self.date = _date()
        #: Whether no request is taken any more.
        self.stopping = False
        self._servers: list[asyncio.Server] = []
        self._hurry = False

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on sockets that listen."""
        loop = asyncio.get_running_loop()
        for one in sockets:
            server = await loop.create_server(lambda: Connection(self), sock=one, backlog=_BACKLOG)
            self._servers.append(server)

    def check(self, now: float) -> None:
        """End connections that let the server wait too long; `now`: monotonic."""
        self.date = _date()
        for one in list(self.connections):
            one.check(now)

    def hurry(self) -> None:
        """Have no patience with what is still open when the server stops."""
        self._hurry = True

    async def stop(self, seconds: float) -> None:
        """Take nothing new; answer what is open, within so many seconds; tell the others."""
        self.stopping = True
        for server in self._servers:
            server.close()
        for one in list(self.connections):
            one.leave()
        await settled(lambda: not self.connections or self._hurry, seconds)
        for one in list(self.connections):
            if one.request is not None:
                self.app.cut_off(one.request)
            else:
                one.leave()
        await settled(lambda: not self.connections, _LAST)
        for one in list(self.connections):
            one.abort()

    async def close(self) -> None:
        """Close what the app holds beside connections."""
        await self.app.close()


def _date() -> bytes:
    return f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")
