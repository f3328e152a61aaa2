"""uvicorn's HTTP connection, with bounds on what a client may hold: time, headers, connections."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from tellapart.errors import RequestError, TellapartError
from tellapart.serving.options import Options
from tellapart.serving.request import LOCAL, WAITING, Waiting, overloaded, problem

#: Bytes that a request's line and headers may have together.
_MOST_HEADERS = 65_536
#: Requests that may wait on one connection behind the one being answered.
_MOST_PIPELINED = 32


class Connection(HttpToolsProtocol):
    """One client's connection."""

    #: The server's options: set in a subclass of each server, since uvicorn makes the instances.
    options = Options()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        #: Since when the client owes us the rest of a request; None: it is our turn.
        self.since: float | None = self.loop.time()
        #: What the request being answered waits for.
        self.waiting = Waiting()
        #: The request being answered, or the last that was.
        self.running: RequestResponseCycle | None = None
        #: Since when the client has not taken what we wrote.
        self.stuck: float | None = None
        #: Bytes received that are no body, such as headers, trailers and the frames of chunks.
        self.heading = 0
        self.in_body = False
        sock = transport.get_extra_info("socket")
        self.local = sock is not None and sock.family == socket.AF_UNIX
        if len(self.connections) > self.options.max_connections:
            self.refuse(overloaded(1.0))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.running is not None and not self.running.response_complete:
            # uvicorn tells its newest request alone, which may be one that waits its turn.
            self.running.disconnected = True
            self.running.message_event.set()
        self.waiting.end()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self.heading += len(data)
        super().data_received(data)
        if self.heading > _MOST_HEADERS:
            self.refuse(
                RequestError(
                    f"The request's headers are longer than {_MOST_HEADERS // 1024} KB.",
                    expected="the usual headers",
                    do="Leave out what no server reads.",
                    status=431,
                )
            )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.since = self.loop.time()
        # The scope's type knows no keys of ours.
        scope: Any = self.scope
        scope[LOCAL] = self.local
        scope[WAITING] = self.waiting
        if len(self.pipeline) >= _MOST_PIPELINED:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        # What stands behind a body in chunks (trailers) must not pass for a header.
        if not self.in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        # The body has a bound of its own, and in chunks of one byte each costs six.
        self.heading = max(self.heading - 9 * len(body), -_MOST_HEADERS)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.since = None
        self.heading = 0
        self.in_body = False

    def check(self, now: float) -> None:
        """End it where the client lets us wait too long: for its request, or to take the answer."""
        patience = self.options.read_timeout
        if self.transport.get_write_buffer_size() == 0:
            self.stuck = None
        elif self.stuck is None:
            self.stuck = now
        elif now - self.stuck > patience:
            self.transport.abort()
            return
        if self.since is not None and now - self.since > patience:
            self.refuse(
                RequestError(
                    f"The request did not come whole within {patience:g} s.",
                    expected="the whole request in that time",
                    do="Send it again, faster.",
                    status=408,
                )
            )

    def refuse(self, error: TellapartError) -> None:
        """Answer with an error, unless an answer has begun, and close."""
        if self.transport.is_closing():
            return
        if self._may_write():
            answer = problem(error)
            head = [STATUS_LINE[answer.status]]
            fields = (
                *self.server_state.default_headers,
                *answer.headers,
                (b"content-type", answer.kind),
                (b"content-length", b"%d" % len(answer.body)),
                (b"connection", b"close"),
            )
            head += [name + b": " + value + b"\r\n" for name, value in fields]
            self.transport.write(b"".join(head) + b"\r\n" + answer.body)
        self.transport.close()

    def _may_write(self) -> bool:
        """Whether what is written now is read as the answer to what the client owes us."""
        cycle = self.cycle
        if self.pipeline:
            return False
        if cycle is None or cycle.response_complete:
            return True
        return cycle.more_body and not cycle.response_started

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this for bytes that are no HTTP."""
        self.refuse(
            RequestError(
                "The request is not HTTP/1.1.",
                expected="a request line, headers, and a body of the announced length",
                do="Send HTTP; for HTTPS put a proxy in front.",
                status=400,
            )
        )


def connection_class(options: Options) -> type[Connection]:
    """`Connection` with these options."""
    return type("Connection", (Connection,), {"options": options})
