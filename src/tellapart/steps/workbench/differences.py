"""What other thresholds would change, before anybody sets them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tellapart.catalog import PictureRow
from tellapart.errors import RecipeError
from tellapart.learn.workbench.shapes import Diff, Move, Value
from tellapart.recipe import Curate, asked, check, guess, with_changes
from tellapart.steps import StepContext, curate

_SHOWN = 12


def diff(
    context: StepContext, after: Mapping[str, Value], before: Mapping[str, Value] | None = None
) -> Diff:
    """Both are tried, nothing is stored. Raises `RecipeError`."""
    for name in (*after, *(before or ())):
        if name not in Curate.model_fields:
            near = guess(name, list(Curate.model_fields))
            raise RecipeError(
                f"There is no threshold {name[:80]!r}.",
                expected=f"some of {', '.join(Curate.model_fields)}",
                do=f"Did you mean {near!r}?" if near else "Correct the name.",
            )
    first, second = _with(context, before or {}), _with(context, after)
    one, two = (part.recipe.curate.model_dump(mode="json") for part in (first, second))
    settings: dict[str, list[Value]] = {
        name: [one[name], two[name]] for name in one if one[name] != two[name]
    }
    rows, old, _ = _tried(first)
    _, new, notes = _tried(second)
    return _told(rows, old, new, settings, notes)


def _with(context: StepContext, thresholds: Mapping[str, Value]) -> StepContext:
    written = with_changes(asked(context.recipe), {"curate": dict(thresholds)})
    return replace(context, recipe=check(written))


def _tried(context: StepContext) -> tuple[list[PictureRow], dict[str, str], list[str]]:
    """Rows, the reason (empty: kept) of each by id with the user's word laid over, and notes."""
    rows, decisions, result = curate.trial(context)
    reasons = {}
    for row, one in zip(rows, decisions, strict=True):
        word = None if one.reason == "unreadable" else row.overruled
        if word is None or word == one.kept:
            reasons[row.id] = one.reason
        else:
            reasons[row.id] = "" if word else "by_hand"
    return rows, reasons, [str(note) for note in result["notes"]]


def _told(
    rows: list[PictureRow],
    old: Mapping[str, str],
    new: Mapping[str, str],
    settings: dict[str, list[Value]],
    notes: list[str],
) -> Diff:
    moves: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    classes: dict[str, Counter[Any]] = defaultdict(Counter)
    for row in rows:
        before, after = old[row.id], new[row.id]
        classes[row.label].update({"before": not before, "after": not after})
        if before != after:
            moves[row.label, before, after].append(row.id)
    counts = {
        "gained": sum(len(ids) for (_, b, a), ids in moves.items() if b and not a),
        "lost": sum(len(ids) for (_, b, a), ids in moves.items() if a and not b),
        "renamed": sum(len(ids) for (_, b, a), ids in moves.items() if a and b),
    }
    found = [
        Move(label, before, after, len(ids), tuple(sorted(ids)[:_SHOWN]))
        for (label, before, after), ids in moves.items()
    ]
    return Diff(
        settings=settings,
        kept_before=sum(1 for reason in old.values() if not reason),
        kept_after=sum(1 for reason in new.values() if not reason),
        **counts,
        classes={
            label: [both["before"], both["after"]]
            for label, both in sorted(classes.items())
            if both["before"] != both["after"]
        },
        moves=tuple(sorted(found, key=lambda one: (-one.n, one.label, one.before, one.after))),
        notes=tuple(notes),
    )
