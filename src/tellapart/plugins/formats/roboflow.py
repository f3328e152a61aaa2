"""Roboflow's multi-class CSV: `_classes.csv` beside the pictures, one folder a split."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from tellapart.doors import Format, Hit
from tellapart.plugins.formats.documents import not_so, start_of
from tellapart.plugins.formats.places import Labels, Places, split_named
from tellapart.plugins.formats.rows import to_hit

NAME = "_classes.csv"
_EXPECTED = "`filename, class, class …` and below it one picture a line with a 1 under its class"


class Roboflow(Format):
    """`train|valid|test/_classes.csv`, or one `_classes.csv` without splits.

    The first column is the picture's name, each further one a class. A row with no 1 has the
    problem `no_label`, one with several `several_labels`.
    """

    name = "roboflow"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return bool(_files(path))

    def read(self, path: Path) -> Iterator[Hit]:
        """Splits in the order of their names, rows as they stand."""
        labels, rank = Labels(), 0
        for file in _files(path):
            places, split = Places(file.parent), split_named(file.parent.name) or ""
            for name, label in _rows(file):
                row = {"file_name": name, "label": label, "split": split}
                yield to_hit(row, rank, places, labels)
                rank += 1


def _files(path: Path) -> list[Path]:
    """The lists; those of other exports, with a class a line, are none."""
    if path.is_file():
        return [path] if path.name == NAME and _is_one(path) else []
    if not path.is_dir():
        return []
    inside = [child / NAME for child in sorted(path.iterdir()) if split_named(child.name)]
    return [file for file in (*inside, path / NAME) if file.is_file() and _is_one(file)]


def _is_one(file: Path) -> bool:
    return start_of(file).partition(",")[0].strip(' "').lower() == "filename"


def _rows(file: Path) -> Iterator[tuple[str, object]]:
    """Names of pictures and their class: a word, None without one, a list of several."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, skipinitialspace=True)
            classes = [cell.strip() for cell in next(reader, [])[1:]]
            if not classes:
                raise not_so(file, "names no class in its first line", _EXPECTED)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    marks = [cell.strip() for cell in cells[1:]]
                    yield cells[0].strip(), _marked(marks, classes)
    except (csv.Error, UnicodeError) as error:
        raise not_so(file, f"cannot be read: {str(error)[:200]}", _EXPECTED) from None


def _marked(marks: list[str], classes: list[str]) -> object:
    if len(marks) != len(classes) or not set(marks) <= {"0", "1", "0.0", "1.0", ""}:
        return {}  # no class can be read from it: `bad_label`
    found = [name for mark, name in zip(marks, classes, strict=True) if mark.startswith("1")]
    return found[0] if len(found) == 1 else found or None
