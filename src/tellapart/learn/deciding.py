"""Verdicts on very many pictures of which no features are known: columns instead of objects.

The rules are those of `verdicts`. A picture that no limit touches, of which there is one file and
no near one, is kept; only the others, a small part, are brought before the court.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import candidates, verdicts
from tellapart.learn.nearness import Pairs

#: Distance up to which pairs are searched once; any stricter one is then only a comparison. It is
#: what the usual threshold allows: with three bits more, 300,000 hashes take seven times as long.
LOOSE_BITS = 5
#: Pairs of hashes a picture, on average, beyond which only nearer ones count.
_PAIRS_EACH, _PAIRS_ALWAYS = 8, 1000
#: Pictures of two hashes are compared one by one up to so many pairs; beyond, with the best ones.
_ONE_BY_ONE = 256
#: New hashes that are compared with all known ones cost as much as a search among all.
_FEW_NEW = 0.03


@dataclass(frozen=True)
class Measured:
    """What is known of contents: one place for each, in the order of `shas`."""

    shas: NDArray[np.bytes_]
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    entropy: NDArray[np.float64]
    blur: NDArray[np.float64]
    phash: NDArray[np.uint64]


@dataclass(frozen=True)
class Pictures:
    """What a verdict depends on beside the contents: one place for each picture."""

    ids: NDArray[np.uint64]
    #: Place in `Measured`; -1: cannot be decoded.
    content: NDArray[np.int64]
    shas: NDArray[np.bytes_]
    #: Numbers of `classes`.
    labels: NDArray[np.int64]
    classes: Sequence[str]
    precedence: NDArray[np.int64]
    settled: NDArray[np.bool_]
    position: NDArray[np.int64]
    rank: NDArray[np.int64]


@dataclass(frozen=True)
class Near:
    """Pairs of different hashes: `rows` (m, 2) are places in `codes`, which are sorted."""

    codes: NDArray[np.uint64]
    rows: NDArray[np.int64]
    bits: NDArray[np.int64]
    #: Up to which distance all pairs are there.
    limit: int

    def among(self, codes: NDArray[np.uint64]) -> Near:
        """The part between the distinct `codes`."""
        kept = np.isin(self.codes, codes, assume_unique=True)
        place = np.cumsum(kept) - 1
        inside = kept[self.rows].all(axis=1)
        return Near(self.codes[kept], place[self.rows[inside]], self.bits[inside], self.limit)


def allowed(bits: int) -> int:
    """How far hashes alone may differ: half of what pictures of equal features may.

    The features then count as half as far apart as those of pictures of equal hashes may be.
    """
    return bits // 2


def near(codes: NDArray[np.uint64], bits: int, known: Near | None = None) -> Near:
    """Pairs of the distinct `codes` up to `bits`, or nearer where there are very many.

    What is `known` is not searched again where few are new.
    """
    wanted = _distinct(codes)
    if known is not None and known.limit >= bits:
        old = known.among(wanted)
        new = np.setdiff1d(wanted, old.codes, assume_unique=True)
        if len(new) <= _FEW_NEW * len(wanted):
            return _extended(old, new)
    most = max(_PAIRS_EACH * len(wanted), _PAIRS_ALWAYS)
    for limit in range(bits, -1, -1):
        try:
            return Near(wanted, *candidates.within(wanted, limit, most=most), limit)
        except candidates.TooManyError:
            continue
    return Near(wanted, np.empty((0, 2), np.int64), np.empty(0, np.int64), 0)


def _distinct(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sorted, each once: by a sort, which takes a fortieth of the time of numpy's hashing."""
    codes = np.sort(codes)
    return codes[np.concatenate([[True], codes[1:] != codes[:-1]])] if len(codes) else codes


def _extended(old: Near, new: NDArray[np.uint64]) -> Near:
    if not len(new):
        return old
    across, apart = candidates.between(new, old.codes, old.limit)
    inside, closer = candidates.within(new, old.limit)
    codes = np.sort(np.concatenate([old.codes, new]))  # `new` has none of the old ones
    mine, theirs = np.searchsorted(codes, new), np.searchsorted(codes, old.codes)
    rows = np.concatenate(
        [theirs[old.rows], np.stack([mine[across[:, 0]], theirs[across[:, 1]]], 1), mine[inside]]
    )
    return Near(codes, np.sort(rows, axis=1), np.concatenate([old.bits, apart, closer]), old.limit)


