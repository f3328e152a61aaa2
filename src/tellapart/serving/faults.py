"""What a pool says of jobs that it cannot answer, and of processes that ended."""

from __future__ import annotations

import signal

from tellapart.errors import DeadlineError, OverloadedError, PictureError, WorkerError
from tellapart.serving.jobs import Answer
from tellapart.serving.wire import error_facts


def too_late(seconds: float) -> DeadlineError:
    """The error of a job whose deadline has passed."""
    return DeadlineError(
        "The answer was not ready in time.",
        expected=f"an answer within {seconds:g} s",
        do="Ask again when the server has less to do, or with fewer pictures at once.",
    )


def poison(kind: str) -> Answer:
    """What a job is answered that has ended two workers."""
    error = PictureError(
        f"The {kind} ended two workers, and is not tried again.",
        expected=f"a {kind} that can be answered",
        do="Leave it out, and report it if it may be passed on.",
        reason="poison",
    )
    return Answer("", 0, error=error_facts(error), http_status=error.http_status)


def nobody() -> WorkerError:
    """The error of a job whose model is gone."""
    return WorkerError(
        "The worker that held the job is gone, and its model with it.",
        expected="an answer",
        do="Ask again.",
    )


def never_ready(times: int) -> WorkerError:
    """The error of workers that die while they start."""
    return WorkerError(
        f"{times} workers ended one after the other before they were ready.",
        expected="workers that start",
        do="Look at what they wrote to standard error; is there enough memory?",
    )


def how_ended(code: int | None) -> str:
    """How a process ended, for people; None: it has not, as far as is known."""
    if code is None:
        return "closed its connection"
    if code < 0:
        hint = " (often: out of memory)" if code == -signal.SIGKILL else ""
        return f"was killed by {signal.Signals(-code).name}{hint}"
    return f"exited with {code}"


def loader_gone(code: int | None) -> WorkerError:
    """The error of a process that ended while it loaded the bundles."""
    return WorkerError(
        f"The process that loads the bundles {how_ended(code)}.",
        expected="it to load them",
        do="Look at what it wrote to standard error; run `tellapart verify` on the bundle.",
    )


def too_slow(seconds: float) -> WorkerError:
    """The error of bundles that take for ever to load."""
    return WorkerError(
        f"The bundles were not loaded after {seconds:g} s.",
        expected="workers that start",
        do="Look at what they wrote to standard error, and at what else the machine does.",
    )


def not_started(error: OSError) -> WorkerError:
    """The error of a process that the system did not start."""
    return WorkerError(
        f"The process that loads the bundles cannot be started: {error.strerror or error}.",
        expected="room for another process and its files",
        do="Look at the limits of processes, open files and memory.",
    )


def closed() -> OverloadedError:
    """The error of a job that comes before the server has started, or while it stops."""
    return OverloadedError(
        "The server stops, or has not started yet.",
        expected="a server that is ready",
        do="Ask again in a moment.",
        retry_after=1.0,
    )
