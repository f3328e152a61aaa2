"""Connections that are kept: each serves one request at a time, and is found without a search.

httpcore's own pool looks at every connection whenever a request begins or ends, which for 32 of
them is two fifths of what fetching a small picture costs. How many are in use is bounded by the
slots of the fetcher; here only those that wait for a next request are counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import cast

import httpcore

#: Scheme, proxy (or an empty string), host, port.
Key = tuple[str, str, str, int]


class Connections:
    """Lends connections out; at most `most` are kept while nobody uses them."""

    def __init__(self, most: int) -> None:
        self._most = most
        #: Unused ones by what they lead to; whose were given back longest ago come first.
        self._unused: OrderedDict[Key, list[httpcore.AsyncConnectionInterface]] = OrderedDict()
        self._count = 0
        self._in_use: set[httpcore.AsyncConnectionInterface] = set()
        self._closed = False

    async def send(
        self,
        key: Key,
        request: httpcore.Request,
        make: Callable[[], httpcore.AsyncConnectionInterface],
    ) -> httpcore.Response:
        """Send `request` over a kept connection, or one that `make` gives.

        The connection is free again once the answer is closed.
        """
        connection = await self._take(key) or make()
        self._in_use.add(connection)
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._close(connection)
            raise
        stream = cast("AsyncIterable[bytes]", response.stream)
        return httpcore.Response(
            response.status,
            headers=response.headers,
            content=_Body(stream, self, key, connection),
            extensions=response.extensions,
        )

    async def give_back(self, key: Key, connection: httpcore.AsyncConnectionInterface) -> None:
        """Keep a connection whose answer was read to its end; close any other."""
        if self._closed or not connection.is_idle():
            await self._close(connection)
            return
        self._in_use.discard(connection)
        self._unused.setdefault(key, []).append(connection)
        self._unused.move_to_end(key)
        self._count += 1
        if self._count > self._most:
            oldest = next(iter(self._unused))
            await self._close(self._out(oldest, 0))

    async def aclose(self) -> None:
        """Close all, and whatever is given back later."""
        self._closed = True
        found = [*self._in_use, *(one for many in self._unused.values() for one in many)]
        self._unused.clear()
        self._count = 0
        for connection in found:
            await self._close(connection)

    async def _take(self, key: Key) -> httpcore.AsyncConnectionInterface | None:
        """The one used last, if the other side has not closed it."""
        while key in self._unused:
            connection = self._out(key, -1)
            if not connection.has_expired():
                return connection
            await self._close(connection)
        return None

    def _out(self, key: Key, place: int) -> httpcore.AsyncConnectionInterface:
        kept = self._unused[key]
        connection = kept.pop(place)
        if not kept:
            del self._unused[key]
        self._count -= 1
        return connection

    async def _close(self, connection: httpcore.AsyncConnectionInterface) -> None:
        self._in_use.discard(connection)
        if not connection.is_closed():
            await connection.aclose()


class _Body:
    """An answer's body; closing it gives its connection back."""

    def __init__(
        self,
        stream: AsyncIterable[bytes],
        connections: Connections,
        key: Key,
        connection: httpcore.AsyncConnectionInterface,
    ) -> None:
        self._stream = stream
        self._connections = connections
        self._key = key
        self._connection = connection
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if hasattr(self._stream, "aclose"):
                await self._stream.aclose()
        finally:
            await self._connections.give_back(self._key, self._connection)
