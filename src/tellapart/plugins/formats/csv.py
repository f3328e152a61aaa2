"""A list of pictures and their classes: `path,label`, `image_path,label` or `url,label`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tellapart.doors import Format, Hit
from tellapart.errors import InputError
from tellapart.plugins.formats.metadata import NAMES
from tellapart.plugins.formats.places import Labels, Places
from tellapart.plugins.formats.rows import read_csv, read_jsonl, to_hit


class Csv(Format):
    """CSV, TSV, a plain list or JSON Lines. Paths are relative to the file, or absolute.

    Optional columns: split, group, license, license_version, license_url, creator, title,
    attribution, page_url. A row without a class has the problem `no_label`.
    """

    name = "csv"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        is_list = path.suffix.lower() in {".csv", ".tsv", ".txt", ".jsonl"}
        return is_list and path.name.lower() not in NAMES and path.is_file()

    def read(self, path: Path) -> Iterator[Hit]:
        places, labels, usable = Places(path.parent, absolute=True), Labels(), False
        rows = read_jsonl(path) if path.suffix.lower() == ".jsonl" else read_csv(path)
        for rank, row in enumerate(rows):
            usable = usable or row is not None
            yield to_hit(row, rank, places, labels)
        if not usable:
            raise InputError(
                f"{str(path)!r} lists no picture.",
                expected="one picture a line: path,label",
                do="Check that this is the right file.",
            )
