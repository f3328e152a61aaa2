"""One request and its answer, read within bounds; what may be tried again is told apart."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import httpcore

from tellapart.errors import FetchError
from tellapart.fetch import sniff
from tellapart.fetch.body import Clock, Limits, read
from tellapart.fetch.guard import Target
from tellapart.fetch.optout import opted_out
from tellapart.fetch.politeness import retry_after
from tellapart.fetch.reasons import problem, shorten
from tellapart.fetch.transport import Transport

REDIRECTS = frozenset((301, 302, 303, 307, 308))
_RETRIED = frozenset((429, 502, 503, 504))
#: Bytes of an error's or a redirect's body read so that the connection can be used again.
_DRAIN = 16_384


@dataclass(frozen=True)
class Answer:
    """What came of one try. `error` is set where it failed in a way that may pass."""

    #: Seconds spent on the network.
    seconds: float
    status: int = 0
    headers: dict[str, str] | None = None
    data: bytes = b""
    error: FetchError | None = None
    #: Seconds to wait before another try; 0: the caller's backoff; `None`: no use.
    retry: float | None = None


@dataclass(frozen=True)
class Wanted:
    """What the caller expects of the body."""

    expect: sniff.Expect
    #: Whether opt-out headers refuse the answer.
    heed_opt_out: bool


async def exchange(
    transport: Transport,
    target: Target,
    headers: list[tuple[bytes, bytes]],
    limits: Limits,
    wanted: Wanted,
) -> Answer:
    """Send a GET request and read the answer.

    Raises `FetchError` for what no second try mends; returns the rest in `Answer.error`.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    clock: Clock | None = None
    url = shorten(target.url)
    try:
        async with asyncio.timeout_at(start + limits.seconds) as timer:
            clock = Clock(timer, limits, start + limits.seconds)
            response = await transport.send(target, headers)
            try:
                return await _receive(response, target, limits, clock, wanted, start)
            finally:
                await response.aclose()
    except (TimeoutError, httpcore.TimeoutException):
        if clock is not None and clock.slow:
            raise problem(
                "too_slow", f"{url} sends less than {limits.min_rate:,.0f} bytes a second."
            ) from None
        seconds = loop.time() - start
        raise problem("timeout", f"{url} did not answer within {seconds:.0f} s.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
        if error.args and isinstance(error.args[0], ssl.SSLError):
            raise problem("tls", f"{url}: {error}.") from None
        words = str(error) or type(error).__name__
        again = not isinstance(error, httpcore.LocalProtocolError)
        return Answer(
            loop.time() - start,
            error=problem("connection", f"{url}: {words}."),
            retry=0.0 if again else None,
        )


async def _receive(
    response: httpcore.Response,
    target: Target,
    limits: Limits,
    clock: Clock,
    wanted: Wanted,
    start: float,
) -> Answer:
    status, url = response.status, shorten(target.url)
    headers = _join(response.headers)
    if wanted.heed_opt_out and (header := opted_out(response.headers)):
        raise problem("opted_out", f"{url} answered with the header {shorten(header)!r}.")
    stream = cast("AsyncIterable[bytes]", response.stream)
    if 200 <= status < 300:
        _check_length(headers.get("content-length", ""), limits, url)
        data = await read(
            stream,
            headers.get("content-encoding", ""),
            clock,
            limits=limits,
            url=url,
            check_head=_early(wanted, url),
            head_bytes=sniff.HEAD,
        )
        return Answer(clock.since(start), status, headers, data)
    said = await _drain(stream, clock)
    if status in REDIRECTS and headers.get("location"):
        return Answer(clock.since(start), status, headers)
    error = _failure(status, url, said if wanted.expect == "json" else b"")
    retry = (retry_after(headers.get("retry-after")) or 0.0) if status in _RETRIED else None
    return Answer(clock.since(start), status, headers, error=error, retry=retry)


def _failure(status: int, url: str, said: bytes) -> FetchError:
    # An API says in its body what was wrong with the question.
    words = shorten(" ".join(said.decode("utf-8", "replace").split()), 300)
    detail = f": {words}" if words else "."
    if status == 429:
        return problem("rate_limited", f"{url} answered 429, too many requests{detail}")
    return problem(f"http_{status}", f"{url} answered with status {status}{detail}")


def _early(wanted: Wanted, url: str) -> Callable[[bytes], object]:
    """Stop at the first bytes of a page that poses as a picture, not at its last."""
    return lambda head: sniff.check(head, wanted.expect, url)


def _check_length(length: str, limits: Limits, url: str) -> None:
    """Refuse early what says itself that it is too large; a lie is found while reading."""
    if length.isdigit() and int(length[:18]) > limits.max_bytes and not limits.cut:
        raise problem(
            "too_large", f"{url} announces {length[:18]} bytes, more than {limits.max_bytes:,}."
        )


async def _drain(stream: AsyncIterable[bytes], clock: Clock) -> bytes:
    clock.body_starts()
    kept = b""
    async for chunk in stream:
        kept += chunk
        clock.received(len(kept))
        if len(kept) > _DRAIN:
            break
    return kept[:2048]


def _join(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode("utf-8")
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
