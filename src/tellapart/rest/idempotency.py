"""A request that is sent again with its `Idempotency-Key` is done once and answered the same.

For requests that make or change something. Answers are kept in memory for a day, so that they are
lost when the server starts anew; runs keep their keys in the database beside that.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tellapart.errors import RequestError
from tellapart.rest import errors

_METHODS = frozenset(("POST", "PUT", "PATCH", "DELETE"))
_API = "/api/v1/"
#: Answers kept, of how many bytes, for how long; bodies that are compared, of how many bytes.
_MOST, _LARGEST, _SECONDS, _BODY = 2000, 256 * 1024, 86_400.0, 2 * 2**20
#: Answers of one account, so that none drives out the others'; bytes of one account's, and of all.
_EACH, _EACH_BYTES, _BYTES = 500, 4 * 2**20, 64 * 2**20
#: What tells secrets is not kept: log-ins, tokens.
_NEVER = ("/api/v1/sessions", "/api/v1/tokens", "/api/v1/accounts", "/api/v1/me")


@dataclass
class _Kept:
    digest: bytes
    until: float
    #: Empty while the first one is at work.
    messages: list[Message] = field(default_factory=list)
    done: bool = False
    bytes: int = 0


class Once:
    """ASGI middleware, behind the gate."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: OrderedDict[tuple[str, str, str, str], _Kept] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._concerned(scope):
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        name = asked["idempotency-key"]
        read = await _body(receive)
        if len(name) > 200 or not name or not read.whole:
            await self.app(scope, read.again, send)
            return
        key = (scope["state"]["visitor"].key, scope["method"], scope["path"], name)
        digest = hashlib.sha256(scope["query_string"] + b"\0" + read.body).digest()
        self._forget_old()
        known = self._kept.get(key)
        if known is None:
            await self._first(key, digest, scope, read.again, send)
        elif known.digest != digest:
            await _refuse(
                "The Idempotency-Key came with another request before.", 422, scope, receive, send
            )
        elif not known.done:
            await _refuse("The same request is being worked on.", 409, scope, receive, send)
        else:
            for message in known.messages:
                await send(dict(message))

    def _concerned(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] not in _METHODS:
            return False
        path = scope["path"]
        if not path.startswith(_API) or path.startswith((*_NEVER, "/api/v1/uploads")):
            return False
        return "idempotency-key" in Headers(scope=scope)

    async def _first(
        self,
        key: tuple[str, str, str, str],
        digest: bytes,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._make_room(key[0])
        mine = self._kept[key] = _Kept(digest, time.monotonic() + _SECONDS)
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)
            await send(message)

        try:
            await self.app(scope, receive, keep)
        finally:
            size = sum(len(message.get("body", b"")) for message in sent)
            whole = bool(sent) and not sent[-1].get("more_body", False)
            status = sent[0]["status"] if sent else 500
            # What failed for want of a turn, a right or a disk may be tried again.
            if whole and len(sent) > 1 and size <= _LARGEST and (status < 400 or status == 422):
                mine.messages, mine.done, mine.bytes = sent, True, size
            else:
                self._kept.pop(key, None)

    def _forget_old(self) -> None:
        at, held = time.monotonic(), sum(one.bytes for one in self._kept.values())
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if oldest.until > at and len(self._kept) < _MOST and held <= _BYTES:
                return
            held -= oldest.bytes
            del self._kept[key]

    def _make_room(self, whose: str) -> None:
        """Forget an account's oldest answers where it has as many as it may."""
        own = [key for key, one in self._kept.items() if key[0] == whose and one.done]
        number, held = len(own), sum(self._kept[key].bytes for key in own)
        for key in own:
            if number < _EACH and held <= _EACH_BYTES:
                return
            number, held = number - 1, held - self._kept.pop(key).bytes


class _Read:
    """A body read ahead, to be read again."""

    def __init__(self) -> None:
        self.body = b""
        self.whole = False
        self._messages: list[Message] = []
        self._receive: Receive

    async def again(self) -> Message:
        return self._messages.pop(0) if self._messages else await self._receive()

    async def take(self, receive: Receive) -> None:
        self._receive = receive
        parts, size = [], 0
        while size <= _BODY:
            message = await receive()
            self._messages.append(message)
            if message["type"] != "http.request":
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if not message.get("more_body", False):
                self.body, self.whole = b"".join(parts), True
                return


async def _body(receive: Receive) -> _Read:
    read = _Read()
    await read.take(receive)
    return read


async def _refuse(what: str, status: int, scope: Scope, receive: Receive, send: Send) -> None:
    error = RequestError(
        what,
        expected="a key of its own for each request, and an answer before it is sent again",
        do="Wait for the first answer, or send the new request with a new key.",
        status=status,
        retry_after=1.0 if status == 409 else None,
    )
    await errors.response(error)(scope, receive, send)
