"""The queue: what runs asked for, said and remembered, and the mails about them."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from tellapart.catalog.base import chunks
from tellapart.forgetting.order import Order
from tellapart.store import database, schema_accounts, schema_runs

_r, _o = schema_runs.runs.c, schema_accounts.outbox.c
#: What the runs' engine names a run by, in one table or another.
_KEYS = ("workflow_uuid", "destination_uuid", "child_workflow_id")
_SCHEMA = "dbos"


def mails(order: Order) -> dict[str, int]:
    """Mails about the runs, sealed ones too, and bundles attached to any mail."""
    _see(order)
    withdrawn = {one.sha256 for one in order.withdrawn}
    gone = files = 0
    with order.writing() as connection:
        keys: set[str] = set()
        for part in chunks(sorted(order.traces.runs)):
            found = connection.scalars(sa.select(_r.mail).where(_r.id.in_(part), _r.mail != ""))
            keys.update(found)
        if order.traces.kind == "user":
            mine = sa.select(_o.key).where(_o.owner == order.traces.owner)
            keys.update(connection.scalars(mine))
        attached = connection.execute(sa.select(_o.key, _o.attachment).where(_o.attachment != ""))
        for key, file in attached.all():
            if key in keys or _sha256(Path(file)) in withdrawn:
                with contextlib.suppress(OSError):
                    Path(file).unlink()
                    files += 1
                cleared = schema_accounts.outbox.update().where(_o.key == key)
                connection.execute(cleared.values(attachment=""))
        for some in chunks(sorted(keys)):
            drop = schema_accounts.outbox.delete().where(_o.key.in_(some))
            gone += connection.execute(drop).rowcount
    removed = {"mails": gone, "attachments": files}
    return {name: number for name, number in removed.items() if number}


def runs(order: Order) -> dict[str, int]:
    """Test pictures and what was said of them; of a user all runs with their events."""
    traces, table, events = order.traces, schema_runs.runs, schema_runs.run_events.c
    tests = gone = 0
    tested = _tested(order)
    with order.writing() as connection:
        for run in sorted(tested):
            values = {"test_picture": "", "verdict": sa.null()}
            connection.execute(table.update().where(_r.id == run).values(**values))
            shutil.rmtree(order.settings.home / "runs" / run, ignore_errors=True)
            tests += 1
        if traces.kind == "user":
            for part in chunks(sorted(traces.runs)):
                connection.execute(schema_runs.run_events.delete().where(events.run_id.in_(part)))
                gone += connection.execute(table.delete().where(_r.id.in_(part))).rowcount
                for run in part:
                    shutil.rmtree(order.settings.home / "runs" / run, ignore_errors=True)
    removed = {"test_pictures": tests, "runs": gone}
    return {name: number for name, number in removed.items() if number}


def engine(order: Order) -> dict[str, int]:
    """What the engine remembers of the runs: their steps' results. A run that is asked for again
    begins anew, and passes over what is done."""
    wanted = sorted(order.traces.runs)
    if not wanted:
        return {}
    if order.engine.dialect.name == "sqlite":
        gone = _of_file(order.settings.home / "runs.sqlite", wanted)
    else:
        gone = _of_schema(order, wanted)
    return {"rows": gone} if gone else {}


def _see(order: Order) -> None:
    """Which runs had it: of its projects and decks, or with it as test picture."""
    traces = order.traces
    conditions = [
        sa.and_(_r.owner == owner, _r.project == name) for owner, name in traces.projects.values()
    ]
    # A turn's run names its deck in the place of a project.
    conditions += [_r.project == f"deck:{deck}" for deck in traces.decks]
    if traces.kind == "user":
        conditions.append(_r.owner == traces.owner)
    with database.reading(order.engine) as connection:
        for some in chunks(conditions, 200):
            query = sa.select(_r.id).where(sa.or_(*some), _r.state != "running")
            traces.runs.update(connection.scalars(query))
    traces.runs |= _tested(order)


def _tested(order: Order) -> set[str]:
    """Runs with the picture itself as test."""
    traces = order.traces
    query = sa.select(_r.id, _r.test_picture).where(_r.test_picture != "")
    if traces.owner is not None:
        query = query.where(_r.owner == traces.owner)
    with database.reading(order.engine) as connection:
        rows = connection.execute(query).all()
    found = set()
    for run, test in rows:
        file = order.settings.home / "runs" / run / "test"
        if test in traces.urls or (test == "file" and _sha256(file) in traces.shas):
            found.add(str(run))
    return found


def _of_file(path: Path, runs: list[str]) -> int:
    if not path.is_file():
        return 0
    gone = 0
    with closing(sqlite3.connect(path, timeout=30)) as file:
        file.execute("PRAGMA secure_delete=ON")
        with file:
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            for (table,) in file.execute(query).fetchall():
                columns = {row[1] for row in file.execute(f'PRAGMA table_info("{table}")')}
                for key in sorted(columns.intersection(_KEYS)):
                    for part in chunks(runs):
                        marks = ",".join("?" * len(part))
                        drop = f'DELETE FROM "{table}" WHERE "{key}" IN ({marks})'  # noqa: S608
                        gone += file.execute(drop, tuple(part)).rowcount
    return gone


def _of_schema(order: Order, runs: Iterable[str]) -> int:
    gone = 0
    found = sa.inspect(order.engine)
    if _SCHEMA not in found.get_schema_names():
        return 0
    with order.writing() as connection:
        # Those that point at another one's rows go first.
        for name in sorted(
            found.get_table_names(_SCHEMA), key=lambda one: one == "workflow_status"
        ):
            columns = {str(column["name"]) for column in found.get_columns(name, _SCHEMA)}
            for key in sorted(columns.intersection(_KEYS)):
                table = sa.table(name, sa.column(key), schema=_SCHEMA)
                for part in chunks(list(runs)):
                    drop = sa.delete(table).where(table.c[key].in_(part))
                    gone += connection.execute(drop).rowcount
    return gone


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
