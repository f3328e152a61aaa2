"""Copies that were mirrored, cropped, framed or written upon: found by hash, proved by overlay.

Where hash and feature of the whole pictures do not tell already, a pair is proposed by the hashes
of one picture mirrored, of windows of it and of what lies within its frame, or by features that
are nearly the same; then the two sketches are laid over each other (`overlay`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import candidates, hashing, overlay

Rows = NDArray[np.int64]

#: Bits within which a variant's hash proposes a pair. Of 381 photographs, each cropped, mirrored
#: and framed, 98 % or more lie within.
MIRRORED_BITS, WINDOW_BITS, INNER_BITS = 10, 10, 16
#: Cosine from which features propose a pair, for what a logo does to a hash.
_COSINE = 0.93
#: Beyond so many pictures each with each is too much work: no windows, nothing by features.
MOST = 20_000
#: A picture is laid over so many others at most, the nearest, for each way of proposing.
_MOST_EACH = 16
#: How a copy was made, by its number; an empty word: as it is, but for what was written upon it.
KINDS = ("", "mirrored", "framed", "cropped")
AS_IT_IS, MIRRORED, FRAMED, CROPPED = range(len(KINDS))
_WHOLE: hashing.Part = (0.0, 1.0, 0.0, 1.0)
#: Bits of entropy in the 16 grays of a sketch below which it shows too little to prove anything:
#: two circles that are framed otherwise are not one picture. Drawn icons have 0.3 to 1.5, written
#: digits 1.1 to 2.2, 19 of 20 photographs more than 2.
_LEAST_SHOWN = 2.0
#: So far apart (of 255) colors undo all likeness. Strongly recompressed ones are 1 to 4 apart,
#: the same motorcycle in another paint 3 to 10.
_COLORS = 100
_DECIMALS = 4


@dataclass(frozen=True)
class Sketches:
    """The sketches of n pictures, the part of each that is not frame, and their colors."""

    grays: NDArray[np.uint8]
    parts: NDArray[np.float64]
    colors: NDArray[np.uint8]
    #: Which show next to nothing: drawings, digits, haze.
    faint: NDArray[np.bool_]

    @classmethod
    def read(cls, figures: Sequence[Mapping[str, Any]]) -> Sketches:
        """From the figures `sketch`, `frame` and `colors`; what cannot be read, or shows next to
        nothing, is nobody's copy."""
        frames = [str(one.get("frame", "")) for one in figures]
        widths = np.zeros((len(frames), 4))
        for i, frame in enumerate(frames):
            if len(frame) == 8:
                widths[i] = np.frombuffer(bytes.fromhex(frame), np.uint8) / 255
        top, bottom, left, right = widths.T
        parts = np.stack([top, 1 - bottom, left, 1 - right], axis=1)
        grays = overlay.unpacked([str(one.get("sketch", "")) for one in figures])
        colors = overlay.unpacked_colors([str(one.get("colors", "")) for one in figures])
        unknown = ~colors.any(axis=(1, 2, 3))
        faint = overlay.entropy(grays) < _LEAST_SHOWN
        grays[unknown | faint] = 0
        return cls(grays, parts, colors, faint)


@dataclass(frozen=True)
class Proposed:
    """Pairs (m, 2) to lay over each other, each from where to start and as what `KINDS`."""

    rows: Rows
    starts: NDArray[np.float32]
    kinds: NDArray[np.int8]

    def where(self, wanted: NDArray[np.bool_]) -> Proposed:
        """The `wanted` ones (m,)."""
        return Proposed(self.rows[wanted], self.starts[wanted], self.kinds[wanted])


def propose(
    hashes: NDArray[np.uint64], sketches: Sketches, near: Rows, by_feature: Rows
) -> Proposed:
    """Ways in which pairs may be copies; `near`: by the hash of the whole, `by_feature`: so."""
    gray = sketches.grays.astype(np.float64)
    drawn = np.flatnonzero(gray.any(axis=(1, 2)))
    framed = drawn[np.any((sketches.parts > 0) & (sketches.parts < 1), axis=1)[drawn]]
    found = [
        _as_they_are(np.concatenate([near, by_feature])),
        _as_they_are(by_feature, MIRRORED),
    ]
    turned = hashing.coded(hashing.mirrored(hashing.frequencies(gray[drawn])))
    rows = _nearest(*_met(turned, drawn, hashes, MIRRORED_BITS))
    found.append(_as_they_are(rows, MIRRORED))
    inner = hashes.copy()
    inner[framed] = hashing.coded(hashing.of_parts(gray[framed], sketches.parts[framed]))
    found += _by_frames(hashes, inner, framed, sketches.parts)
    if len(hashes) <= MOST:
        for window in hashing.WINDOWS:
            parts = np.tile(window, (len(drawn), 1))
            codes = hashing.coded(hashing.of_parts(gray[drawn], parts))
            rows = _nearest(*_met(codes, drawn, hashes, WINDOW_BITS))
            found.append(_proposed(rows, overlay.start(window, _WHOLE), CROPPED))
    return Proposed(
        np.concatenate([one.rows for one in found]),
        np.concatenate([one.starts for one in found]),
        np.concatenate([one.kinds for one in found]),
    )


