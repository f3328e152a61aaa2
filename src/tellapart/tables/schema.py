"""What the columns of a table are, and rows as numbers by it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import InputError
from tellapart.tables.cells import Row, clean, label_of, number_of
from tellapart.tables.table import Table


@dataclass(frozen=True)
class Column:
    """One column of features."""

    name: str
    kind: Literal["number", "category"]
    #: The words of a category, sorted; a word's place is its number. Empty for numbers.
    categories: tuple[str, ...] = ()
    #: Rows without a value (for a category also those of rare words).
    missing: int = 0
    #: Least and greatest number; None for categories.
    low: float | None = None
    high: float | None = None
    #: Words that stand for a missing number in this column, such as `-`.
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """What the columns of a table are: learned once, then every row is read by it."""

    columns: tuple[Column, ...]
    target: str
    #: The classes: numbers by size, words in alphabetical order.
    classes: tuple[str, ...]
    #: Columns that tell nothing and are left out: name to reason.
    left_out: Mapping[str, str] = field(default_factory=dict)
    #: What a person should know of the columns.
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that a row must bring, in order."""
        return tuple(column.name for column in self.columns)

    def encode(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Rows as float32 (n, f): numbers as they are, a category as its place, NaN for missing.

        A row is a mapping by column names (others are ignored, an absent one is missing) or a
        sequence in the order of `columns`. A word that a category does not know is NaN. Raises
        `InputError` that names row (from 1) and column for a number that cannot be read.
        """
        encoded = np.empty((len(rows), len(self.columns)), dtype=np.float32)
        for k, cells in enumerate(self._by_column(rows)):
            encoded[:, k] = _encode(self.columns[k], cells)
        return encoded

    def encode_table(self, table: Table) -> NDArray[np.float32]:
        """The rows of a whole table, as `encode`. Raises `InputError` for a column not there."""
        absent = [name for name in self.names if name not in table.columns]
        if absent:
            near = difflib.get_close_matches(absent[0], table.columns, n=1)
            raise InputError(
                f"{table.source} has no column {absent[0]!r}."
                + (f" Did you mean {near[0]!r}?" if near else ""),
                expected="the columns " + ", ".join(self.names),
                do="Name the columns in the first line as they were named in training.",
            )
        encoded = np.empty((len(table.rows), len(self.columns)), dtype=np.float32)
        for k, column in enumerate(self.columns):
            encoded[:, k] = _encode(column, table.cells(table.columns.index(column.name)))
        return encoded

    def unknown(self, row: Row) -> tuple[str, ...]:
        """Names of the columns whose word in this row was never seen in training."""
        cells = [column[0] for column in self._by_column([row])]
        return tuple(
            column.name
            for column, cell in zip(self.columns, cells, strict=True)
            if column.kind == "category" and (word := clean(cell)) and word not in column.categories
        )

    def label(self, cell: object) -> str | None:
        """A class as `classes` spells it, None where it is missing."""
        return label_of(cell, self.classes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` reads it back."""
        return {
            "columns": [
                {
                    "name": column.name,
                    "kind": column.kind,
                    "categories": list(column.categories),
                    "missing": column.missing,
                    "low": column.low,
                    "high": column.high,
                    "words": list(column.words),
                }
                for column in self.columns
            ],
            "target": self.target,
            "classes": list(self.classes),
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schema:
        """Read what `to_dict` gave. Raises `InputError` for anything else."""
        try:
            columns = tuple(
                Column(
                    name=str(each["name"]),
                    kind="category" if each["kind"] == "category" else "number",
                    categories=tuple(map(str, each["categories"])),
                    missing=int(each["missing"]),
                    low=None if each["low"] is None else float(each["low"]),
                    high=None if each["high"] is None else float(each["high"]),
                    words=tuple(map(str, each.get("words", ()))),
                )
                for each in data["columns"]
            )
            return cls(
                columns=columns,
                target=str(data["target"]),
                classes=tuple(map(str, data["classes"])),
                left_out={str(k): str(v) for k, v in dict(data.get("left_out", {})).items()},
                notes=tuple(map(str, data.get("notes", ()))),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"The description of the table's columns cannot be read: {error!r}.",
                expected="what `Schema.to_dict` wrote",
                do="Make the bundle again from its project.",
            ) from None

    def _by_column(self, rows: Sequence[Row]) -> Iterable[list[object]]:
        names = self.names
        for i, row in enumerate(rows):
            if not isinstance(row, Mapping) and (
                isinstance(row, (str, bytes)) or len(row) != len(names)
            ):
                raise InputError(
                    f"Row {i + 1} is {str(row)[:80]!r}, which is not one value a column.",
                    expected=f"{len(names)} values: {', '.join(names)}",
                    do="Give the values in this order, or by name.",
                )
        for k, name in enumerate(names):
            yield [row.get(name) if isinstance(row, Mapping) else row[k] for row in rows]


def _encode(column: Column, cells: Sequence[object]) -> NDArray[np.float32]:
    if column.kind == "category":
        places = {word: float(i) for i, word in enumerate(column.categories)}
        values = [places.get(clean(cell) or "", math.nan) for cell in cells]
        return np.array(values, dtype=np.float32)
    numbers = np.empty(len(cells), dtype=np.float64)
    for i, cell in enumerate(cells):
        text = clean(cell)
        value = math.nan if text is None or text in column.words else number_of(text)
        if value is None:
            raise InputError(
                f"Row {i + 1}: {text!r} in the column {column.name!r} is no number.",
                expected=f"a number, such as {column.low or 0:g}, or nothing where it is missing",
                do="Correct this cell, or leave it empty.",
            )
        numbers[i] = value
    return numbers.astype(np.float32)
