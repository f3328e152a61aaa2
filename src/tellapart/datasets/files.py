"""Get a data set's original files: from a folder, from the cache, or from a mirror."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.datasets.originals import Original
from tellapart.errors import DataError, FetchError, RefusedError, StorageError

if TYPE_CHECKING:
    from tellapart.datasets.arrays import Watch
    from tellapart.settings import Settings


def read(path: Path) -> bytes:
    """The bytes of a file, those of a `.gz` unpacked. Raises `DataError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be read ({error.strerror or error}).",
            expected="a file that is there and may be read",
            do="Check the folder and its rights.",
        ) from None
    return unpacked(data, repr(str(path))) if data[:2] == b"\x1f\x8b" else data


def unpacked(data: bytes, name: str, most: int = 1 << 31) -> bytes:
    """The content of gzip data, at most `most` bytes. Raises `DataError` for a cut file."""
    inflate = zlib.decompressobj(31)
    try:
        content = inflate.decompress(data, most)
    except zlib.error as error:
        raise _damaged(name, f"is damaged ({error})") from None
    if not inflate.eof:
        cut = not inflate.unconsumed_tail
        raise _damaged(name, "is cut" if cut else f"holds more than {most:,} bytes")
    return content


def local(folder: Path | None, name: str, accepted: Sequence[str]) -> Path | None:
    """The first of the `accepted` file or folder names in `folder` or its sub-folder `name`."""
    if folder is None:
        return None
    for place in (folder / name, folder / name.replace("_", "-"), folder):
        for each in accepted:
            path = place / each
            if path.exists():
                return path
    return None


def cache(name: str, settings: Settings) -> Path:
    """The folder where fetched originals of this data set are kept."""
    return settings.cache_dir / "datasets" / name


def fetched(
    name: str, original: Original, mirrors: Sequence[str], settings: Settings, watch: Watch
) -> bytes:
    """An original file from the cache, fetched there from the first mirror that has it.

    A file is checked before it is stored, and stored whole or not at all: a run that was cut off
    goes on with the next file. Raises `FetchError` with what every mirror said.
    """
    target = cache(name, settings) / original.name
    if target.is_file():
        data = target.read_bytes()
        if _wrong(data, original) is None:
            return data
    problems: list[str] = []
    errors: list[FetchError] = []
    for url in _addresses(mirrors, name, original.name):
        watch(0, None, f"fetching {original.name}")
        try:
            data = _get(url, original, settings)
        except FetchError as error:
            problems.append(f"{url}: {error.what}")
            errors.append(error)
            continue
        _store(target, data)
        return data
    kind = RefusedError if errors and all(map(_refused, errors)) else FetchError
    raise kind(
        f"{original.name} could not be fetched. " + " ".join(problems),
        expected=f"a mirror that has it ({original.bytes:,} bytes, SHA-256 {original.sha256})",
        do="Check the network, or name another mirror in TELLAPART_DATASETS_URL.",
        reason=errors[-1].reason if errors else "failed",
    )


def _addresses(mirrors: Sequence[str], name: str, file: str) -> list[str]:
    """Where a file may lie: a mirror's `{name}` is the data set's; without one, in a folder so
    named, or at once below."""
    found = []
    for mirror in mirrors:
        base = mirror.rstrip("/")
        if "{name}" in base:
            found.append(f"{base.replace('{name}', name)}/{file}")
        else:
            found += [f"{base}/{name}/{file}", f"{base}/{file}"]
    return found


def _refused(error: FetchError) -> bool:
    return isinstance(error, RefusedError)


def _get(url: str, original: Original, settings: Settings) -> bytes:
    from tellapart.fetch import Limits, fetch_one

    # At the slowest rate that the bounds allow for a picture, and with the time that takes.
    limits = Limits(
        seconds=max(settings.fetch_timeout, original.bytes / 100_000),
        max_bytes=2 * original.bytes + 100_000,
    )
    # One file that a person named: no crawling, which is what robots.txt is about.
    data = fetch_one(url, settings, limits=limits, expect="any", robots=False).data
    wrong = _wrong(data, original)
    if wrong is None:
        return data
    raise FetchError(
        f"its {len(data):,} bytes have the SHA-256 {wrong[:16]}…, expected "
        f"{original.sha256[:16]}… ({original.bytes:,} bytes).",
        expected="the original file",
        do="Name another mirror in TELLAPART_DATASETS_URL.",
        reason="checksum",
    )


def _wrong(data: bytes, original: Original) -> str | None:
    """The SHA-256 of data that are not the original's; None for the original."""
    digest = hashlib.sha256(data).hexdigest()
    if digest == original.sha256:
        return None
    if original.content:
        try:
            if hashlib.sha256(unpacked(data, original.name)).hexdigest() == original.content:
                return None  # the same content, packed by another program
        except DataError:
            pass
    return digest


def _store(target: Path, data: bytes) -> None:
    partial = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(partial).replace(target)
    except OSError as error:
        if partial:
            Path(partial).unlink(missing_ok=True)
        raise StorageError(
            f"{str(target)!r} cannot be written ({error.strerror or error}).",
            expected=f"room for {len(data):,} bytes",
            do="Free some space, then run the same command again.",
        ) from error


def _damaged(name: str, what: str) -> DataError:
    return DataError(
        f"{name} {what}.",
        expected="a whole file, as its publisher gives it",
        do="Fetch or copy the file again.",
    )
