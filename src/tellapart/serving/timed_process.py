"""Processes that run one variant of a model side by side: the end that asks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tellapart.errors import WorkerError
from tellapart.serving.spawn import MEMORY

#: Seconds after which a process that does not answer is ended.
_PATIENCE = 600.0
#: Seconds from saying so to when a window begins; the next where a process woke too late for it.
_LEADS = (0.02, 0.1, 0.5)


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
                # As the server's workers have it: their decoding and memory are what is told.
                env={**MEMORY, **os.environ, "PYTHONPATH": path},
                text=True,
            )
            for _ in range(workers)
        ]
        #: What each said when it was ready for the latest batch that was timed.
        self.prepared: list[dict[str, Any]] = []
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

    def timed(self, batch: int, seconds: float) -> tuple[float, float | None]:
        """Pictures/s of all together while all were at work, and the most MB of one (None: not
        told).

        Each gets ready for such batches first; then all begin at one moment. Raises `WorkerError`.
        """
        self.prepared = self.ask({"prepare": {"batch": batch}})
        rate = 0.0
        for lead in _LEADS:
            at = time.monotonic() + lead
            told = self.ask({"time": {"batch": batch, "seconds": seconds, "at": at}})
            rate, shared = common_rate([(one["began"], one["ends"]) for one in told], batch)
            if shared >= seconds / 2:
                break
        memory = [one["memory"] for one in told if one["memory"] is not None]
        return rate, max(memory, default=None)

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


def common_rate(timed: Sequence[tuple[float, Sequence[float]]], batch: int) -> tuple[float, float]:
    """Pictures/s of several processes in the window in which all were at work, and its seconds.

    `timed`: when each began, and when each of its batches ended, one after another. Of a batch
    counts the share of its time that lies in the window. Without such a window (0 seconds) the
    rates of each by itself are added up: that is too high, for each had the machine to itself.
    """
    first = max(began for began, _ in timed)
    last = min(ends[-1] for _, ends in timed)
    if last <= first:
        return sum(batch * len(ends) / (ends[-1] - began) for began, ends in timed), 0.0
    pictures = 0.0
    for began, ends in timed:
        for start, end in zip([began, *ends], ends, strict=False):
            inside = min(end, last) - max(start, first)
            if inside > 0:
                pictures += batch * inside / (end - start)
    return pictures / (last - first), last - first
