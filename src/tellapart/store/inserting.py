"""Insert a row unless it is there: in the words of either database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert one row; False, and nothing is changed, where a unique value of it is taken."""
    kind = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Not by the row count, which PostgreSQL's driver does not tell here.
    made = kind(table).values(**values).on_conflict_do_nothing().returning(sa.literal(1))
    return connection.execute(made).first() is not None
