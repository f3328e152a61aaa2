"""Taking acts back, and doing them again: any of them, in any order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from tellapart.catalog import acts
from tellapart.catalog.base import Base, chunks
from tellapart.store import schema
from tellapart.store.schema_acts import act_changes
from tellapart.store.schema_acts import acts as table

_projects = schema.projects
#: What an act decides on: a picture's word or class, or (None and a name) a threshold.
_Slot = tuple[str | None, str]
_KEPT = {word: kept for kept, word in acts.WORDS.items()}


def undo(catalog: Base, number: int | None = None) -> tuple[acts.Row, int, int]:
    """Take an act back (default: the newest in force): the act, how many changed, how many stayed.

    What a later act in force decided, and what has been changed otherwise since, stays. Raises
    `NotFoundError` where there is no such act in force.
    """
    return _turn(catalog, number, undone=True)


def redo(catalog: Base, number: int | None = None) -> tuple[acts.Row, int, int]:
    """Do an act that was undone again (default: the one undone last), as `undo`."""
    return _turn(catalog, number, undone=False)


def _turn(catalog: Base, number: int | None, *, undone: bool) -> tuple[acts.Row, int, int]:
    with catalog._writing() as connection:
        acts.hold(connection, catalog)
        act = _asked(connection, catalog, number, undone=undone)
        mine = acts.changes_of(connection, act.id)
        history = _history(connection, catalog, mine)
        targets: dict[_Slot, tuple[str, str]] = {}
        left = 0
        for change in mine:
            others = [other for other in history[change.slot] if other.number != change.number]
            if any(other.number > change.number and not other.undone for other in others):
                left += 1
                continue
            base = _base(change, others)
            if base != change.after:
                here, there = (change.after, base) if undone else (base, change.after)
                targets[change.slot] = here, there
        changed = _apply(connection, catalog, targets)
        mark = _moment() if undone else ""
        connection.execute(table.update().where(table.c.id == act.id).values(undone_at=mark))
        after = acts.one_of(connection, catalog, act.number)
    return after, changed, left + len(targets) - changed


def _moment() -> str:
    """The time to the microsecond: which of two acts was undone last is asked for."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _base(change: acts.Change, others: Sequence[acts.Change]) -> str:
    """What a slot held before a change, as acts before it that were undone do not count."""
    earlier = [other for other in others if other.number < change.number]
    if not earlier or not earlier[-1].undone:
        return change.before
    standing = [other.after for other in earlier if not other.undone]
    return standing[-1] if standing else earlier[0].before


def _apply(
    connection: sa.Connection,
    catalog: Base,
    targets: Mapping[_Slot, tuple[str, str]],
) -> int:
    """Set slots from what they should hold now to what they held; others are left as they are."""
    words = {id: pair for (id, field), pair in targets.items() if id and field == acts.WORD}
    labels = {id: pair for (id, field), pair in targets.items() if id and field == acts.LABEL}
    known = acts.words_of(connection, catalog, sorted(words))
    back = {id: _KEPT[to] for id, (now_, to) in words.items() if acts.WORDS[known[id]] == now_}
    acts.set_words(connection, back)
    names = acts.labels_of(connection, catalog, sorted(labels))
    renamed = {id: to for id, (now_, to) in labels.items() if names[id] == now_}
    acts.set_labels(connection, renamed)
    settings = {field: pair for (id, field), pair in targets.items() if id is None}
    return len(back) + len(renamed) + _set_thresholds(connection, catalog, settings)


def _set_thresholds(
    connection: sa.Connection, catalog: Base, settings: Mapping[str, tuple[str, str]]
) -> int:
    if not settings:
        return 0
    which = _projects.c.id == catalog.project_id
    recipe = dict(connection.scalar(sa.select(_projects.c.recipe).where(which)) or {})
    stored = acts.as_texts(recipe)
    back = {name: to for name, (now_, to) in settings.items() if stored.get(name, "") == now_}
    recipe["curate"] = acts.from_texts({**stored, **back})
    if not recipe["curate"]:
        del recipe["curate"]
    connection.execute(_projects.update().where(which).values(recipe=recipe))
    return len(back)


def _history(
    connection: sa.Connection, catalog: Base, mine: Sequence[acts.Change]
) -> dict[_Slot, list[acts.Change]]:
    """All changes of the slots that an act changed, the oldest first."""
    found: dict[_Slot, list[acts.Change]] = defaultdict(list)
    query = (
        acts.select_changes()
        .where(table.c.project_id == catalog.project_id)
        .order_by(table.c.number)
    )
    wanted = {change.slot for change in mine}
    ids = sorted({change.picture for change in mine if change.picture})
    parts = [act_changes.c.picture_id.in_(part) for part in chunks(ids)]
    if any(change.picture is None for change in mine):
        parts.append(act_changes.c.picture_id.is_(None))
    for part in parts:
        for row in connection.execute(query.where(part)):
            change = acts.change_of(row)
            if change.slot in wanted:
                found[change.slot].append(change)
    return found


def _asked(
    connection: sa.Connection, catalog: Base, number: int | None, *, undone: bool
) -> acts.Row:
    """The act that is to be undone (or redone), by its number or the last one."""
    state = table.c.undone_at == "" if undone else table.c.undone_at != ""
    query = acts.select(catalog).where(state)
    if number is not None:
        query = query.where(table.c.number == number)
    elif undone:
        query = query.order_by(table.c.number.desc())
    else:
        query = query.order_by(table.c.undone_at.desc(), table.c.number)
    row = connection.execute(query.limit(1)).first()
    if row is None:
        which = "act" if number is None else f"act {number}"
        state_is = "that is in force" if undone else "that was undone"
        raise acts.no_act(catalog, f"{which} {state_is}")
    return acts.Row(*row)
