"""Read a table into the ledger: every row with its class, the columns once for all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tellapart import datasets, tables
from tellapart.catalog import NewRow
from tellapart.steps import Progress, StepContext, fingerprint

STEP = "collect"
VERSION = 1
_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_SPLIT_COLUMN = "split"


def run(context: StepContext) -> dict[str, Any]:
    """Bring the ledger to what the table holds now; return counts by class, columns, and notes.

    Raises `InputError` for a file that is no table or has no such target, `DataError` for one
    without features or without two classes.
    """
    context.progress(Progress(STEP, 0, None, "reading the table"))
    table, origin = _read(context)
    place = table.place(-1 if context.recipe.target is None else context.recipe.target)
    asked = context.recipe.split
    hints = _official(table, place) if asked.official else None
    aside = _set_apart(table, place, asked.group_by, hints is not None)
    schema = tables.infer(_without(table, aside), table.columns[place])
    columns = [name for k, name in enumerate(table.columns) if k != place]
    rows = _rows(table, place, schema, hints)
    mark = fingerprint(
        [VERSION, columns, schema.to_dict(), [[r.sha256, r.label, r.split_hint] for r in rows]]
    )
    changed = context.catalog.save_rows(rows)
    done = context.catalog.finished(STEP, mark)
    if done is not None and not changed:
        return done
    counts = Counter(row.label for row in rows if row.label)
    unlabeled = len(rows) - counts.total()
    notes = [*table.notes, *schema.notes, *_notes(table, aside)]
    result = {
        "found": len(rows),
        "classes": {
            label: {"different": counts[label], "ok": counts[label]} for label in schema.classes
        },
        "unusable": {"no_label": unlabeled} if unlabeled else {},
        "notes": notes,
        "unfinished": False,
        "columns": columns,
        "schema": schema.to_dict(),
        "origin": origin,
    }
    context.catalog.finish(STEP, mark, result)
    context.progress(Progress(STEP, len(rows), len(rows)))
    return result


def _read(context: StepContext) -> tuple[tables.Table, dict[str, Any]]:
    """The table, and where it came from."""
    recipe = context.recipe
    if recipe.dataset is not None:
        facts = datasets.FACTS[recipe.dataset]
        table = datasets.load_table(recipe.dataset, recipe.seed)
        return table, {"name": facts.name, "about": facts.about, "license": facts.license}
    from tellapart.datasets.reading import read_table

    path = recipe.data
    assert path is not None  # a table is a data set's name or a file
    table = read_table(path, recipe.target)
    return table, {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _official(table: tables.Table, place: int) -> list[str] | None:
    """The split of each row, where a column `split` names one for every row."""
    for k, name in enumerate(table.columns):
        if name.lower() == _SPLIT_COLUMN and k != place:
            words = [_SPLITS.get((cell or "").lower(), "") for cell in table.cells(k)]
            return words if all(words) and len(set(words)) > 1 else None
    return None


def _set_apart(
    table: tables.Table, place: int, group_by: str | None, official: bool
) -> dict[int, str]:
    """Columns that say where a row belongs and are nothing to learn from: place to reason."""
    found = {}
    if official:
        names = [name.lower() for name in table.columns]
        found[names.index(_SPLIT_COLUMN)] = "it names the part of each row"
    if group_by is not None:
        k = table.place(group_by)
        if k != place:
            found[k] = "it names the group of each row"
    return found


def _without(table: tables.Table, places: dict[int, str]) -> tables.Table:
    if not places:
        return table
    left = [k for k in range(len(table.columns)) if k not in places]
    return tables.Table(
        tuple(table.columns[k] for k in left),
        [tuple(row[k] for k in left) for row in table.rows],
        header=table.header,
        source=table.source,
    )


def _rows(
    table: tables.Table, place: int, schema: tables.Schema, hints: list[str] | None
) -> list[NewRow]:
    digests = _digests(table, schema)
    rows = []
    for i, cells in enumerate(table.rows):
        rows.append(
            NewRow(
                number=i,
                cells=cells[:place] + cells[place + 1 :],
                label=schema.label(cells[place]) or "",
                sha256=digests[i],
                split_hint=hints[i] if hints else "",
            )
        )
    return rows


def _digests(table: tables.Table, schema: tables.Schema) -> list[str]:
    """SHA-256 of what the model sees of each row: `1` and `1.0` are the same number.

    Words are taken as they are, so that a new word elsewhere changes no other row's digest.
    """
    columns: list[Sequence[object]] = []
    for column in schema.columns:
        cells = table.cells(table.columns.index(column.name))
        if column.kind == "number":
            numbers = [
                np.nan if cell is None or cell in column.words else tables.number_of(cell)
                for cell in cells
            ]
            # A row without a class may hold what is no number: it is set aside anyway.
            values = np.array([np.nan if n is None else n for n in numbers], dtype=np.float32)
            columns.append([repr(value) for value in (values + 0.0).tolist()])
        else:
            columns.append(cells)
    return [
        hashlib.sha256(repr(cells).encode("utf-8", "surrogatepass")).hexdigest()
        for cells in zip(*columns, strict=True)
    ]


def _notes(table: tables.Table, aside: dict[int, str]) -> list[str]:
    return [
        f"The column {table.columns[k]!r} is not learned from: {reason}."
        for k, reason in sorted(aside.items())
    ]
