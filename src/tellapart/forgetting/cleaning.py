"""Databases give back what deleted rows left: free pages, the log of changes."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from tellapart.forgetting.caches import FEATURES
from tellapart.forgetting.order import Order

#: Seconds for which a reader of the log is waited for.
_PATIENCE_S = 20.0


def clean(order: Order) -> dict[str, int]:
    """Rewrite every database without its free pages, and empty its log."""
    home = order.settings.home
    files = [home / "runs.sqlite", order.settings.cache_dir / FEATURES]
    rewritten = 0
    if order.engine.dialect.name == "sqlite":
        order.engine.dispose()  # our own idle connections would hold the log
        files.insert(0, Path(str(order.engine.url.database)))
    else:
        rewritten += _postgres(order)
    for path in files:
        if path.is_file():
            if not _rewrite(path):
                order.notes.append(
                    f"{path.name}: another process reads it, so that deleted rows may stand in its "
                    "log for some time. Ask for the same again when the app is idle."
                )
            rewritten += 1
    return {"databases": rewritten}


def _rewrite(path: Path) -> bool:
    """Whether the free pages are gone from the file and its log."""
    until = time.monotonic() + _PATIENCE_S
    with closing(sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)) as file:
        file.execute("PRAGMA temp_store=MEMORY")
        while True:
            try:
                file.execute("VACUUM")
                busy = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if busy is None or not busy[0]:
                    return True
            except sqlite3.OperationalError:
                pass
            if time.monotonic() > until:
                return False
            time.sleep(0.1)


def _postgres(order: Order) -> int:
    """Every table of ours and of the engine's is written anew."""
    with order.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = sa.inspect(connection)
        places: list[tuple[str | None, str]] = [(None, name) for name in found.get_table_names()]
        if "dbos" in found.get_schema_names():
            places += [("dbos", name) for name in found.get_table_names("dbos")]
        for schema, name in places:
            quoted = f'"{schema}"."{name}"' if schema else f'"{name}"'
            connection.exec_driver_sql(f"VACUUM FULL {quoted}")
        connection.exec_driver_sql("CHECKPOINT")
    order.notes.append(
        "PostgreSQL keeps changes in its own log (WAL), archives and replicas until they are "
        "recycled: that is its administrator's to set."
    )
    return 1
