"""A run's events as they come: server-sent events, gone on with after a lost connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from tellapart.errors import RequestError, TellapartError
from tellapart.rest import shapes
from tellapart.rest.auth import access_of, desks_of, visitor_of
from tellapart.rest.gate import bearer_of, cookie_of
from tellapart.runtime import Event
from tellapart.runtime.desk import Desk

#: Streams of one account at once.
MOST = 30
#: Seconds after which a sign of life is sent, and the session looked at again.
_ALIVE = 15.0


class Streams:
    """Counts who listens."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, key: str) -> Iterator[None]:
        """One more stream of `key` for the block. Raises `RequestError` (429)."""
        self.check(key)
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    def check(self, key: str) -> None:
        """Raise `RequestError` (429) where `key` has as many as it may."""
        if self._open[key] >= self._most:
            raise RequestError(
                f"{self._most} streams of this account are open.",
                expected=f"at most {self._most} at once",
                do="Close some, or ask for the events without a stream.",
                status=429,
                retry_after=5.0,
            )


def stream(
    request: Request, desk: Desk, id: str, after: int, streams: Streams
) -> StreamingResponse:
    """The stream: each event with its number as `id`, at the end `end` with the whole run."""
    streams.check(desk.account.id)
    more = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _written(request, desk, id, after, streams), media_type="text/event-stream", headers=more
    )


async def _written(
    request: Request, desk: Desk, id: str, after: int, streams: Streams
) -> AsyncIterator[str]:
    try:
        with streams.one(desk.account.id):
            yield "retry: 2000\n\n"
            async for line in _told(request, desk, id, after):
                yield line
    except TellapartError as error:
        yield _line("error", "", error.to_dict())


async def _told(request: Request, desk: Desk, id: str, after: int) -> AsyncGenerator[str]:
    source = desk.follow(id, after=after)
    coming = asyncio.ensure_future(anext(source, None))
    looked = time.monotonic()
    try:
        while True:
            done, _ = await asyncio.wait((coming,), timeout=_ALIVE)
            if time.monotonic() - looked >= _ALIVE:
                if not await _still(request):
                    break
                looked = time.monotonic()
            if not done:
                yield ": alive\n\n"
                continue
            event: Event | None = coming.result()
            if event is None:
                run = await asyncio.to_thread(desk.run, id)
                yield _line("end", "", shapes.run(run))
                break
            yield _line(event.kind, str(event.seq), event.to_dict())
            coming = asyncio.ensure_future(anext(source, None))
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, TellapartError):
            await coming
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def _still(request: Request) -> bool:
    """Whether whoever listens may do so yet: tokens are revoked, sessions end."""
    known = visitor_of(request).account
    now = await asyncio.to_thread(
        desks_of(request).visitor,
        cookie=cookie_of(request.headers, access_of(request).cookie),
        bearer=bearer_of(request.headers),
    )
    return now.account is not None and known is not None and now.account.id == known.id


def _line(kind: str, id: str, data: object) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\n{f'id: {id}' + chr(10) if id else ''}data: {text}\n\n"


def started_after(request: Request, after: int) -> int:
    """Where a stream goes on: `Last-Event-ID` of a browser that was cut off, else `after`."""
    text = request.headers.get("last-event-id", "")
    if text.isascii() and text.isdigit() and len(text) < 16:
        return max(after, int(text))
    return after