def decide(
    pictures: Pictures,
    measured: Measured,
    close: Near,
    limits: verdicts.Limits,
    error: Callable[[str], Mapping[str, str]],
) -> dict[int, verdicts.Decision]:
    """Who is set aside, by place in `pictures`; all others are kept.

    `error`: why a content, by SHA-256, cannot be decoded.
    """
    fine = _fine(measured, limits)
    copies = np.bincount(pictures.content[pictures.content >= 0], minlength=len(fine))
    inside = np.flatnonzero(copies)
    pairs = _pairs(pictures, measured, inside[fine[inside]], close, limits)
    doubtful = ~fine
    doubtful[pairs.rows.ravel()] = True
    doubtful |= copies > 1
    # Place -1, what cannot be decoded, is the last one.
    asked = np.flatnonzero(np.append(doubtful, True)[pictures.content])
    candidates_ = [_candidate(pictures, measured, place, error) for place in asked.tolist()]
    names, local = np.unique(pairs.rows, return_inverse=True)
    there = [sha_text(measured.shas[place]) for place in names.tolist()]
    known = replace(pairs, rows=local.reshape(-1, 2).astype(np.int64))
    # Distances are those of hashes alone already: features count as equal.
    decisions = verdicts.decide(candidates_, there, known, limits, pictures.classes)
    return {
        place: _told(decision)
        for place, decision in zip(asked.tolist(), decisions, strict=True)
        if not decision.kept
    }


def sha_text(sha: bytes) -> str:
    """SHA-256 in hex digits."""
    return sha.ljust(32, b"\0").hex()


def _fine(measured: Measured, limits: verdicts.Limits) -> NDArray[np.bool_]:
    """Which contents no limit of quality touches."""
    fine = np.minimum(measured.width, measured.height) >= limits.min_side
    fine &= measured.entropy >= limits.min_entropy
    if limits.max_blur is not None:
        fine &= measured.blur <= limits.max_blur
    return fine


def _told(decision: verdicts.Decision) -> verdicts.Decision:
    """Without a cosine that nobody has measured."""
    detail = {name: value for name, value in decision.detail.items() if name != "cosine"}
    return replace(decision, detail=detail)


def _candidate(
    pictures: Pictures,
    measured: Measured,
    place: int,
    error: Callable[[str], Mapping[str, str]],
) -> verdicts.Candidate:
    at = int(pictures.content[place])
    sha = sha_text(pictures.shas[place])
    figures: dict[str, Any] | None = None
    if at >= 0:
        figures = {
            "width": int(measured.width[at]),
            "height": int(measured.height[at]),
            "entropy": float(measured.entropy[at]),
            "blur": float(measured.blur[at]),
        }
    return verdicts.Candidate(
        id=f"{int(pictures.ids[place]):016x}",
        label=pictures.classes[pictures.labels[place]],
        sha256=sha,
        precedence=int(pictures.precedence[place]),
        settled=bool(pictures.settled[place]),
        position=int(pictures.position[place]),
        rank=int(pictures.rank[place]),
        figures=figures,
        error={} if figures is not None else error(sha),
    )


