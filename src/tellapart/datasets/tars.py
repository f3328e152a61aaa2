"""The members of a tar, and what speaks against it. Packed ones (`.tar.gz`) are not read."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from tellapart.datasets.unpacking import Limits, Member, refused

_BLOCK = 512
#: Of a header's long name or further words; Python reads them into memory.
_MOST_WORDS = 1 << 20
_WORDS = frozenset(b"xgLKX")


@contextmanager
def opened(archive: Path, limits: Limits) -> Iterator[tuple[list[Member], list[str]]]:
    """The members, and what is wrong with the whole; what a damaged tar raises becomes an
    `InputError`. Of more members than `limits` allow nothing further is looked at."""
    try:
        _look_ahead(archive, limits.members)
        with tarfile.open(archive, "r:", encoding="utf-8", errors="strict") as file:
            infos = file.getmembers()
            yield [_member(file, info) for info in infos], []
    except UnicodeDecodeError as error:
        name = error.object if isinstance(error.object, bytes) else b""
        raise refused([f"the name {name[:80]!r} is not UTF-8"]) from None
    except (tarfile.TarError, EOFError, ValueError, LookupError, ArithmeticError) as error:
        text = str(error)[:200]
        raise refused([f"it cannot be read as a tar ({type(error).__name__}: {text})"]) from error


def _look_ahead(archive: Path, most: int) -> None:
    """Refuse headers that would not fit into memory, and too many of them."""
    count = 0
    with archive.open("rb") as file:
        while len(header := file.read(_BLOCK)) == _BLOCK and header[0]:
            size, count = tarfile.nti(header[124:136]), count + 1  # type: ignore[attr-defined]
            words = header[156] in _WORDS
            if words and size > _MOST_WORDS:
                raise refused([f"a header has {size:,} bytes"])
            if count > 4 * most:
                raise refused([f"it holds more than {most:,} files"])
            if size < 0:
                raise tarfile.ReadError("a size is negative")
            file.seek(-(-size // _BLOCK) * _BLOCK, 1)


def _member(file: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    name = info.name.removeprefix("./") or "."
    problems = []
    if info.issym() or info.islnk():
        problems.append(f"{name!r} is a link")
    elif info.issparse():
        problems.append(f"{name!r} is sparse: it says more than it holds")
    elif not (info.isreg() or info.isdir()):
        problems.append(f"{name!r} is a device or a pipe, not a file")
    return Member(
        name,
        info.size if info.isreg() else 0,
        info.size,
        info.isdir(),
        tuple(problems),
        partial(_content, file, info),
    )


def _content(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    found = file.extractfile(info)
    if found is None:
        raise tarfile.ReadError(f"{info.name!r} has no content")
    return found
