"""Find out what the columns of a table are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tellapart.errors import DataError
from tellapart.tables.cells import Cell, label_of, number_of
from tellapart.tables.schema import Column, Schema
from tellapart.tables.table import Table

#: Most different words a column of categories keeps; rarer ones count as missing.
MAX_CATEGORIES = 200
MAX_CLASSES = 1000
#: A number column may hold a few words (`-`, `unknown`) that stand for missing numbers.
_NUMBERS, _MOST_WORDS = 0.95, 5
#: From so many rows on, a column whose words are nearly all different names its rows; and where
#: most of its words come once, these are no categories.
_FEW_ROWS, _NEARLY = 10, 0.9
#: From so many rows on, any word is a category only if it comes twice, or once in a thousand rows,
#: and numbers of a whole range, each once, number the rows.
_MANY_ROWS = 50
#: A target of more different numbers than this, not all whole, is a measure and no class.
_MEASURED = 20


def infer(table: Table, target: str | int | None = None) -> Schema:
    """See `tables.infer`."""
    place = table.place(-1 if target is None else target)
    labels = [label_of(cell) for cell in table.cells(place)]
    classes = _classes(table, table.columns[place], labels)
    known = [i for i, label in enumerate(labels) if label is not None]
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    notes: list[str] = []
    for k, name in enumerate(table.columns):
        if k == place:
            continue
        cells = [table.rows[i][k] for i in known]
        numbers_rows = _numbers_rows(table.cells(k))
        made = "it numbers the rows" if numbers_rows else _column(name, cells, notes)
        if isinstance(made, Column):
            columns.append(made)
        else:
            left_out[name] = made
            notes.append(f"The column {name!r} is left out: {made}.")
    if not columns:
        why = "; ".join(f"{name!r}: {reason}" for name, reason in list(left_out.items())[:5])
        raise DataError(
            f"{table.source} has no column to learn from"
            + (f" ({why})." if why else f" beside the target {table.columns[place]!r}."),
            expected="at least one column of numbers or of words that come more than once",
            do="Add such columns, and write numbers plainly (1234.5, without %, money or thousands "
            "signs).",
        )
    return Schema(tuple(columns), table.columns[place], classes, left_out, tuple(notes))


def _classes(table: Table, target: str, labels: Sequence[str | None]) -> tuple[str, ...]:
    counts = Counter(label for label in labels if label is not None)
    rows, numbers = counts.total(), [number_of(label) for label in counts]
    whole = all(number is not None and number.is_integer() for number in numbers)
    measured = len(counts) > _MEASURED and None not in numbers and not whole
    if len(counts) < 2:
        only = f"only the class {next(iter(counts))!r}" if counts else "no class in any row"
        raise DataError(
            f"The column {target!r} of {table.source} holds {only}.",
            expected="at least two classes",
            do="Name the column that holds the class as `target`, or add rows of another class.",
        )
    if measured or len(counts) > MAX_CLASSES or (rows >= _MEASURED and 2 * len(counts) > rows):
        some = ", ".join(repr(label) for label in list(counts)[:4])
        raise DataError(
            f"The column {target!r} holds {len(counts)} different values in {rows} rows "
            f"({some}, …).",
            expected=f"at most {MAX_CLASSES} classes, each in several rows",
            do="Name the column that holds the class as `target`; a measured number must first be "
            "divided into classes, such as low and high.",
        )
    if whole:
        return tuple(sorted(counts, key=lambda label: (float(label), label)))
    return tuple(sorted(counts))


def _numbers_rows(cells: Sequence[Cell]) -> bool:
    """Whether a column holds each whole number of a range once, in whatever order.

    Tables are often sorted by class: such a column would give it away.
    """
    if len(cells) < _MANY_ROWS or len(set(cells)) != len(cells):
        return False
    numbers = [None if cell is None else number_of(cell) for cell in cells]
    found = sorted(number for number in numbers if number is not None and number.is_integer())
    return len(found) == len(cells) and bool(np.all(np.diff(found) == 1))


def _column(name: str, cells: Sequence[Cell], notes: list[str]) -> Column | str:
    """The column, or why it is left out."""
    there = [cell for cell in cells if cell is not None]
    if not there:
        return "it is empty"
    numbers = [number_of(cell) for cell in there]
    good = [number for number in numbers if number is not None]
    words = Counter(cell for cell, n in zip(there, numbers, strict=True) if n is None)
    if not words or (len(good) >= _NUMBERS * len(there) and len(words) <= _MOST_WORDS):
        return _number(name, cells, good, tuple(sorted(words)), notes)
    return _category(name, cells, Counter(there), notes)


def _number(
    name: str,
    cells: Sequence[Cell],
    numbers: Sequence[float],
    words: tuple[str, ...],
    notes: list[str],
) -> Column:
    values = np.array(numbers, dtype=np.float64)
    different = len(np.unique(values))
    if different == 1:
        notes.append(f"The column {name!r} is {values[0]:g} in every row: it tells nothing.")
    if len(np.unique(values.astype(np.float32))) < different:
        notes.append(
            f"The column {name!r} holds numbers that differ by less than single precision tells "
            "apart (about 7 digits): subtract a fixed number from them, or divide them into two "
            "columns."
        )
    if words:
        quoted = ", ".join(map(repr, words))
        notes.append(f"In the column of numbers {name!r}, {quoted} count as missing.")
    return Column(
        name,
        "number",
        missing=len(cells) - len(values),
        low=float(values.min()),
        high=float(values.max()),
        words=words,
    )


def _category(
    name: str, cells: Sequence[Cell], counts: Counter[str], notes: list[str]
) -> Column | str:
    rows = counts.total()
    if rows >= _FEW_ROWS and len(counts) > _NEARLY * rows:
        some = f"such as {next(iter(counts))[:40]!r}"
        all_of = "its words are all" if len(counts) == rows else f"{len(counts)} of its {rows} are"
        return f"{all_of} different, {some}"
    once = sum(count == 1 for count in counts.values())
    names = rows >= _FEW_ROWS and 2 * once > len(counts)
    least = max(2, math.ceil(rows / 1000)) if names or rows >= _MANY_ROWS else 1
    by_number = sorted(counts, key=lambda word: (-counts[word], word))
    kept = sorted(word for word in by_number[:MAX_CATEGORIES] if counts[word] >= least)
    rare = len(counts) - len(kept)
    inside = sum(counts[word] for word in kept)
    if not kept:
        return "none of its words comes often enough to learn from"
    if rare:
        notes.append(
            f"{rare} rare words of the column {name!r} ({rows - inside} rows) count as missing, "
            "as words never seen will."
        )
    if len(kept) == 1:
        notes.append(f"The column {name!r} holds one word, {kept[0]!r}: it tells next to nothing.")
    return Column(name, "category", categories=tuple(kept), missing=len(cells) - inside)
