"""The older program's catalog: an SQLite file with the table `pics`, read in place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tellapart.doors import Format, Hit
from tellapart.errors import InputError
from tellapart.plugins.formats.places import Places

_MAGIC = b"SQLite format 3\0"
_TABLE = "pics"
#: What the older program noted of a picture beside its path.
COLUMNS = ("label", "invalid", "ages", "num_people", "male_present", "baby_present")


class Pics(Format):
    """`pics(path, label, invalid, ages, num_people, male_present, baby_present)`.

    The column `label` holds a status code, no class: classes come from the recipe's `rules`.
    """

    name = "pics"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        if path.suffix.lower() not in {".sqlite", ".sqlite3", ".db", ".db3"} or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC

    def read(self, path: Path) -> Iterator[Hit]:
        """One row a picture, in the order of their paths; the rest of the row as `columns`."""
        places = Places(path.parent, absolute=True)
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
                there = {row[1] for row in file.execute(f"PRAGMA table_info({_TABLE})")}
                if "path" not in there:
                    raise _no_pics(path)
                columns = [name for name in COLUMNS if name in there]
                query = f"SELECT {', '.join(['path', *columns])} FROM {_TABLE} ORDER BY path"  # noqa: S608
                for rank, row in enumerate(file.execute(query)):
                    known = zip(columns, row[1:], strict=True)
                    found, problem = places.find(_text(row[0]))
                    yield Hit(
                        rank=rank,
                        path=found,
                        columns={name: _text(cell) for name, cell in known},
                        problem=problem or "no_label",
                    )
        except sqlite3.Error as error:
            raise InputError(
                f"{str(path)!r} cannot be read: {error}.",
                expected="an SQLite file that is whole",
                do="Check the file: sqlite3 FILE 'PRAGMA integrity_check'",
            ) from None


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return "" if cell is None else str(cell)


def _no_pics(path: Path) -> InputError:
    return InputError(
        f"{str(path)!r} holds no table `pics` with a column `path`.",
        expected="the catalog of the older program",
        do="Check that this is the right file.",
    )
