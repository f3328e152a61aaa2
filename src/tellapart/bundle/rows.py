"""Rows of a table as the model sees them: names checked, then encoded by the bundle's schema."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from tellapart.bundle.manifest import RowInput
from tellapart.errors import InputError, TellapartError
from tellapart.tables import Row, Schema

#: Names listed in a message; there may be thousands.
_SHOWN = 12


class RowReader:
    """Turns rows, by name or by place, into what the model sees."""

    def __init__(self, given: RowInput, labels: Sequence[str], bundle: str) -> None:
        self.schema = Schema.from_dict(
            {
                "columns": given.columns,
                "target": given.target,
                "classes": labels,
                "left_out": dict.fromkeys(given.left_out, ""),
            }
        )
        self._bundle = bundle
        self._names = frozenset(self.schema.names)
        self._words = any(column.kind == "category" for column in self.schema.columns)
        #: Columns that a row may bring and that are not looked at.
        self.ignored = frozenset((given.target, *given.left_out)) - self._names

    def is_row(self, item: object) -> bool:
        """Whether `item` is one row rather than a list of rows."""
        if isinstance(item, np.ndarray):
            return item.ndim != 2
        if isinstance(item, (list, tuple)):
            inner = item[0] if item else []
            return not isinstance(inner, (Mapping, list, tuple, np.ndarray))
        return True

    def encode(self, rows: Sequence[object]) -> list[np.ndarray | TellapartError]:
        """float32 (features,) of each row, or what is wrong with it."""
        found: list[Any] = [self._problem(row) for row in rows]
        good = [place for place, problem in enumerate(found) if problem is None]
        try:
            encoded = self.schema.encode([cast(Row, rows[place]) for place in good])
        except InputError:
            # One of them holds a cell that cannot be read: look at each by itself.
            for place in good:
                found[place] = self._alone(cast(Row, rows[place]))
        else:
            for place, numbers in zip(good, encoded, strict=True):
                found[place] = numbers
        return found

    def unseen(self, cells: Sequence[object]) -> tuple[str, ...]:
        """Columns whose word, in these cells in the model's order, training never saw."""
        return self.schema.unknown(cells) if self._words else ()

    def _alone(self, row: Row) -> np.ndarray | InputError:
        try:
            numbers: np.ndarray = self.schema.encode([row])[0]
            return numbers
        except InputError as error:
            what = error.what.removeprefix("Row 1: ")
            return InputError(what, expected=error.expected, do=error.do)

    def _problem(self, row: object) -> InputError | None:
        if isinstance(row, Mapping):
            return self._names_problem([str(name) for name in row])
        names = self.schema.names
        sized = isinstance(row, (list, tuple)) or (isinstance(row, np.ndarray) and row.ndim == 1)
        if sized and len(cast(Sequence[object], row)) == len(names):
            return None
        what = f"has {len(cast(Sequence[object], row))} cells" if sized else f"is {row!r:.80}"
        return InputError(
            f"A row for the bundle {self._bundle!r} {what}.",
            expected=f"{len(names)} cells in this order: {shown(names)}; or a dict by these names",
            do="Give the cells by name, None where one is missing.",
        )

    def _names_problem(self, names: Sequence[str]) -> InputError | None:
        absent, strange = self.compare(names)
        if not (absent or strange):
            return None
        parts = [f"lacks {_columns(absent)}"] * bool(absent)
        parts += [f"has {_columns(strange)} the model does not know"] * bool(strange)
        return InputError(
            f"A row for the bundle {self._bundle!r} {' and '.join(parts)}.",
            expected=f"the columns {shown(self.schema.names)}",
            do=self.advice(absent, strange),
        )

    def compare(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Columns that `names` lacks, and names that are no columns (nor the target)."""
        given = frozenset(names)
        absent = [name for name in self.schema.names if name not in given]
        return absent, [name for name in names if name not in self._names | self.ignored]

    @staticmethod
    def advice(absent: Sequence[str], strange: Sequence[str]) -> str:
        """What to do about them: where one is nearly the other, to rename it."""
        for name in strange[:_SHOWN]:
            near = difflib.get_close_matches(name, absent[:1000], n=1)
            if near:
                return f"Rename {name!r} to {near[0]!r}."
        if absent:
            return "Give every column; where a value is missing, give None (in a file: nothing)."
        return "Leave these out, or check how they are spelled."


def shown(names: Sequence[str]) -> str:
    """Names for a message, cut where they are many."""
    more = f", … ({len(names) - _SHOWN:,} more)" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more


def _columns(names: Sequence[str]) -> str:
    return f"the column{'s' if len(names) > 1 else ''} {shown(names)}"
