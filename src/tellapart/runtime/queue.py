"""The queue: whose turn it is, and which worker has which run. One table, no second truth.

Every change of hands is one transaction under one lock, so that two workers never take the same
run. Fair: the k-th waiting run of a user comes after every other user's (k-1)-th.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tellapart.runtime.shapes import CHAIN, RunKind, now
from tellapart.store import database
from tellapart.store.schema_runs import run_events, run_workers, runs

#: Seconds after which a worker that said nothing is taken for dead.
LEASE_S = 20.0
#: How often in a row a run may cut off its workers amid the same step.
MOST_CUTS = 10
#: PostgreSQL's advisory lock under which runs change hands ("ta", "q").
_LOCK = 0x7461_0071
_c = runs.c


@dataclass(frozen=True)
class Waiting:
    """A queued run, as far as its turn depends on it."""

    id: str
    owner: str
    project: str
    at_once: int
    cut: bool


def order(waiting: Sequence[Waiting], last_start: Mapping[str, str]) -> list[Waiting]:
    """Waiting runs in the order of their turns. `last_start`: when each owner's last run began.

    First those that were cut off; then every owner's first, every owner's second, …, among equals
    the owner first who has waited longest for anything to begin.
    """
    place: Counter[str] = Counter()
    keyed: list[tuple[tuple[int, str, str], Waiting]] = []
    for one in sorted(waiting, key=lambda one: one.id):
        if not one.cut:
            place[one.owner] += 1
        turn = 0 if one.cut else place[one.owner]
        keyed.append(((turn, last_start.get(one.owner, ""), one.id), one))
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]


def waiting(connection: sa.Connection, kinds: Sequence[RunKind] = CHAIN) -> list[Waiting]:
    """All queued runs of these kinds in the order of their turns."""
    of_kind = _c.kind.in_(kinds)
    query = sa.select(_c.id, _c.owner, _c.project, _c.at_once, _c.cut)
    found = [
        Waiting(*row) for row in connection.execute(query.where(_c.state == "queued", of_kind))
    ]
    if len({one.owner for one in found}) < 2:
        return order(found, {})
    begun = sa.select(_c.owner, sa.func.max(_c.started_at).label("start"))
    begun = begun.where(of_kind).group_by(_c.owner)
    return order(found, {row.owner: row.start for row in connection.execute(begun)})


def claim(engine: sa.Engine, worker: str, kinds: Sequence[RunKind] = CHAIN) -> str | None:
    """Take the run of these kinds whose turn it is; None: there is none that may begin now.

    A project's runs are walked one after the other, and an owner's within their quota. Turns of
    decks have a lane of their own, in which each owner has one at a time.
    """
    of_kind = _c.kind.in_(kinds)
    with database.reading(engine) as connection:
        queued = sa.select(_c.id).where(_c.state == "queued", of_kind).limit(1)
        if connection.scalar(queued) is None:  # a look that takes no lock
            return None
    with changing_hands(engine) as connection:
        running = connection.execute(
            sa.select(_c.owner, _c.project).where(_c.state == "running", of_kind)
        ).all()
        owners = Counter(row.owner for row in running)
        projects = {(row.owner, row.project) for row in running}
        for one in waiting(connection, kinds):
            at_once = one.at_once if CHAIN[0] in kinds else 1
            if (one.owner, one.project) in projects or 0 < at_once <= owners[one.owner]:
                continue
            append(
                connection,
                one.id,
                "state",
                {"state": "running"},
                values={
                    "state": "running",
                    "worker": worker,
                    "attempt": _c.attempt + 1,
                    "cut": False,
                    "started_at": sa.case((_c.started_at == "", now()), else_=_c.started_at),
                },
            )
            return one.id
    return None


def give_back(
    connection: sa.Connection, worker: str, why: str, *, died: bool, only: str | None = None
) -> list[str]:
    """Queue again what a worker had under way; the caller `changing_hands`. Returns the runs' ids.

    `died`: it counts against a run that has ended its workers again and again. `only`: one run.
    """
    query = sa.select(_c.id, _c.cuts, _c.cancel_asked, _c.steps).where(
        _c.worker == worker, _c.state == "running"
    )
    if only is not None:
        query = query.where(_c.id == only)
    given = []
    for row in connection.execute(query).all():
        steps = [
            {**step, "state": "waiting"} if step["state"] == "running" else step
            for step in row.steps
        ]
        values: dict[str, Any] = {"worker": "", "cut": True, "steps": steps}
        data: dict[str, Any] = {"state": "queued", "why": why}
        if row.cancel_asked:
            values |= {"state": "cancelled", "ended_at": now()}
            data = {"state": "cancelled"}
        elif died and row.cuts + 1 >= MOST_CUTS:
            error = _poison(row.cuts + 1)
            values |= {"state": "failed", "ended_at": now(), "error": error}
            data = {"state": "failed"}
            append(connection, row.id, "error", error)
        else:
            values |= {"state": "queued", "cuts": row.cuts + died}
        append(connection, row.id, "state", data, values=values)
        given.append(row.id)
    return given


def changing_hands(engine: sa.Engine) -> Any:
    """A writing transaction in which no other one changes whose a run is."""
    return _Hands(engine)


class _Hands:
    def __init__(self, engine: sa.Engine) -> None:
        self._writing = database.writing(engine)

    def __enter__(self) -> sa.Connection:
        connection = self._writing.__enter__()
        if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        return connection

    def __exit__(self, *error: Any) -> bool | None:
        return self._writing.__exit__(*error)


def append(
    connection: sa.Connection,
    run: str,
    kind: str,
    data: Mapping[str, Any],
    *,
    step: str = "",
    values: Mapping[str, Any] | None = None,
    worker: str | None = None,
) -> int | None:
    """Write one event, and `values` of the run with it; its number, or None: nothing was written.

    With `worker`: only while the run is still this worker's. The run's row is locked first, so
    that numbers become visible in their order.
    """
    change = runs.update().where(_c.id == run)
    if worker is not None:
        change = change.where(_c.worker == worker)
    change = change.values(last_seq=_c.last_seq + 1, **(values or {})).returning(_c.last_seq)
    number: int | None = connection.scalar(change)
    if number is not None:
        row = {"run_id": run, "seq": number, "at": now(), "kind": kind, "step": step, "data": data}
        connection.execute(run_events.insert().values(**row))
    return number


def clock(connection: sa.Connection) -> Any:
    """Seconds by the database's own clock, as an expression."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Float)
    return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0")


def alive(connection: sa.Connection, worker: str) -> bool:
    """Whether a worker has said within its lease that it lives."""
    w = run_workers.c
    fresh = w.seen > clock(connection) - LEASE_S
    return connection.scalar(sa.select(w.id).where(w.id == worker, fresh)) is not None


def _poison(cuts: int) -> dict[str, str]:
    return {
        "code": "worker",
        "what": f"The worker ended {cuts} times in a row amid the same step.",
        "expected": "a step that leaves its worker alive",
        "do": "See the worker's log: memory that runs out is the usual reason. Then retry the run.",
    }
