"""Processes that run one variant of a model side by side: the end that asks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tellapart.errors import WorkerError

#: Seconds after which a process that does not answer is ended.
_PATIENCE = 600.0
#: As the server's workers have it: their memory is what is told.
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}


class Group:
    """So many processes with one variant; use it in a `with`. Requests go to all at once."""

    def __init__(self, load: Mapping[str, Any], workers: int) -> None:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        self._processes = [
            subprocess.Popen(
                # -P: nothing is imported from the current folder, which may hold anything.
                [sys.executable, "-P", "-m", "tellapart.serving.timed"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**_ENVIRONMENT, **os.environ, "PYTHONPATH": path},
                text=True,
            )
            for _ in range(workers)
        ]
        try:
            #: What each said when it was ready: `ready` in seconds, `memory` in MB.
            self.started = self.ask({"load": dict(load)})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The answer of each process. Raises `WorkerError` where one ends or is silent."""
        watchdog = threading.Timer(_PATIENCE, self._kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            line = json.dumps(request) + "\n"
            for process in self._processes:
                with contextlib.suppress(OSError):  # it is gone: its answer says so
                    assert process.stdin is not None
                    process.stdin.write(line)
                    process.stdin.flush()
            return [self._answer(process) for process in self._processes]
        finally:
            watchdog.cancel()

    def close(self) -> None:
        """End the processes."""
        self._kill()
        for process in self._processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if stream is not None:
                        stream.close()

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {}
        if line and "error" not in found:
            return found
        what = found.get("error") or f"its process ended with {process.wait()}"
        raise WorkerError(
            f"It does not run here: {what}",
            expected="an answer to every picture",
            do="Run `tellapart doctor`; if the engines are sound, report it.",
        )
