"""The worker's process: claim runs, walk them, say that it lives, send what is due."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import sqlalchemy as sa

from tellapart import telemetry
from tellapart.accounts import Accounts
from tellapart.errors import TellapartError
from tellapart.mail import Outbox
from tellapart.project import Project
from tellapart.runtime import autopilot, queue, uploads
from tellapart.runtime.engine import Engine
from tellapart.runtime.presence import Presence
from tellapart.runtime.runs import Runs, forget, sweep
from tellapart.runtime.shapes import ENDED, TURN, iso
from tellapart.runtime.turning import TurnJob
from tellapart.runtime.walking import Job
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store.lock import home_lock
from tellapart.store.schema_runs import run_events, runs

#: Seconds between looks at the queue, signs of life, looks for dead workers, for due mail, for
#: what is to be deleted, for what is too old; for decks whose turn is due, for deeper trainings.
_LOOK_S, _RENEW_S, _BURY_S, _POST_S, _FORGET_S, _PRUNE_S = 0.4, 4.0, 1.0, 2.0, 10.0, 3600.0
_DUE_S, _DEEPER_S = 2.0, 60.0
#: Turns of decks that one worker takes at a time, beside its runs: one whose service is slow
#: holds nobody up.
_TURNS = 4
#: Seconds in which a claimed run must have begun.
_BEGIN_S = 60.0
#: Days for which the events of an ended run are kept.
KEPT_DAYS = 30
#: Runs that are forgotten in one go.
_MANY = 500
#: Exit code of a worker that others had taken for dead: it is to be started anew.
LOST = 75
_c = runs.c


def main(
    settings: Settings, *, at_once: int | None = None, again: Sequence[str] | None = None
) -> NoReturn:
    """Work until SIGTERM or Ctrl-C, then end the process.

    `at_once`: runs walked at the same time, default `settings.runs_at_once`. A run that is under
    way when the process ends goes on in another worker, at the step that was cut off. `again`:
    the command that starts this worker anew where others have taken it for dead (it was asleep);
    without one it exits with 75. Raises `StorageError` where the database cannot be used.
    """
    telemetry.off()
    with home_lock(settings.home):  # nobody restores a copy beneath it
        engine = database.open_database(settings)
        worker = _Worker(engine, settings, at_once or max(1, settings.runs_at_once))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.ending.set())
        code = worker.work()
    sys.stdout.flush()
    sys.stderr.flush()
    if code == LOST and again:
        os.execv(again[0], list(again))  # noqa: S606 - our own command
    # Walks are left amid a step, their threads wait for nothing but this.
    os._exit(code)


class _Worker:
    """One process's work."""

    def __init__(self, engine: sa.Engine, settings: Settings, at_once: int) -> None:
        self.ending = threading.Event()
        self._engine = engine
        self._settings = settings
        self._at_once = at_once
        self._presence = Presence(engine, settings, at_once)
        self._durable = Engine(settings, self._presence.id)
        self._outbox = Outbox(engine, settings)
        self._runs = Runs(engine, settings)
        self._claimed: dict[str, float] = {}
        self._is_lost = False

    def work(self) -> int:
        """Until told to end; the exit code."""
        self._durable.begin()
        self._presence.begin()
        _say(f"worker {self._presence.id} waits for runs, {self._at_once} at once")
        for name, seconds, do in (
            ("renew", _RENEW_S, self._renew),
            ("bury", _BURY_S, self._bury),
            ("post", _POST_S, lambda: self._outbox.deliver_due(kind="mail")),
            ("hooks", _POST_S, lambda: self._outbox.deliver_due(kind="webhook")),
            ("forget", _FORGET_S, self._forget),
            ("prune", _PRUNE_S, self._prune),
            ("turns", _DUE_S, lambda: autopilot.begin_due(self._runs)),
            ("deeper", _DEEPER_S, lambda: autopilot.go_deeper(self._runs)),
        ):
            self._every(name, seconds, do)
        while not self.ending.wait(_LOOK_S):
            self._guarded("look", self._look)
        for job in list(self._durable.jobs.values()):
            job.leave()
        if self._is_lost:
            _say(f"worker {self._presence.id} was taken for dead and ends")
            return LOST
        self._guarded("end", self._presence.end)
        self._durable.end()
        return 0

    def _look(self) -> None:
        """Heed what was asked of this worker's runs; take new ones."""
        query = sa.select(_c.id, _c.cancel_asked, _c.stop_asked).where(
            _c.worker == self._presence.id, _c.state == "running"
        )
        with database.reading(self._engine) as connection:
            mine = {row.id: row for row in connection.execute(query)}
        jobs = self._durable.jobs
        for id, job in list(jobs.items()):
            row = mine.pop(id, None)
            if row is None:
                # Gone from us while it is walked here: but it may have ended just now.
                if id in jobs and not job.over and self._gone(id):
                    self._lost_all()
                    return
            elif row.cancel_asked:
                job.cancel()
            elif row.stop_asked:
                job.stop()
            if not job.begun and time.monotonic() - self._claimed.get(id, 0.0) > _BEGIN_S:
                jobs.pop(id, None)
        for id in mine:
            self._give_back(id)
        while self._chains() < self._at_once and not self.ending.is_set():
            claimed = queue.claim(self._engine, self._presence.id)
            if claimed is None:
                break
            self._walk(claimed)
        while len(jobs) - self._chains() < _TURNS and not self.ending.is_set():
            claimed = queue.claim(self._engine, self._presence.id, TURN)
            if claimed is None:
                break
            self._walk(claimed)

    def _chains(self) -> int:
        """Runs under way here that are no turns."""
        return sum(not isinstance(job, TurnJob) for job in self._durable.jobs.values())

    def _walk(self, id: str) -> None:
        self._claimed[id] = time.monotonic()
        with database.reading(self._engine) as connection:
            retried = bool(connection.scalar(sa.select(_c.retried).where(_c.id == id)))
        run = self._runs.get(id)
        kind = TurnJob if run.kind in TURN else Job
        job = kind(self._engine, self._settings, run, self._presence.id, self._lost)
        _say(f"{id} {run.project}: attempt {run.attempt}")
        self._durable.walk(job, retried=retried)
        if retried:
            with database.writing(self._engine) as connection:
                connection.execute(runs.update().where(_c.id == id).values(retried=False))

    def _gone(self, id: str) -> bool:
        """Whether a run that is walked here has become another worker's."""
        with database.reading(self._engine) as connection:
            row = connection.execute(sa.select(_c.worker, _c.state).where(_c.id == id)).first()
        if row is not None and row.state in ENDED and not row.worker:
            return False
        return row is None or row.worker != self._presence.id

    def _give_back(self, id: str) -> None:
        """A run is said to be walked here and is not: its workflow broke off."""
        if time.monotonic() - self._claimed.get(id, 0.0) < 2 * _LOOK_S:
            return
        _say(f"{id} broke off and goes back into the queue")
        with queue.changing_hands(self._engine) as connection:
            queue.give_back(connection, self._presence.id, "it broke off", died=True, only=id)

    def _renew(self) -> None:
        if not self._presence.renew():
            self._lost_all()

    def _bury(self) -> None:
        for dead, taken in self._presence.bury().items():
            _say(f"worker {dead} is gone; its runs go on elsewhere: {', '.join(taken) or 'none'}")
            self._durable.end((dead,))

    def _prune(self) -> None:
        """Forget events and workflows of what ended long ago."""
        before = iso(datetime.now(UTC) - timedelta(days=KEPT_DAYS))
        ended = _c.state.in_(ENDED)
        with database.reading(self._engine) as connection:
            events = sa.select(run_events.c.run_id).where(run_events.c.run_id == _c.id)
            old = connection.scalars(
                sa.select(_c.id)
                .where(ended, _c.ended_at < before, _c.ended_at != "", events.exists())
                .limit(_MANY)
            ).all()
        with database.writing(self._engine) as connection:
            connection.execute(run_events.delete().where(run_events.c.run_id.in_(old)))
        self._durable.forget([*old, *autopilot.prune(self._engine)])
        remembered = self._durable.remembered()  # first: a run's row is there before it begins
        with database.reading(self._engine) as connection:
            known = set(connection.scalars(sa.select(_c.id)))
        self._durable.forget(id for id in remembered if id not in known)
        sweep(self._settings, known)
        autopilot.tidy(self._engine, self._settings)
        self._outbox.prune()
        accounts = Accounts(self._engine, self._settings)
        accounts.prune()
        accounts.limits.prune()
        uploads.prune(self._settings, self._engine)
        Project.sweep(self._settings, self._engine)

    def _forget(self) -> None:
        """Delete the runs that were to be deleted while they were under way."""
        wanted = sa.select(_c.id).where(_c.forget, _c.state.in_(ENDED))
        with database.reading(self._engine) as connection:
            gone = connection.scalars(wanted).all()
        if gone:
            with database.writing(self._engine) as connection:
                for id in gone:
                    forget(connection, self._settings, id)
            self._durable.forget(gone)

    def _lost(self) -> None:
        """Others have taken this worker for dead: go no further, in whichever thread."""
        self._lost_all()
        while True:
            time.sleep(3600)

    def _lost_all(self) -> None:
        self._is_lost = True
        self.ending.set()

    def _every(self, name: str, seconds: float, do: Callable[[], object]) -> None:
        def work() -> None:
            while True:
                self._guarded(name, do)
                if self.ending.wait(seconds):
                    return

        threading.Thread(target=work, name=name, daemon=True).start()

    def _guarded(self, name: str, do: Callable[[], object]) -> None:
        """What fails now is tried again: a database that is away comes back."""
        try:
            do()
        except TellapartError as error:
            _say(f"{name}: {error.what}")
            self.ending.wait(1.0)
        except Exception as error:
            _say(f"{name}: {type(error).__name__}: {error}")
            self.ending.wait(1.0)


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"tellapart: {text}", file=sys.stderr, flush=True)  # noqa: T201 - the worker's log
