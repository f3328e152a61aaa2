"""A saved project of Teachable Machine (`project.tm`): a zip of `CLASS-!-NUMBER.jpg`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tellapart.datasets.unpacking import unescaped
from tellapart.doors import Format, Hit
from tellapart.plugins.formats.archives import members, opened
from tellapart.plugins.formats.documents import not_so, read_json
from tellapart.plugins.formats.places import Labels, Places, is_picture_name, natural

_MANIFEST, _MARK = "manifest.json", "-!-"
#: Of those that hold pictures; the third kind holds sounds.
_KINDS = ("image", "pose")


class TeachableMachine(Format):
    """The file, or the folder that it was unpacked to: image and pose projects."""

    name = "teachable-machine"
    archives = True

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        if path.is_dir():
            return (path / _MANIFEST).is_file() and any(_samples(path))
        names = members(path)
        return _MANIFEST in names and any(_MARK in name for name in names)

    def read(self, path: Path) -> Iterator[Hit]:
        """Classes by alphabet, each in the order in which its samples were taken."""
        folder = path if path.is_dir() else opened(self.unpack, path)
        told = read_json(folder / _MANIFEST)
        kind = told.get("type", "image") if isinstance(told, Mapping) else ""
        if kind not in _KINDS:
            raise not_so(path, f"is a project of the kind {kind!r}", "an image or pose project")
        places, labels = Places(folder), Labels()
        for rank, name in enumerate(sorted(_samples(folder), key=natural)):
            found, problem = places.find(name)
            label, wrong = labels.check(unescaped(name).rpartition(_MARK)[0])
            yield Hit(rank=rank, path=found, label=label, problem=problem or wrong)


def _samples(folder: Path) -> Iterator[str]:
    """Names of the samples. A class with a slash in its name makes a folder."""
    for root, _, names in os.walk(folder):
        for name in names:
            if _MARK in unescaped(name) and is_picture_name(unescaped(name)):
                yield os.path.relpath(os.path.join(root, name), folder)  # noqa: PTH118
