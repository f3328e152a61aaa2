"""Rows and columns: reading CSV, finding out what the columns are, and rows as numbers.

Needs numpy alone: it travels in every bundle of a table, so that a row is read there as it was
read for training.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import DataError, InputError

#: What stands for a value that is not there, in any case.
MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?"))
#: Most different words a column of categories keeps; rarer ones count as missing.
MAX_CATEGORIES = 200
MAX_BYTES = 1 << 30
MAX_CLASSES = 1000
_DELIMITERS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+,\d+|\d+)([eE][+-]?\d+)?")
_LARGEST = float(np.finfo(np.float32).max)

Cell = str | None
#: A row by column names, or by place in the order of the schema's columns.
Row = Mapping[str, object] | Sequence[object]


@dataclass(frozen=True)
class Table:
    """Cells as they were written, without blanks around them; a missing one is None."""

    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    #: Whether the names of the columns were given; else they are column_0, column_1, …
    header: bool = True
    #: Where it came from, for messages.
    source: str = "the table"
    notes: tuple[str, ...] = ()

    def place(self, column: str | int) -> int:
        """The place of a column, by name or by number (from 0, negative from the end).

        A number may also be a text that is no column's name. Raises `InputError`.
        """
        if isinstance(column, str) and column in self.columns:
            return self.columns.index(column)
        number = column if isinstance(column, int) else _whole(column)
        if number is not None and -len(self.columns) <= number < len(self.columns):
            return number % len(self.columns)
        near = difflib.get_close_matches(str(column), self.columns, n=1)
        raise InputError(
            f"{self.source} has no column {column!r}."
            + (f" Did you mean {near[0]!r}?" if near else ""),
            expected=f"a number from 0 to {len(self.columns) - 1} or one of: "
            + ", ".join(self.columns[:12])
            + (", …" if len(self.columns) > 12 else ""),
            do="Name the column that holds the class: `target`."
            + ("" if self.header else " The file has no line of names, so that a number is due."),
        )

    def cells(self, column: int) -> list[Cell]:
        """One column, from the first row to the last."""
        return [row[column] for row in self.rows]


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


def clean(cell: object) -> Cell:
    """A cell as text without blanks around it, None where it is missing.

    A whole number is written without a point, as in a file.
    """
    if cell is None or isinstance(cell, str):
        text = (cell or "").strip()
    elif isinstance(cell, (bool, np.bool_)):
        text = "true" if cell else "false"
    elif isinstance(cell, (float, np.floating)):
        number = float(cell)
        text = str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    else:
        text = str(cell).strip()
    return None if text.lower() in MISSING else text


def number_of(text: str) -> float | None:
    """A text as a number that float32 can hold, None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST and "_" not in text else None


def label_of(cell: object, classes: Iterable[str] = ()) -> str | None:
    """A class as text: `1.0` and `1` are one class. None where it is missing."""
    text = clean(cell)
    if text is None or text in classes:
        return text
    value = number_of(text)
    if value is not None and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return text


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


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text.strip()) else None


def infer(table: Table, target: str | int | None = None) -> Schema:
    """What the columns are; `target` (default: the last one) holds the class.

    Raises `InputError` for a column not there, `DataError` for a table without rows, features or
    two classes, and for a target of numbers that are measured rather than named.
    """
    raise NotImplementedError


def read_csv(
    source: Path | str | bytes,
    *,
    header: bool | None = None,
    delimiter: str | None = None,
    target: str | int | None = None,
) -> Table:
    """Read a file (a path) or its text."""
    raise NotImplementedError
