"""The last look: whatever text of whatever table still names it is overwritten there.

Places know what they hold; this one knows nothing and looks everywhere, so that a text which
somebody put where nobody expects one is found too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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
    for table in _tables(_DIGESTS | _DELETED) if needles else ():
        changed += _scrub(order, table, needles)
    return {"texts": changed} if changed else {}


def remains(order: Order) -> list[str]:
    """The tables in which something is found all the same."""
    found = []
    for table in _tables(_DIGESTS) if order.traces.needles() else ():
        texts = [column for column in table.columns if isinstance(column.type, sa.String | sa.JSON)]
        if any(True for _ in _naming(order, table, [], texts)):
            found.append(f"table {table.name}")
    return found


def _tables(without: Collection[str]) -> list[sa.Table]:
    known = sorted(metadata.tables.values(), key=lambda table: table.name)
    return [table for table in known if table.name not in without]


def _scrub(order: Order, table: sa.Table, needles: Sequence[str]) -> int:
    keys = list(table.primary_key)
    texts = [
        column
        for column in table.columns
        if isinstance(column.type, sa.String | sa.JSON)
        and not column.primary_key
        and not column.foreign_keys
        and column.name not in _WHOSE
    ]
    changes: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    for key, cells in _naming(order, table, keys, texts):
        values = {
            column.name: without
            for column, value in zip(texts, cells, strict=True)
            if (without := _without(value, needles)) != value
        }
        changes.append((key, values))
    if changes:
        with order.writing() as connection:
            for key, values in changes:
                which = [column == value for column, value in zip(keys, key, strict=True)]
                connection.execute(table.update().where(*which).values(**values))
    return sum(len(values) for _, values in changes)


def _naming(
    order: Order, table: sa.Table, keys: Sequence[Any], texts: Sequence[Any]
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Rows with such a text: their keys and cells. Many rows are looked at together."""
    mine = _of(table, order.traces.scope)
    if not texts or mine is None:
        return
    with database.reading(order.engine) as connection:
        query = sa.select(*keys, *texts).where(mine)
        result = connection.execution_options(yield_per=_ROWS).execute(query)
        for part in result.partitions(_ROWS):
            cells = [tuple(row[len(keys) :]) for row in part]
            if not order.search.inside(_joined(cells)):
                continue
            for row, own in zip(part, cells, strict=True):
                if order.search.inside(_joined([own])):
                    yield tuple(row[: len(keys)]), own


def _joined(rows: Sequence[tuple[Any, ...]]) -> bytes:
    texts = (text for row in rows for cell in row for text in _strings(cell))
    return "\0".join(texts).encode("utf-8", "surrogatepass")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield str(key)
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


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


def _without(value: Any, needles: Sequence[str]) -> Any:
    if isinstance(value, str):
        for needle in needles:
            value = value.replace(needle, GONE)
        return value
    if isinstance(value, dict):
        return {_without(key, needles): _without(part, needles) for key, part in value.items()}
    if isinstance(value, list):
        return [_without(part, needles) for part in value]
    return value
