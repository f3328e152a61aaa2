"""Deal the rows of a table; picture data sets are dealt by `arrays`.

Equal rows and rows of one given group stay together; every class gets its share of every part;
what is once in test stays there, also where rows are added or moved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tellapart.catalog import RowSplit, TableRow
from tellapart.errors import DataError
from tellapart.learn import splitting
from tellapart.learn.official import deal_official
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.split.dealt import notes, require_test, same_links, summary

STEP = "split"
#: Raise it whenever the same rows would be dealt otherwise.
VERSION = 1


def run(context: StepContext) -> dict[str, Any]:
    """Split the kept rows; return counts by split and class, groups, and notes.

    Raises `DataError` where nothing is kept, and, after the splits are stored, where there is
    nothing to test on.
    """
    if context.recipe.data_kind == "arrays":
        from tellapart.steps.split import arrays

        return arrays.run(context)
    rows = context.catalog.rows(kept=True)
    if not rows:
        raise DataError(
            "No row is kept.",
            expected="kept rows of at least two classes",
            do=f"Run `tellapart curate {context.catalog.name}` first.",
        )
    official = _is_official(context, rows)
    chosen = context.recipe.split.model_dump(mode="json")
    rules = fingerprint([VERSION, context.recipe.seed, chosen, official])
    groups = _given_groups(context, rows)
    inputs = fingerprint(
        [rules, groups, [[row.number, row.sha256, row.label, row.split_hint] for row in rows]]
    )
    done = context.catalog.finished(STEP, inputs)
    if done is not None and all(row.split for row in rows):
        return done
    context.progress(Progress(STEP, 0, len(rows), "dealing rows"))
    again = (context.catalog.finished(STEP) or {}).get("rules") == rules
    members = [_member(row, again) for row in rows]
    deal = _deal(context, rows, members, groups, official)
    _save(context, deal)
    classes = sorted({row.label for row in rows})
    result = {
        **summary(members, deal, classes),
        "official": official,
        "rules": rules,
        "notes": notes(members, deal, thing="row", official=official),
    }
    require_test(result, "row")
    context.catalog.finish(STEP, inputs, result)
    context.progress(Progress(STEP, len(rows), len(rows)))
    return result


def _is_official(context: StepContext, rows: list[TableRow]) -> bool:
    held_out = {splitting.VALIDATION, splitting.TEST}
    return context.recipe.split.official and any(row.split_hint in held_out for row in rows)


def _member(row: TableRow, again: bool) -> splitting.Member:
    return splitting.Member(
        id=row.id,
        label=row.label,
        sha256=row.sha256,
        before=row.split if again and row.split else None,
        group_before=row.group if again and row.group else None,
    )


def _given_groups(context: StepContext, rows: list[TableRow]) -> list[str]:
    """The value of the column to group by, one a row; empty where none was named."""
    name = context.recipe.split.group_by
    columns = (context.catalog.finished("collect") or {}).get("columns", [])
    if name is None or name not in columns:
        return []
    place = columns.index(name)
    return [row.cells[place] or "" for row in rows]


def _deal(
    context: StepContext,
    rows: list[TableRow],
    members: list[splitting.Member],
    groups: list[str],
    official: bool,
) -> splitting.Deal:
    asked = context.recipe.split
    shares = splitting.Shares(asked.train, asked.validation, asked.test, context.recipe.seed)
    first: dict[str, int] = {}
    given = [
        (first[group], i)
        for i, group in enumerate(groups)
        if group and first.setdefault(group, i) != i
    ]
    links = np.concatenate([same_links(members), splitting.link_array(given)])
    if official:
        return deal_official(members, [row.split_hint for row in rows], links, links, shares)
    return splitting.deal(members, links, shares)


def _save(context: StepContext, deal: splitting.Deal) -> None:
    """Store all places; a row that is set aside keeps its old one, for when it comes back."""
    context.catalog.save_row_splits(
        [
            RowSplit(number=int(id), split=place.split, group=place.group)
            for id, place in deal.places.items()
        ]
    )
