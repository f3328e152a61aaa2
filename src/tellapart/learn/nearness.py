"""Near duplicates: pairs of pictures by perceptual hash and feature, found once and kept.

Two pictures are near duplicates when `bits / B + (1 - cosine) / (1 - C) <= 1`: `B` is the Hamming
distance allowed where the features are the same, `C` the cosine that will do where the hashes
are; in between one makes up for the other. Neither alone will do: motorcycles on white ground
share their hash, and a strong recompression moves the features as far as another picture. Where
one of the two shows next to nothing (`alike`), bits count twice: drawings share most of a hash.

Or when they match laid over each other (`alike`: mirrored, cropped, framed, written upon), that is
`(1 - likeness) / (1 - L) + (1 - cosine) / (1 - C) / 2 <= 1`. A crop or a frame moves the features
by itself.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import alike, candidates, similarity

#: Pairs are found once up to this distance; any stricter threshold is then only a comparison.
LOOSE_BITS = 16
#: In the project's `work` folder; may be deleted at any time.
PAIRS_FILE, SCENES_FILE = "pairs.npz", "scenes.npz"
_ROWS_AT_ONCE = 65_536
#: The last digits of a cosine depend on the machine's BLAS; a threshold must not.
_DECIMALS = 5
#: Raise it whenever other pairs are found of the same figures.
_VERSION = 5
#: Near by hash and feature at these: not also laid over each other.
_SURE_BITS, _SURE_COSINE = 10, 0.75
#: How much the features count beside the likeness.
_COUNTS = 0.5
#: Not worth laying, and not worth keeping: below any threshold that makes sense.
_LEAST_COSINE, _LEAST_LIKE = 0.6, 0.8
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
    #: Likeness (m,) of the two laid over each other, 0 where they were not; empty: none was.
    likeness: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    #: As what they were (m,), see `alike.KINDS`; 0 where they were not.
    kinds: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    #: Whether one of the two shows next to nothing (m,); empty: not known.
    faint: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    def near(self, bits: int, cosine: float, likeness: float = 1.0) -> Pairs:
        """The pairs that are near duplicates by the thresholds `bits`, `cosine`, `likeness`.

        `kinds` then is 0 for those that are so by hash and feature.
        """
        plain = self._by_hash(bits, cosine) <= 1 + _SLACK
        wanted = plain | (self.how_near(bits, cosine, likeness) <= 1 + _SLACK)
        kinds = np.where(plain, np.int8(0), self.kinds) if len(self.kinds) else self.kinds
        return replace(self, kinds=kinds).where(wanted)

    def how_near(self, bits: int, cosine: float, likeness: float = 1.0) -> NDArray[np.float64]:
        """How near, relative to the thresholds: 0 identical, at most 1 near duplicate."""
        near = self._by_hash(bits, cosine)
        if not len(self.likeness) or likeness >= 1 or cosine >= 1:
            return near
        apart = (1 - self.cosines) * _COUNTS / (1 - cosine)
        laid = (1 - self.likeness) / (1 - likeness) + apart
        return np.asarray(np.minimum(near, np.where(self.likeness > 0, laid, np.inf)))

    def _by_hash(self, bits: int, cosine: float) -> NDArray[np.float64]:
        counted = self.bits * (1 + self.faint) if len(self.faint) else self.bits
        return nearness(counted, self.cosines, bits, cosine)

    def where(self, wanted: NDArray[np.bool_]) -> Pairs:
        """The `wanted` ones (m,)."""
        return Pairs(
            self.rows[wanted],
            self.bits[wanted],
            self.cosines[wanted],
            likeness=self.likeness[wanted] if len(self.likeness) else self.likeness,
            kinds=self.kinds[wanted] if len(self.kinds) else self.kinds,
            faint=self.faint[wanted] if len(self.faint) else self.faint,
        )


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
    hashes: Sequence[str],
    features: NDArray[np.float32],
    most_bits: int = LOOSE_BITS,
    sketches: alike.Sketches | None = None,
) -> Pairs:
    """All pairs of pictures within `most_bits` bits, with the cosine of their features.

    `hashes`: n times 16 hex digits; `features`: (n, D). With `sketches` also those that are alike
    laid over each other. Some 2 s for 10,000 pictures, and 1 s for 2,000 pairs laid.
    """
    codes = np.array([int(code, 16) for code in hashes], dtype=np.uint64)
    rows, bits = similarity.hamming_pairs(codes, most_bits)
    if sketches is None:
        unit = similarity.normalized(features) if len(rows) else features
        return Pairs(rows, bits, _cosines(unit, rows))
    unit = similarity.normalized(features)
    cosines = _cosines(unit, rows)
    doubtful = nearness(bits, cosines, _SURE_BITS, _SURE_COSINE) > 1 + _SLACK
    proposed = alike.propose(codes, sketches, rows[doubtful], alike.by_features(unit))
    n = len(codes)
    keys = proposed.rows.min(axis=1) * n + proposed.rows.max(axis=1)
    worth = ~np.isin(keys, rows[~doubtful] @ np.array([n, 1]))
    worth &= _cosines(unit, proposed.rows) >= _LEAST_COSINE
    laid, likeness, kinds = alike.prove(sketches, proposed.where(worth))
    kept = likeness >= _LEAST_LIKE
    found = _joined(codes, unit, rows, laid[kept], likeness[kept], kinds[kept])
    return replace(found, faint=np.asarray(sketches.faint[found.rows].any(axis=1)))


def _joined(
    codes: NDArray[np.uint64],
    unit: NDArray[np.float32],
    rows: NDArray[np.int64],
    laid: NDArray[np.int64],
    likeness: NDArray[np.float64],
    kinds: NDArray[np.int8],
) -> Pairs:
    """Pairs by hash and pairs laid over each other in one, sorted."""
    n = len(codes)
    keys, place = np.unique(
        np.concatenate([part[:, 0] * n + part[:, 1] for part in (laid, rows)]), return_index=True
    )
    every = np.stack([keys // max(1, n), keys % max(1, n)], axis=1)
    found = place < len(laid)
    values, how = np.zeros(len(keys)), np.zeros(len(keys), np.int8)
    values[found], how[found] = likeness[place[found]], kinds[place[found]]
    bits = candidates.count_bits(codes[every[:, 0]] ^ codes[every[:, 1]]).astype(np.int64)
    return Pairs(every, bits, _cosines(unit, every), False, values, how)


def _cosines(unit: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    cosines = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        cosines[start : start + len(part)] = np.einsum(
            "ij,ij->i", unit[part[:, 0]], unit[part[:, 1]], dtype=np.float64
        )
    return np.round(cosines, _DECIMALS)


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
        """The pairs within `shas` (sorted), by their places there; None if they are not known.

        Of very many pictures fewer were laid over each other than of a part of them would be.
        """
        if tuple(shas) == self.shas:
            return self.pairs
        mine = set(shas)
        if self.pairs.thinned or not mine.issubset(self.shas):
            return None
        if len(self.pairs.likeness) and len(shas) <= alike.MOST < len(self.shas):
            return None
        place = {sha: i for i, sha in enumerate(shas)}
        there = np.array([place.get(sha, -1) for sha in self.shas], dtype=np.int64)
        rows = there[self.pairs.rows]
        return replace(self.pairs, rows=rows).where(np.asarray((rows >= 0).all(axis=1)))


def facts(kind: str, limit: float, feature_key: str, hash_versions: Sequence[int] = ()) -> str:
    """What pairs depend on besides the pictures: distance, backbone, versions."""
    return f"{_VERSION} {kind} {limit} {feature_key} measured {hash_versions}"


def load(path: Path, facts: str) -> Known | None:
    """The pairs kept in `path` if they were found under the same `facts`; else None."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["facts"]) != facts:
                return None
            thinned = bool(kept["thinned"])
            names = ("rows", "bits", "cosines", "likeness", "kinds", "faint")
            rows, bits, cosines, *more = (kept[name] for name in names)
            pairs = Pairs(rows, bits, cosines, thinned, *more)
            return Known(tuple(kept["shas"].tolist()), pairs)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def save(path: Path, facts: str, known: Known) -> None:
    """Keep pairs in `path`, whole or not at all. A disk that is full only costs time later."""
    arrays: dict[str, NDArray[np.generic]] = {
        "rows": known.pairs.rows,
        "bits": known.pairs.bits,
        "cosines": known.pairs.cosines,
        "likeness": known.pairs.likeness,
        "kinds": known.pairs.kinds,
        "faint": known.pairs.faint,
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
