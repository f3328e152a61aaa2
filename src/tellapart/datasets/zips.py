"""The members of a zip, and what speaks against it."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tellapart.datasets.unpacking import Limits, Member, refused

#: A zip's list of names is read into memory whole.
MAX_DIRECTORY = 64 * 2**20
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


@contextmanager
def opened(archive: Path, limits: Limits) -> Iterator[tuple[list[Member], list[str]]]:
    """The members, and what is wrong with the whole; what a damaged zip raises becomes an
    `InputError`. Of more members than `limits` allow nothing further is looked at."""
    try:
        listed = directory_size(archive)
        if listed > MAX_DIRECTORY:
            raise refused([f"its list of names alone has {listed:,} bytes"])
        # Names without the mark of UTF-8 are UTF-8 all the same, or refused.
        with zipfile.ZipFile(archive, metadata_encoding="utf-8") as file:
            infos = file.infolist()
            found = [_member(file, info) for info in infos]
            end = min(archive.stat().st_size, file.start_dir)
            yield found, [] if len(infos) > limits.members else _overlaps(infos, end)
    except UnicodeDecodeError as error:
        name = error.object if isinstance(error.object, bytes) else b""
        raise refused([f"the name {name[:80]!r} is not UTF-8"]) from None
    except _BROKEN as error:
        text = str(error)[:200]
        raise refused([f"it cannot be read as a zip ({type(error).__name__}: {text})"]) from error


def _member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    return Member(
        info.orig_filename,
        info.file_size,
        info.compress_size,
        info.is_dir(),
        tuple(_problems(info)),
        partial(file.open, info),
    )


def _problems(info: zipfile.ZipInfo) -> Iterator[str]:
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


def directory_size(archive: Path) -> int:
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


def _overlaps(infos: list[zipfile.ZipInfo], size: int) -> list[str]:
    end, problems = 0, []
    for info in sorted(infos, key=lambda one: one.header_offset):
        if info.header_offset < end:
            problems.append(f"{info.orig_filename!r} overlaps the file before it")
        end = info.header_offset + 30 + info.compress_size
    if end > size:
        problems.append("its last file runs over the end")
    return problems
