"""A download put together out of slices of files, without a copy of it on the disk.

A zip of a part of a bundle is the bundle's own bytes with new headers around them: its length is
known before it is sent, and any range of it can be read by itself.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tellapart.errors import NotFoundError, StorageError

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
#: What a zip without the extension for larger ones holds; no data set in a bundle reaches it.
_MOST_FILES, _MOST_BYTES = 65_535, 2**32 - 2**20
_UTF8 = 0x800


@dataclass(frozen=True)
class Slice:
    """Bytes at hand, or `size` bytes of the file from `offset` on."""

    size: int
    data: bytes = b""
    offset: int = 0


class Sliced:
    """One representation: slices of one file and bytes between them, read at any place."""

    def __init__(self, path: Path, slices: list[Slice], etag: str, file_size: int) -> None:
        self.path = path
        #: What changes with the content: without quotes.
        self.etag = etag
        #: Of the file that the slices are cut out of: another one is another file.
        self.file_size = file_size
        self._slices = slices
        self._starts: list[int] = []
        self.bytes = 0
        for one in slices:
            self._starts.append(self.bytes)
            self.bytes += one.size

    @classmethod
    def whole(cls, path: Path, size: int, etag: str) -> Sliced:
        """A file as it is."""
        return cls(path, [Slice(size)], etag, size)

    def open(self) -> Reader:
        """Open the file. Raises `NotFoundError`; close the reader."""
        return Reader(self, self.path)

    def read(self, file: int, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on; fewer only at the end. Raises `StorageError`."""
        parts: list[bytes] = []
        at = bisect_right(self._starts, start) - 1
        while size > 0 and 0 <= at < len(self._slices):
            one, within = self._slices[at], start - self._starts[at]
            length = min(size, one.size - within)
            if length > 0:
                parts.append(
                    one.data[within : within + length]
                    if one.data
                    else _exactly(file, length, one.offset + within)
                )
            start, size, at = start + length, size - length, at + 1
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Reader:
    """An open download; threads may share it."""

    def __init__(self, sliced: Sliced, path: Path) -> None:
        self._sliced = sliced
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise NotFoundError(
                f"The file {path.name!r} is gone.",
                expected="a file that lies where it was written",
                do="Ask for another version, or train again.",
            ) from error
        #: Size and time of change of the file that is open.
        state = os.fstat(self._file)
        self.size, self.changed = state.st_size, state.st_mtime

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes of the download from `start` on."""
        return self._sliced.read(self._file, start, size)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _exactly(file: int, size: int, offset: int) -> bytes:
    found = os.pread(file, size, offset)
    while len(found) < size:
        more = os.pread(file, size - len(found), offset + len(found))
        if not more:
            raise StorageError(
                "The file is shorter than it was.",
                expected="a file that is not written to while it is sent",
                do="Ask for it again.",
            )
        found += more
    return found


def zip_of(archive: Path, rename: Callable[[str], str | None]) -> Sliced:
    """A zip of some of the zip `archive`'s files, under the names that `rename` gives (None: left
    out). Packed bytes are taken over as they are, and the same files give the same bytes.

    Raises `NotFoundError` where none is left.
    """
    slices: list[Slice] = []
    central: list[bytes] = []
    digest = hashlib.sha256()
    offset = 0
    with zipfile.ZipFile(archive) as opened, archive.open("rb") as raw:
        for info in opened.infolist():
            name = None if info.is_dir() else rename(info.filename)
            if name is None:
                continue
            encoded = name.encode()
            head = _head(info, encoded)
            slices += [
                Slice(len(head), data=head),
                Slice(info.compress_size, offset=_start(raw.fileno(), info)),
            ]
            central.append(_listed(info, encoded, offset))
            offset += len(head) + info.compress_size
            digest.update(central[-1])
    if not slices:
        raise NotFoundError(
            f"{archive.name!r} holds no such files.",
            expected="a bundle that has them",
            do="Look at the formats that the version was compiled to.",
        )
    if len(central) > _MOST_FILES or offset > _MOST_BYTES:
        raise StorageError(
            f"The files of {archive.name!r} are too large or too many for one zip.",
            expected=f"at most {_MOST_FILES:,} files and {_MOST_BYTES:,} bytes",
            do="Download the bundle itself.",
        )
    listing = b"".join(central)
    count = len(central)
    listing += _END.pack(b"PK\5\6", 0, 0, count, count, len(listing), offset, 0)
    full = [*(one for one in slices if one.size), Slice(len(listing), data=listing)]
    return Sliced(archive, full, digest.hexdigest(), archive.stat().st_size)


def member_of(archive: Path, name: str) -> Sliced:
    """One file of the zip `archive` as it is, where it lies in there unpacked.

    Raises `NotFoundError` where there is none of that name, `ValueError` where it is packed.
    """
    with zipfile.ZipFile(archive) as opened, archive.open("rb") as raw:
        if name not in opened.NameToInfo:
            raise NotFoundError(
                f"{archive.name!r} holds no {name!r}.",
                expected="a file that the bundle has",
                do="Look at the formats that the version was compiled to.",
            )
        info = opened.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name!r} is packed")
        start = _start(raw.fileno(), info)
        state = os.fstat(raw.fileno())
    etag = hashlib.sha256(f"{name} {info.CRC} {info.file_size} {start}".encode()).hexdigest()
    return Sliced(archive, [Slice(info.file_size, offset=start)], etag, state.st_size)


def _head(info: zipfile.ZipInfo, name: bytes) -> bytes:
    return (
        _LOCAL.pack(
            b"PK\3\4",
            20,
            _UTF8,
            info.compress_type,
            *_stamp(info),
            info.CRC,
            info.compress_size,
            info.file_size,
            len(name),
            0,
        )
        + name
    )


def _listed(info: zipfile.ZipInfo, name: bytes, offset: int) -> bytes:
    return (
        _CENTRAL.pack(
            b"PK\1\2",
            (3 << 8) + 20,
            20,
            _UTF8,
            info.compress_type,
            *_stamp(info),
            info.CRC,
            info.compress_size,
            info.file_size,
            len(name),
            0,
            0,
            0,
            0,
            0o100644 << 16,
            offset,
        )
        + name
    )


def _stamp(info: zipfile.ZipInfo) -> tuple[int, int]:
    """Time and date as MS-DOS wrote them."""
    year, month, day, hour, minute, second = info.date_time
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day


def _start(file: int, info: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin: behind its own header, whose length the list does not say."""
    head = os.pread(file, _LOCAL.size, info.header_offset)
    if len(head) < _LOCAL.size or not head.startswith(b"PK\3\4"):
        raise zipfile.BadZipFile(f"{info.filename!r} does not begin where the list says")
    name, extra = struct.unpack_from("<2H", head, 26)
    return int(info.header_offset + _LOCAL.size + name + extra)
