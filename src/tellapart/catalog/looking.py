"""Looking at a ledger page by page: no more rows are read than are shown, and the rest is counted
by the database. For faces that answer while thousands of pictures lie behind a page."""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from tellapart.catalog import acts
from tellapart.catalog.base import Base, chunks
from tellapart.catalog.ledger import KEPT, SELECT, VERDICT, row_of
from tellapart.catalog.rows import PictureRow
from tellapart.errors import InputError
from tellapart.store import schema

#: `place`: class, source, rank; `newest`: last fetched first.
Order = Literal["place", "newest"]
_AT_ONCE = 1000
_DUPLICATES = ("near_duplicate", "exact_duplicate")
_FAILED = ("failed", "refused", "missing")
_p, _v, _o, _s = schema.pictures, schema.verdicts, schema.overrules, schema.splits
_KEYS: dict[str, tuple[sa.ColumnElement[Any], ...]] = {
    "place": (_p.c.label, _p.c.position, _p.c.rank, _p.c.id),
    "newest": (_p.c.fetched_at, _p.c.id),
}
_KINDS = {"place": (str, int, int, str), "newest": (str, str)}


@dataclass(frozen=True)
class PictureFilter:
    """Which pictures are looked at; None: all."""

    label: str | None = None
    #: True: kept ones; False: those set aside.
    kept: bool | None = None
    #: Verdict word, such as `near_duplicate` or `by_hand`.
    reason: str | None = None
    #: `ok` (its bytes are here), `pending`, `failed`, `refused`, `surplus`, `missing`; None: all.
    status: str | None = "ok"
    #: `train`, `validation`, `test`, `aside`.
    split: str | None = None
    #: True: only those a person decided; False: only the others.
    by_hand: bool | None = None
    source: str | None = None
    order: Order = "place"


def page(
    catalog: Base, shown: PictureFilter, *, limit: int, after: str | None = None, offset: int = 0
) -> tuple[list[PictureRow], str | None]:
    """At most `limit` pictures, and the cursor behind the last of them (None: no more follow)."""
    keys = _KEYS[shown.order]
    # Which pictures, first: their long texts are read for those alone that are shown.
    query = sa.select(_p.c.id).select_from(_joined(shown)).where(*_conditions(catalog, shown))
    if after is not None:
        values = _values(after, shown.order)
        here, there = sa.tuple_(*keys), sa.tuple_(*(sa.literal(value) for value in values))
        query = query.where(here < there if shown.order == "newest" else here > there)
    ordered = [key.desc() for key in keys] if shown.order == "newest" else list(keys)
    query = query.order_by(*ordered).limit(limit + 1).offset(offset)
    with catalog._reading() as connection:
        ids = list(connection.scalars(query))
        more, ids = len(ids) > limit, ids[:limit]
        found: dict[str, PictureRow] = {}
        for part in chunks(ids):
            rows = connection.execute(SELECT.where(_p.c.id.in_(part)))
            found.update((values[0], row_of(values)) for values in rows)
    shown_rows = [found[id] for id in ids if id in found]
    return shown_rows, _cursor(shown_rows[-1], shown.order) if more and shown_rows else None


def every(catalog: Base) -> Iterator[PictureRow]:
    """All pictures in the order of their places, a few at a time in memory.

    A look at one moment: what is written meanwhile is not seen.
    """
    query = SELECT.where(_p.c.project_id == catalog.project_id).order_by(*_KEYS["place"])
    with catalog._reading() as connection:
        found = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
        yield from map(row_of, found)


def total(catalog: Base, shown: PictureFilter) -> int:
    """How many pictures match."""
    query = (
        sa.select(sa.func.count()).select_from(_joined(shown)).where(*_conditions(catalog, shown))
    )
    with catalog._reading() as connection:
        return int(connection.scalar(query) or 0)


