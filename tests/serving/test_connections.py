"""A connection and the app behind it where something goes wrong, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tellapart.serving import faults, heads
from tellapart.serving.app import App
from tellapart.serving.batching import Ticket
from tellapart.serving.connections import Connection
from tellapart.serving.face import Face
from tellapart.serving.jobs import Job, Outcome, Told
from tellapart.serving.logs import Log
from tellapart.serving.metrics import Metrics
from tellapart.serving.models import ModelInfo
from tellapart.serving.options import Options
from tellapart.serving.pool import Pool
from tellapart.serving.request import Request

INFO = ModelInfo(
    *("colors", 1, ("blue", "red"), "picture", "image", (32, 32, 3), "squash", "RGB"),
    *((), {}, None, None, True, {}, ""),
)


class Wire:
    """A transport whose client takes as much as it is told."""

    def __init__(self) -> None:
        self.unsent = 0
        self.aborted = False
        self.written = b""

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, name: str) -> Any:
        return None

    def is_closing(self) -> bool:
        return self.aborted

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


def run(look: Callable[[App, Connection, Wire], None]) -> list[str]:
    """Let `look` look at a connection of an app; what was logged."""
    lines: list[str] = []

    async def main() -> None:
        options = Options(read_timeout=2.0)
        pool = Pool(options)
        app = App(pool, options, Log("events", lines.append), Metrics(), pool.reload)
        connection, wire = Connection(Face(app)), Wire()
        connection.connection_made(wire)  # type: ignore[arg-type]
        look(app, connection, wire)
        app.log.flush()
        await app.close()

    asyncio.run(main())
    return lines


def _asked(app: App, connection: Connection, outcome: Outcome) -> None:
    """A request of one picture, and what becomes of it."""
    request = Request("POST", "/predict", connection=connection)
    request.id, request.model = "7", "colors"
    app.metrics.open += 1
    request.hold(1000, app.predictor.budget)
    connection.request = request
    ticket = Ticket(1, Job(b"", 0.0), INFO, 0, 0.0, 0.0, app._told, request)
    ticket.end(outcome)
    assert app.metrics.open == 0 and app.predictor.budget.held == 0


def test_an_answer_that_cannot_be_sent_ends_the_connection_and_nothing_else() -> None:
    def look(app: App, connection: Connection, wire: Wire) -> None:
        # What no worker says: there is no such status.
        _asked(app, connection, Told(299, b"{}", False, 1, 0.0, 0.0))
        assert wire.aborted and not wire.written

    (line,) = run(look)
    assert '"event": "fault"' in line and '"request": "7"' in line


def test_a_picture_that_ended_workers_is_counted() -> None:
    def look(app: App, connection: Connection, wire: Wire) -> None:
        answer = faults.poison("picture")
        answer.model, answer.version = INFO.key
        _asked(app, connection, answer)
        assert wire.written.startswith(b"HTTP/1.1 422")
        assert app.metrics.answers["colors", 1, "error"] == 1

    run(look)


def test_a_long_head_that_comes_byte_by_byte_is_not_read_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths: list[int] = []

    def counted(data: bytes) -> heads.Head | None:
        lengths.append(len(data))
        return read_head(data)

    read_head = heads.read_head
    monkeypatch.setattr(heads, "read_head", counted)

    def look(app: App, connection: Connection, wire: Wire) -> None:
        for byte in b"GET /nowhere HTTP/1.1\r\nx: " + b"y" * 10_000 + b"\r\n\r\n":
            connection.data_received(bytes((byte,)))
        assert wire.written.startswith(b"HTTP/1.1 404")
        assert sum(lengths) < 1_000_000 and max(lengths) > 10_000

    run(look)


def test_what_is_no_request_is_counted() -> None:
    def look(app: App, connection: Connection, wire: Wire) -> None:
        connection.data_received(b"GET / HTTP/1.1\r\nx: " + b"y" * heads.MOST)
        assert wire.written.startswith(b"HTTP/1.1 431")
        assert app.metrics.requests["unknown", 431] == 1

    run(look)


@pytest.mark.parametrize(("takes", "lives"), [(1, True), (0, False)])
def test_who_takes_a_large_answer_slowly_is_waited_for(takes: int, lives: bool) -> None:
    def look(app: App, connection: Connection, wire: Wire) -> None:
        connection._since = None
        wire.unsent = 1000
        for now in range(1, 10):
            wire.unsent -= takes
            connection.check(float(now))
        assert wire.aborted is not lives

    run(look)
