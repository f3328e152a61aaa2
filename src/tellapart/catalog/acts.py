"""Acts: what a person decided on pictures and thresholds, written down so that it can be undone.

Whatever changes a person's word or a class goes through here, and leaves one act. An act can be
undone whatever was done after it: what a later act decided stays as that act wants it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tellapart.catalog.base import Base, chunks, now, upsert
from tellapart.errors import NotFoundError
from tellapart.store import schema
from tellapart.store.schema_acts import act_changes, acts

_p, _o, _projects = schema.pictures, schema.overrules, schema.projects
WORDS: dict[bool | None, str] = {True: "keep", False: "drop", None: ""}
#: Verbs by the word that they leave.
_VERBS: dict[bool | None, str] = {True: "keep", False: "drop", None: "give_back"}
WORD, LABEL = "word", "label"


@dataclass(frozen=True, slots=True)
class Row:
    """One act as it is stored."""

    id: int
    number: int
    at: str
    verb: str
    note: str
    undone_at: str
    #: Pictures that it decided on and that are still there.
    pictures: int


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an act decided; `picture` is None for a threshold, whose values are JSON."""

    act_id: int
    number: int
    undone: bool
    place: int
    picture: str | None
    field: str
    before: str
    after: str

    @property
    def slot(self) -> tuple[str | None, str]:
        """What it changed: acts on one slot follow one another."""
        return self.picture, self.field


# -- doing ------------------------------------------------------------------------------------


def decide(
    catalog: Base, words: Mapping[str, bool | None], note: str = "", verb: str = ""
) -> tuple[int, int]:
    """Keep (True), set aside (False) or give back to the rules (None) pictures, by id.

    One transaction; returns the act's number (0: nothing changed) and how many words changed.
    `verb`: where they are not all of one kind. Raises `NotFoundError`, changing nothing.
    """
    with catalog._writing() as connection:
        hold(connection, catalog)
        known = words_of(connection, catalog, sorted(words))
        changed = {id: kept for id, kept in words.items() if known[id] is not kept}
        set_words(connection, changed)
        # All that were named: of those that were so already it decides too.
        decided = sorted(words.items()) if changed else []
        found = [(id, WORD, WORDS[known[id]], WORDS[kept]) for id, kept in decided]
        kinds = sorted({_VERBS[kept] for kept in words.values()})
        number = _write(connection, catalog, verb or (kinds or [""])[0], note, found)
    return number, len(changed)


def relabel(catalog: Base, ids: Iterable[str], label: str, note: str = "") -> tuple[int, int]:
    """Give pictures another class; one transaction, as `decide`."""
    wanted = sorted(set(ids))
    with catalog._writing() as connection:
        hold(connection, catalog)
        known = labels_of(connection, catalog, wanted)
        changed = [id for id in wanted if known[id] != label]
        set_labels(connection, dict.fromkeys(changed, label))
        found = [(id, LABEL, known[id], label) for id in wanted] if changed else []
        number = _write(connection, catalog, "relabel", note, found)
    return number, len(changed)


def settle(
    connection: sa.Connection, catalog: Base, before: Mapping[str, str], after: Mapping[str, str]
) -> int:
    """Write down that thresholds were set, in the transaction that sets them.

    Values as JSON; one that is not there stands at its default. Returns the act's number.
    """
    hold(connection, catalog)
    changed = sorted(
        name for name in {*before, *after} if before.get(name, "") != after.get(name, "")
    )
    found = [(None, name, before.get(name, ""), after.get(name, "")) for name in changed]
    return _write(connection, catalog, "settings", "", found)


# -- looking ----------------------------------------------------------------------------------


def listed(catalog: Base, limit: int = 100, before: int | None = None) -> list[Row]:
    """The newest acts first; those whose pictures are all gone are left out."""
    query = select(catalog).order_by(acts.c.number.desc()).limit(max(1, limit))
    if before is not None:
        query = query.where(acts.c.number < before)
    with catalog._reading() as connection:
        return [Row(*values) for values in connection.execute(query)]


def one(catalog: Base, number: int) -> Row:
    """One act. Raises `NotFoundError`."""
    with catalog._reading() as connection:
        return one_of(connection, catalog, number)


def changes(catalog: Base, number: int) -> list[Change]:
    """What one act changed, as far as it is still there."""
    with catalog._reading() as connection:
        return changes_of(connection, one_of(connection, catalog, number).id)


def as_texts(recipe: Mapping[str, Any]) -> dict[str, str]:
    """The thresholds of a stored recipe as acts hold them: name → JSON."""
    written = recipe.get("curate") or {}
    return {str(name): json.dumps(value, sort_keys=True) for name, value in written.items()}


def from_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """Thresholds as a recipe holds them; those at their default are left out."""
    return {name: json.loads(text) for name, text in texts.items() if text}


# -- the tables -------------------------------------------------------------------------------


