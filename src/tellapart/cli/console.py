"""What goes to the terminal: results to standard output, everything else to standard error."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from tellapart.errors import TellapartError

#: Line ends, tabs, and the joiners that some scripts and emoji are written with.
_KEPT = "\n\t\u200c\u200d"


def guard_streams() -> None:
    """A terminal that lacks a character shows a `?`; it never ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def program() -> str:
    """What to type for this program: `tellapart`, or its path where the shell knows no such name.

    `make demo` runs it out of `.venv`: what it tells people to do next must work as it stands.
    """
    if Path(sys.argv[0]).name != "tellapart" or shutil.which("tellapart"):
        return "tellapart"
    return shlex.quote(sys.argv[0])


def plain(text: str) -> str:
    """`text` without control characters: names from outside must not steer a terminal."""
    return "".join(
        c if c in _KEPT or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} else "\ufffd"
        for c in text
    )


def write(text: str) -> None:
    """One text to standard output."""
    _put(sys.stdout, text)


def tell(text: str) -> None:
    """One text to standard error: progress, notes, complaints."""
    _put(sys.stderr, text)


def emit(value: Any) -> None:
    """One JSON value on one line of standard output; the last line where `--json` is given."""
    sys.stdout.write(json.dumps(value, allow_nan=False, default=str) + "\n")
    sys.stdout.flush()


def emit_each(values: Iterable[Any]) -> None:
    """The same of a list, one value after the other: of very many, one is in memory."""
    before = "["
    for value in values:
        sys.stdout.write(before + json.dumps(value, allow_nan=False, default=str))
        before = ", "
    sys.stdout.write("]\n" if before == ", " else "[]\n")
    sys.stdout.flush()


def complain(error: TellapartError) -> None:
    """An error's parts, for people."""
    tell(f"error: {error}")


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Columns aligned by spaces; the last one is not padded."""
    lines = [[plain(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    if header:
        lines.insert(0, [name.upper() for name in header])
    if not lines:
        return ""
    widths = [max(_width(row[i]) for row in lines) for i in range(len(lines[0]) - 1)]
    return "\n".join(
        "  ".join(
            [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=False)]
            + [row[-1]]
        ).rstrip()
        for row in lines
    )


def _width(text: str) -> int:
    """Columns a terminal takes for `text`: East Asian letters are two wide."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _put(stream: IO[str], text: str) -> None:
    stream.write(plain(text) + "\n")
    stream.flush()
