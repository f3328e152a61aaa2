"""What happens in a run, written down while it happens: its steps, and an event for each change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import sqlalchemy as sa

from tellapart.errors import BusyError, StorageError
from tellapart.runtime import queue
from tellapart.runtime.shapes import Step, now
from tellapart.steps import Progress
from tellapart.store import database
from tellapart.store.schema_runs import runs

#: Seconds between two events of mere progress of one step.
_PAUSE_S = 0.25
#: Seconds between two tries where the database is away, and for which it is waited for.
_AWAY_S, _PATIENCE_S = 1.0, 300.0
_T = TypeVar("_T")


def patiently(do: Callable[[], _T], between: Callable[[], None] = lambda: None) -> _T:
    """Do it, and wait for a database that is away: a run does not fail of that."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return do()
        except (StorageError, BusyError):
            if time.monotonic() > end:
                raise
        between()
        time.sleep(_AWAY_S)


class Recorder:
    """Writes one run's events, as long as the run is this worker's.

    `lost` is called, and does not return, where it is not any more.
    """

    def __init__(
        self,
        engine: sa.Engine,
        run: str,
        worker: str,
        steps: list[dict[str, Any]],
        lost: Callable[[], None],
    ) -> None:
        self.run = run
        self._engine = engine
        self._worker = worker
        self._steps = {step["name"]: step for step in steps}
        self._lost = lost
        self._lock = threading.Lock()
        self._last = 0.0
        #: Progress that came too soon after the last one, to be told with the next.
        self._kept: Progress | None = None

    def begin(self, step: str) -> None:
        """A step begins, maybe again."""
        with self._lock:
            self._kept, self._last = None, 0.0
            place = asdict(Step(step, "running", started=now()))
            self._steps[step] = place
            self._write("log", {"text": f"{step} begins"}, step)

    def is_done(self, step: str) -> bool:
        """Whether it has been said that a step is done."""
        return bool(self._steps[step]["state"] == "done")

    def end(self, step: str, seconds: float, *notes: str) -> None:
        """A step is done; it is not taken again."""
        with self._lock:
            self._flush()
            place = self._steps[step]
            place |= {"state": "done", "seconds": seconds}
            if place["total"] is not None:
                place["done"] = max(place["done"], place["total"])
            for note in notes:
                self._write("log", {"text": note}, step)
            self._write("log", {"text": f"{step} is done"}, step, cuts=0)

    def fail(self, step: str, state: str = "failed") -> None:
        """A step ended without its result; `waiting`: it is to be taken again."""
        with self._lock:
            self._flush()
            if step in self._steps:
                self._steps[step]["state"] = state
                self._write("log", {"text": f"{step} ended early"}, step)

    def progress(self, event: Progress) -> None:
        """A step goes on. Turning points and epochs are all kept, of the rest four a second."""
        with self._lock:
            place = self._steps.get(event.step)
            if place is None:
                return
            place |= {"done": event.done, "total": event.total, "note": event.note}
            figures = dict(event.figures or {})
            if event.signal:
                self._flush()
                self._write("signal", {"name": event.signal, **figures}, event.step)
            elif figures:
                self._flush()
                self._write(
                    "epoch", {"done": event.done, "total": event.total, **figures}, event.step
                )
            elif event.done == event.total or time.monotonic() - self._last >= _PAUSE_S:
                self._tell(event)
            else:
                self._kept = event

    def log(self, text: str, step: str = "") -> None:
        """Something that people may want to read."""
        with self._lock:
            self._write("log", {"text": text}, step)

    def error(self, shape: Mapping[str, Any], step: str = "") -> None:
        """What went wrong, in its three parts."""
        with self._lock:
            self._write("error", shape, step)

    def state(self, state: str, **values: Any) -> None:
        """The run is now in this state; `values` of its row change with it."""
        with self._lock:
            self._write("state", {"state": state}, "", state=state, **values)

    def keep(self, **values: Any) -> None:
        """Change values of the run's row without an event."""
        ours = (runs.c.id == self.run) & (runs.c.worker == self._worker)

        def write(connection: sa.Connection) -> bool:
            return bool(connection.execute(runs.update().where(ours).values(**values)).rowcount)

        with self._lock:
            self._store(write)

    def _flush(self) -> None:
        if self._kept is not None:
            self._tell(self._kept)

    def _tell(self, event: Progress) -> None:
        self._kept, self._last = None, time.monotonic()
        data = {"done": event.done, "total": event.total, "note": event.note}
        self._write("progress", data, event.step)

    def _write(self, kind: str, data: Mapping[str, Any], step: str, **values: Any) -> None:
        values["steps"] = list(self._steps.values())

        def write(connection: sa.Connection) -> bool:
            number = queue.append(
                connection, self.run, kind, data, step=step, values=values, worker=self._worker
            )
            return number is not None

        self._store(write)

    def _store(self, write: Callable[[sa.Connection], bool]) -> None:
        def once() -> bool:
            with database.writing(self._engine) as connection:
                return write(connection)

        if not patiently(once):
            self._lost()