def _write(
    connection: sa.Connection,
    catalog: Base,
    verb: str,
    note: str,
    found: Sequence[tuple[str | None, str, str, str]],
) -> int:
    if not found:
        return 0
    mine = acts.c.project_id == catalog.project_id
    last = connection.scalar(sa.select(sa.func.max(acts.c.number)).where(mine)) or 0
    values = {"project_id": catalog.project_id, "number": last + 1, "at": now(), "verb": verb}
    made = connection.execute(acts.insert().values(**values, note=note))
    act_id = made.inserted_primary_key[0] if made.inserted_primary_key else None
    names = ("act_id", "place", "picture_id", "field", "before", "after")
    rows = [dict(zip(names, (act_id, place, *one), strict=True)) for place, one in enumerate(found)]
    connection.execute(act_changes.insert(), rows)
    return int(last) + 1


def hold(connection: sa.Connection, catalog: Base) -> None:
    """One act at a time (SQLite's transactions that write are alone anyway)."""
    query = sa.select(_projects.c.id).where(_projects.c.id == catalog.project_id)
    connection.execute(query.with_for_update())


def select(catalog: Base) -> sa.Select[Any]:
    number = (
        sa.select(sa.func.count(sa.distinct(act_changes.c.picture_id)))
        .where(act_changes.c.act_id == acts.c.id)
        .scalar_subquery()
    )
    there = sa.exists().where(act_changes.c.act_id == acts.c.id)
    columns = (acts.c.id, acts.c.number, acts.c.at, acts.c.verb, acts.c.note, acts.c.undone_at)
    return sa.select(*columns, number).where(acts.c.project_id == catalog.project_id, there)


def one_of(connection: sa.Connection, catalog: Base, number: int) -> Row:
    row = connection.execute(select(catalog).where(acts.c.number == number)).first()
    if row is None:
        raise no_act(catalog, f"act {number}")
    return Row(*row)


def changes_of(connection: sa.Connection, act_id: int) -> list[Change]:
    query = select_changes().where(acts.c.id == act_id).order_by(act_changes.c.place)
    return [change_of(row) for row in connection.execute(query)]


def select_changes() -> sa.Select[Any]:
    c = act_changes.c
    columns = (acts.c.id, acts.c.number, acts.c.undone_at, c.place, c.picture_id, c.field)
    return sa.select(*columns, c.before, c.after).join(acts, acts.c.id == c.act_id)


def change_of(row: Any) -> Change:
    return Change(row[0], row[1], bool(row[2]), *row[3:])


def words_of(
    connection: sa.Connection, catalog: Base, ids: Sequence[str]
) -> dict[str, bool | None]:
    joined = sa.select(_p.c.id, _o.c.kept).outerjoin(_o, _o.c.picture_id == _p.c.id)
    return _known(connection, catalog, ids, joined)


def labels_of(connection: sa.Connection, catalog: Base, ids: Sequence[str]) -> dict[str, str]:
    return _known(connection, catalog, ids, sa.select(_p.c.id, _p.c.label))


def _known(
    connection: sa.Connection, catalog: Base, ids: Sequence[str], query: sa.Select[Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in chunks(ids):
        mine = query.where(_p.c.project_id == catalog.project_id, _p.c.id.in_(part))
        found.update((row[0], row[1]) for row in connection.execute(mine))
    all_there(catalog, ids, found)
    return found


def set_words(connection: sa.Connection, words: Mapping[str, bool | None]) -> None:
    for part in chunks(sorted(id for id, kept in words.items() if kept is None)):
        connection.execute(_o.delete().where(_o.c.picture_id.in_(part)))
    at = now()
    upsert(
        connection,
        _o,
        [
            {"picture_id": id, "kept": kept, "at": at}
            for id, kept in words.items()
            if kept is not None
        ],
    )


def set_labels(connection: sa.Connection, labels: Mapping[str, str]) -> None:
    by_label: dict[str, list[str]] = defaultdict(list)
    for id, label in labels.items():
        by_label[label].append(id)
    for label, ids in by_label.items():
        for part in chunks(ids):
            connection.execute(_p.update().where(_p.c.id.in_(part)).values(label=label))


def all_there(catalog: Base, ids: Iterable[str], known: Any) -> None:
    """Raise `NotFoundError` for the first of `ids` that is not `known`."""
    for id in ids:
        if id not in known:
            raise NotFoundError(
                f"The project {catalog.name!r} has no picture {id!r}.",
                expected="an id of 16 hexadecimal digits from the project's ledger",
                do=f"List them: tellapart show {catalog.name} --pictures",
            )


def no_act(catalog: Base, what: str) -> NotFoundError:
    return NotFoundError(
        f"The project {catalog.name!r} has no {what}.",
        expected="the number of one of its acts",
        do=f"List them: tellapart curate acts {catalog.name}",
    )
