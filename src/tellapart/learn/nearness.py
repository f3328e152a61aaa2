"""Near duplicates: pairs of pictures by perceptual hash and feature, found once and kept.

Two pictures are near duplicates when `bits / B + (1 - cosine) / (1 - C) <= 1`: `B` is the Hamming
distance allowed where the features are the same, `C` the cosine that will do where the hashes
are; in between one makes up for the other. Neither alone will do: motorcycles on white ground
share their hash, and a strong recompression moves the features as far as another picture.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import similarity

#: Pairs are found once up to this distance; any stricter threshold is then only a comparison.
LOOSE_BITS = 16
_ROWS_AT_ONCE = 65_536
#: The last digits of a cosine depend on the machine's BLAS; a threshold must not.
_DECIMALS = 5
_SLACK = 1e-9


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows (m, 2), i < j, with Hamming distance (m,) in bits and cosine (m,)."""

    rows: NDArray[np.int64]
    bits: NDArray[np.int64]
    cosines: NDArray[np.float64]

    def near(self, bits: int, cosine: float) -> Pairs:
        """The pairs that are near duplicates by the thresholds `bits` and `cosine`."""
        return self._where(nearness(self.bits, self.cosines, bits, cosine) <= 1 + _SLACK)

    def _where(self, wanted: NDArray[np.bool_]) -> Pairs:
        return Pairs(self.rows[wanted], self.bits[wanted], self.cosines[wanted])


def nearness(
    bits: NDArray[np.int64], cosines: NDArray[np.float64], most_bits: int, least_cosine: float
) -> NDArray[np.float64]:
    """How near pairs are, relative to the thresholds: 0 identical, at most 1 near duplicate."""
    apart = np.maximum(0.0, 1 - cosines)
    by_hash = np.where(bits > 0, np.inf, 0.0) if most_bits <= 0 else bits / most_bits
    if least_cosine >= 1:
        by_feature = np.where(apart > 10.0**-_DECIMALS, np.inf, 0.0)
    else:
        by_feature = apart / (1 - least_cosine)
    return np.asarray(by_hash + by_feature, dtype=np.float64)


def find(
    hashes: Sequence[str], features: NDArray[np.float32], most_bits: int = LOOSE_BITS
) -> Pairs:
    """All pairs of pictures within `most_bits` bits, with the cosine of their features.

    `hashes`: n times 16 hex digits; `features`: (n, D). Some 2 s for 10,000 pictures.
    """
    codes = np.array([int(code, 16) for code in hashes], dtype=np.uint64)
    rows, bits = similarity.hamming_pairs(codes, most_bits)
    unit = similarity.normalized(features) if len(rows) else features
    cosines = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        cosines[start : start + len(part)] = np.einsum(
            "ij,ij->i", unit[part[:, 0]], unit[part[:, 1]], dtype=np.float64
        )
    return Pairs(rows, bits, np.round(cosines, _DECIMALS))


def scenes(features: NDArray[np.float32], cosine: float) -> Pairs:
    """All pairs whose features have at least this `cosine`; bits are not known (0)."""
    rows, cosines = similarity.cosine_pairs(features, cosine)
    return Pairs(rows, np.zeros(len(rows), np.int64), cosines)


def content_key(shas: Sequence[str], *facts: object) -> str:
    """Names what pairs depend on: which pictures, in this order, and `facts` such as versions."""
    digest = hashlib.sha256("\0".join(map(str, facts)).encode())
    for sha in shas:
        digest.update(sha.encode())
    return digest.hexdigest()


def load(path: Path, key: str) -> Pairs | None:
    """The pairs kept in `path` if they were found for `key`; None where they were not."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            return Pairs(stored["rows"], stored["bits"], stored["cosines"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def save(path: Path, key: str, pairs: Pairs) -> None:
    """Keep `pairs` in `path`, whole or not at all. A disk that is full only costs time later."""
    arrays: Mapping[str, NDArray[np.generic]] = {
        "rows": pairs.rows,
        "bits": pairs.bits,
        "cosines": pairs.cosines,
        "key": np.array(key),
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}.npz")
    with contextlib.suppress(OSError):
        try:
            with partial.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
