"""Files that strangers bring, read as if whoever made them meant harm.

`unpack` takes a zip apart into a folder of its own, whole or not at all; `check_member` looks at
the name of a file that comes by itself; `confine` refuses recipes that name files of this machine.
What is refused is refused with every reason at once.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

from tellapart.bundle.archive import fold, name_problem, names_problems
from tellapart.errors import InputError, StorageError

_CHUNK = 1 << 20
#: A zip's list of names is read into memory whole.
_MAX_DIRECTORY = 64 * 2**20
#: Below it a file may be of any ratio: drawn pictures shrink to nothing.
_SMALL = 4 * 2**20
_MAX_DEPTH = 16
_MAX_PART = 255
_MOST_SHOWN = 20
#: Options of sources that hold a path, however it is written.
_PLACES = frozenset(("file", "folder", "path"))
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
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
)
_EXPECTED = "a zip of class folders with pictures: apple/1.jpg, pear/1.jpg"


@dataclass(frozen=True)
class Limits:
    """What an upload may hold."""

    #: Bytes of all files when unpacked; an account's free room.
    total: int = 8 * 2**30
    #: Bytes of one file.
    file: int = 512 * 2**20
    #: Files and folders.
    members: int = 100_000
    #: How many times larger a file of over 4 MB may become.
    ratio: int = 200


@dataclass(frozen=True)
class Unpacked:
    """What was taken out of a zip."""

    folder: Path
    files: int
    bytes: int
    #: Hidden files and what systems leave behind, which were passed over.
    passed_over: int


def unpack(archive: Path, target: Path, limits: Limits | None = None) -> Unpacked:
    """Take the zip `archive` apart into the new folder `target`.

    Refused, with every reason: links, devices, absolute names and drive letters, names that leave
    the folder, that clash where case does not count, or that are not UTF-8; encrypted files,
    archives in the archive, and whatever grows beyond `limits`. Raises `InputError`, `StorageError`
    where the disk is full; nothing is left then.
    """
    limits = limits or Limits()
    with _read(archive) as opened:
        infos = opened.infolist()
        problems = _problems(infos, archive.stat().st_size, opened.start_dir, limits)
        if problems:
            raise refused(problems)
        wanted = [info for info in infos if not info.is_dir() and not _is_litter(info.filename)]
        if not wanted:
            raise refused(["it holds no file"])
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with _storing(target.parent):
                partial.mkdir(mode=0o700, parents=True)
                size = _write(opened, wanted, partial)
                partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    files = sum(1 for info in infos if not info.is_dir())
    return Unpacked(target, len(wanted), size, files - len(wanted))


class RefusedUploadError(InputError):
    """An upload that might do harm."""


def refused(problems: Iterable[str], what: str = "The archive") -> RefusedUploadError:
    """One error that lists every problem of an upload."""
    listed = list(dict.fromkeys(problems))
    more = len(listed) - _MOST_SHOWN
    shown = listed[:_MOST_SHOWN] + ([f"… and {more} more"] if more > 0 else [])
    count = f"{len(listed)} problem{'s' if len(listed) > 1 else ''}"
    return RefusedUploadError(
        f"{what} is refused for {count}:" + "".join(f"\n  - {one}" for one in shown),
        expected=_EXPECTED,
        do="Pack the pictures anew without these, and upload that.",
    )


@contextmanager
def _read(archive: Path) -> Iterator[zipfile.ZipFile]:
    """The zip opened; whatever a damaged one raises becomes an `InputError`."""
    try:
        listed = _directory_size(archive)
        if listed > _MAX_DIRECTORY:
            raise refused([f"its list of names alone has {listed:,} bytes"])
        # Names without the mark of UTF-8 are UTF-8 all the same, or refused.
        with zipfile.ZipFile(archive, metadata_encoding="utf-8") as opened:
            yield opened
    except UnicodeDecodeError as error:
        name = error.object if isinstance(error.object, bytes) else b""
        raise refused([f"the name {name[:80]!r} is not UTF-8"]) from None
    except _BROKEN as error:
        text = str(error)[:200]
        raise refused([f"it cannot be read as a zip ({type(error).__name__}: {text})"]) from error


def _directory_size(archive: Path) -> int:
    """Bytes of the list of names, as the end of the zip has it; 0 where there is no end."""
    size = archive.stat().st_size
    start = max(0, size - 65_536 - 22 - 20 - 56)
    with archive.open("rb") as stream:
        stream.seek(start)
        tail = stream.read()
    found = 0
    at = tail.rfind(b"PK\5\6")
    if at >= 0 and len(tail) >= at + 22:
        found = int(struct.unpack_from("<L", tail, at + 12)[0])
        if found == 0xFFFFFFFF:
            found = 0
    # Of any larger record the largest counts, wherever a reader may look for it.
    at = tail.find(b"PK\6\6")
    while at >= 0:
        if len(tail) >= at + 56:
            found = max(found, int(struct.unpack_from("<Q", tail, at + 40)[0]))
        at = tail.find(b"PK\6\6", at + 1)
    return min(found, size)


def _problems(infos: list[zipfile.ZipInfo], size: int, directory: int, limits: Limits) -> list[str]:
    if len(infos) > limits.members:
        return [f"it holds {len(infos):,} files, more than {limits.members:,}"]
    folders = [info.orig_filename.removesuffix("/") for info in infos if info.is_dir()]
    files = [info for info in infos if not info.is_dir()]
    problems = [problem for problem in map(name_problem, folders) if problem]
    problems += names_problems(info.orig_filename for info in files)
    if len({info.filename for info in infos}) != len(infos):
        problems.append("a name stands in it twice")
    for info in infos:
        problems += _of_member(info, limits)
    total = sum(info.file_size for info in infos)
    if total > limits.total:
        problems.append(f"it would unpack to {total:,} bytes, more than {limits.total:,}")
    if total > max(16 * _SMALL, limits.ratio * size):
        problems.append(f"it would grow from {size:,} to {total:,} bytes")
    return problems + _overlaps(infos, min(size, directory))


def _of_member(info: zipfile.ZipInfo, limits: Limits) -> Iterator[str]:
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        yield f"{name!r} is a link"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        yield f"{name!r} is a device or a pipe, not a file"
    elif kind == stat.S_IFDIR and not info.is_dir():
        yield f"{name!r} is a folder with the name of a file"
    if info.flag_bits & 0x1:
        yield f"{name!r} is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        yield f"{name!r} is packed by the method {info.compress_type}; only deflate is read"
    if info.is_dir() and info.file_size:
        yield f"{name!r} is a folder with content"
    if info.file_size > limits.file:
        yield f"{name!r} has {info.file_size:,} bytes, more than {limits.file:,}"
    if info.file_size > _SMALL and info.file_size > limits.ratio * max(1, info.compress_size):
        yield f"{name!r} would grow from {info.compress_size:,} to {info.file_size:,} bytes"
    if PurePath(name).suffix.lower() in _NESTED and not _is_litter(name):
        yield f"{name!r} is an archive in the archive"
    parts = name.split("/")
    if len(parts) > _MAX_DEPTH:
        yield f"{name[:80]!r} lies {len(parts)} folders deep"
    if any(len(part.encode("utf-8", "replace")) > _MAX_PART for part in parts):
        yield f"{name[:80]!r} has a part of more than {_MAX_PART} bytes"


def _overlaps(infos: list[zipfile.ZipInfo], size: int) -> list[str]:
    end, problems = 0, []
    for info in sorted(infos, key=lambda one: one.header_offset):
        if info.header_offset < end:
            problems.append(f"{info.orig_filename!r} overlaps the file before it")
        end = info.header_offset + 30 + info.compress_size
    if end > size:
        problems.append("its last file runs over the end")
    return problems


def _is_litter(name: str) -> bool:
    return any(part.startswith(".") or part.lower() in _LITTER for part in name.split("/"))


def _write(opened: zipfile.ZipFile, infos: list[zipfile.ZipInfo], folder: Path) -> int:
    total = 0
    for info in infos:
        path = folder / info.filename
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with opened.open(info) as stream:
            total += _copy(stream, path, info)
    return total


def _copy(stream: IO[bytes], path: Path, info: zipfile.ZipInfo) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    written = 0
    with os.fdopen(os.open(path, flags, 0o600), "wb") as out:
        while chunk := stream.read(_CHUNK):
            if not written and chunk.startswith(_ARCHIVES):
                raise refused([f"{info.filename!r} is an archive in the archive"])
            written += len(chunk)
            if written > info.file_size:
                raise zipfile.BadZipFile(f"{info.filename!r} is longer than it says")
            out.write(chunk)
    if written != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename!r} is shorter than it says")
    return written


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The upload cannot be stored: {error.strerror or error}.",
            expected="enough room, and a folder that can be written to",
            do="Free some space where TELLAPART_HOME lies, then upload again.",
        ) from error


def check_member(folder: Path, name: str, head: bytes) -> None:
    """Whether a file that begins with `head` may be put into `folder` as `name`.

    Held to what `unpack` holds names to. Raises `InputError`.
    """
    problem = name_problem(name)
    problems = [problem] if problem else []
    parts = name.split("/")
    if len(parts) > _MAX_DEPTH:
        problems.append(f"{name[:80]!r} lies {len(parts)} folders deep")
    if any(len(part.encode("utf-8", "replace")) > _MAX_PART for part in parts):
        problems.append(f"{name[:80]!r} has a part of more than {_MAX_PART} bytes")
    if head.startswith(_ARCHIVES) or PurePath(name).suffix.lower() in _NESTED:
        problems.append(f"{name[:80]!r} is an archive")
    here = folder
    for place, part in enumerate(parts if not problems else ()):
        last = place == len(parts) - 1
        there = {fold(one.name): one for one in here.iterdir()} if here.is_dir() else {}
        same = there.get(fold(part))
        if same is not None and same.name != part:
            problems.append(f"{name!r} and {same.name!r} differ in case or accents alone")
        elif same is not None and same.is_dir() == last:
            problems.append(f"{name!r} would be a file and a folder at once")
        here = here / part
    if problems:
        raise refused(problems, "The file")


# -- recipes ----------------------------------------------------------------------------------


def confine(values: Mapping[str, Any], root: Path | None = None) -> None:
    """Refuse a recipe (as `Recipe.model_dump()` has it) that names a file outside `root`.

    An account's recipe may name data sets, other projects of its own and URLs, and nothing of
    this machine but its own upload. Raises `InputError`.
    """
    problems = [
        f"{path}: {str(value)!r}" for path, value in _paths(values, "") if not _within(value, root)
    ]
    if problems:
        raise InputError(
            "The recipe names files of the server: " + "; ".join(problems[:_MOST_SHOWN]),
            expected="class words, a data set by its name, project:NAME, or an upload of yours",
            do="Upload the pictures (a zip of class folders, or a CSV) and use that.",
        )


def _paths(value: Any, path: str) -> Iterator[tuple[str, PurePath]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for place, inner in enumerate(value):
            yield from _paths(inner, f"{path}[{place}]")
    elif isinstance(value, PurePath):
        yield path, value
    elif (
        isinstance(value, str)
        and path.startswith("sources")
        and (value[:1] in ("/", "~") or path.rpartition(".")[2] in _PLACES)
    ):
        yield path, PurePath(value)  # an option of a source; elsewhere a word may begin so


def _within(path: PurePath, root: Path | None) -> bool:
    if root is None:
        return False
    real = os.path.realpath(Path(path).expanduser())
    return Path(real).is_relative_to(os.path.realpath(root))
