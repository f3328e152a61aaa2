"""One HTTP request as the routes see it, and what is answered to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import parse_qsl

from tellapart.errors import InputError, OverloadedError, RequestError, TellapartError
from tellapart.serving.answers import encode

if TYPE_CHECKING:
    from tellapart.serving.batching import Ticket

T = TypeVar("T")

JSON, TEXT = b"application/json", b"text/plain; charset=utf-8"
_TRUE, _FALSE = frozenset(("1", "true", "yes", "on", "")), frozenset(("0", "false", "no", "off"))
_MOST_FIELDS = 64
#: Pieces of a body below this are put together as they come.
_SMALL = 4096
#: Bytes of a body that may come before somebody reads it.
_AHEAD = 262_144


class Disconnected(Exception):  # noqa: N818 - nothing is wrong: the client has gone
    """The client has gone before its request was read."""


class Connected(Protocol):
    """What a request knows of the connection that it came by."""

    @property
    def peer(self) -> str:
        """The other side's address."""

    def answer(self, request: Request, response: Response) -> None:
        """Send the answer, unless the client has gone or has one already."""

    def proceed(self) -> None:
        """Ask for a body that waits to be asked for (`Expect: 100-continue`)."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """End it at once."""


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

    # Defaults stand here, so that a request costs little to make.

    #: When its head had come (monotonic).
    began = 0.0
    id = ""
    #: The name of its route, for figures and the log.
    route = "unknown"
    #: Which model answered, for the log; empty where none did.
    model = ""
    #: Bytes of its body that count against the budget.
    held = 0
    #: Bytes of pictures that it only named.
    got = 0
    #: Whether the client has gone.
    gone = False
    #: Whether its body goes to the pool as it is, without a task.
    direct = False
    #: What answers it: a job, or a task.
    ticket: Ticket | None = None
    task: asyncio.Task[None] | None = None
    #: Bytes of the body that have come and that nobody has taken.
    _ahead = 0
    _waiter: asyncio.Future[None] | None = None
    #: What is cancelled where the client goes.
    _futures: Sequence[asyncio.Future[Any]] = ()
    _peer = ""

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes = b"",
        headers: dict[bytes, bytes] | None = None,
        connection: Connected | None = None,
        *,
        body: bytes | None = b"",
        length: int | None = 0,
        local: bool = False,
        peer: str = "",
    ) -> None:
        """`headers`: names in lower case. `body`: None where it is still to come (see `feed`), of
        `length` bytes (None: nobody knows)."""
        self.method = method
        self.path = path
        self.headers: dict[bytes, bytes] = {} if headers is None else headers
        self.local = local
        self.connection = connection
        #: The body's length as declared; None where it comes in chunks.
        self.length = length
        #: Whether the body has come to its end.
        self.whole = False
        self._query = query
        self._parts: list[bytes | bytearray] = []
        if body is not None:
            self._parts.append(body)
            self.length, self.whole = len(body), True
        if peer:
            self._peer = peer

    @property
    def client(self) -> str:
        """The other side's address; `local` on the Unix socket."""
        if self.local:
            return "local"
        if self.connection is not None:
            return self.connection.peer
        return self._peer or "unknown"

    # --- what its connection tells

    def feed(self, data: bytes) -> None:
        """More of the body."""
        parts = self._parts
        if parts and len(data) < _SMALL:
            # A million pieces of a byte each would take a hundred times their size.
            last = parts[-1]
            if type(last) is not bytearray:
                last = bytearray()
                parts.append(last)
            last += data
        else:
            parts.append(data)
        self._ahead += len(data)
        if self._waiter is not None:
            self._wake()
        elif self._ahead > _AHEAD and self.connection is not None and not self.direct:
            self.connection.pause()

    @property
    def fed(self) -> bool:
        """Whether some of the body has come that nobody has taken."""
        return bool(self._parts)

    def end(self) -> None:
        """The body has come whole."""
        self.whole = True
        self._wake()

    def leave(self) -> None:
        """The client has gone: nobody waits for the answer any more."""
        self.gone = True
        self._wake()
        for future in self._futures:
            future.cancel()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- what its answer is made from

    @property
    def media_type(self) -> str:
        """The body's media type in lower case, without parameters; empty where none is given."""
        return self.header(b"content-type").partition(";")[0].strip().lower()

    @property
    def bare(self) -> bool:
        """Whether its path and body say all that it asks."""
        headers = self.headers
        return not (self._query or b"expect" in headers or b"content-encoding" in headers)

    def header(self, name: bytes) -> str:
        """One header's text; empty where it is absent."""
        return self.headers.get(name, b"").decode("latin-1")

    def query(self, *known: str) -> dict[str, str]:
        """The query's fields. Raises `InputError` for one that is not among `known`."""
        raw = self._query
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
        found: bytes | bytearray = b""
        size = 0
        while True:
            for piece in self.take():
                size += len(piece)
                self.hold(len(piece), budget)
                if not found:
                    found = piece
                else:
                    found = found if type(found) is bytearray else bytearray(found)
                    found += piece
            if size > limit:
                raise too_large(limit)
            if self.whole:
                return bytes(found)
            await self._more()

    def take(self) -> list[bytes | bytearray]:
        """What has come of the body, and nobody has taken yet."""
        parts, self._parts, self._ahead = self._parts, [], 0
        return parts

    async def _more(self) -> None:
        """Wait until more of the body has come, or its end. Raises `Disconnected`."""
        if self.connection is not None:
            self.connection.proceed()
            self.connection.resume()
        if not self.gone:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.gone:
            raise Disconnected

    async def wait(self, futures: Sequence[asyncio.Future[T]]) -> list[T | BaseException]:
        """The results of all, or their errors. Raises `Disconnected` where the client goes."""
        self._futures = futures
        try:
            if self.gone:
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
            self._futures = ()

    def hold(self, size: int, budget: Budget) -> None:
        """Count bytes of this request until it is answered. Raises `OverloadedError`."""
        budget.take(size)
        self.held += size


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
