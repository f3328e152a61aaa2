"""What all parts of the catalog share: the database, the project, transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tellapart.store import database

T = TypeVar("T")
#: Values in one `IN (…)`: well below SQLite's limit of bound values.
CHUNK = 900


class Base:
    """One project in one database."""

    def __init__(self, engine: sa.Engine, name: str, project_id: int, owner: str = "") -> None:
        self.engine = engine
        self.name = name
        #: The account that holds the project; empty for the single user.
        self.owner = owner
        self.project_id = project_id

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return database.reading(self.engine)

    def _writing(self) -> AbstractContextManager[sa.Connection]:
        return database.writing(self.engine)


def now() -> str:
    """The time in UTC, such as `2026-01-31T09:30:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that knows ON CONFLICT, in the words of this database."""
    kind = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return kind(table)


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; where the primary key is there already, replace the other columns."""
    if not rows:
        return
    statement = insert(connection, table)
    others = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if not column.primary_key
    }
    keys = [column.name for column in table.primary_key]
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=others), list(rows)
    )