def prove(
    sketches: Sketches, proposed: Proposed
) -> tuple[Rows, NDArray[np.float64], NDArray[np.int8]]:
    """Pairs (k, 2), i < j, sorted; their greatest likeness (k,), and as what (k,)."""
    n = len(sketches.grays)
    shown, busy = overlay.inside(sketches.parts), overlay.busy(sketches.grays)
    values = np.zeros(len(proposed.rows))
    for part in _parts(len(values)):
        ours, theirs = (
            overlay.Side(sketches.grays[one].astype(np.float32), shown[one], busy[one])
            for one in proposed.rows[part].T
        )
        turn = proposed.kinds[part] == MIRRORED
        theirs = theirs.turned(turn)
        like, fits = overlay.likeness(ours, theirs, proposed.starts[part])
        mine, others = (sketches.colors[one] for one in proposed.rows[part].T)
        others = np.where(turn[:, None, None, None], others[..., ::-1], others)
        apart = overlay.colors_apart(mine, others, (ours.shown, theirs.shown), fits)
        values[part] = np.round(np.maximum(like - apart / _COLORS, 0.0), _DECIMALS)
    rows = np.sort(proposed.rows, axis=1)
    keys = rows[:, 0] * n + rows[:, 1]
    order = np.lexsort((proposed.kinds, -values, keys))
    first = order[np.unique(keys[order], return_index=True)[1]]
    return rows[first], values[first], proposed.kinds[first]


def by_features(unit: NDArray[np.float32], least: float = _COSINE) -> Rows:
    """Pairs of rows of `unit` (n, D) of at least this cosine, for each the nearest few."""
    from tellapart.learn import similarity

    if len(unit) > MOST:
        return np.empty((0, 2), np.int64)
    found = [
        _nearest(rows, np.round((1 - cosines) * 1e5).astype(np.int64))
        for rows, cosines in similarity.cosine_blocks(unit, least)
    ]
    return np.concatenate(found) if found else np.empty((0, 2), np.int64)


def _by_frames(
    hashes: NDArray[np.uint64],
    inner: NDArray[np.uint64],
    framed: Rows,
    parts: NDArray[np.float64],
) -> Iterator[Proposed]:
    """What lies within one picture's frame, beside the other whole and within its own."""
    for others, theirs in ((hashes, np.tile(_WHOLE, (len(hashes), 1))), (inner, parts)):
        rows = _nearest(*_met(inner[framed], framed, others, INNER_BITS))
        starts = [overlay.start(tuple(parts[i]), tuple(theirs[j])) for i, j in rows.tolist()]
        start = np.array(starts, dtype=np.float32).reshape(-1, 4)
        yield Proposed(rows, start, np.full(len(rows), FRAMED, np.int8))


def _as_they_are(rows: Rows, kind: int = AS_IT_IS) -> Proposed:
    return _proposed(rows, overlay.start(_WHOLE, _WHOLE), kind)


def _proposed(rows: Rows, start: list[float], kind: int) -> Proposed:
    starts = np.tile(np.array(start, dtype=np.float32), (len(rows), 1))
    return Proposed(rows, starts, np.full(len(rows), kind, np.int8))


def _met(
    codes: NDArray[np.uint64], owners: Rows, hashes: NDArray[np.uint64], bits: int
) -> tuple[Rows, NDArray[np.int64]]:
    """Pairs (owner of a code, picture of a hash) within `bits`, without oneself."""
    rows, apart = candidates.between(codes, hashes, bits)
    rows = np.stack([owners[rows[:, 0]], rows[:, 1]], axis=1)
    others = rows[:, 0] != rows[:, 1]
    return rows[others], apart[others]


def _nearest(rows: Rows, apart: NDArray[np.int64]) -> Rows:
    """Of the pairs of each first picture those with the nearest few."""
    order = np.lexsort((rows[:, 1], apart, rows[:, 0]))
    rows = rows[order]
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=-1))
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return np.asarray(rows[place < _MOST_EACH])


def _parts(n: int, size: int = 8192) -> Iterator[slice]:
    return (slice(at, at + size) for at in range(0, n, size))
