"""The gate that every request and websocket of the server goes through, pages too.

In this order: is the host one of ours (DNS rebinding), who asks, does a browser ask from our own
pages (Origin, CSRF), is there a turn. Plain ASGI: answers are not buffered, so that whoever sends
them feels a slow client. They get the headers that browsers are to obey.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tellapart.errors import RequestError, TellapartError
from tellapart.rest import errors, headers
from tellapart.rest.fairness import Rates, Turns
from tellapart.runtime.entrance import Access, Desks, Visitor

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
#: Files of the program: the same for everybody.
_STATIC = ("/assets/", "/_nicegui/")
_SOCKET = "/_nicegui_ws/"
#: Addresses of earlier programs that change something by GET.
_ACTING = frozenset(("/stop-model",))
#: Where nobody needs to be known, so that no session protects anything: only Origin is looked at.
_ENTRIES = frozenset(
    f"/api/v1/{name}"
    for name in (
        "sessions",
        "accounts",
        "accounts/first",
        "accounts/confirm",
        "accounts/forgot",
        "accounts/reset",
    )
)
#: Bytes of a body, where the route itself does not count them as they come; of strangers' bodies.
MOST_BODY, _MOST_UNKNOWN = 32 * 2**20, 64 * 2**10
#: Seconds for a body to come; bodies being read at once, in all and of one account.
_BODY_SECONDS, _READING, _READING_EACH = 120.0, 64, 8
#: The same of strangers, who have places of their own: theirs are short, and may not come at all.
_UNKNOWN_SECONDS, _UNKNOWN_EACH = 20.0, 4
_THREADS = 4
_UNKNOWN_RATE, _UNKNOWN_BURST = 20.0, 100.0
_RATE, _BURST = 60.0, 240.0
#: What a thumbnail and a page of rows count of a request: a gallery asks for hundreds.
_SMALL = 0.1


class Gate:
    """ASGI middleware; sets `request.state.visitor`."""

    def __init__(self, app: ASGIApp, *, desks: Desks, access: Access) -> None:
        self.app = app
        self.desks = desks
        self.access = access
        self.turns = Turns()
        self.reading = Turns(_READING, _READING_EACH)
        self.reading_unknown = Turns(_READING, _UNKNOWN_EACH)
        self.rates = Rates(_RATE, _BURST)
        self.strangers = Rates(_UNKNOWN_RATE, _UNKNOWN_BURST)
        #: Its own, so that whatever others wait for, nobody waits to be known.
        self.threads = ThreadPoolExecutor(_THREADS, "gate")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, headers.guarded(scope, send, self.access))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._forwarded(scope)
            asked = Headers(scope=scope)
            self._host(asked)
            if scope["path"].startswith(_STATIC):
                scope.setdefault("state", {})["visitor"] = Visitor()
                await self.app(scope, receive, send)
                return
            visitor = await self._visitor(scope, asked)
            self._origin(scope, asked, visitor)
            self._length(scope, asked)
            await self._rate(scope, visitor)
        except TellapartError as error:
            await errors.response(error)(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith(_SOCKET) or (counts_itself(path) and scope["method"] not in _SAFE):
            # Long polls and uploads take their time; each counts what it holds itself.
            await self.app(scope, receive, send)
        else:
            await self._in_turn(scope, receive, send, visitor)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._forwarded(scope)
            asked = Headers(scope=scope)
            self._host(asked)
            visitor = await self._visitor(scope, asked)
            self._origin(scope, asked, visitor)
        except TellapartError:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """Work on a request in its account's turn, which ends when its answer begins.

        The body is read before: who sends it slowly waits at nobody's cost.
        """
        key, held = visitor.key, False

        async def sent(message: Message) -> None:
            nonlocal held
            if held and message["type"] == "http.response.body":
                held = False
                self.turns.give(key)
            await send(message)

        try:
            again = await self._read(scope, receive, visitor)
            if again is None:
                return  # the client has gone: it needs no turn
            await self.turns.take(key)
        except TellapartError as error:
            await errors.response(error)(scope, receive, send)
            return
        held = True
        try:
            await self.app(scope, again, sent)
        finally:
            if held:
                self.turns.give(key)

    async def _read(self, scope: Scope, receive: Receive, visitor: Visitor) -> Receive | None:
        """As `read_ahead`; what has no body waits for nobody's."""
        known = visitor.account is not None
        most, seconds = (MOST_BODY, _BODY_SECONDS) if known else (_MOST_UNKNOWN, _UNKNOWN_SECONDS)
        if not _has_body(Headers(scope=scope)):
            return await read_ahead(receive, most, seconds)
        reading = self.reading if known else self.reading_unknown
        async with reading.turn(visitor.key):
            return await read_ahead(receive, most, seconds)

    def _forwarded(self, scope: Scope) -> None:
        """What the proxy in front of us says of the client: its own, last words only."""
        asked = Headers(scope=scope)
        if not self.access.behind_proxy:
            if self.desks.accounts.single_user and "x-forwarded-for" in asked:
                raise _from_elsewhere()
            return
        addresses = asked.getlist("x-forwarded-for")
        if addresses:
            address = addresses[-1].rpartition(",")[2].strip()
            scope["client"] = (address.strip("[]")[:64], 0)
        protocols = asked.getlist("x-forwarded-proto")
        if protocols and protocols[-1].rpartition(",")[2].strip() in ("https", "http"):
            secure = protocols[-1].rpartition(",")[2].strip() == "https"
            plain, sure = ("ws", "wss") if scope["type"] == "websocket" else ("http", "https")
            scope["scheme"] = sure if secure else plain

    def _host(self, asked: Headers) -> None:
        """Answer to our own names only: a stranger's name that leads here is an attack."""
        hosts = asked.getlist("host")
        if len(hosts) != 1 or (self.access.hosts and hosts[0].lower() not in self.access.hosts):
            raise RequestError(
                f"The request is for the host {', '.join(hosts)[:100]!r}.",
                expected=f"one of {', '.join(sorted(self.access.hosts)) or 'one host'}",
                do="Use that address, or name yours when the server is started (TELLAPART_URL).",
                status=421,
            )

    async def _visitor(self, scope: Scope, asked: Headers) -> Visitor:
        address = scope["client"][0] if scope.get("client") else ""
        look = partial(
            self.desks.visitor,
            cookie=cookie_of(asked, self.access.cookie),
            bearer=bearer_of(asked),
            address=address,
        )
        visitor = await asyncio.get_running_loop().run_in_executor(self.threads, look)
        scope.setdefault("state", {})["visitor"] = visitor
        return visitor

    def _origin(self, scope: Scope, asked: Headers, visitor: Visitor) -> None:
        """Whether a browser asks from our own pages, where it brings a session by itself."""
        path = scope["path"]
        if scope["type"] == "http" and scope["method"] in _SAFE and path not in _ACTING:
            return
        if visitor.via == "token":
            return  # no browser sends it by itself
        origin = asked.get("origin")
        sure = self.access.secure or scope["scheme"] in ("https", "wss")
        scheme = "https" if sure else "http"
        ours = f"{scheme}://{asked['host']}".lower()
        if (origin is not None and origin.lower() != ours) or (
            origin is None and asked.get("sec-fetch-site", "none") not in ("none", "same-origin")
        ):
            raise RequestError(
                f"The request comes from pages of {(origin or 'another site')[:100]!r}.",
                expected=f"pages of {ours}",
                do="Open this server's own pages, or use an API token.",
                status=403,
            )
        if visitor.via == "session" and scope["type"] == "http" and not path.startswith(_SOCKET):
            if path in _ENTRIES and scope["method"] == "POST":
                return
            cookie = cookie_of(asked, self.access.cookie)
            self.desks.accounts.check_csrf(cookie, asked.get("x-csrf-token"))

    def _length(self, scope: Scope, asked: Headers) -> None:
        """Refuse by its announced length what would be refused when it has come."""
        text = asked.get("content-length", "0")
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise RequestError(
                f"The length of the body is {text[:40]!r}.",
                expected="a number of bytes",
                do="Send the body's real length, or none.",
            )
        if int(text) > MOST_BODY and not counts_itself(scope["path"]):
            raise too_large(int(text), MOST_BODY)

    async def _rate(self, scope: Scope, visitor: Visitor) -> None:
        path = scope["path"]
        if visitor.via == "single" or path.startswith(_SOCKET):
            return
        known = visitor.account is not None
        small = known and scope["method"] == "GET" and "/pictures" in path
        rates = self.rates if known else self.strangers
        await rates.take(visitor.key, _SMALL if small else 1.0)


