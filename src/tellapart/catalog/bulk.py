"""What is derived of very many pictures, written: of all those rows, the ones that differ.

Stored rows come by in parts and are compared with columns, so that nothing is held twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tellapart.catalog.base import Base, chunks, upsert
from tellapart.catalog.columns import AT_ONCE, Places, beside, here, name_of
from tellapart.store import schema

_p, _v = schema.pictures, schema.verdicts


@dataclass(frozen=True)
class Verdicts:
    """What is to be said of every picture of a project: kept, but for those in `aside`."""

    ids: NDArray[np.uint64]
    #: By place: the reason and its detail.
    aside: Mapping[int, tuple[str, dict[str, Any]]]


def save_verdicts(catalog: Base, wanted: Verdicts) -> int:
    """The same as `Catalog.save_verdicts` for very many; return how many rows changed."""
    places, count = Places(wanted.ids), len(wanted.ids)
    lacking, aside = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    changed: list[int] = []
    others: list[str] = []
    with catalog._writing() as connection:
        for rows in beside(connection, catalog, _v, (), count):
            names = [row[0] for row in rows]
            at = places.of(names)
            lacking[at[at >= 0]] = False
            others += [names[n] for n in np.flatnonzero(at < 0).tolist()]
        told = _v.c.kept.is_(sa.false()) | (_v.c.reason != "") | _v.c.detail.is_not(None)
        values = (_v.c.kept, _v.c.reason, _v.c.detail)
        for rows in beside(connection, catalog, _v, values, count, told):
            for (_, *verdict), place in here(rows, places):
                aside[place] = True
                if tuple(verdict) != _verdict(wanted, place):
                    changed.append(place)
        changed += [place for place in wanted.aside if not (aside[place] or lacking[place])]
        changed += np.flatnonzero(lacking).tolist()
        for part in chunks(sorted(changed), AT_ONCE):
            upsert(connection, _v, [_row(wanted, place) for place in part])
        gone = _own(connection, catalog, others)
        for lost in chunks(gone):
            connection.execute(_v.delete().where(_v.c.picture_id.in_(lost)))
    return len(changed) + len(gone)


def _verdict(wanted: Verdicts, place: int) -> tuple[bool, str, dict[str, Any] | None]:
    reason, detail = wanted.aside.get(place, ("", {}))
    return not reason, reason, detail or None


def _row(wanted: Verdicts, place: int) -> dict[str, Any]:
    id = name_of(int(wanted.ids[place]))
    return dict(
        zip(("picture_id", "kept", "reason", "detail"), (id, *_verdict(wanted, place)), strict=True)
    )


def _own(connection: sa.Connection, catalog: Base, names: Sequence[str]) -> list[str]:
    """Those of the pictures named that are the project's."""
    if not names:
        return []
    query = sa.select(_p.c.id).where(_p.c.project_id == catalog.project_id)
    mine = set(connection.scalars(query))
    return [name for name in names if name in mine]
