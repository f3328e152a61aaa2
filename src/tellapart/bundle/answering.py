"""Answer a whole file of rows: as a text table, as JSON lines, or as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from tellapart.bundle.prediction import Prediction
from tellapart.bundle.predictor import Bundle
from tellapart.bundle.row_files import FileRow, RowFile
from tellapart.bundle.rows import shown
from tellapart.errors import TellapartError

Form = Literal["table", "json", "csv"]
_TOGETHER = 1024
#: A text table shows each class's probability where they fit into this many characters.
_WIDE = 60
_NONE = "none of these"


@dataclass
class Tally:
    """What came of a file of rows."""

    rows: int = 0
    failed: int = 0
    #: Rows whose class the file itself gives and that were answered, and those answered right.
    labelled: int = 0
    right: int = 0
    #: Rows with a word that training never saw, by column.
    unseen: dict[str, int] = field(default_factory=dict)
    #: The first row's error; None where all were answered.
    error: TellapartError | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of the labelled rows answered right; None where the file gives no class."""
        return self.right / self.labelled if self.labelled else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        accuracy = None if self.accuracy is None else round(self.accuracy, 6)
        return {
            "rows": self.rows,
            "failed": self.failed,
            "labelled": self.labelled,
            "right": self.right,
            "accuracy": accuracy,
            "unseen": dict(sorted(self.unseen.items())),
        }

    def sentence(self) -> str:
        """One line for people."""
        rows = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        failed = f", {self.failed:,} of them not answered" if self.failed else ""
        if self.accuracy is None:
            return f"{rows}{failed}"
        share = f"{self.right:,} of {self.labelled:,} are as the file says"
        return f"{rows}{failed}: accuracy {100 * self.accuracy:.1f} % ({share})"


def answer(
    bundle: Bundle,
    rows: RowFile,
    form: Form,
    write: Callable[[str], None],
    complain: Callable[[TellapartError], None],
) -> Tally:
    """Answer each row of `rows`, a line of text through `write` each; memory stays bounded.

    `complain` is told of each row that cannot be answered. Raises `InputError` where the file
    cannot be read on.
    """
    tally = Tally()
    lines = _Lines(bundle, rows.has_answers, form)
    for head in lines.head():
        write(head)
    for row, found in _answered(bundle, rows):
        tally.rows += 1
        for column in bundle.row_reader.unseen(row.cells) if found.error is None else ():
            tally.unseen[column] = tally.unseen.get(column, 0) + 1
        if found.error is not None:
            tally.failed += 1
            tally.error = tally.error or found.error
            complain(found.error)
        elif row.answer is not None:
            tally.labelled += 1
            tally.right += row.answer == found.label
        write(lines.line(row, found))
    return tally


def notes(rows: RowFile, tally: Tally) -> list[str]:
    """What a person should know of how the file was read, once it is."""
    found = []
    if rows.unused:
        found.append(f"Not looked at, for the model does not know them: {shown(rows.unused)}.")
    for column, count in sorted(tally.unseen.items()):
        found.append(
            f"{count:,} row{'' if count == 1 else 's'} with a word in {column!r} that training "
            "never saw: counted as missing."
        )
    return found


def _answered(bundle: Bundle, rows: RowFile) -> Iterator[tuple[FileRow, Prediction]]:
    left = iter(rows)
    while part := list(islice(left, _TOGETHER)):
        found = bundle.stream([row.cells for row in part if row.error is None])
        for row in part:
            yield row, _failed(row.error) if row.error else _placed(rows, row, next(found))


def _failed(error: TellapartError) -> Prediction:
    return Prediction(None, {}, False, None, None, error)


def _placed(rows: RowFile, row: FileRow, found: Prediction) -> Prediction:
    """An error says in which line of which file it is."""
    if found.error is None:
        return found
    what = f"{rows.name}, line {row.line}: {found.error.what}"
    error = type(found.error)(what, expected=found.error.expected, do=found.error.do)
    return _failed(error)


class _Lines:
    """The lines of one form of output."""

    def __init__(self, bundle: Bundle, answers: bool, form: Form) -> None:
        self._labels, self._answers, self._form = bundle.labels, answers, form
        self._width = min(40, max(map(len, (*bundle.labels, _NONE if answers else "answer"))))
        self._cells = [max(7, min(20, len(label))) for label in bundle.labels]
        self._all = sum(self._cells) + 2 * len(self._cells) <= _WIDE

    def head(self) -> list[str]:
        if self._form == "json":
            return []
        if self._form == "csv":
            given = ["given"] if self._answers else []
            return [_csv(["row", "label", *given, *(f"p_{label}" for label in self._labels)])]
        names = ["probabilities"]
        if self._all:
            pairs = zip(self._labels, self._cells, strict=True)
            names = [_cut(label, width).rjust(width) for label, width in pairs]
        parts = ["   row", _cut("answer", self._width), *names]
        return ["  ".join([*parts, *["given"] * self._answers]).rstrip()]

    def line(self, row: FileRow, found: Prediction) -> str:
        if self._form == "json":
            given = {"given": row.answer} if self._answers else {}
            return json.dumps({"row": row.number, **given, **found.to_dict()}, ensure_ascii=False)
        if self._form == "csv":
            given_cell = [row.answer or ""] if self._answers else []
            odds = [f"{odd:.6f}" for odd in found.probabilities.values()]
            odds = odds or [""] * len(self._labels)
            return _csv([str(row.number), found.label or "", *given_cell, *odds])
        return self._text(row, found)

    def _text(self, row: FileRow, found: Prediction) -> str:
        start = f"{row.number:>6}  "
        if found.error is not None:
            return start + "not answered"
        shares = found.probabilities.values()
        if self._all:
            pairs = zip(shares, self._cells, strict=True)
            odds = [f"{100 * share:.1f} %".rjust(width) for share, width in pairs]
        else:
            best = sorted(found.probabilities.items(), key=lambda item: -item[1])[:3]
            odds = [", ".join(f"{label} {100 * share:.1f} %" for label, share in best)]
        given = ""
        if row.answer is not None:
            given = row.answer + ("" if row.answer == found.label else "  (differs)")
        label = _cut(found.label or _NONE, self._width)
        return (start + "  ".join([label, *odds, given])).rstrip()


def _cut(text: str, width: int) -> str:
    """Text in exactly `width` characters."""
    text = " ".join(text.split())
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _csv(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