def _from_elsewhere() -> RequestError:
    return RequestError(
        "A proxy has handed the request on, and this server asks nobody who they are.",
        expected="requests of this machine's own user",
        do="Start it with --behind-proxy, which asks for a log-in; docs/up.md shows how.",
        status=403,
    )


def counts_itself(path: str) -> bool:
    """Whether a route streams its body and counts it by its own limits."""
    return path.startswith("/api/v1/uploads") or (
        path.startswith("/api/v1/projects/") and path.endswith("/pictures")
    )


def _has_body(asked: Headers) -> bool:
    return "transfer-encoding" in asked or asked.get("content-length", "0").strip("0") != ""


async def read_ahead(receive: Receive, most: int, seconds: float = _BODY_SECONDS) -> Receive | None:
    """`receive` that gives the body at once, read whole; None: the client has gone meanwhile.

    Raises `RequestError`: 413 beyond `most` bytes, 408 where it does not come.
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise too_large(size, most)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise RequestError(
            f"The body was not sent within {seconds:g} s.",
            expected=f"the whole body within {seconds:g} s",
            do="Send it faster, or upload large files to /api/v1/uploads.",
            status=408,
        ) from None
    waiting: list[Message] = [{"type": "http.request", "body": b"".join(parts)}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def too_large(size: int, most: int) -> RequestError:
    """The error of a body that is larger than is read into memory."""
    return RequestError(
        f"The body has {size:,} bytes or more.",
        expected=f"at most {most:,}",
        do="Upload large files to /api/v1/uploads, and name them by `upload:ID`.",
        status=413,
    )


def bearer_of(asked: Headers) -> str:
    """The token that a request brings; empty: none."""
    scheme, _, bearer = asked.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""


def cookie_of(asked: Headers, name: str) -> str:
    """The value of a cookie; of two of one name none is taken."""
    values = []
    for line in asked.getlist("cookie"):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                values.append(value.strip().strip('"'))
    return values[0] if len(values) == 1 and len(values[0]) <= 512 else ""
