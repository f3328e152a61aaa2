"""One client's connection: requests in, one after the other, answers out, within bounds.

A request's path from the socket to the pool is kept short on purpose: between two pictures the
engine's weights fill the caches, so that every line that runs here costs several times its usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from tellapart.errors import OverloadedError, RequestError, TellapartError
from tellapart.serving import heads
from tellapart.serving.heads import Chunks, Malformed, TooLong
from tellapart.serving.request import Request, Response, overloaded, problem

if TYPE_CHECKING:
    from tellapart.serving.app import App
    from tellapart.serving.face import Face

#: Bytes of an unwanted body that are read on, so that the client sees the answer before the end.
_LINGER = 4_000_000
#: Requests of one connection that are answered in a row while others wait.
_IN_A_ROW = 16
#: Seconds for which a connection may stay open between two requests.
_KEEP_ALIVE = 75.0
#: Bytes of half a head that are looked at anew with each piece that comes.
_LOOKED_AT = 1024
_ALWAYS = b"x-content-type-options: nosniff\r\n"
_BLANK = (b"\r", b"\n")
_END = b"\r\n\r\n"
_LINES = {one.value: b"HTTP/1.1 %d %b\r\n" % (one, one.phrase.encode()) for one in HTTPStatus}


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._app: App = face.app
        self._transport = cast(asyncio.Transport, None)
        #: Whether it came over the Unix socket.
        self._local = False
        self._peer: str | None = None
        #: The request that is not answered yet.
        self.request: Request | None = None
        #: Whether the body of that one, or of the last, is still to come: so many bytes of it,
        #: or as the chunks will tell.
        self._coming = False
        self._left = 0
        self._chunks: Chunks | None = None
        #: Bytes behind what was read: of a request that waits its turn, or of half a head.
        self._rest = b""
        #: Whether the connection stays open behind the next answer.
        self._keep = True
        #: Whether the client will send nothing more; it may wait for its answer all the same.
        self._ended = False
        self._paused = False
        #: Whether the client takes less than we write: nothing new is begun until it has.
        self._full = False
        #: Whether something that came is being looked at: what is sent ahead waits until then.
        self._inside = False
        #: Bytes that are still read on behind an answer; None: the connection is not at its end.
        self._linger: int | None = None
        #: Since when the client owes us the rest of a request; None: it is our turn.
        self._since: float | None = None
        #: Since when nothing was asked, and since when it has not taken what we wrote, as far as
        #: `check` has seen.
        self._idle: float | None = None
        self._stuck: float | None = None
        #: Bytes that it had not taken then.
        self._unsent = 0

    @property
    def peer(self) -> str:
        """The other side's address."""
        if self._peer is None:
            found = self._transport.get_extra_info("peername")
            self._peer = str(found[0]) if found else "unknown"
        return self._peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._since = time.monotonic()
        sock = transport.get_extra_info("socket")
        self._local = sock is not None and sock.family == socket.AF_UNIX
        self._face.connections.add(self)
        if len(self._face.connections) > self._app.options.max_connections:
            self._write(self._whole(problem(overloaded(1.0))))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._face.connections.discard(self)
        self._coming = False
        request, self.request = self.request, None
        if request is not None:
            self._app.gone(request)

    def data_received(self, data: bytes) -> None:
        self._inside = True
        began = True
        before = len(self._rest)
        if self._coming:
            self._take(data)
        elif self.request is None and not self._full:
            if self._rest:
                data, self._rest = self._rest + data, b""
            if before > _LOOKED_AT and _unfinished(data, before):
                self._rest, began = data, False
            else:
                began = self._begin(data)
        else:
            # One request at a time: what a client sends ahead waits for its turn.
            self._rest += data
            self.pause()
        self._inside = False
        if self._rest and self.request is None and began:
            self._go_on()

    def eof_received(self) -> bool:
        """Keep the connection where the client has only ended its own side, and waits."""
        self._ended = True
        if self._coming:
            return False
        if self._rest and self.request is None:  # it is about to be begun
            asyncio.get_running_loop().call_soon(self._go_on)
        return bool(self.request or self._rest)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self.request is None and not (self._coming or self._inside):
            self._go_on()

    # --- what comes

    def _begin(self, data: bytes) -> bool:
        """Begin the request that `data` begins with; False where its head has not come whole."""
        if data[:1] in _BLANK:  # empty lines between two requests
            data = data.lstrip(b"\r\n")
        try:
            head = heads.read_head(data)
        except (Malformed, TooLong) as error:
            self._refuse(_not_http() if isinstance(error, Malformed) else _long_head())
            return False
        if head is None:
            return self._half(data)
        request = Request(
            head.method,
            head.path,
            head.query,
            head.headers,
            self,
            body=None,
            length=head.length,
            local=self._local,
        )
        self.request = request
        self._keep = head.keep and not self._face.stopping
        self._since = None
        if head.length:
            self._coming, self._left, self._chunks = True, head.length, None
        elif head.length is None:
            self._coming, self._chunks = True, Chunks()
        else:
            request.whole = True
        self._app.begin(request)
        if len(data) > head.size:
            data = data[head.size :]
            if request.direct and len(data) == head.length:
                self._coming = False
                self._app.whole(request, data)
            elif self._coming:
                self._take(data)
            else:
                self._rest = data
        if self._coming:
            self._since = time.monotonic()
        return True

    def _half(self, data: bytes) -> bool:
        """Keep the beginning of a head, unless nothing can follow."""
        if self._ended:
            self._transport.close()
        elif data:
            self._rest = data
            self._since = self._since or time.monotonic()
        return False

    def _go_on(self) -> None:
        """Begin what the client sent ahead, as far as it is its turn."""
        self._inside = True
        for _ in range(_IN_A_ROW):
            data = self._rest
            if not data or self.request or self._coming or self._full:
                break
            if self._transport.is_closing():
                break
            self._rest = b""
            if not self._begin(data):
                break
        else:
            asyncio.get_running_loop().call_soon(self._go_on)
        self._inside = False
        if self._ended and (self._coming or not (self.request or self._rest)):
            self._transport.close()  # nothing more can follow
        elif not self._rest or not (self.request or self._full):
            self.resume()

    def _take(self, data: bytes) -> None:
        """More of a body."""
        done = False
        if self._chunks is None:
            self._left -= len(data)
            if self._left <= 0:
                done = True
                if self._left:
                    data, self._rest = data[: self._left], data[self._left :]
        else:
            try:
                data, rest = self._chunks.feed(data)
            except (Malformed, TooLong) as error:
                self._refuse(_not_http() if isinstance(error, Malformed) else _long_head())
                return
            if rest is not None:
                done, self._rest = True, rest
        if done:
            self._coming = False
            self._since = None
        request = self.request
        if request is None:
            self._drop(len(data), done)
            return
        if request.direct:
            self._take_directly(request, data, done)
            return
        if data:
            request.feed(data)
        if done:
            request.end()

    def _take_directly(self, request: Request, data: bytes, done: bool) -> None:
        """More of a body that goes to the pool as it is."""
        request.feed(data)
        if done:
            budget = self._app.predictor.budget
            budget.give(request.held)  # it is counted as a whole
            request.held = 0
            self._app.whole(request, b"".join(request.take()))
            return
        try:
            request.hold(len(data), self._app.predictor.budget)
        except OverloadedError as error:
            self._app.refuse(request, error)

    def _drop(self, size: int, done: bool) -> None:
        """What comes of a body that nobody wants any more."""
        if self._linger is not None:
            self._linger -= size
            if done or self._linger < 0:
                self._transport.close()

    # --- what goes

    def answer(self, request: Request, response: Response) -> None:
        if self.request is not request:
            return  # the client has gone
        self.request = self._idle = None
        keep = self._keep and not self._face.stopping
        if self._ended and not self._rest and not self._inside:
            keep = False  # else `_go_on` sees to it when it has looked at all
        if self._coming:
            # A body that is not short is not worth waiting for.
            known = request.length is not None and request.length <= self._app.options.max_body
            keep = keep and known and b"expect" not in request.headers
        if not self._transport.is_closing():
            self._transport.write(self._whole(response, request, keep))
        if not keep:
            self._close()
        elif self._coming:
            self.resume()  # what is left of the body is read, and dropped
        elif (self._rest or self._paused) and not self._inside:
            self._go_on()

    def _whole(
        self, response: Response, request: Request | None = None, keep: bool = False
    ) -> bytes:
        """An answer as it goes over the wire."""
        status, body, kind, more = response
        start = b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n%b" % (
            _LINES[status],
            self._face.date,
            kind,
            len(body),
            _ALWAYS,
        )
        if status == 204:
            start = start.replace(b"content-length: 0\r\n", b"")
        if request is not None:
            start += b"x-request-id: %b\r\n" % request.id.encode("ascii")
            if request.method == "HEAD":
                body = b""
        for name, value in more:
            start += b"%b: %b\r\n" % (name, value)
        return b"%b%b%b" % (start, b"\r\n" if keep else b"connection: close\r\n\r\n", body)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _close(self) -> None:
        """Close; what the client still sends is read for a while, so that it sees the answer."""
        if not self._coming or self._ended:
            self._transport.close()
            return
        self._linger = _LINGER
        self._since = time.monotonic()
        self._rest = b""
        self.resume()
        with contextlib.suppress(OSError, NotImplementedError):
            self._transport.write_eof()

    def _refuse(self, error: TellapartError) -> None:
        """Answer what is no request, or comes too slowly, and close."""
        request, self.request = self.request, None
        if request is not None:
            self._app.gone(request)
        elif self._linger is None:
            self._app.metrics.requests["unknown", error.http_status] += 1
        if self._linger is None:
            self._write(self._whole(problem(error), request))
            self._coming, self._chunks, self._left = True, None, 1 << 62
            self._close()
        else:
            self._transport.close()

    def proceed(self) -> None:
        request = self.request
        if request is not None and request.headers.pop(b"expect", b"").lower() == b"100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def leave(self) -> None:
        """The server stops: end it now, or behind the answer that is still due."""
        if self.request is None:
            self._transport.close()

    def abort(self) -> None:
        """End it whatever it does."""
        self._transport.abort()

    def check(self, now: float) -> None:
        """End it where the client lets us wait too long: for its request, or to take the answer."""
        patience = self._app.options.read_timeout
        before, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        if not self._unsent:
            self._stuck = None
        elif self._stuck is None or self._unsent < before:
            self._stuck = now
        elif now - self._stuck > patience:
            self._transport.abort()
            return
        if self._since is not None:
            if now - self._since > patience:
                if self._coming and self.request is None:
                    self._transport.abort()  # it has its answer
                else:
                    self._refuse(_too_slow(patience))
        elif self.request is None:
            self._idle = self._idle or now
            if now - self._idle > _KEEP_ALIVE:
                self._transport.close()


def _unfinished(data: bytes, before: int) -> bool:
    """Whether a head, of which `before` bytes had come without its end, still lacks it.

    Reading a long one anew with each byte that comes would cost seconds.
    """
    return len(data) <= heads.MOST and data.find(_END, before - 3) < 0


def _not_http() -> RequestError:
    return RequestError(
        "The request is not HTTP/1.1.",
        expected="a request line, headers, and a body of the announced length",
        do="Send HTTP; for HTTPS put a proxy in front.",
        status=400,
    )


def _long_head() -> RequestError:
    return RequestError(
        f"The request's headers are longer than {heads.MOST // 1024} KB.",
        expected="the usual headers",
        do="Leave out what no server reads.",
        status=431,
    )


def _too_slow(patience: float) -> RequestError:
    return RequestError(
        f"The request did not come whole within {patience:g} s.",
        expected="the whole request in that time",
        do="Send it again, faster.",
        status=408,
    )
