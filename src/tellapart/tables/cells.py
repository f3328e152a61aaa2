"""One cell: missing, a number, a class."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np

#: What stands for a value that is not there, in any case.
MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?"))

#: A cell as it was written, without blanks around it; None where it is missing.
Cell = str | None
#: A row by column names, or by place in the order of the schema's columns.
Row = Mapping[str, object] | Sequence[object]

_LARGEST = float(np.finfo(np.float32).max)
#: Whole numbers up to here are written without a point.
_WHOLE = 1e15


def clean(cell: object) -> Cell:
    """A cell as text without blanks around it, None where it is missing.

    A whole number is written without a point, truth as `true` and `false`.
    """
    if isinstance(cell, str):
        text = cell.strip()
    elif cell is None:
        return None
    elif isinstance(cell, (bool, np.bool_)):
        text = "true" if cell else "false"
    elif isinstance(cell, (float, np.floating)):
        text = _plain(float(cell))
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


def label_of(cell: object, classes: Container[str] = ()) -> str | None:
    """A class as text on one line: `1.0` and `1` are one class. None where it is missing."""
    text = clean(cell)
    if text is None or text in classes:
        return text
    text = one_line(text)
    value = number_of(text)
    if value is not None and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    return text


def one_line(text: str) -> str:
    """Line ends and runs of blanks as one blank: names are listed one a line."""
    return " ".join(text.split())


def _plain(number: float) -> str:
    whole = number.is_integer() and abs(number) < _WHOLE
    return str(int(number)) if whole else repr(number)
