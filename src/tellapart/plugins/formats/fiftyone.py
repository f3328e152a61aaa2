"""FiftyOne's `FiftyOneImageClassificationDataset`: `data/` and `labels.json`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tellapart.doors import Format, Hit
from tellapart.plugins.formats.documents import facts, not_so, read_json
from tellapart.plugins.formats.places import Labels, Places, is_picture_name, natural, split_named
from tellapart.plugins.formats.rows import to_hit

_LABELS, _DATA = "labels.json", "data"
_EXPECTED = '{"classes": […], "labels": {"name of a picture": number or class}}'


class FiftyOne(Format):
    """`data/` with pictures and `labels.json` with their classes, or one such folder a split.

    A label is a class's number or name, or an object with `label` and `attributes`; of the
    attributes those named like the columns of `csv` are read. A picture with several classes has
    the problem `several_labels`.
    """

    name = "fiftyone"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return bool(_folders(path))

    def read(self, path: Path) -> Iterator[Hit]:
        """Splits in the order of their names; pictures in natural order."""
        labels, rank = Labels(), 0
        for folder, split in _folders(path):
            places = Places(folder)
            for row in _rows(folder, split):
                yield to_hit(row, rank, places, labels)
                rank += 1


def _folders(path: Path) -> list[tuple[Path, str]]:
    """The folders with both parts, and their splits."""
    if not path.is_dir():
        return []
    splits = [one for one in path.iterdir() if split_named(one.name) and _is_one(one)]
    found = [(one, split_named(one.name) or "") for one in sorted(splits)]
    own = "" if splits else split_named(path.name) or ""
    return [*found, *([(path, own)] if _is_one(path) else [])]


def _is_one(path: Path) -> bool:
    return (path / _LABELS).is_file() and (path / _DATA).is_dir()


def _rows(folder: Path, split: str) -> Iterator[dict[str, Any]]:
    found = read_json(folder / _LABELS)
    targets = found.get("labels") if isinstance(found, Mapping) else None
    if not isinstance(targets, Mapping):
        raise not_so(folder / _LABELS, "has no `labels`", _EXPECTED)
    classes = found.get("classes")
    files = _files(folder / _DATA)
    for name in sorted(targets, key=natural):
        label, more = _label(targets[name], classes if isinstance(classes, list) else None)
        file = files.get(os.path.normpath(name), f"{_DATA}/{name}")
        yield {"split": split, **more, "file_name": file, "label": label}
    for name in sorted(set(files) - set(map(os.path.normpath, targets)), key=natural):
        yield {"split": split, "file_name": files[name], "label": None}


def _label(target: object, classes: list[Any] | None) -> tuple[object, dict[str, Any]]:
    """The class, and what else is said of the picture."""
    if isinstance(target, list):
        if len(target) != 1:
            return target or None, {}
        target = target[0]
    more = {}
    if isinstance(target, Mapping):
        more = facts(target.get("attributes"))
        target = target.get("label")
    if isinstance(target, int) and not isinstance(target, bool) and classes is not None:
        target = classes[target] if 0 <= target < len(classes) else []
    return target, more


def _files(data: Path) -> dict[str, str]:
    """Pictures below `data/`, by their name without its ending."""
    found: dict[str, str] = {}
    for root, folders, names in os.walk(data):
        folders.sort()
        for name in sorted(names):
            if is_picture_name(name):
                inside = os.path.relpath(os.path.join(root, name), data)  # noqa: PTH118
                found.setdefault(os.path.splitext(inside)[0], f"{_DATA}/{inside}")  # noqa: PTH122
    return found
