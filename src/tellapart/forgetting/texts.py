"""The last look: whatever text of whatever table still names it is overwritten there.

Places know what they hold; this one knows nothing and looks everywhere, so that a text which
somebody put where nobody expects one is found too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from tellapart.forgetting.order import Order
from tellapart.store import database, schema
from tellapart.store.metadata import metadata
from tellapart.store.schema_decks import decks
from tellapart.store.schema_runs import runs

#: What stands in its place.
GONE = "(forgotten)"
#: Tables whose texts are digests and nothing else.
_DIGESTS = frozenset(("forgotten", "attempts"))
#: Tables whose rows are deleted as they are.
_DELETED = frozenset(("pictures", "deck_candidates", "deck_pictures"))
#: Columns that say whose a row is.
_OWNED = {"project_id": schema.projects, "deck_id": decks, "run_id": runs}
#: Whose a row is: it goes whole, or stays.
_WHOSE = frozenset(("owner", "account_id"))
_ROWS = 2_000


def forget(order: Order) -> dict[str, int]:
    """Overwrite it in every text of the tables that may be written; return how often."""
    needles = sorted(order.traces.needles(), key=len, reverse=True)
    changed = 0
    for table in sorted(metadata.tables.values(), key=lambda one: one.name) if needles else ():
        if table.name not in _DIGESTS | _DELETED:
            changed += _scrub(order, table, needles)
    return {"texts": changed} if changed else {}


def remains(order: Order) -> list[str]:
    """The tables in which something is found all the same."""
    needles = sorted(order.traces.needles())
    found = []
    for table in sorted(metadata.tables.values(), key=lambda one: one.name) if needles else ():
        if table.name in _DIGESTS:
            continue
        texts = [column for column in table.columns if isinstance(column.type, sa.String | sa.JSON)]
        mine = _of(table, order.traces.scope)
        if not texts or mine is None:
            continue
        with database.reading(order.engine) as connection:
            query = sa.select(*texts).where(mine)
            rows = connection.execution_options(yield_per=_ROWS).execute(query)
            if any(_names(value, needles) for row in rows for value in row):
                found.append(f"table {table.name}")
    return found


def _scrub(order: Order, table: sa.Table, needles: list[str]) -> int:
    keys = list(table.primary_key)
    texts = [
        column
        for column in table.columns
        if isinstance(column.type, sa.String | sa.JSON)
        and not column.primary_key
        and not column.foreign_keys
        and column.name not in _WHOSE
    ]
    mine = _of(table, order.traces.scope)
    if not texts or mine is None:
        return 0
    changes: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    with database.reading(order.engine) as connection:
        query = sa.select(*keys, *texts).where(mine)
        for row in connection.execution_options(yield_per=_ROWS).execute(query):
            values = {}
            for column, value in zip(texts, row[len(keys) :], strict=True):
                if _names(value, needles):
                    values[column.name] = _without(value, needles)
            if values:
                changes.append((tuple(row[: len(keys)]), values))
    with order.writing() as connection:
        for key, values in changes:
            which = [column == value for column, value in zip(keys, key, strict=True)]
            connection.execute(table.update().where(*which).values(**values))
    return sum(len(values) for _, values in changes)


def _of(table: sa.Table, owner: str | None) -> sa.ColumnElement[bool] | None:
    """Restricts a table to an owner's rows; None where it cannot be told whose they are."""
    if owner is None:
        return sa.true()
    if "owner" in table.c:
        return table.c.owner == owner
    for key, of in _OWNED.items():
        if key in table.c:
            return table.c[key].in_(sa.select(of.c.id).where(of.c.owner == owner))
    return table.c.account_id == owner if "account_id" in table.c else None


def _names(value: Any, needles: Collection[str]) -> bool:
    if isinstance(value, str):
        return any(needle in value for needle in needles)
    if isinstance(value, dict):
        return any(_names(part, needles) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(_names(part, needles) for part in value)
    return False


def _without(value: Any, needles: Collection[str]) -> Any:
    if isinstance(value, str):
        for needle in needles:
            value = value.replace(needle, GONE)
        return value
    if isinstance(value, dict):
        return {_without(key, needles): _without(part, needles) for key, part in value.items()}
    if isinstance(value, list):
        return [_without(part, needles) for part in value]
    return value
