"""Doing something about it: keep, drop, relabel, set thresholds; each an act that can be undone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tellapart.catalog import Catalog, acts, undoing
from tellapart.errors import InputError, NotFoundError
from tellapart.learn.workbench.shapes import Act, Better, Outcome, Value
from tellapart.recipe import Curate, asked, check, guess, with_changes

_WORD: dict[str, bool | None] = {"keep": True, "drop": False, "give_back": None}


def on_pictures(
    catalog: Catalog, verb: str, ids: Sequence[str], note: str, better: Better | None = None
) -> Outcome:
    """Keep, drop or give back `ids` in one act."""
    number, changed = acts.decide(catalog, dict.fromkeys(ids, _WORD[verb]), note or _few(ids), verb)
    return _done(catalog, number, changed, verb, better)


def best_of(catalog: Catalog, best: str, others: Sequence[str], note: str) -> Outcome:
    """Keep one picture of a group and drop the others, in one act."""
    words: dict[str, bool | None] = {**dict.fromkeys(others, False), best: True}
    number, changed = acts.decide(catalog, words, note, "keep")
    return _done(catalog, number, changed, "keep")


def relabel(catalog: Catalog, ids: Sequence[str], label: str, note: str) -> Outcome:
    """Give `ids` another class of the project. Raises `InputError` for an unknown one."""
    recipe = check(catalog.recipe)
    classes = sorted({*recipe.labels} or {row.label for row in catalog.pictures()} - {""})
    if label not in classes:
        near = guess(label, classes)
        raise InputError(
            f"The project {catalog.name!r} has no class {label!r}.",
            expected=f"one of {', '.join(classes)}",
            do=f"Did you mean {near!r}?" if near else "Name one of these classes.",
        )
    number, changed = acts.relabel(catalog, ids, label, note or _few(ids))
    return _done(catalog, number, changed, "relabel")


def set_thresholds(catalog: Catalog, settings: Mapping[str, Value]) -> Outcome:
    """Write thresholds into the recipe. Raises `RecipeError`."""
    recipe = check(with_changes(catalog.recipe, {"curate": dict(settings)}))
    return _done(catalog, catalog.save_recipe(asked(recipe)), 0, "settings")


def listed(catalog: Catalog, limit: int, before: int | None) -> list[Act]:
    """The newest acts first."""
    return [_act(catalog, row) for row in acts.listed(catalog, limit, before)]


def undo(catalog: Catalog, number: int | None) -> Outcome:
    """Undo an act, or the newest."""
    row, changed, left = undoing.undo(catalog, number)
    return Outcome(_act(catalog, row), changed, left)


def redo(catalog: Catalog, number: int | None) -> Outcome:
    """Do an undone act again, or the one undone last."""
    row, changed, left = undoing.redo(catalog, number)
    return Outcome(_act(catalog, row), changed, left)


def _done(
    catalog: Catalog, number: int, changed: int, verb: str, better: Better | None = None
) -> Outcome:
    """What was done; an act of number 0 where it was so already."""
    if number:
        return Outcome(_act(catalog, acts.one(catalog, number)), changed, better=better)
    return Outcome(Act(0, "", verb, "nothing changed", 0), 0, better=better)  # type: ignore[arg-type]


def _act(catalog: Catalog, row: acts.Row) -> Act:
    label = ""
    settings: dict[str, list[Value]] = {}
    if row.verb in ("relabel", "settings"):
        found = acts.changes(catalog, row.number)
        if row.verb == "relabel":
            label = found[0].after if found else ""
        else:
            settings = {
                one.field: [_value(one.field, t) for t in (one.before, one.after)] for one in found
            }
    return Act(
        number=row.number,
        at=row.at,
        verb=row.verb,  # type: ignore[arg-type]
        note=row.note or (", ".join(sorted(settings)) if settings else _count(row.pictures)),
        pictures=row.pictures,
        undone_at=row.undone_at,
        label=label,
        settings=settings,
    )


def _value(name: str, text: str) -> Value:
    """A threshold as it was written; its default where it was not."""
    if text:
        value: Value = json.loads(text)
        return value
    field = Curate.model_fields.get(name)
    return None if field is None else field.default


def _few(ids: Sequence[str]) -> str:
    return "" if len(ids) != 1 else f"picture {ids[0]}"


def _count(number: int) -> str:
    return "1 picture" if number == 1 else f"{number:,} pictures"


def no_key(catalog: Catalog, what: str, key: str) -> NotFoundError:
    """There is no cluster or group of that key (any more)."""
    return NotFoundError(
        f"The project {catalog.name!r} has no {what} {key[:40]!r}; it may have changed.",
        expected=f"the key of a {what} as it is now",
        do="Look again.",
    )
