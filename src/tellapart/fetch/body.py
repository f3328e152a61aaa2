"""Reading a body within bounds: bytes on the wire, bytes after decoding, and a steady rate."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass

from tellapart.fetch.reasons import problem


@dataclass(frozen=True)
class Limits:
    """Bounds of one request. Defaults suit pictures on the open web."""

    #: Seconds on the network in all, redirects and repeated attempts included; without the
    #: time spent waiting for a free slot or for a moment the server named.
    seconds: float = 30.0
    #: Bytes of a body, on the wire and decoded.
    max_bytes: int = 25_000_000
    #: Keep the first `max_bytes` of a longer body instead of failing.
    cut: bool = False
    #: Bytes a second a body must bring on average, once `grace` seconds are over.
    min_rate: float = 1024.0
    grace: float = 5.0
    #: Tries in all after connection errors and 429, 502, 503, 504.
    attempts: int = 4
    #: Seconds before the second try; doubled for each further one.
    backoff: float = 0.5
    max_redirects: int = 5
    #: Longest pause a server may ask for; where it asks for more, there is no second try.
    max_retry_after: float = 60.0
    #: Longest pause between two requests that a robots.txt may ask for.
    max_crawl_delay: float = 10.0


class Clock:
    """The running timer of one exchange: the time left in all, and the body's minimum rate.

    One timer serves for a silent server, a slow drip and the total: with every piece the
    moment moves at which the body will have been too slow.
    """

    def __init__(self, timer: asyncio.Timeout, limits: Limits, end: float) -> None:
        self._timer, self._limits, self._end = timer, limits, end
        self._start = asyncio.get_running_loop().time()
        self.slow = False

    def body_starts(self) -> None:
        self._start = asyncio.get_running_loop().time()
        self.received(0)

    def since(self, start: float) -> float:
        """Seconds since the loop's time `start`."""
        return asyncio.get_running_loop().time() - start

    def received(self, total: int) -> None:
        """Move the deadline: `total` bytes of the body are here."""
        due = self._start + self._limits.grace + total / self._limits.min_rate
        self.slow = due < self._end
        self._timer.reschedule(min(due, self._end))


async def read(
    stream: AsyncIterable[bytes],
    encoding: str,
    clock: Clock,
    *,
    limits: Limits,
    url: str,
    check_head: Callable[[bytes], object],
    head_bytes: int,
) -> bytes:
    """Return the decoded body. `check_head` gets its start once `head_bytes` are here; may raise.

    Raises `FetchError` (`too_large`, `encoding`).
    """
    decoder = _decoder(encoding, url)
    # One growing buffer: a list would hold millions of objects for a body sent byte by byte.
    body = bytearray()
    wire = 0
    checked = False
    clock.body_starts()
    async for chunk in stream:
        wire += len(chunk)
        clock.received(wire)
        body += chunk if decoder is None else decoder.feed(chunk, limits.max_bytes - len(body))
        if len(body) > limits.max_bytes or wire > limits.max_bytes:
            if limits.cut:
                return bytes(body[: limits.max_bytes])
            raise problem("too_large", f"{url} sent more than {limits.max_bytes:,} bytes.")
        if not checked and len(body) >= head_bytes:
            checked = True
            check_head(bytes(body[:head_bytes]))
    if decoder is not None:
        decoder.finish()
    return bytes(body)


def _decoder(encoding: str, url: str) -> _Inflate | None:
    names = [name.strip() for name in encoding.lower().split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names:
        return None
    if len(names) > 1 or names[0] not in ("gzip", "x-gzip", "deflate"):
        raise problem("encoding", f"{url} sent a body encoded as {encoding!r}.")
    return _Inflate(url, raw_allowed=names[0] == "deflate")


class _Inflate:
    """gzip and deflate, never holding more than what is still allowed plus one byte."""

    def __init__(self, url: str, *, raw_allowed: bool) -> None:
        self._url = url
        self._raw_allowed = raw_allowed
        # 47: gzip or zlib, told from the header.
        self._inner = zlib.decompressobj(47)
        self._fed = False
        self._over = False

    def feed(self, data: bytes, room: int) -> bytes:
        """Decode `data`, at most `room` + 1 bytes: the one too many tells that it is too large."""
        pieces: list[bytes] = []
        left = room + 1
        while data and left > 0 and not self._over:
            piece = self._step(data, left)
            left -= len(piece)
            pieces.append(piece)
            if self._inner.eof:
                # Members may follow one another; anything else behind the end is ignored.
                data = self._inner.unused_data
                if data.startswith(b"\x1f\x8b"):
                    self._inner = zlib.decompressobj(47)
                else:
                    self._over = bool(data)
            else:
                data = self._inner.unconsumed_tail
        return b"".join(pieces)

    def finish(self) -> None:
        if self._fed and not self._inner.eof:
            raise problem("encoding", f"{self._url} sent a compressed body that breaks off.")

    def _step(self, data: bytes, room: int) -> bytes:
        first, self._fed = not self._fed, True
        try:
            return self._inner.decompress(data, room)
        except zlib.error as error:
            if first and self._raw_allowed:
                # Some servers mean bare deflate without zlib's header.
                self._inner = zlib.decompressobj(-15)
                try:
                    return self._inner.decompress(data, room)
                except zlib.error:
                    pass
            raise problem(
                "encoding", f"{self._url} sent a compressed body that is broken: {error}."
            ) from None