def tally(catalog: Base) -> dict[str, Any]:
    """What `Catalog.counts` says, counted by the database."""
    why = sa.case((_p.c.status.in_(_FAILED), _p.c.reason), else_="")
    split = sa.func.coalesce(_s.c.split, "")
    columns = (_p.c.label, _p.c.status, why, KEPT, VERDICT, split, _p.c.source)
    pictures = (
        sa.select(*columns, sa.func.count())
        .select_from(_joined())
        .where(_p.c.project_id == catalog.project_id)
        .group_by(*(sa.text(str(place)) for place in range(1, len(columns) + 1)))
    )
    _r = schema.rows
    of_rows = (_r.c.label, _r.c.kept, _r.c.reason, _r.c.split)
    rows = (
        sa.select(*of_rows, sa.func.count())
        .where(_r.c.project_id == catalog.project_id)
        .group_by(*of_rows)
    )
    with catalog._reading() as connection:
        by_source = [tuple(row) for row in connection.execute(pictures)]
        cells = [(*row[:6], row[7]) for row in by_source]
        cells += [
            (row[0], "ok", "", row[1], row[2], row[3], row[4]) for row in connection.execute(rows)
        ]
    labels = sorted({str(cell[0]) for cell in cells})
    return {
        **_summed(cells),
        "classes": {label: _summed([c for c in cells if c[0] == label]) for label in labels},
        "sources": _by_source(by_source),
    }


