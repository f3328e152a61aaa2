"""Near duplicates: pairs of pictures by perceptual hash and feature, found once and kept.

Two pictures are near duplicates when `bits / B + (1 - cosine) / (1 - C) <= 1`: `B` is the Hamming
distance allowed where the features are the same, `C` the cosine that will do where the hashes
are; in between one makes up for the other. Neither alone will do: motorcycles on white ground
share their hash, and a strong recompression moves the features as far as another picture.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import similarity

#: Pairs are found once up to this distance; any stricter threshold is then only a comparison.
LOOSE_BITS = 16
#: In the project's `work` folder; may be deleted at any time.
PAIRS_FILE, SCENES_FILE = "pairs.npz", "scenes.npz"
_ROWS_AT_ONCE = 65_536
#: The last digits of a cosine depend on the machine's BLAS; a threshold must not.
_DECIMALS = 5
#: See `scenes_apart`.
_CROWD, _STEP, _MOST_ALIKE = 30, 0.02, 0.96
_SLACK = 1e-9
#: Pairs of one scene a picture, on average. 10,000 pictures that are all alike (frames of a film)
#: make 50 million pairs, and some 5 GB; beyond this, only as many as tell the groups are kept.
_PAIRS_EACH = 64


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows (m, 2), i < j, with Hamming distance (m,) in bits and cosine (m,)."""

    rows: NDArray[np.int64]
    bits: NDArray[np.int64]
    cosines: NDArray[np.float64]
    #: Whether these are only a spanning forest: they join what all pairs would, but not within a
    #: part of the pictures.
    thinned: bool = False

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
    """All pairs whose features have at least this `cosine`; bits are not known (0).

    Of very many, only as many as join the same pictures at any higher cosine too.
    """
    most = _PAIRS_EACH * len(features)
    rows, cosines = np.empty((0, 2), np.int64), np.empty(0)
    thinned = False
    for more, values in similarity.cosine_blocks(features, cosine):
        rows, cosines = np.concatenate([rows, more]), np.concatenate([cosines, values])
        if len(rows) > most:
            kept = similarity.likeliest(len(features), rows, cosines)
            rows, cosines, thinned = rows[kept], cosines[kept], True
    return Pairs(rows, np.zeros(len(rows), np.int64), cosines, thinned)


def scenes_apart(
    scenes: Pairs, others: NDArray[np.int64], labels: Sequence[str], cosine: float
) -> tuple[NDArray[np.int64], list[str]]:
    """Links between pictures of one scene (m, 2), and notes.

    `scenes`: pairs of rows from `cosine` up; `others` (k, 2): links that stand anyway. In a
    class whose pictures are all alike (portraits), chains of likeness join most of it into one
    "scene"; where a group of 30 or more holds over half of a class, likeness must be greater
    within it, step by step up to 0.96. What is still one group then is said by the split.
    """
    kinds = np.unique(np.asarray(labels), return_inverse=True)[1]
    sizes = np.bincount(kinds)
    rows, cosines = scenes.rows, scenes.cosines
    least = np.zeros(len(labels))
    while (cosine := round(cosine + _STEP, 2)) <= _MOST_ALIKE:
        roots = similarity.groups(len(labels), np.concatenate([others, rows]))
        cells, counts = np.unique(roots * len(sizes) + kinds, return_counts=True)
        crowded = (counts >= _CROWD) & (2 * counts > sizes[cells % len(sizes)])
        if not crowded.any():
            break
        too_big = np.zeros(len(labels), dtype=bool)
        too_big[cells[crowded] // len(sizes)] = True
        within = too_big[roots[rows[:, 0]]]
        least[too_big[roots]] = cosine
        kept = ~within | (cosines >= cosine)
        rows, cosines = rows[kept], cosines[kept]
    names = np.asarray(labels)
    notes = [
        f"The pictures of class {name!r} are much alike: only from a cosine of "
        f"{least[names == name].max():.2f} are two of them taken for one scene."
        for name in sorted({str(names[i]) for i in np.flatnonzero(least)})
    ]
    return rows, notes


@dataclass(frozen=True)
class Known:
    """Pairs found before: `pairs.rows` are places in `shas`, which are sorted."""

    shas: tuple[str, ...]
    pairs: Pairs

    def among(self, shas: Sequence[str]) -> Pairs | None:
        """The pairs within `shas` (sorted), by their places there; None if they are not known."""
        if tuple(shas) == self.shas:
            return self.pairs
        mine = set(shas)
        if self.pairs.thinned or not mine.issubset(self.shas):
            return None
        place = {sha: i for i, sha in enumerate(shas)}
        there = np.array([place.get(sha, -1) for sha in self.shas], dtype=np.int64)
        rows = there[self.pairs.rows]
        inside = (rows >= 0).all(axis=1)
        return Pairs(rows[inside], self.pairs.bits[inside], self.pairs.cosines[inside])


def facts(kind: str, limit: float, feature_key: str, hash_version: int = 0) -> str:
    """What pairs depend on besides the pictures: distance, backbone, versions."""
    return f"{kind} {limit} {feature_key} phash {hash_version}"


def load(path: Path, facts: str) -> Known | None:
    """The pairs kept in `path` if they were found under the same `facts`; else None."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["facts"]) != facts:
                return None
            thinned = bool(kept["thinned"])
            pairs = Pairs(kept["rows"], kept["bits"], kept["cosines"], thinned)
            return Known(tuple(kept["shas"].tolist()), pairs)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def save(path: Path, facts: str, known: Known) -> None:
    """Keep pairs in `path`, whole or not at all. A disk that is full only costs time later."""
    arrays: dict[str, NDArray[np.generic]] = {
        "rows": known.pairs.rows,
        "bits": known.pairs.bits,
        "cosines": known.pairs.cosines,
        "shas": np.array(known.shas, dtype="U64"),
        "facts": np.array(facts),
        "thinned": np.array(known.pairs.thinned),
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        try:
            with partial.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
