"""Write a bundle's zip: the same bytes for the same content, on every machine and day."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tellapart.bundle.archive import SEAL, names_problems, refuse
from tellapart.bundle.manifest import sums_text
from tellapart.bundle.predictor import SUMS
from tellapart.errors import DataError, StorageError

#: The earliest time that a zip can hold; the real one would make every file different.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PERMISSIONS = 0o100644 << 16
#: Text is worth packing; pictures and weights are not, and unpacked they load faster.
_TEXT = frozenset({".py", ".json", ".txt", ".md", ".html", ".csv", ".svg", ""})
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Copy:
    """A file to copy in, whose content must still be the one that is known by `sha256`."""

    path: Path
    sha256: str


Content = bytes | Path | Copy


def write_zip(path: Path, files: Mapping[str, Content]) -> str:
    """Write `files` and their SHA256SUMS as a sealed zip; return the zip's own SHA-256 (hex).

    Names are sorted, times and permissions fixed; memory stays bounded. The zip appears at
    `path` whole or not at all. Raises `VerificationError` for names that are not safe,
    `DataError` for a file that is gone or has changed, `StorageError` where the disk is full.
    """
    path = Path(path)
    problems = names_problems([*files, SUMS])
    if problems:
        raise refuse(path, problems)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
            sums = {name: _add(archive, name, files[name]) for name in sorted(files)}
            _add(archive, SUMS, sums_text(sums))
            archive.comment = SEAL + b"0" * 64
        whole = _seal(part)
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"The bundle {path.name!r} cannot be written: {error.strerror or error}.",
            expected="enough room, and a folder that can be written to",
            do="Free some space or choose another folder, then run the same command again.",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return whole


def _add(archive: zipfile.ZipFile, name: str, content: Content) -> str:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3
    info.external_attr = _PERMISSIONS
    text = Path(name).suffix.lower() in _TEXT
    info.compress_type = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
    digest = hashlib.sha256()
    if isinstance(content, bytes):
        info.file_size = len(content)
        chunks: Iterator[bytes] = iter((content,))
    else:
        source = content if isinstance(content, Path) else content.path
        info.file_size = _size(source)
        chunks = _chunks(source)
    with archive.open(info, "w") as member:
        for chunk in chunks:
            digest.update(chunk)
            member.write(chunk)
    found = digest.hexdigest()
    if isinstance(content, Copy) and found != content.sha256:
        raise _changed(content.path)
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise _changed(path) from None


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _changed(path: Path) -> DataError:
    return DataError(
        f"The file {str(path)!r} is gone or has changed since it was collected.",
        expected="the pictures as they were when they were collected",
        do="Put the file back, or run the whole chain again to take the change in.",
    )


def _seal(path: Path) -> str:
    """Put the SHA-256 of all bytes before it into the end of the comment."""
    before = hashlib.sha256()
    with path.open("r+b") as stream:
        left = path.stat().st_size - 64
        while left:
            chunk = stream.read(min(_CHUNK, left))
            before.update(chunk)
            left -= len(chunk)
        seal = before.hexdigest().encode()
        stream.seek(-64, os.SEEK_END)
        stream.write(seal)
    before.update(seal)
    return before.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, read in bounded memory."""
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()