def _by_source(cells: Sequence[tuple[Any, ...]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for _, status, _, kept, _, _, source, number in cells:
        one = found.setdefault(source, {"found": 0, "kept": 0, "not_had": 0})
        one["found"] += number if status == "ok" else 0
        one["kept"] += number if status == "ok" and kept else 0
        one["not_had"] += number if status in _FAILED else 0
    return dict(sorted(found.items(), key=lambda item: (-item[1]["found"], item[0])))


def sides(catalog: Base) -> dict[str, bool | None]:
    """Whether each picture that is here is kept, by id."""
    query = sa.select(_p.c.id, KEPT).select_from(_joined(PictureFilter(kept=True)))
    query = query.where(_p.c.project_id == catalog.project_id, _p.c.status == "ok")
    with catalog._reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def labels(catalog: Base) -> list[str]:
    """The classes that pictures have, sorted."""
    query = sa.select(_p.c.label).where(_p.c.project_id == catalog.project_id).distinct()
    with catalog._reading() as connection:
        return sorted(label for label in connection.scalars(query) if label)


def duplicates(catalog: Base) -> dict[str, list[str]]:
    """Groups of duplicates: ids set aside, by the id of the picture that stays for them."""
    query = (
        sa.select(_v.c.picture_id, _v.c.detail)
        .join(_p, _p.c.id == _v.c.picture_id)
        .where(_p.c.project_id == catalog.project_id, _v.c.reason.in_(_DUPLICATES))
    )
    with catalog._reading() as connection:
        of = {id: str((detail or {}).get("of", "")) for id, detail in connection.execute(query)}
    groups: dict[str, list[str]] = defaultdict(list)
    for id in sorted(of):
        root, steps = of[id], 0
        # A copy of a file may name one that is itself near to another.
        while root in of and steps < len(of):
            root, steps = of[root], steps + 1
        if root and root != id:
            groups[root].append(id)
    return dict(groups)


def by_ids(catalog: Base, ids: Sequence[str]) -> list[PictureRow]:
    """The pictures of these ids, in their order. Raises `NotFoundError` where one is not there."""
    found: dict[str, PictureRow] = {}
    with catalog._reading() as connection:
        for part in chunks(sorted(set(ids))):
            query = SELECT.where(_p.c.project_id == catalog.project_id, _p.c.id.in_(part))
            found.update((row[0], row_of(row)) for row in connection.execute(query))
    acts.all_there(catalog, ids, found)
    return [found[id] for id in ids]


def overrule(catalog: Base, ids: Iterable[str], kept: bool | None) -> int:
    """Keep or set aside pictures whatever their verdicts; None takes the word back.

    One transaction, and one act that can be undone; returns how many words changed. Raises
    `NotFoundError`, changing nothing.
    """
    return acts.decide(catalog, dict.fromkeys(ids, kept))[1]


def relabel(catalog: Base, ids: Iterable[str], label: str) -> int:
    """Give pictures another class; one transaction and one act. Raises as `overrule`."""
    return acts.relabel(catalog, ids, label)[1]


def _joined(shown: PictureFilter | None = None) -> sa.FromClause:
    """Pictures with what the conditions ask of them, and no more; None: with all."""
    found: sa.FromClause = _p
    judged = shown is None or shown.kept is not None or shown.reason is not None
    if judged:
        found = found.outerjoin(_v, _v.c.picture_id == _p.c.id)
    if judged or (shown is not None and shown.by_hand is not None):
        found = found.outerjoin(_o, _o.c.picture_id == _p.c.id)
    if shown is None or shown.split is not None:
        found = found.outerjoin(_s, _s.c.picture_id == _p.c.id)
    return found


def _conditions(catalog: Base, shown: PictureFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [_p.c.project_id == catalog.project_id]
    if shown.label is not None:
        found.append(_p.c.label == shown.label)
    if shown.status is not None:
        found.append(_p.c.status == shown.status)
    if shown.source is not None:
        found.append(_p.c.source == shown.source)
    if shown.kept is not None:
        found.append(KEPT.is_(shown.kept))
    if shown.reason is not None:
        found.append(VERDICT == shown.reason)  # noqa: SIM300
    if shown.split is not None:
        found.append(_s.c.split == shown.split)
    if shown.by_hand is not None:
        absent = _o.c.picture_id.is_(None)
        found.append(~absent if shown.by_hand else absent)
    return found


def _cursor(row: PictureRow, order: Order) -> str:
    newest = [row.fetched_at, row.id]
    values = newest if order == "newest" else [row.label, row.position, row.rank, row.id]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _values(cursor: str, order: Order) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        kinds = _KINDS[order]
        if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
            raise ValueError(values)
        if any(isinstance(value, int) and abs(value) >= 2**31 for value in values):
            raise ValueError(values)
        if any(isinstance(value, str) and "\0" in value for value in values):
            raise ValueError(values)
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise InputError(
            f"The cursor {cursor[:80]!r} is none of this list.",
            expected="the cursor that the page before came with",
            do="Begin again without one.",
        ) from None
    return values


def _summed(cells: Sequence[Any]) -> dict[str, Any]:
    kept, aside = 0, 0
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for _, status, why, keep, verdict, split, number in cells:
        counts["statuses"][status] += number
        if status != "ok":
            if why:
                counts["failures"][f"{status}: {why}"] += number
        elif keep:
            kept += number
            if split:
                counts["splits"][split] += number
        elif keep is not None:
            aside += number
            counts["reasons"][verdict] += number
    return {
        "found": counts["statuses"]["ok"],
        "kept": kept,
        "set_aside": aside,
        "reasons": _most_first(counts["reasons"]),
        "statuses": _most_first(counts["statuses"]),
        "failures": _most_first(counts["failures"]),
        "splits": _most_first(counts["splits"]),
    }


def _most_first(words: Counter[str]) -> dict[str, int]:
    return {
        word: number
        for word, number in sorted(words.items(), key=lambda item: (-item[1], item[0]))
        if number
    }


def changed_since(catalog: Base, at: str) -> bool:
    """Whether somebody overruled a verdict, or pictures were curated anew, after the time `at`."""
    _c = schema.steps
    curated = sa.select(sa.func.max(_c.c.finished_at)).where(
        _c.c.project_id == catalog.project_id, _c.c.step == "curate"
    )
    overruled = (
        sa.select(sa.func.max(_o.c.at))
        .join(_p, _p.c.id == _o.c.picture_id)
        .where(_p.c.project_id == catalog.project_id)
    )
    with catalog._reading() as connection:
        return any(str(connection.scalar(query) or "") > at for query in (curated, overruled))
