"""A zip (or tar) of labelled pictures on this machine, taken apart once and read in place."""

from __future__ import annotations

from collections.abc import Iterator

from tellapart.doors import Hit
from tellapart.errors import InputError
from tellapart.plugins.sources.folder import Folder, given_path

_SUFFIXES = (".zip", ".tar")


class Zip(Folder):
    """Reads `{zip: {path: pictures.zip}}`: whatever the formats door reads once it is unpacked.

    Archives that could do harm (links, names that lead out, bombs, encrypted files, archives in
    the archive) are refused as a whole, with every reason.
    """

    name = "zip"
    local = True

    def rows(self) -> Iterator[Hit]:
        """Every row in reading order. Raises `InputError` for what is no such archive."""
        path = given_path(self, "path")
        if not path.is_file() or path.suffix.lower() not in _SUFFIXES:
            kind = "a folder" if path.is_dir() else f"a {path.suffix or 'nameless'} file"
            raise InputError(
                f"{str(path)!r} is {kind}, no archive.",
                expected="a file " + " or ".join(_SUFFIXES),
                do="Give the archive itself; the source `folder` reads folders.",
            )
        return self._format(path).read(path)