def _pairs(
    pictures: Pictures,
    measured: Measured,
    contents: NDArray[np.int64],
    close: Near,
    limits: verdicts.Limits,
) -> Pairs:
    """Near pairs of `contents` (places in `measured`), by hashes within the limit."""
    code = np.searchsorted(close.codes, measured.phash[contents])
    order = np.argsort(code, kind="stable")
    members = contents[order]
    sizes = np.bincount(code, minlength=len(close.codes))
    starts = np.cumsum(sizes) - sizes
    wanted = close.bits <= allowed(limits.near_duplicate_bits)
    rows, bits = close.rows[wanted], close.bits[wanted]
    several = np.flatnonzero(sizes > 1)
    rows = np.concatenate([rows, np.stack([several, several], axis=1)])
    bits = np.concatenate([bits, np.zeros(len(several), np.int64)])
    number = sizes[rows[:, 0]] * sizes[rows[:, 1]]
    single = number == 1
    found = [members[starts[rows[single]]]]
    apart = [bits[single]]
    crowds = _Crowds(pictures, measured, members, starts, sizes)
    for (a, b), distance in zip(rows[number > 1].tolist(), bits[number > 1].tolist(), strict=True):
        linked = crowds.linked(a, b)
        found.append(linked)
        apart.append(np.full(len(linked), distance, dtype=np.int64))
    joined = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    distances = np.concatenate(apart)
    return Pairs(np.sort(joined, axis=1), distances, np.ones(len(distances)))


class _Crowds:
    """Contents of equal hash: linked one by one, or where they are very many with the best ones.

    The best of each class are enough: who is near to a picture that stays goes, and who is near
    to one of another class is in conflict. Best of those that the court still asks about: a file
    that lies in two classes is gone before.
    """

    def __init__(
        self,
        pictures: Pictures,
        measured: Measured,
        members: NDArray[np.int64],
        starts: NDArray[np.int64],
        sizes: NDArray[np.int64],
    ) -> None:
        self._pictures = pictures
        self._pixels = measured.width * measured.height
        self._members, self._starts, self._sizes = members, starts, sizes
        self._best: dict[int, NDArray[np.int64]] = {}
        self._rows: dict[int, list[int]] | None = None

    def linked(self, a: int, b: int) -> NDArray[np.int64]:
        """Pairs of contents (m, 2) of the hashes `a` and `b`."""
        mine, theirs = self._of(a), self._of(b)
        if a == b and len(mine) == 2:  # a picture and its copy: by far the most there are
            return np.sort(mine).reshape(1, 2)
        if len(mine) * len(theirs) <= _ONE_BY_ONE:
            pairs = _product(mine, theirs)
        else:
            pairs = np.concatenate(
                [_product(mine, self._best_of(b)), _product(self._best_of(a), theirs)]
            )
        pairs = np.unique(np.sort(pairs, axis=1), axis=0)
        return pairs[pairs[:, 0] < pairs[:, 1]]

    def _of(self, code: int) -> NDArray[np.int64]:
        start = self._starts[code]
        return self._members[start : start + self._sizes[code]]

    def _best_of(self, code: int) -> NDArray[np.int64]:
        """The best content of each class in the court's order, and the best settled one.

        In a crowd of two classes the settled ones alone stay, and go only for one of their own.
        """
        if code not in self._best:
            best: dict[tuple[int, bool], tuple[Any, int]] = {}
            for content in self._of(code).tolist():
                row = self._standing(content)
                if row is None:
                    continue
                label, settled = int(self._pictures.labels[row]), bool(self._pictures.settled[row])
                for kind in {False, settled}:
                    known = best.get((label, kind))
                    if known is None or self._key(row) < known[0]:
                        best[label, kind] = self._key(row), content
            self._best[code] = np.array(sorted({one for _, one in best.values()}), np.int64)
        return self._best[code]

    def _standing(self, content: int) -> int | None:
        """The picture of a content that the court asks about near ones, after the same files."""
        rows = sorted(self._rows_of(content), key=self._key)
        if len({int(self._pictures.labels[row]) for row in rows}) == 1:
            return rows[0]
        settled = [row for row in rows if self._pictures.settled[row]]
        return settled[-1] if settled else None

    def _rows_of(self, content: int) -> list[int]:
        if self._rows is None:
            self._rows = defaultdict(list)
            for row, place in enumerate(self._pictures.content.tolist()):
                self._rows[place].append(row)
        return self._rows[content]

    def _key(self, row: int) -> tuple[int, ...]:
        one = self._pictures
        return (
            int(one.precedence[row]),
            -int(self._pixels[one.content[row]]),
            int(one.position[row]),
            int(one.rank[row]),
            int(one.ids[row]),
        )


def _product(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([np.repeat(a, len(b)), np.tile(b, len(a))], axis=1)
