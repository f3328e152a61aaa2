"""All pictures below a folder, however deep: what they are, rules say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tellapart.doors import Format, Hit
from tellapart.errors import InputError
from tellapart.plugins.formats.places import Places, is_picture_name, natural


class Tree(Format):
    """Every file that is a picture by name, without a class. Never chosen by itself.

    Hidden files and folders are passed over; linked folders are not walked.
    """

    name = "tree"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return False

    def read(self, path: Path) -> Iterator[Hit]:
        """Folder by folder, each in natural order."""
        places, rank = Places(path), 0
        for file in _walk(path):
            found, problem = places.check(file)
            yield Hit(rank=rank, path=found, problem=problem or "no_label")
            rank += 1
        if not rank:
            raise InputError(
                f"No picture lies below {str(path)!r}.",
                expected="JPEG, PNG, WebP, GIF, BMP or TIFF files",
                do="Check the path; other kinds of pictures are to be converted first.",
            )


def _walk(root: Path) -> Iterator[str]:
    waiting = [os.path.abspath(root)]  # noqa: PTH100 - three hundred thousand of them
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            found = sorted(entries, key=lambda entry: natural(entry.name))
        folders = [e.path for e in found if e.is_dir(follow_symlinks=False) and e.name[0] != "."]
        waiting += reversed(folders)
        yield from (e.path for e in found if is_picture_name(e.name) and e.path not in folders)
