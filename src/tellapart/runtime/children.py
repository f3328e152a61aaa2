"""Workers as children of a server: started, started again when they die, ended with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tellapart.runtime.child import packed
from tellapart.settings import Settings

#: Seconds before a worker that died is started again: at first, and at most where it dies at once.
AGAIN, MOST = 1.0, 30.0
#: A worker that lived for so many seconds did not die of its start.
LIVED = 60.0


class Children:
    """So many worker processes. Threads look after them: `start` and `stop` return soon."""

    def __init__(self, settings: Settings, count: int, say: Callable[[str], None]) -> None:
        self._line = packed(settings)
        self._say = say
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._keepers = [
            threading.Thread(target=self._keep, args=(number,), name=f"worker-{number}")
            for number in range(1, count + 1)
        ]

    def start(self) -> None:
        """Begin to start them."""
        for keeper in self._keepers:
            keeper.start()

    def ask_to_stop(self) -> None:
        """Let them finish what can be finished soon; none is started again."""
        self._ending.set()
        with self._lock:
            for process in self._running.values():
                with contextlib.suppress(OSError):
                    process.terminate()

    def stop(self, seconds: float, hurry: threading.Event | None = None) -> None:
        """End them, by force where they take longer than `seconds`, or from `hurry` on.

        What was cut off runs again.
        """
        self.ask_to_stop()
        until = time.monotonic() + seconds
        while any(keeper.is_alive() for keeper in self._keepers) and time.monotonic() < until:
            if hurry is not None and hurry.is_set():
                break
            time.sleep(0.05)
        with self._lock:
            for process in self._running.values():
                process.kill()
        for keeper in self._keepers:
            if keeper.ident is not None:
                keeper.join(5.0)

    @property
    def pids(self) -> list[int]:
        """The process ids of those that run now."""
        with self._lock:
            return [process.pid for process in self._running.values()]

    def _keep(self, number: int) -> None:
        wait = AGAIN
        while not self._ending.is_set():
            began = time.monotonic()
            process = self._begin(number)
            if process is not None:
                code = process.wait()
                with self._lock:
                    self._running.pop(number, None)
                if process.stdin is not None:
                    process.stdin.close()
                if self._ending.is_set():
                    return
                self._say(f"worker {number} ended ({_how(code)}); another one takes over")
            wait = AGAIN if time.monotonic() - began > LIVED else min(wait * 2, MOST)
            self._ending.wait(wait)

    def _begin(self, number: int) -> subprocess.Popen[bytes] | None:
        """Start one; None where that did not work, or they are ending."""
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        with self._lock:
            if self._ending.is_set():
                return None
            try:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "tellapart.runtime.child"],
                    stdin=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": path},
                    start_new_session=True,  # a terminal's Ctrl-C goes to the server alone
                )
            except OSError as error:
                self._say(f"worker {number} could not be started: {error}")
                return None
            self._running[number] = process
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.write(self._line)
                process.stdin.flush()
        return process


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
