"""Who is to be seen in pictures, by content: kept apart, and dropped at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tellapart.catalog.base import chunks, upsert
from tellapart.store import database
from tellapart.store.schema_people import people as _table

#: What is stored of one picture: an object a face.
Faces = Sequence[Mapping[str, Any]]


def stored(engine: sa.Engine, models: str, shas: Iterable[str]) -> dict[str, Faces]:
    """What these models saw in those pictures, by SHA-256; without those not looked at."""
    query = sa.select(_table.c.sha256, _table.c.faces).where(_table.c.models == models)
    found: dict[str, Faces] = {}
    with database.reading(engine) as connection:
        for part in chunks(sorted(set(shas))):
            rows = connection.execute(query.where(_table.c.sha256.in_(part)))
            found.update((row[0], row[1]) for row in rows)
    return found


def save(engine: sa.Engine, models: str, faces: Mapping[str, Faces]) -> None:
    """Store what these models saw; what others saw in the same pictures goes."""
    rows = [
        {"sha256": sha, "models": models, "faces": [dict(one) for one in seen]}
        for sha, seen in faces.items()
    ]
    with database.writing(engine) as connection:
        for part in chunks([row["sha256"] for row in rows]):
            others = sa.and_(_table.c.sha256.in_(part), _table.c.models != models)
            connection.execute(_table.delete().where(others))
        upsert(connection, _table, rows)


def drop(engine: sa.Engine, shas: Iterable[str] | None = None) -> int:
    """Forget what was seen in those pictures, or in all; return in how many it was."""
    with database.writing(engine) as connection:
        if shas is None:
            return int(connection.execute(_table.delete()).rowcount)
        gone = 0
        for part in chunks(sorted(set(shas))):
            statement = _table.delete().where(_table.c.sha256.in_(part))
            gone += int(connection.execute(statement).rowcount)
    return gone
