"""Which bundles lie at the paths that were given, and whether they have changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tellapart.errors import NotFoundError

_VERSION = re.compile(r"(?P<name>.+?)-(?P<version>\d{1,18})(\.zip)?")
_MANIFEST = "manifest.json"

#: What tells that a file is another one: path, inode, size, time of change in nanoseconds.
Look = tuple[tuple[str, int, int, int], ...]


def bundles(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The bundles at `paths`: zips, unpacked bundles, and of a folder of versions the newest.

    A folder of versions holds `NAME-1.zip`, `NAME-2.zip`, … (or folders so named); of each name
    it is the highest number. Raises `NotFoundError`.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or (path / _MANIFEST).is_file():
            found.append(path)
            continue
        try:
            newest = _newest(path)
        except OSError as error:
            raise NotFoundError(
                f"The folder {str(path)!r} cannot be read: {error.strerror or error}.",
                expected="a folder of bundles that the server may read",
                do="Check its rights, or give the path of a bundle.",
            ) from None
        if not newest:
            raise NotFoundError(
                f"The folder {str(path)!r} holds no bundle.",
                expected="manifest.json of an unpacked bundle, or bundles such as NAME-1.zip",
                do="Give the path of a bundle.",
            )
        found += newest
    return tuple(found)


def look(paths: Iterable[Path]) -> Look:
    """How the bundles at `paths` look now; equal looks mean that nothing has changed."""
    found = []
    for path in paths:
        for file in (path / _MANIFEST, path / "model.onnx") if path.is_dir() else (path,):
            try:
                facts = file.stat()
            except OSError:
                found.append((str(file), 0, 0, 0))
            else:
                found.append((str(file), facts.st_ino, facts.st_size, facts.st_mtime_ns))
    return tuple(found)


def _newest(folder: Path) -> list[Path]:
    best: dict[str, tuple[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _VERSION.fullmatch(path.name)
        bundle = path.suffix == ".zip" if path.is_file() else (path / _MANIFEST).is_file()
        if match is not None and bundle:
            version = int(match["version"])
            if version > best.get(match["name"], (-1, path))[0]:
                best[match["name"]] = version, path
    return [path for _, path in best.values()]
