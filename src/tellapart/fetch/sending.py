"""One request that does something: sent once, never a second time, no redirect followed.

What a caller must know when it fails is whether the service may have got it. So an error is
raised only where not one byte of the request was written; anything later is an answer, maybe
without a status.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpcore

from tellapart.errors import FetchError
from tellapart.fetch.body import Clock, Limits, read
from tellapart.fetch.guard import Target
from tellapart.fetch.optout import opted_out
from tellapart.fetch.reasons import problem, shorten
from tellapart.fetch.transport import Transport

_WRITES = ("http11.send_request_headers.started", "http2.send_request_headers.started")


@dataclass(frozen=True)
class Sent:
    """What came of a request that was sent, whatever its status."""

    #: 0: no status came.
    status: int
    #: Names in lower case; of a repeated header the last value.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    data: bytes = field(default=b"", repr=False)
    #: Why there is no complete answer; its words never quote what the service said.
    error: FetchError | None = None
    #: The headers as they came, repeated ones too.
    raw: Sequence[tuple[bytes, bytes]] = field(default=(), repr=False)

    @property
    def opted_out(self) -> str | None:
        """The header by which the owner says: not for training."""
        return opted_out(self.raw)

    def json(self) -> Any:
        """The answer read as JSON. Raises `FetchError` (`not_json`), which does not quote it."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
            raise problem("not_json", "The answer is not JSON.") from None


async def send(
    transport: Transport,
    target: Target,
    headers: list[tuple[bytes, bytes]],
    limits: Limits,
    *,
    method: str,
    content: bytes | None,
) -> Sent:
    """Send one request and read its answer. Raises `FetchError` where nothing was sent."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.seconds
    url, begun = shorten(target.url), False
    status, fields = 0, {}
    came: Sequence[tuple[bytes, bytes]] = ()

    async def trace(event: str, _: Mapping[str, Any]) -> None:
        nonlocal begun
        begun = begun or event in _WRITES

    try:
        async with asyncio.timeout_at(end) as timer:
            response = await transport.send(
                target, headers, method=method.encode("ascii"), content=content, trace=trace
            )
            try:
                status, came = response.status, response.headers
                fields = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in came
                }
                data = await read(
                    cast("AsyncIterable[bytes]", response.stream),
                    fields.get("content-encoding", ""),
                    Clock(timer, limits, end),
                    limits=limits,
                    url=url,
                    check_head=_anything,
                    head_bytes=0,
                )
            finally:
                await response.aclose()
    except FetchError as error:
        failure = error
    except (TimeoutError, httpcore.TimeoutException):
        failure = problem("timeout", f"{url} did not answer within {limits.seconds:.0f} s.")
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
        # The type alone: a protocol error may quote a header, and so a token.
        failure = problem("connection", f"{url}: {type(error).__name__}.")
    else:
        return Sent(status, fields, data, raw=came)
    if not begun:
        raise failure
    return Sent(status, fields, error=failure, raw=came)


def _anything(_: bytes) -> None:
    pass
