"""Read a bundle, zip or unpacked folder, as if whoever made it meant harm.

Names are checked before anything is read: absolute names, `..`, links, names that clash on
file systems that ignore case, and members that blow up when unpacked are all refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tellapart.errors import NotFoundError, VerificationError

#: Starts the zip's comment; 64 hex digits follow, the SHA-256 of every byte before them.
SEAL = b"tellapart sha256:"
_SEAL_LENGTH = len(SEAL) + 64
_MAX_MEMBERS = 200_000
_MAX_TOTAL = 64 * 2**30
#: Deflate reaches 1,032; real text stays far below this.
_MAX_RATIO = 200
_SMALL = 4 * 2**20
#: A manifest, a list of labels or of sums is never larger.
TEXT_LIMIT = 64 * 2**20
#: The largest model: the limit of the format that it is written in.
MODEL_LIMIT = 2**31
_CHUNK = 1 << 20
_END = struct.Struct("<4s4H2LH")
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
)


def refuse(path: Path, problems: Iterable[str]) -> VerificationError:
    """One error that lists every problem found in the bundle at `path`."""
    listed = list(dict.fromkeys(problems))
    shown = listed[:20] + ([f"… and {len(listed) - 20} more"] if len(listed) > 20 else [])
    word = "problem" if len(listed) == 1 else "problems"
    return VerificationError(
        f"The bundle {path.name!r} has {len(listed)} {word}:"
        + "".join(f"\n  - {problem}" for problem in shown),
        expected="a bundle exactly as `tellapart package` wrote it",
        do="Fetch or package the bundle again, and do not use this copy.",
    )


def name_problem(name: str) -> str | None:
    """Why `name` may not stand in a bundle; None if it may."""
    if not name or len(name.encode("utf-8", "replace")) > 1000:
        return f"the name {name[:60]!r} is empty or too long"
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name) or "\\" in name:
        return f"the name {name!r} holds a control character or a backslash"
    if name.startswith("/") or re.match(r"^[A-Za-z]:", name):
        return f"the name {name!r} is absolute"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return f"the name {name!r} leaves its folder or is not in its shortest form"
        if part[-1] in ". " or _RESERVED.match(part) or any(sign in part for sign in '<>:"|?*'):
            return f"the name {name!r} cannot be unpacked on every system"
    return None


def fold(name: str) -> str:
    """What two names share when a file system may take them for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def names_problems(names: Iterable[str]) -> list[str]:
    """All problems with a set of member names, clashes of case and Unicode form included."""
    problems: list[str] = []
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        problem = name_problem(name)
        if problem:
            problems.append(problem)
            continue
        other = seen.setdefault(fold(name), name)
        if other != name:
            problems.append(f"the names {other!r} and {name!r} differ in case or accents alone")
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folders.setdefault(fold(folder), folder) != folder:
                problems.append(f"the folder {folder!r} clashes with {folders[fold(folder)]!r}")
    problems += [
        f"{seen[key]!r} is a file and a folder at once" for key in sorted(seen.keys() & folders)
    ]
    return problems


class Archive(ABC):
    """The members of a bundle, wherever they lie. Close it, or use it in a `with`."""

    def __init__(self, path: Path, sizes: dict[str, int]) -> None:
        self.path = path
        self._sizes = sizes

    @property
    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(self._sizes)

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def size(self, name: str) -> int:
        """Bytes of a member when unpacked."""
        return self._sizes[name]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The member's bytes, 1 MiB at a time. Raises `VerificationError` where they break."""
        if name not in self._sizes:
            raise refuse(self.path, [f"the file {name!r} is missing"])
        left = self._sizes[name]
        with broken_to_error(self.path, name), self._open(name) as stream:
            while chunk := stream.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise ValueError("longer than it says")
                yield chunk
            if left:
                raise ValueError("shorter than it says")

    def read(self, name: str, limit: int = TEXT_LIMIT) -> bytes:
        """A whole member. Raises `VerificationError` if missing, broken or above `limit` bytes."""
        if self._sizes.get(name, 0) > limit:
            raise refuse(self.path, [f"the file {name!r} is larger than {limit:,} bytes"])
        return b"".join(self.chunks(name))

    def sha256(self, name: str) -> str:
        """SHA-256 (hex) of a member, read in bounded memory."""
        digest = hashlib.sha256()
        for chunk in self.chunks(name):
            digest.update(chunk)
        return digest.hexdigest()

    def seal_problem(self) -> str | None:
        """Why the bytes as a whole are not those that were written; None if they are."""
        return None

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]: ...

    def close(self) -> None:  # noqa: B027 - a folder has nothing to let go of
        """Let go of the file."""


