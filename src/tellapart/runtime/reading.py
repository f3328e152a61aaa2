"""Rows of the queue as `Run`, `Event` and the overview."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tellapart.errors import NotFoundError
from tellapart.runtime import queue
from tellapart.runtime.shapes import CHAIN, TURN, Event, Run, Step, moment
from tellapart.store.schema_accounts import outbox
from tellapart.store.schema_runs import run_events, run_workers, runs

#: Finished runs that tell how long a step takes, and seconds for which that is believed.
_EARLIER, _BELIEVED_S = 20, 30.0
_c = runs.c


def unbegun(names: Iterable[str]) -> list[dict[str, Any]]:
    """The steps of a run that has not begun, as they are stored."""
    return [asdict(Step(name)) for name in names]


class Reader:
    """Reads runs; remembers for some seconds how long steps usually take."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._usual: dict[str, float] = {}
        self._until = 0.0

    def get(self, connection: sa.Connection, id: str) -> Run:
        """Raises `NotFoundError`."""
        found = self.list(connection, [_c.id == id], 1)
        if not found:
            raise missing(id)
        return found[0]

    def list(self, connection: sa.Connection, conditions: Sequence[Any], limit: int) -> list[Run]:
        """Those that fulfil the conditions, newest first."""
        query = sa.select(runs).where(*conditions).order_by(_c.id.desc()).limit(limit)
        rows = connection.execute(query).all()
        ahead: dict[str, int] = {}
        if any(row.state == "queued" for row in rows):
            ahead = {
                one.id: place
                for kinds in (CHAIN, TURN)
                for place, one in enumerate(queue.waiting(connection, kinds))
            }
        keys = [row.mail for row in rows if row.mail]
        mails: dict[str, str] = {}
        if keys:
            sent = sa.select(outbox.c.key, outbox.c.state).where(outbox.c.key.in_(keys))
            mails = {row.key: row.state for row in connection.execute(sent)}
        usual = self._seconds(connection) if any(row.state == "running" for row in rows) else {}
        return [_run(row, ahead.get(row.id, 0), mails.get(row.mail, ""), usual) for row in rows]

    def _seconds(self, connection: sa.Connection) -> dict[str, float]:
        """Seconds that each step took in the last finished runs, the median."""
        if time.monotonic() > self._until:
            of_chain = (_c.state == "done", _c.kind.in_(CHAIN))
            query = sa.select(_c.steps).where(*of_chain).order_by(_c.id.desc())
            took: dict[str, list[float]] = {}
            for steps in connection.scalars(query.limit(_EARLIER)):
                for step in steps:
                    if step["seconds"] is not None:
                        took.setdefault(step["name"], []).append(step["seconds"])
            self._usual = {name: statistics.median(each) for name, each in took.items()}
            self._until = time.monotonic() + _BELIEVED_S
        return self._usual


def _run(row: Any, ahead: int, mail: str, usual: dict[str, float]) -> Run:
    steps = tuple(Step(**step) for step in row.steps)
    running = row.state == "running"
    return Run(
        id=row.id,
        owner=row.owner,
        project=row.project,
        kind=row.kind,
        upto=row.upto,
        state=row.state,
        ahead=ahead,
        steps=steps,
        created=row.created_at,
        started=row.started_at,
        ended=row.ended_at,
        left_s=left(steps, usual, datetime.now(UTC)) if running else None,
        error=row.error,
        result=row.result,
        verdict=row.verdict,
        mail=mail,
        notify=row.notify,
        recipe=row.recipe,
        test_picture=row.test_picture,
        attempt=row.attempt,
        retries=row.retries,
        worker=row.worker,
        asked="" if not running else "cancel" * row.cancel_asked or "stop" * row.stop_asked,
    )


def left(steps: Sequence[Step], usual: dict[str, float], at: datetime) -> float | None:
    """Seconds until the end: the step under way by its own pace, the others as they usually take.

    None where a step has neither.
    """
    seconds = 0.0
    for step in steps:
        if step.state == "done":
            continue
        known = usual.get(step.name)
        if step.state == "running" and step.started:
            spent = max(0.0, (at - moment(step.started)).total_seconds())
            if step.total and 0 < step.done <= step.total:
                known = spent * (step.total - step.done) / step.done
            elif known is not None:
                known = max(0.0, known - spent)
        if known is None:
            return None
        seconds += known
    return round(seconds, 1)


def events(connection: sa.Connection, run: str, after: int, limit: int) -> list[Event]:
    """A run's events behind `after`, oldest first."""
    e = run_events.c
    query = sa.select(e.seq, e.at, e.kind, e.step, e.data).where(e.run_id == run, e.seq > after)
    return [Event(*row) for row in connection.execute(query.order_by(e.seq).limit(limit))]


def overview(connection: sa.Connection) -> dict[str, Any]:
    """See `Runs.overview`."""
    counted = (
        sa.select(_c.state, sa.func.count().label("number"))
        .where(_c.state.in_(("queued", "running")))
        .group_by(_c.state)
    )
    counts = {row.state: row.number for row in connection.execute(counted)}
    held: dict[str, list[str]] = {}
    for worker, id in connection.execute(
        sa.select(_c.worker, _c.id).where(_c.state == "running").order_by(_c.id)
    ):
        held.setdefault(worker, []).append(id)
    w = run_workers.c
    silent = (queue.clock(connection) - w.seen).label("silent")
    workers = [
        {
            "id": row.id,
            "host": row.host,
            "pid": row.pid,
            "at_once": row.at_once,
            "started": row.started_at,
            "silent_s": round(max(0.0, row.silent), 1),
            "runs": held.get(row.id, []),
        }
        for row in connection.execute(sa.select(run_workers, silent).order_by(w.started_at))
        if row.silent < 3 * queue.LEASE_S
    ]
    failed = (
        sa.select(_c.id, _c.owner, _c.project, _c.error, _c.ended_at)
        .where(_c.state == "failed", _c.kind.in_(CHAIN))
        .order_by(_c.ended_at.desc())
        .limit(5)
    )
    return {
        "queued": counts.get("queued", 0),
        "running": counts.get("running", 0),
        "workers": workers,
        "errors": [
            {
                "id": row.id,
                "owner": row.owner,
                "project": row.project,
                "what": (row.error or {}).get("what", ""),
                "ended": row.ended_at,
            }
            for row in connection.execute(failed)
        ],
    }


def missing(id: str) -> NotFoundError:
    """There is no such run."""
    return NotFoundError(
        f"There is no run {id!r}.",
        expected="the id of a run, such as r_01m7zxzr1xjh7eq3t01y",
        do="List them: tellapart runs list",
    )
