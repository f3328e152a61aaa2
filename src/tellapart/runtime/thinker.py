"""A process for what takes a core for a second: re-deciding thousands of pictures, explaining one.

The server's own process only answers. The child is started on first use, does one thing at a time,
and is ended when nobody has asked for some minutes. As the spawned worker, it is a plain child that
ends when its input does; requests and answers are lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

from tellapart import errors
from tellapart.errors import OverloadedError, TellapartError, WorkerError
from tellapart.settings import Settings

#: Seconds after which an idle child is ended, and for which a request waits for its turn.
_IDLE, _PATIENCE = 120.0, 30.0
#: Seconds after which a child that has not answered is ended: it would hold up everybody.
_LONGEST = 300.0
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Thinker:
    """The parent's end. Threads may share it; requests are answered one after the other."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    @property
    def awake(self) -> bool:
        """Whether the child is there: the first request waits some seconds for its imports."""
        return self._child is not None and self._child.poll() is None

    def ask(
        self, what: str, settings: Settings, *, patience: float = _PATIENCE, **values: Any
    ) -> dict[str, Any]:
        """What the child answers; raises what was raised there, as `TellapartError`.

        Raises `OverloadedError` where others' requests take longer than `patience` (seconds).
        """
        if not self._turn.acquire(timeout=patience):
            raise OverloadedError(
                "Others are having pictures decided on or explained.",
                expected=f"a turn within {patience:g} s",
                do="Ask again in a moment.",
                retry_after=5.0,
            )
        try:
            return self._ask({"what": what, "settings": plain(settings), **values})
        finally:
            self._rest()
            self._turn.release()

    def close(self) -> None:
        """End the child, whatever it does."""
        child, self._child = self._child, None
        if child is None:
            return
        for stream in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._timer is not None:
            self._timer.cancel()
        if self._child is None or self._child.poll() is not None:
            self._child = _start()
        child = self._child
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the child was started without pipes")
        late = threading.Timer(_LONGEST, child.kill)
        late.daemon = True
        late.start()
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            line = child.stdout.readline()
            answer = json.loads(line) if line else None
        except (OSError, ValueError):
            answer = None
        finally:
            late.cancel()
        if not isinstance(answer, dict):
            self.close()
            raise WorkerError(
                f"The process that was to {request['what']} ended without an answer.",
                expected="an answer",
                do="Try again; if it ends again, look at the server's messages and its memory.",
            )
        if "error" in answer:
            raise _error(answer)
        found: dict[str, Any] = answer["found"]
        return found

    def _rest(self) -> None:
        """End the child when it has been idle for a while."""
        self._timer = threading.Timer(_IDLE, self._retire)
        self._timer.daemon = True
        self._timer.start()

    def _retire(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._turn.release()


def plain(settings: Settings) -> dict[str, Any]:
    """Settings as JSON."""
    found = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        found[item.name] = str(value) if isinstance(value, Path) else value
    return found


def settings_of(values: dict[str, Any]) -> Settings:
    """Settings as `plain` wrote them."""
    kinds = {item.name: str(item.type) for item in fields(Settings)}

    def read(name: str, value: Any) -> Any:
        if value is not None and kinds[name].startswith("Path"):
            return Path(value)
        return tuple(value) if isinstance(value, list) else value

    return Settings(**{name: read(name, value) for name, value in values.items()})


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tellapart.runtime.thinking"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**_ENVIRONMENT, **os.environ, "PYTHONPATH": path},
    )


def _error(answer: dict[str, Any]) -> TellapartError:
    """The error that the child wrote down, of its own kind where that is one of ours."""
    kind = getattr(errors, str(answer.get("kind")), WorkerError)
    parts = {key: str(answer["error"].get(key, "")) for key in ("what", "expected", "do")}
    what = parts.pop("what")
    if not (isinstance(kind, type) and issubclass(kind, TellapartError)):
        kind = WorkerError
    more = {"reason": str(answer["reason"])} if answer.get("reason") else {}
    return kind(what, **parts, **more)
