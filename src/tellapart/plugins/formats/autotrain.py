"""AutoTrain's zips: one folder a class with JPEG and PNG pictures, one zip a split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tellapart.datasets.unpacking import ESCAPED, unescaped
from tellapart.doors import Format, Hit
from tellapart.plugins.formats.archives import members, opened
from tellapart.plugins.formats.imagefolder import ImageFolder
from tellapart.plugins.formats.places import Labels, split_named

#: Beside those of the splits: pictures that belong to none.
_OF_NO_SPLIT = "data.zip"
_PICTURE = re.compile(r"(?s)^(?!\.\.?/)[^/]+/[^/]+\.(?i:jpe?g|png)$")


class AutoTrain(Format):
    """`train.zip` and `valid.zip` (or `test.zip`) in a folder; or one such zip, without splits."""

    name = "autotrain"
    archives = True

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        zips = _zips(path)
        return bool(zips) and all(map(_is_one, zips))

    def read(self, path: Path) -> Iterator[Hit]:
        """Train, validation, test; in each, classes by alphabet and pictures naturally."""
        rank, labels = 0, Labels()
        for file in _zips(path):
            split = split_named(file.stem) if path.is_dir() else None
            for hit in ImageFolder().read(opened(self.unpack, file)):
                label, problem = labels.check(_label(hit.label)) if hit.label else ("", "")
                yield replace(
                    hit, rank=rank, split=split, label=label, problem=hit.problem or problem
                )
                rank += 1


def _zips(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".zip" else []
    if not path.is_dir():
        return []
    there = sorted(file for file in path.glob("*.zip") if file.is_file())
    by_split = {split: file for file in there if (split := split_named(file.stem))}
    found = [by_split[split] for split in ("train", "validation", "test") if split in by_split]
    if found:
        return [*found, *(file for file in there if file.name == _OF_NO_SPLIT)]
    return there if len(there) == 1 else []


def _is_one(path: Path) -> bool:
    """Whether there are class folders with pictures in it, and nothing else."""
    names = [name for name in members(path) if not name.endswith("/")]
    return bool(names) and all(map(_PICTURE.match, names))


def _label(folder: str) -> str:
    """The class behind a folder's name; one that no folder can have was written escaped."""
    label = unescaped(folder)
    return unescaped(label) if label.startswith(ESCAPED) else label
