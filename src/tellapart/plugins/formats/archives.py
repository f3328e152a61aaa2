"""What formats do with archives: look at the names in them, and have them taken apart."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from tellapart.datasets import zips
from tellapart.errors import InputError

_ZIPS = frozenset((".zip", ".tm"))
#: Names looked at to tell what an archive is.
_MOST = 200_000


def members(path: Path) -> frozenset[str]:
    """The names in a zip; none of anything else, and of one that is damaged."""
    if path.suffix.lower() not in _ZIPS or not path.is_file():
        return frozenset()
    there = path.stat()
    return _members(str(path), there.st_size, there.st_mtime_ns)


@lru_cache(maxsize=8)
def _members(path: str, size: int, mtime: int) -> frozenset[str]:
    try:
        if zips.directory_size(Path(path)) > zips.MAX_DIRECTORY:
            return frozenset()  # refused where it is unpacked
        with zipfile.ZipFile(path, metadata_encoding="utf-8") as file:
            return frozenset(file.namelist()[:_MOST])
    except Exception:  # damaged in one of many ways: whoever unpacks it says in which
        return frozenset()


def opened(unpack: Callable[[Path], Path] | None, path: Path) -> Path:
    """The folder that an archive is unpacked to. Raises `InputError` where none may be."""
    if unpack is None:
        raise InputError(
            f"{path.name!r} is an archive, and archives are not taken apart here.",
            expected="a folder",
            do="Unpack it and give the folder, or collect from it with `tellapart train`.",
        )
    return unpack(path)
