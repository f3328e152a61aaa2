"""Archives taken apart as if whoever made them meant harm: zips and tars, whole or not at all.

What is refused is refused with every reason at once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO
from urllib.parse import quote, unquote

from tellapart.bundle.archive import name_problem, names_problems
from tellapart.errors import InputError, StorageError

#: What `unpack` takes apart, by the name's end. `.tm` is a project of Teachable Machine, a zip;
#: Parquet holds one picture a row.
SUFFIXES = frozenset((".zip", ".tm", ".tar", ".parquet"))
#: Begins the part of a name that no file system would take as it stands, written in percent signs.
ESCAPED = "%~"
_UNPORTABLE = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0)))) | frozenset('<>:"|?*\\%')
_CHUNK = 1 << 20
#: Below it a file may be of any ratio: drawn pictures shrink to nothing.
_SMALL = 4 * 2**20
_MAX_DEPTH = 16
_MAX_PART = 255
_MOST_SHOWN = 20
#: What a zip in a zip (or any other archive) is called, and how it begins.
_NESTED = frozenset(
    f".{name}"
    for name in ("zip", "jar", "gz", "tgz", "bz2", "tbz2", "xz", "txz", "zst", "7z", "rar", "tar")
)
_ARCHIVES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",
)
#: What systems leave in archives; not unpacked.
_LITTER = frozenset(("thumbs.db", "desktop.ini", "__macosx"))


@dataclass(frozen=True)
class Limits:
    """What an archive may hold."""

    #: Bytes of all files when unpacked; an account's free room.
    total: int = 8 * 2**30
    #: Bytes of one file.
    file: int = 512 * 2**20
    #: Files and folders.
    members: int = 100_000
    #: How many times larger a file of over 4 MB may become.
    ratio: int = 200

    def most(self, size: int) -> int:
        """Bytes that an archive of `size` may unpack to."""
        return min(self.total, max(16 * _SMALL, self.ratio * size))


@dataclass(frozen=True)
class Unpacked:
    """What was taken out of an archive."""

    folder: Path
    files: int
    bytes: int
    #: Hidden files and what systems leave behind, which were passed over.
    passed_over: int


@dataclass(frozen=True)
class Member:
    """One file or folder in an archive."""

    name: str
    #: Bytes unpacked, and as it lies there.
    size: int
    packed: int
    is_folder: bool
    #: What speaks against it by its kind alone: a link, a device, encrypted.
    problems: tuple[str, ...]
    open: Callable[[], AbstractContextManager[IO[bytes]]]


class RefusedArchiveError(InputError):
    """An archive or a file that might do harm."""


def unpack(
    archive: Path, target: Path, limits: Limits | None = None, *, escape: bool = False
) -> Unpacked:
    """Take the zip, tar or Parquet `archive` apart into the new folder `target`.

    Refused, with every reason: links, devices, absolute names and drive letters, names that leave
    the folder, that clash where case does not count, or that are not UTF-8; encrypted files,
    archives in the archive, and whatever grows beyond `limits`. With `escape` a name that not
    every file system takes (`what?.jpg`) is written by `escaped` instead of refused. Raises
    `InputError`, `StorageError` where the disk is full; nothing is left then.
    """
    limits = limits or Limits()
    with _opened(archive, limits) as (members, problems):
        problems = [*_problems(members, archive.stat().st_size, limits, escape), *problems]
        if problems:
            raise refused(problems)
        wanted = [one for one in members if not one.is_folder and not is_litter(one.name)]
        if not wanted:
            raise refused(["it holds no file"])
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with _storing(target.parent):
                partial.mkdir(mode=0o700, parents=True)
                size = sum(_write(one, partial, escape) for one in wanted)
                partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    files = sum(1 for one in members if not one.is_folder)
    return Unpacked(target, len(wanted), size, files - len(wanted))


def refused(problems: Iterable[str], what: str = "The archive") -> RefusedArchiveError:
    """One error that lists every problem of an archive or a file."""
    listed = list(dict.fromkeys(problems))
    more = len(listed) - _MOST_SHOWN
    shown = listed[:_MOST_SHOWN] + ([f"… and {more} more"] if more > 0 else [])
    count = f"{len(listed)} problem{'s' if len(listed) > 1 else ''}"
    return RefusedArchiveError(
        f"{what} is refused for {count}:" + "".join(f"\n  - {one}" for one in shown),
        expected="class folders with pictures (apple/1.jpg, pear/1.jpg), or Parquet with one a row",
        do="Pack the pictures anew without these, and give that.",
    )


def escaped(name: str) -> str:
    """`name` with each part as it is, or in percent signs where not every file system takes it."""
    return "/".join(map(_escaped, name.split("/")))


def unescaped(name: str) -> str:
    """What `escaped` was given."""
    parts = name.split("/")
    return "/".join(
        unquote(part.removeprefix(ESCAPED)) if part.startswith(ESCAPED) else part for part in parts
    )


def _escaped(part: str) -> str:
    if part in ("", ".", "..") or (name_problem(part) is None and not part.startswith(ESCAPED)):
        return part
    found = "".join(quote(sign) if sign in _UNPORTABLE else sign for sign in part)
    if found[-1] in ". ":
        found = found[:-1] + f"%{ord(found[-1]):02X}"
    return ESCAPED + found


@contextmanager
def _opened(archive: Path, limits: Limits) -> Iterator[tuple[list[Member], list[str]]]:
    """The members, and what speaks against the archive as a whole."""
    from tellapart.datasets import parquets, tars, zips

    kinds = {".tar": tars.opened, ".parquet": parquets.opened}
    with kinds.get(archive.suffix.lower(), zips.opened)(archive, limits) as found:
        yield found


def _problems(members: Sequence[Member], size: int, limits: Limits, escape: bool) -> list[str]:
    if len(members) > limits.members:
        return [f"it holds {len(members):,} files, more than {limits.members:,}"]
    named = [escaped(one.name) if escape else one.name for one in members]
    folders = [n.removesuffix("/") for n, one in zip(named, members, strict=True) if one.is_folder]
    files = [name for name, one in zip(named, members, strict=True) if not one.is_folder]
    problems = [problem for problem in map(name_problem, folders) if problem]
    problems += names_problems(files)
    if len({one.name for one in members}) != len(members):
        problems.append("a name stands in it twice")
    for name, one in zip(named, members, strict=True):
        problems += one.problems
        problems += _of_member(name, one, limits)
    total = sum(one.size for one in members)
    if total > limits.total:
        problems.append(f"it would unpack to {total:,} bytes, more than {limits.total:,}")
    if total > max(16 * _SMALL, limits.ratio * size):
        problems.append(f"it would grow from {size:,} to {total:,} bytes")
    return problems


def _of_member(name: str, one: Member, limits: Limits) -> Iterator[str]:
    if one.is_folder and one.size:
        yield f"{name!r} is a folder with content"
    if one.size > limits.file:
        yield f"{name!r} has {one.size:,} bytes, more than {limits.file:,}"
    if one.size > _SMALL and one.size > limits.ratio * max(1, one.packed):
        yield f"{name!r} would grow from {one.packed:,} to {one.size:,} bytes"
    if PurePath(name).suffix.lower() in _NESTED and not is_litter(name):
        yield f"{name!r} is an archive in the archive"
    yield from part_problems(name)


def part_problems(name: str) -> Iterator[str]:
    """What speaks against the parts of a name: too many of them, or one too long."""
    parts = name.split("/")
    if len(parts) > _MAX_DEPTH:
        yield f"{name[:80]!r} lies {len(parts)} folders deep"
    if any(len(part.encode("utf-8", "replace")) > _MAX_PART for part in parts):
        yield f"{name[:80]!r} has a part of more than {_MAX_PART} bytes"


def is_archive(name: str, head: bytes) -> bool:
    """Whether a file is an archive, by its name's end or its first bytes."""
    return head.startswith(_ARCHIVES) or PurePath(name).suffix.lower() in _NESTED


def is_litter(name: str) -> bool:
    """Whether a file is passed over: hidden, or left behind by a system, or in such a folder."""
    return any(part.startswith(".") or part.lower() in _LITTER for part in name.split("/"))


def _write(one: Member, folder: Path, escape: bool) -> int:
    path = folder / (escaped(one.name) if escape else one.name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with one.open() as stream:
        return _copy(stream, path, one)


def _copy(stream: IO[bytes], path: Path, one: Member) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    written = 0
    with os.fdopen(os.open(path, flags, 0o600), "wb") as out:
        while chunk := stream.read(_CHUNK):
            if not written and chunk.startswith(_ARCHIVES):
                raise refused([f"{one.name!r} is an archive in the archive"])
            written += len(chunk)
            if written > one.size:
                raise ValueError(f"{one.name!r} is longer than it says")
            out.write(chunk)
    if written != one.size:
        raise ValueError(f"{one.name!r} is shorter than it says")
    return written


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The archive cannot be unpacked: {error.strerror or error}.",
            expected="enough room, and a folder that can be written to",
            do="Free some space where TELLAPART_HOME lies, then try again.",
        ) from error
