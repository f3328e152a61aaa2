"""Search every byte below a folder: for texts, and for the very bytes of pictures."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

#: Bytes read at a time, and of a picture how many tell it (from its middle: headers are alike).
_BLOCK, _TELLING = 1 << 22, 48
#: Up to so many needles each is looked for by itself; more are looked for together.
_FEW = 12
_MIX = np.uint64(0x9E3779B97F4A7C15)
_ANCHOR = 8
#: Bytes of a needle at most.
_LONGEST = 4096


def telling(data: bytes) -> bytes:
    """A part of a file's bytes that other files do not have; empty where there is none."""
    for place in (len(data) // 2, len(data) // 3, len(data) * 2 // 3):
        part = data[place : place + _TELLING]
        if len(part) >= 2 * _ANCHOR and len(set(part)) > _ANCHOR:
            return part
    return data if _ANCHOR <= len(data) <= _TELLING and len(set(data)) > 2 else b""


def _short(needle: bytes) -> bytes:
    """Of a whole picture written as an address its middle."""
    if len(needle) <= _LONGEST:
        return needle
    middle = len(needle) // 2
    return needle[middle : middle + _LONGEST // 8]


def _rarest(needles: Sequence[bytes]) -> list[int]:
    """In each needle the place of the part that fewest others have: addresses begin alike."""
    counts: Counter[bytes] = Counter()
    for needle in needles:
        counts.update({needle[i : i + _ANCHOR] for i in range(len(needle) - _ANCHOR + 1)})
    return [
        min(range(len(one) - _ANCHOR + 1), key=lambda i, one=one: counts[one[i : i + _ANCHOR]])  # type: ignore[misc]
        for one in needles
    ]


class Search:
    """Looks for any of many needles, at a speed that hardly depends on how many there are."""

    def __init__(self, needles: Sequence[bytes]) -> None:
        self._needles = sorted({_short(needle) for needle in needles if len(needle) >= _ANCHOR})
        self._longest = max(map(len, self._needles), default=0)
        #: By the part that is looked for: each needle with the place of that part in it.
        self._by_anchor: dict[bytes, list[tuple[bytes, int]]] = {}
        for needle, place in zip(self._needles, _rarest(self._needles), strict=True):
            anchor = needle[place : place + _ANCHOR]
            self._by_anchor.setdefault(anchor, []).append((needle, place))
        anchors = [int.from_bytes(anchor, "little") for anchor in self._by_anchor]
        self._table = np.zeros(1 << 16, bool)
        self._table[self._slots(np.array(anchors, np.uint64))] = True
        self.files = 0
        self.bytes = 0

    def below(self, root: Path, left: Sequence[Path] = ()) -> Iterator[Path]:
        """Files that hold one, parts of zips unpacked; what cannot be read counts as holding it.

        The folders `left` are left out.
        """
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if Path(folder) / name not in left)
            for name in sorted(names):
                path = Path(folder) / name
                if path.is_symlink():
                    continue
                try:
                    if self._holds(path):
                        yield path
                except FileNotFoundError:
                    continue
                except OSError:
                    yield path

    def _holds(self, path: Path) -> bool:
        self.files += 1
        if self.inside(os.fsencode(path.name)):
            return True
        with path.open("rb") as file:
            if self._stream(file):
                return True
            file.seek(0)
            if file.read(4) != b"PK\3\4":
                return False
        try:
            with zipfile.ZipFile(path) as archive:
                packed = [m for m in archive.infolist() if m.compress_type != zipfile.ZIP_STORED]
                for member in packed:
                    with archive.open(member) as inner:
                        if self._stream(inner):
                            return True
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return False
        return False

    def _stream(self, file: IO[bytes]) -> bool:
        rest = b""
        while block := file.read(_BLOCK):
            self.bytes += len(block)
            if self.inside(rest + block):
                return True
            rest = block[-self._longest :] if self._longest else b""
        return False

    def inside(self, data: bytes) -> bool:
        """Whether these bytes hold one."""
        if len(self._needles) <= _FEW:
            return any(needle in data for needle in self._needles)
        if len(data) < _ANCHOR:
            return False
        raw = np.frombuffer(data, np.uint8)
        for shift in range(_ANCHOR):
            count = (len(raw) - shift) // _ANCHOR
            words = raw[shift : shift + count * _ANCHOR].view("<u8")
            for index in np.flatnonzero(self._table[self._slots(words)]):
                place = shift + int(index) * _ANCHOR
                found = self._by_anchor.get(data[place : place + _ANCHOR], ())
                for needle, inner in found:
                    if place >= inner and data.startswith(needle, place - inner):
                        return True
        return False

    @staticmethod
    def _slots(words: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return (words * _MIX) >> np.uint64(48)
