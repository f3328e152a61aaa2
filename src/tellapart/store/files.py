"""Pictures by content: a file's name is the SHA-256 of its bytes, so the same is stored once."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tellapart.errors import InputError, NotFoundError, StorageError

_SHA256 = re.compile(r"[0-9a-f]{64}")


def write_file(path: Path, data: bytes) -> None:
    """Write one file, whole or not at all; its folder is made. Raises `StorageError`."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(
            f"{str(path)!r} cannot be written ({error.strerror or error}).",
            expected="a folder that this user may write to, on a disk with free space",
            do="Free some space, then run the same command again: it goes on where it stopped.",
        ) from error


class FileStore:
    """A folder of files named by their SHA-256, in 256 folders by its first two digits."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        """Where the file with this SHA-256 lies (whether it does or not).

        Raises `InputError` for anything but 64 lower-case hex digits: no name leads elsewhere.
        """
        if not _SHA256.fullmatch(sha256):
            raise InputError(
                f"{sha256!r} is no SHA-256.",
                expected="64 lower-case hexadecimal digits",
                do="Pass the digest that `put` returned.",
            )
        return self.root / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether the file is there, with `size` bytes where that is known."""
        path = self.path(sha256)
        try:
            return path.is_file() and size in (None, path.stat().st_size)
        except OSError:
            return False

    def put(self, data: bytes) -> str:
        """Store `data` and return its SHA-256 (64 hex digits).

        Atomic: other processes see the whole file or none. Not flushed to the disk, which would
        cost more than fetching: a file cut short by a power failure is put right when the same
        bytes come again. Raises `StorageError` where it cannot be written; nothing is left then.
        """
        digest = hashlib.sha256(data).hexdigest()
        target = self.path(digest)
        try:
            if target.stat().st_size == len(data):
                os.utime(target)  # wanted again: `sweep` must not take it for forgotten
                return digest
        except OSError:
            pass  # not there yet
        try:
            self._write(target, data)
        except OSError as error:
            raise StorageError(
                f"{len(data)} bytes could not be written below {self.root} "
                f"({error.strerror or error}).",
                expected="a folder that this user may write to, on a disk with free space",
                do="Free some space (`tellapart clean` drops caches) or set TELLAPART_HOME to "
                "another folder, then run the same command again: it goes on where it stopped.",
            ) from error
        return digest

    def get(self, sha256: str) -> bytes:
        """The stored bytes. Raises `NotFoundError` where the file is gone."""
        path = self.path(sha256)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(
                f"The picture file {path} is gone.",
                expected="every file that the catalog names, until its project is deleted",
                do="Run `tellapart collect NAME` again: it fetches what is missing.",
            ) from error
        except OSError as error:
            raise StorageError(
                f"The picture file {path} cannot be read ({error.strerror or error}).",
                expected="a file that this user may read",
                do="Check the disk and the folder's rights.",
            ) from error

    def remove(self, sha256: str) -> int:
        """Remove one file; return the bytes freed (0 where it was not there)."""
        path = self.path(sha256)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def sweep(self, named: Callable[[], set[str]], age: float) -> int:
        """Remove files older than `age` seconds that nobody names; return how many went.

        `named` is asked after the old files are listed: one that is wanted since is young.
        """
        before = time.time() - age
        old = {sha for sha in self if self._written(sha) < before}
        gone = 0
        for sha in sorted(old - named()) if old else ():
            if self._written(sha) < before:
                gone += self.remove(sha) > 0
        return gone

    def _written(self, sha256: str) -> float:
        """When the file was written or wanted last; for ever, where it is gone."""
        try:
            return self.path(sha256).stat().st_mtime
        except OSError:
            return float("inf")

    def __iter__(self) -> Iterator[str]:
        """The SHA-256 of every stored file, in no particular order."""
        for path in self.root.glob("??/*"):
            if _SHA256.fullmatch(path.name):
                yield path.name

    def _write(self, target: Path, data: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
