"""What the server says while it works: one JSON object a line on standard error.

No line holds a picture, a token, a query or a body. Lines are gathered and written together, so
that a slow terminal costs no request its time; where nobody reads them they are dropped, never
waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import select
import time
from collections.abc import Callable
from typing import Any

from tellapart.serving.options import Log as Level

#: Seconds for which lines are gathered, and the most of them that may wait.
_GATHER, _MOST = 0.05, 10_000
#: A text is cut to this many characters; the trace of a fault to more.
_CUT, _CUT_TRACE = 200, 4000


class Log:
    """The server's log. `write` puts one whole text out (default: to standard error)."""

    def __init__(self, level: Level, write: Callable[[str], None] | None = None) -> None:
        self.level = level
        self.requests = level == "requests"
        self.dropped = 0
        self._write = write or _to_stderr
        self._lines: list[str] = []
        self._due: asyncio.TimerHandle | None = None

    def event(self, name: str, /, **facts: Any) -> None:
        """Something that happened to the server."""
        if self.level != "off":
            self._put({"event": name, **facts})

    def request(self, facts: dict[str, Any]) -> None:
        """A request that was answered; where only events are logged, one with a status from 500."""
        if self.requests or (self.level == "events" and facts.get("status", 0) >= 500):
            self._put({"event": "request", **facts})

    def flush(self) -> None:
        """Write what is gathered."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        lines, self._lines = self._lines, []
        if lines:
            self._write("".join(lines))

    def _put(self, facts: dict[str, Any]) -> None:
        if len(self._lines) >= _MOST:
            self.dropped += 1
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        line = {"time": f"{stamp}.{int(now * 1000) % 1000:03d}Z", **_plain(facts)}
        self._lines.append(json.dumps(line, default=str) + "\n")
        if self._due is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                self._due = loop.call_later(_GATHER, self.flush)


class Handler(logging.Handler):
    """Brings what libraries log (warnings and worse) into the server's log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.event("library", name=record.name, level=record.levelname, text=_said(record))


def _said(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except (TypeError, ValueError):
        text = str(record.msg)
    error = record.exc_info[1] if record.exc_info else None
    return text if error is None else f"{text} ({type(error).__name__}: {error})"


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: _cut(name, value) for name, value in facts.items() if value is not None}


def _cut(name: str, value: Any) -> Any:
    most = _CUT_TRACE if name == "trace" else _CUT
    return f"{value[:most]}…" if isinstance(value, str) and len(value) > most else value


def _to_stderr(text: str) -> None:
    """By descriptor, in pieces that a pipe takes at once; what it cannot take is dropped."""
    piece: list[bytes] = []
    size = 0
    for line in [*text.encode(errors="backslashreplace").splitlines(keepends=True), b""]:
        if piece and (not line or size + len(line) > select.PIPE_BUF):
            with contextlib.suppress(OSError, ValueError):
                if select.select((), (2,), (), 0)[1]:
                    os.write(2, b"".join(piece))
            piece, size = [], 0
        piece.append(line)
        size += len(line)
