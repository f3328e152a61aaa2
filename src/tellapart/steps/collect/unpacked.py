"""Archives of one's own, taken apart once into the project's `work` folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tellapart.datasets.unpacking import ESCAPED, SUFFIXES, Limits, unescaped, unpack
from tellapart.doors import Format, Hit
from tellapart.errors import InputError
from tellapart.forgetting import Refusals
from tellapart.steps import StepContext

FOLDER = "unpacked"
#: Of one's own archives: a hundred shards of WebDataset, each by itself.
_LIMITS = Limits(total=64 * 2**30, members=1_000_000)
#: Holds what the archive was when it was unpacked; beside its folder, written last.
_MARK = ".of"
_DEEPEST = 3


def is_archive(path: Path) -> bool:
    """Whether `path` is a file that `unpack` takes apart, by its name."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


class Unpack:
    """Takes archives apart below one folder; where one is as it was, its folder is used again.

    Pictures that were forgotten are not left there.
    """

    def __init__(self, into: Path, refusals: Refusals | None = None) -> None:
        self.into = into
        self._refusals = refusals
        #: Of those taken apart here: folder → archive.
        self.opened: dict[str, Path] = {}

    @classmethod
    def of(cls, context: StepContext) -> Unpack:
        """Into the project's own folder, which goes with it."""
        refusals = Refusals(context.settings, context.catalog.engine, context.catalog.owner)
        return cls(context.work / FOLDER, refusals)

    def __call__(self, archive: Path) -> Path:
        """The folder with what is in `archive`. Raises what `unpack` raises."""
        place = os.path.realpath(archive)
        folder = (
            self.into / hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        )
        there = os.stat(place)  # noqa: PTH116
        mark, now = folder.with_suffix(_MARK), f"{there.st_size} {there.st_mtime_ns}"
        if not (folder.is_dir() and mark.is_file() and mark.read_text() == now):
            mark.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            unpack(Path(place), folder, _LIMITS, escape=True)
            self._finish(folder, there.st_mtime_ns)
            mark.write_text(now)
        self.opened[str(folder)] = archive
        return folder

    def _finish(self, folder: Path, mtime: int) -> None:
        for path in _files(folder):
            # The archive's time: what was read before is known again after unpacking anew.
            os.utime(path, ns=(mtime, mtime))
            if self._refusals and self._refusals.picture(sha256=_sha256(path)):
                path.unlink()


class Opened(Format):
    """A format whose rows may lie in unpacked archives: there, the archive's name names them."""

    name = "opened"

    def __init__(self, inner: Format, unpack: Unpack) -> None:
        self._inner = inner
        self._unpack = inner.unpack = unpack

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return False

    def read(self, path: Path) -> Iterator[Hit]:
        base = path if path.is_dir() else path.parent
        for hit in self._inner.read(path):
            yield replace(hit, key=self._key(hit, base)) if hit.path else hit

    def _key(self, hit: Hit, base: Path) -> str:
        found = str(hit.path)
        for folder, archive in self._unpack.opened.items():
            if found.startswith(folder + os.sep):
                return f"{os.path.relpath(archive, base)}/{found[len(folder) + 1 :]}"
        return hit.key


class Packed(Format):
    """A zip or tar of anything that some format reads when it is unpacked."""

    name = "packed"
    archives = True

    def __init__(self, find: Callable[[Path], Format]) -> None:
        self._find = find

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return is_archive(path)

    def read(self, path: Path) -> Iterator[Hit]:
        if self.unpack is None:
            raise closed(path)
        folder = _inner(self.unpack(path))
        for hit in self._find(folder).read(folder):
            label = hit.label or ""
            yield replace(hit, label=unescaped(label)) if label.startswith(ESCAPED) else hit


def closed(path: Path) -> InputError:
    """Of an archive where none may be taken apart."""
    return InputError(
        f"{path.name!r} is an archive, and archives are not taken apart here.",
        expected="a folder",
        do="Unpack it, and give the folder; or collect from it with `tellapart train`.",
    )


def _inner(folder: Path) -> Path:
    """The folder that holds the data: archives often wrap it in another one or two."""
    for _ in range(_DEEPEST):
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            break
        folder = inside[0]
    return folder


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
