"""One HTTP request as the routes see it, and what is answered to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from tellapart.errors import InputError, OverloadedError, RequestError, TellapartError

T = TypeVar("T")
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Any], Awaitable[None]]

JSON, TEXT = b"application/json", b"text/plain; charset=utf-8"
#: Whether a connection came over the Unix socket stands in the scope under this key.
LOCAL = "tellapart.local"
#: And under this one the connection's `Waiting`.
WAITING = "tellapart.waiting"
_TRUE, _FALSE = frozenset(("1", "true", "yes", "on", "")), frozenset(("0", "false", "no", "off"))
_MOST_FIELDS = 64
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Disconnected(Exception):  # noqa: N818 - nothing is wrong: the client has gone
    """The client has gone before its request was read."""


class Waiting:
    """What a connection's request waits for."""

    __slots__ = ("futures", "gone")

    def __init__(self) -> None:
        self.futures: Sequence[asyncio.Future[Any]] = ()
        #: Whether the client has gone.
        self.gone = False

    def end(self) -> None:
        """The client has gone: nobody waits any more."""
        self.gone = True
        for future in self.futures:
            future.cancel()


class Budget:
    """Bytes of bodies that may be held at once, by all requests: each until it is answered.

    What has come is counted, not what was announced: announcing costs nothing.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0

    def take(self, size: int) -> None:
        """Raises `OverloadedError` where there is no room."""
        if self.held + size > self.most:
            raise overloaded(1.0)
        self.held += size

    def give(self, size: int) -> None:
        self.held -= size


class Response(NamedTuple):
    """What is answered: status, body, media type and further headers."""

    status: int
    body: bytes
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request:
    """One request. `id` names it in the log and in the answer's `X-Request-ID`."""

    __slots__ = (
        "_receive",
        "_scope",
        "_waiting",
        "answered",
        "got",
        "headers",
        "held",
        "id",
        "local",
        "method",
        "model",
        "path",
        "read",
        "route",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        #: Of equal names the last one stands.
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.local: bool = scope.get(LOCAL, False)
        self.id = ""
        #: The name of its route, for figures and the log.
        self.route = "unknown"
        #: Which model answered, for the log; empty where none did.
        self.model = ""
        #: Bytes of its body that count against the budget.
        self.held = 0
        #: Bytes of pictures that it only named.
        self.got = 0
        #: Whether an answer has begun.
        self.answered = False
        #: What is cancelled where the client goes.
        self._waiting: Waiting = scope.get(WAITING) or Waiting()
        #: Whether the body has been read to its end.
        self.read = False

    @property
    def client(self) -> str:
        """The other side's address; `local` on the Unix socket."""
        if self.local:
            return "local"
        peer = self._scope.get("client")
        return str(peer[0]) if peer else "unknown"

    @property
    def media_type(self) -> str:
        """The body's media type in lower case, without parameters; empty where none is given."""
        return self.header(b"content-type").partition(";")[0].strip().lower()

    @property
    def length(self) -> int | None:
        """The body's length as declared; None where it comes in chunks."""
        if b"transfer-encoding" in self.headers:
            return None
        # The parser has refused what is no number.
        return int(self.headers.get(b"content-length", b"0"))

    def header(self, name: bytes) -> str:
        """One header's text; empty where it is absent."""
        return self.headers.get(name, b"").decode("latin-1")

    def query(self, *known: str) -> dict[str, str]:
        """The query's fields. Raises `InputError` for one that is not among `known`."""
        raw: bytes = self._scope["query_string"]
        if not raw:
            return {}
        try:
            pairs = parse_qsl(raw.decode("latin-1"), True, max_num_fields=_MOST_FIELDS)
        except ValueError as error:
            raise RequestError(
                f"The query cannot be read: {error}.",
                expected=f"at most {_MOST_FIELDS} fields such as ?why=1",
                do="Correct the address.",
                status=400,
            ) from None
        for name, _ in pairs:
            if name not in known:
                raise InputError(
                    f"The query has a field {name[:80]!r}.",
                    expected=f"none but {', '.join(known)}" if known else "no query",
                    do="Leave it out, or correct its name.",
                )
        return dict(pairs)

    async def body(self, limit: int, budget: Budget) -> bytes:
        """The whole body, of at most `limit` bytes, which are taken from `budget`.

        Raises `RequestError` where it is larger, `OverloadedError` where all bodies together are,
        `Disconnected` where the client goes before its end.
        """
        if (self.length or 0) > limit:
            raise too_large(limit)
        first = await self._piece()
        self.hold(len(first), budget)
        if self.read and len(first) <= limit:
            return first
        parts = bytearray(first)
        while len(parts) <= limit:
            if self.read:
                return bytes(parts)
            piece = await self._piece()
            self.hold(len(piece), budget)
            parts += piece
        raise too_large(limit)

    async def wait(self, futures: Sequence[asyncio.Future[T]]) -> list[T | BaseException]:
        """The results of all, or their errors. Raises `Disconnected` where the client goes."""
        self._waiting.futures = futures
        try:
            if self._waiting.gone:
                raise asyncio.CancelledError
            if len(futures) == 1:
                return [await futures[0]]
            found = await asyncio.gather(*futures, return_exceptions=True)
            if any(isinstance(one, asyncio.CancelledError) for one in found):
                raise Disconnected
            return found
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # the server stops
                raise
            raise Disconnected from None
        finally:
            self._waiting.futures = ()

    def hold(self, size: int, budget: Budget) -> None:
        """Count bytes of this request until it is answered. Raises `OverloadedError`."""
        budget.take(size)
        self.held += size

    async def skip(self, most: int) -> None:
        """Read on, up to `most` bytes, and drop it. Raises `Disconnected`."""
        while most > 0 and not self.read:
            most -= len(await self._piece())

    async def _piece(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise Disconnected
        self.read = not message.get("more_body")
        piece: bytes = message.get("body", b"")
        return piece


def too_large(limit: int) -> RequestError:
    """The error for a body over `limit` bytes."""
    return RequestError(
        f"The request's body is larger than {limit / 1e6:g} MB.",
        expected=f"at most {limit:,} bytes",
        do="Send a smaller picture, or fewer at once.",
        status=413,
    )


def flag(name: str, text: str | None) -> bool:
    """A yes or no of the query; None is no. Raises `InputError`."""
    word = "0" if text is None else text.lower()
    if word not in _TRUE | _FALSE:
        raise InputError(
            f"The field {name} of the query is {text!r:.80}.",
            expected="1 or 0",
            do=f"Write ?{name}=1, or leave it out.",
        )
    return word in _TRUE


def encode(value: Any) -> bytes:
    """JSON in ASCII, so that no text of a request can spoil it."""
    return _encode(value).encode("ascii")


def json_response(value: Any, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(status, encode(value))


def retry_header(error: TellapartError) -> tuple[tuple[bytes, bytes], ...]:
    """`Retry-After` in whole seconds, where an error knows when to ask again."""
    after = getattr(error, "retry_after", None)
    if after is None:
        return ()
    return ((b"retry-after", b"%d" % max(1, min(3600, round(after + 0.5)))),)


def problem(error: TellapartError) -> Response:
    """An error as the answer: the one JSON shape, and the status of its family."""
    headers = retry_header(error)
    status = error.http_status
    if status == 401:
        headers += ((b"www-authenticate", b"Bearer"),)
    return Response(status, encode(error.to_dict()), JSON, headers)


def stopping() -> OverloadedError:
    """The error for a request that the end of the server cuts off."""
    return OverloadedError(
        "The server stops before this request is answered.",
        expected="a server that goes on",
        do="Ask again in 5 s.",
        retry_after=5.0,
    )


def overloaded(retry_after: float) -> OverloadedError:
    """The error for a request that is turned away because the server has enough to do."""
    return OverloadedError(
        "The server has as much work as it can take.",
        expected="fewer requests at once",
        do=f"Ask again in {max(1, round(retry_after + 0.5))} s.",
        retry_after=retry_after,
    )
