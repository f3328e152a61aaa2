"""WebDataset: tar shards in which the files of one sample share their name up to the first dot."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tellapart.datasets.samples import SUFFIXES
from tellapart.doors import Format, Hit
from tellapart.errors import InputError
from tellapart.plugins.formats.archives import opened
from tellapart.plugins.formats.documents import facts, not_so, read_json
from tellapart.plugins.formats.places import Labels, Places, natural, split_named
from tellapart.plugins.formats.rows import LABEL_COLUMNS, to_hit

#: The classes by their number in `.cls`, one a line, beside the shards.
CLASSES = ("classes.txt", "classnames.txt", "labels.txt")
_NAMES = ("label", "class", "class_name", "label_name", "classname", "category")
_MOST_TEXT = 10_000
_PARTS = re.compile(r"[-_. ]")


class WebDataset(Format):
    """One shard, or a folder of shards, or one folder of shards a split.

    The class is a name in the sample's `.json`, else its `.cls`: a name, or a number for which
    `classes.txt` beside the shards has the name. The split is `split` in the `.json`, else a word
    such as `val` in the shard's name or its folder's.
    """

    name = "webdataset"
    archives = True

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return bool(_shards(path))

    def read(self, path: Path) -> Iterator[Hit]:
        """Shards in natural order, in each the samples by name."""
        labels, rank, any_sample = Labels(), 0, False
        for shard in _shards(path):
            folder = opened(self.unpack, shard)
            places, names, split = Places(folder), _classes(shard, path), _split(shard, path)
            for key, parts in _samples(folder):
                picture = next((end for end in parts if f".{end.lower()}" in SUFFIXES), "")
                any_sample = any_sample or bool(picture)
                told = _row(folder / key, parts, names)
                if told is None or not picture:
                    yield Hit(rank=rank, problem="bad_row" if picture else "no_picture")
                else:
                    row = {"split": split, **told, "file_name": f"{key}.{picture}"}
                    yield to_hit(row, rank, places, labels)
                rank += 1
        if not any_sample:
            raise not_so(path, "holds no sample with a picture", "tar shards: 0.jpg, 0.cls, …")


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".tar" else []
    if not path.is_dir():
        return []
    found = sorted(path.glob("*.tar"), key=lambda one: natural(one.name))
    if not found:
        for folder in sorted(one for one in path.iterdir() if split_named(one.name)):
            found += sorted(folder.glob("*.tar"), key=lambda one: natural(one.name))
    return [one for one in found if one.is_file()]


def _split(shard: Path, path: Path) -> str:
    words = [*_PARTS.split(shard.stem), *([shard.parent.name] if shard.parent != path else [])]
    return next((split for word in words if (split := split_named(word))), "")


def _samples(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """(name up to the first dot, endings) of each sample."""
    found: dict[str, list[str]] = {}
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            base, dot, end = name.partition(".")
            if base and dot:
                inside = os.path.relpath(os.path.join(root, base), folder)  # noqa: PTH118
                found.setdefault(inside, []).append(end)
    for key in sorted(found, key=natural):
        yield key, sorted(found[key])


def _row(sample: Path, parts: Sequence[str], names: Sequence[str]) -> dict[str, Any] | None:
    """What the sample's other files say of it; None where they cannot be read."""
    try:
        told = read_json(_part(sample, "json")) if "json" in parts else {}
    except InputError:
        return None
    told = told if isinstance(told, Mapping) else {}
    named = next((told[k] for k in _NAMES if isinstance(told.get(k), str) and told[k]), None)
    if named is None and "cls" in parts:
        named = _named(_text(_part(sample, "cls")), names)
    if named is None:
        number = next((told[k] for k in LABEL_COLUMNS if isinstance(told.get(k), int)), None)
        named = None if number is None else _named(str(number), names)
    return {**facts(told), "label": named}


def _named(text: str, names: Sequence[str]) -> str:
    if text.isdecimal() and len(text) < 10 and int(text) < len(names):
        return names[int(text)]
    return text


def _classes(shard: Path, path: Path) -> Sequence[str]:
    for folder in (shard.parent, path):
        for name in CLASSES:
            if (folder / name).is_file():
                text = (folder / name).read_text(encoding="utf-8-sig", errors="replace")
                # At line feeds alone: a class may hold what else ends a line.
                return text.removesuffix("\n").split("\n") if text else ()
    return ()


def _part(sample: Path, end: str) -> Path:
    return sample.with_name(f"{sample.name}.{end}")


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_TEXT).decode("utf-8", "replace").strip()
