"""A folder of pictures with `metadata.csv` or `metadata.jsonl`, as Hugging Face writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tellapart.doors import Format, Hit
from tellapart.errors import InputError
from tellapart.plugins.formats.places import Labels, Places, split_named
from tellapart.plugins.formats.rows import LABEL_COLUMNS, Row, read_csv, read_jsonl, to_hit

NAMES = ("metadata.csv", "metadata.jsonl")


class Metadata(Format):
    """`metadata.csv|jsonl` in the folder, in `data/`, or in each split's folder.

    The column `file_name` is relative to the metadata file; the class is the column `label`,
    `class`, `category` or `text`, else the folder the picture lies in. The split is the column
    `split`, else the folder's name.
    """

    name = "metadata"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return path.name.lower() in NAMES if path.is_file() else bool(_files(path))

    def read(self, path: Path) -> Iterator[Hit]:
        files = [path] if path.is_file() else _files(path)
        if not files:
            raise InputError(
                f"No metadata.csv or metadata.jsonl lies in {str(path)!r}.",
                expected="a folder as Hugging Face's imagefolder writes it",
                do="Give the folder that holds the metadata file.",
            )
        labels, rank, usable = Labels(), 0, False
        for file in files:
            places = Places(file.parent)
            split = split_named(file.parent.name)
            for row in read_csv(file) if file.suffix.lower() == ".csv" else read_jsonl(file):
                hit = to_hit(_with_label(row), rank, places, labels)
                usable = usable or row is not None
                yield hit if hit.split else replace(hit, split=split)
                rank += 1
        if not usable:
            raise InputError(
                f"{files[0].name!r} in {str(files[0].parent)!r} holds no row.",
                expected="one picture a line with file_name and label",
                do="Check that the file was written to its end.",
            )


def _with_label(row: Row | None) -> Row | None:
    if row is None or any(column in row for column in LABEL_COLUMNS):
        return row
    name = str(row.get("file_name") or "").replace("\\", "/")
    parts = [part for part in PurePosixPath(name).parts[:-1] if split_named(part) is None]
    return {**row, "label": parts[-1]} if parts else row


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    around = [path, path / "data"]
    for parent in (path, path / "data"):
        if parent.is_dir():
            around += sorted(c for c in parent.iterdir() if split_named(c.name) and c.is_dir())
    found = []
    for folder in around:
        here = [folder / name for name in NAMES if (folder / name).is_file()]
        found += here[:1]
    return found