def open_archive(path: str | Path) -> Archive:
    """Open a bundle, zip or folder, after checking every name and size in it.

    Raises `NotFoundError` where there is none and `VerificationError`, with all problems, where
    it is not safe to read.
    """
    path = Path(path)
    if path.is_dir():
        return _Folder(path)
    if not path.is_file():
        raise NotFoundError(
            f"There is no bundle at {str(path)!r}.",
            expected="a file NAME-VERSION.zip, or the folder it was unpacked to",
            do="Check the path; `tellapart list` shows what was made here.",
        )
    return _Zip(path)


@contextmanager
def broken_to_error(path: Path, name: str | None = None) -> Iterator[None]:
    """Turn whatever a damaged archive raises into a `VerificationError`."""
    try:
        yield
    except _BROKEN as error:
        where = f"the file {name!r}" if name else "the archive"
        raise refuse(path, [f"{where} cannot be read ({error})"]) from error


class _Zip(Archive):
    def __init__(self, path: Path) -> None:
        with broken_to_error(path):
            self._zip = zipfile.ZipFile(path)
        try:
            with broken_to_error(path):
                infos = self._zip.infolist()
                problems = _zip_problems(infos, path.stat().st_size, self._zip.start_dir)
            if problems:
                raise refuse(path, problems)
        except BaseException:
            self._zip.close()
            raise
        super().__init__(path, {i.filename: i.file_size for i in infos if not i.is_dir()})

    def _open(self, name: str) -> IO[bytes]:
        return self._zip.open(name)

    def close(self) -> None:
        self._zip.close()

    def seal_problem(self) -> str | None:
        with broken_to_error(self.path), self.path.open("rb") as stream:
            return _seal_problem(stream, self.path.stat().st_size)


def _zip_problems(infos: list[zipfile.ZipInfo], size: int, directory: int) -> list[str]:
    if len(infos) > _MAX_MEMBERS:
        return [f"it holds {len(infos):,} files, more than {_MAX_MEMBERS:,}"]
    folders = [info.orig_filename.removesuffix("/") for info in infos if info.is_dir()]
    problems = [problem for problem in map(name_problem, folders) if problem]
    problems += names_problems(info.orig_filename for info in infos if not info.is_dir())
    if len({info.filename for info in infos}) != len(infos):
        problems.append("a name stands in it twice")
    for info in infos:
        name = info.orig_filename
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            problems.append(f"{name!r} is a link or a device, not a file")
        if info.flag_bits & 0x1:
            problems.append(f"{name!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problems.append(f"{name!r} is packed by an unknown method ({info.compress_type})")
        if info.is_dir() and info.file_size:
            problems.append(f"{name!r} is a folder with content")
        if info.file_size > _SMALL and info.file_size > _MAX_RATIO * max(1, info.compress_size):
            problems.append(
                f"{name!r} would grow from {info.compress_size:,} to {info.file_size:,} bytes"
            )
    if sum(info.file_size for info in infos) > _MAX_TOTAL:
        problems.append(f"it would unpack to more than {_MAX_TOTAL:,} bytes")
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            problems.append(f"{info.orig_filename!r} overlaps the file before it")
        end = info.header_offset + 30 + len(info.orig_filename) + info.compress_size
    if end > min(size, directory):
        problems.append("its last file runs over the end")
    return problems


def _seal_problem(stream: IO[bytes], size: int) -> str | None:
    """A zip packed anew by another program has no comment, and so no seal: its sums decide."""
    stream.seek(max(0, size - _END.size - _SEAL_LENGTH))
    tail = stream.read()
    if tail[-_END.size :].startswith(b"PK\5\6") and tail.endswith(b"\0\0"):
        return None
    comment = tail[-_SEAL_LENGTH:]
    end = tail[: _END.size]
    if not (end.startswith(b"PK\5\6") and end.endswith(struct.pack("<H", _SEAL_LENGTH))):
        return "the end of the archive is damaged, or something was added behind it"
    if not comment.startswith(SEAL):
        return "its seal is damaged"
    stream.seek(0)
    digest = hashlib.sha256()
    left = size - 64
    while left:
        chunk = stream.read(min(_CHUNK, left))
        digest.update(chunk)
        left -= len(chunk)
    if digest.hexdigest().encode() != comment[-64:]:
        return "its bytes are not those that were sealed"
    return None


class _Folder(Archive):
    def __init__(self, path: Path) -> None:
        sizes: dict[str, int] = {}
        problems: list[str] = []
        with broken_to_error(path):
            for folder, names, files in os.walk(path):
                here = Path(folder)
                for name in sorted(names + files):
                    item = here / name
                    key = item.relative_to(path).as_posix()
                    state = item.lstat()
                    if stat.S_ISREG(state.st_mode):
                        sizes[key] = state.st_size
                    elif not stat.S_ISDIR(state.st_mode):
                        problems.append(f"{key!r} is a link or a device, not a file")
                if len(sizes) > _MAX_MEMBERS:
                    problems.append(f"it holds more than {_MAX_MEMBERS:,} files")
                    break
        problems += names_problems(sorted(sizes))
        if problems:
            raise refuse(path, problems)
        super().__init__(path, sizes)

    def _open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb")
