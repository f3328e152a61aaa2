"""The spawned worker: one process in which a run's heavy steps work.

A plain child interpreter, not `multiprocessing`: it never imports the caller's main module, so
scripts without an `if __name__ == "__main__"` guard, notebooks and servers can all use it.
Requests go in through its standard input, events come back through what was its standard output
(anything a library prints goes to standard error). It ends when its input ends, so it never
outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from tellapart.errors import TellapartError, WorkerError
from tellapart.settings import Settings
from tellapart.steps import Command, Progress, open_context, run_step

#: Set in the worker only where the user has not: BLAS threads make small fits 7–13 times slower,
#: and giving memory back after each batch makes networks on a CPU learn half as fast (glibc).
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}


class Worker:
    """The parent's end. Steps are run one at a time by `run`; `close` ends the process."""

    def __init__(
        self,
        settings: Settings,
        project: str,
        command: Command | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        """`keep`: descriptors that the process gets too, such as the project's lock."""
        package_root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(p for p in (package_root, os.environ.get("PYTHONPATH", "")) if p)
        self._process = subprocess.Popen(
            # -P: nothing is imported from the current folder, which may hold anything.
            [sys.executable, "-P", "-m", "tellapart.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=tuple(keep) if os.name == "posix" else (),
            env={**_ENVIRONMENT, **os.environ, "PYTHONPATH": path},
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the worker was started without pipes")
        self._requests: IO[bytes] = self._process.stdin
        self._events: IO[bytes] = self._process.stdout
        self._send((settings, project, command))

    def run(self, step: str, watch: Callable[[Progress], None]) -> dict[str, Any]:
        """Run `step` in the worker and return its summary; raises what the step raised."""
        self._send(step)
        while True:
            try:
                kind, value = pickle.load(self._events)
            except (EOFError, pickle.UnpicklingError):
                raise self._died(step) from None
            if kind == "progress":
                watch(value)
            elif kind == "error":
                raise value
            else:
                result: dict[str, Any] = value
                return result

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once, from any thread; a step that runs in it raises `WorkerError`."""
        self._process.kill()

    def close(self) -> None:
        """End the process, whatever it is doing; what its steps committed stays."""
        with contextlib.suppress(OSError):
            self._requests.close()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._events.close()

    def _send(self, value: Any) -> None:
        try:
            pickle.dump(value, self._requests)
            self._requests.flush()
        except OSError:
            raise self._died("start") from None

    def _died(self, step: str) -> WorkerError:
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        hint = " (often: out of memory)" if code == -signal.SIGKILL else ""
        return WorkerError(
            f"The worker {how} during {step}{hint}.",
            expected="the step to finish or to say what is wrong",
            do="Run the same command again: it goes on from the last finished step.",
        )


def _foresee(error: Exception) -> TellapartError:
    """An unforeseen exception as one of ours, with its traceback on standard error if asked."""
    if isinstance(error, TellapartError):
        return error
    if os.environ.get("TELLAPART_DEBUG"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    return WorkerError(
        f"{type(error).__name__}: {error}",
        expected="the step to finish",
        do="Set TELLAPART_DEBUG=1, run the same command again and report the traceback.",
    )


def _read_requests(stream: IO[bytes], queue: SimpleQueue[Any]) -> None:
    """Hand requests on; when the parent is gone, so are we, even amid a step."""
    while True:
        try:
            queue.put(pickle.load(stream))
        except Exception:
            os._exit(0)


def main() -> None:
    """The child's end: read settings and project, then steps, until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests: SimpleQueue[Any] = SimpleQueue()
    reader = threading.Thread(
        target=_read_requests, args=(sys.stdin.buffer, requests), daemon=True, name="requests"
    )
    reader.start()

    def send(kind: str, value: Any) -> None:
        pickle.dump((kind, value), events)
        events.flush()

    settings, name, command = requests.get()
    # Collecting waits for the network: the other steps' libraries are imported beside it.
    warming = threading.Thread(target=_warm_up, daemon=True, name="warming")
    warming.start()
    while True:
        step = requests.get()
        if step != "collect":
            warming.join()
        try:
            context = open_context(settings, name, lambda event: send("progress", event), command)
            with contextlib.closing(context):
                summary = run_step(step, context)
        except Exception as error:
            send("error", _foresee(error))
        else:
            send("done", summary)


def _warm_up() -> None:
    """Import what every run needs while the parent still collects."""
    from tellapart import telemetry

    telemetry.off()
    import sklearn.linear_model  # noqa: F401

    with contextlib.suppress(ImportError):
        import openvino  # noqa: F401


if __name__ == "__main__":
    main()
