"""Parts of a class: groups of pictures that are alike and stand apart from the rest of it.

Ward's tree (J. H. Ward, JASA 58, 1963) over the principal axes of the class's features proposes
groups; one counts only where it stands apart from all other pictures of the class. A class without
such a group is one part: to cut it up all the same would be to see faces in clouds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.learn.similarity import normalized

#: Fewest pictures of a part, and as a share of its class.
FEWEST, _SHARE = 6, 0.02
#: Below this number a class is one part.
_SMALLEST_CLASS = 16
#: Pictures that the tree is grown from; others join the part whose middle is nearest.
MOST = 1500
_AXES = 32
#: Most parts of one class.
_PARTS = 8
#: What a group must keep to stand apart. Along the line between its middle and the rest's: so many
#: standard deviations, and a gap of this share of the way between nearly all of it (95 %) and
#: nearly all of the rest. And a picture's neighbours outside must be so much farther than inside;
#: less will do where the two are far apart, for a loose group has far neighbours everywhere.
#: On caltech101_10, trashnet_100 and grocery_10 as they are this finds scenes that were taken again
#: and again; planted drawings and pictures of another class reach 9 deviations and more.
_CLEAR = ((5.5, 0.35, 1.6), (7.5, 0.45, 1.15))
#: A group that was taken off is divided further only where its halves are as far from one another
#: as it was from the rest, and the rest where they are nearly: logos of four shapes are logos. So
#: finer parts are not shown beside one that is far off.
_ALIKE, _REST = 1.0, 0.9
_NEIGHBOURS = 5
_OUTER = 0.05


@dataclass(frozen=True)
class Part:
    """Rows of one part, the nearest to its middle first."""

    rows: NDArray[np.int64]


def parts(features: ArrayLike, center: ArrayLike) -> list[Part]:
    """The parts of one class, the largest first; one of all rows where nothing stands apart.

    `features` (n, D) of the class's pictures, in an order that depends on their content alone;
    `center` (D,) is the mean of the whole set, so that what all pictures share tells nothing.
    """
    from threadpoolctl import threadpool_limits

    rows = np.asarray(features, np.float32)
    with threadpool_limits(1):  # the last digits would depend on their number
        found = _numbers(rows, np.asarray(center, np.float32))
        unit = normalized(rows - np.asarray(center, np.float32))
        out = []
        for number in np.unique(found):
            inside = np.flatnonzero(found == number)
            near = unit[inside] @ unit[inside].mean(axis=0)
            out.append(Part(inside[np.lexsort((inside, -np.round(near, 5)))]))
    return sorted(out, key=lambda part: (-len(part.rows), int(part.rows.min())))


def apart(features: ArrayLike, inside: NDArray[np.bool_], center: ArrayLike) -> float:
    """How far the middles of the rows `inside` (n,) and of the others lie apart.

    Seen from `center` (D,), the mean of the whole set, and on rows of length 1, so that it can be
    compared between any two groups of one set.
    """
    unit = normalized(np.asarray(features, np.float32) - np.asarray(center, np.float32))
    if inside.all() or not inside.any():
        return 0.0
    return float(np.linalg.norm(unit[inside].mean(axis=0) - unit[~inside].mean(axis=0)))


def _numbers(rows: NDArray[np.float32], center: NDArray[np.float32]) -> NDArray[np.int64]:
    """The part (n,) of each row, as a number from 0."""
    n = len(rows)
    if n < _SMALLEST_CLASS:
        return np.zeros(n, np.int64)
    chosen = np.arange(n) if n <= MOST else np.linspace(0, n - 1, MOST).astype(np.int64)
    axes = _principal(normalized(rows[chosen] - center))
    numbers = _split(axes, max(FEWEST, int(_SHARE * len(chosen))))
    if len(chosen) == n:
        return numbers
    unit = normalized(rows - center)
    middles = np.stack(
        [unit[chosen[numbers == number]].mean(axis=0) for number in range(numbers.max() + 1)]
    )
    # Nearest middle, by squared distance without the rows' own length.
    nearest = (unit @ middles.T - 0.5 * (middles**2).sum(axis=1)).argmax(axis=1)
    nearest[chosen] = numbers
    return np.asarray(nearest, np.int64)


def _principal(unit: NDArray[np.float32]) -> NDArray[np.float64]:
    """The rows on their principal axes, (n, at most 32)."""
    from scipy.linalg import eigh

    centred = (unit - unit.mean(axis=0)).astype(np.float64)
    n = len(unit)
    values, vectors = eigh(centred @ centred.T, subset_by_index=[max(0, n - _AXES), n - 1])
    # The sign of an axis is a matter of chance; distances do not know it.
    return np.asarray(vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0.0)))


def _split(axes: NDArray[np.float64], fewest: int) -> NDArray[np.int64]:
    """Take the largest group that stands apart off, then look at both sides again."""
    from scipy.spatial.distance import pdist, squareform

    numbers = np.zeros(len(axes), np.int64)
    distances = squareform(pdist(axes))
    # Of each part that may still be divided: how far apart its halves must be for that.
    waiting, used = [(0, 0.0)], 1
    while waiting and used < _PARTS:
        number, least = waiting.pop(0)
        own = np.flatnonzero(numbers == number)
        if len(own) < 2 * fewest:
            continue
        group = _largest(axes[own], distances[np.ix_(own, own)], fewest)
        if group is None:
            continue
        inside = np.zeros(len(own), bool)
        inside[group] = True
        way = float(
            np.linalg.norm(axes[own[inside]].mean(axis=0) - axes[own[~inside]].mean(axis=0))
        )
        if way < least:
            continue
        numbers[own[group]] = used
        waiting += [(number, max(least, _REST * way)), (used, max(least, _ALIKE * way))]
        used += 1
    return numbers


def _largest(
    axes: NDArray[np.float64], distances: NDArray[np.float64], fewest: int
) -> NDArray[np.int64] | None:
    """The largest group of at most half of the rows that stands apart from the others."""
    for group in _groups(axes, fewest):
        inside = np.zeros(len(axes), bool)
        inside[group] = True
        if _stands_apart(axes, distances, inside):
            return group
    return None


def _groups(axes: NDArray[np.float64], fewest: int) -> Iterator[NDArray[np.int64]]:
    """The groups of Ward's tree from `fewest` rows to half of all, the largest first."""
    from scipy.cluster.hierarchy import linkage

    n = len(axes)
    members: list[list[int]] = [[i] for i in range(n)]
    for left, right, _, _ in linkage(axes, "ward").tolist():
        members.append(members[int(left)] + members[int(right)])
    found = [sorted(group) for group in members[n:] if fewest <= len(group) <= n - fewest]
    # More than half: the rest of it is the smaller group then.
    everything = set(range(n))
    small = [group if 2 * len(group) <= n else sorted(everything - set(group)) for group in found]
    seen: set[tuple[int, ...]] = set()
    for group in sorted(small, key=lambda group: (-len(group), group)):
        if tuple(group) not in seen:
            seen.add(tuple(group))
            yield np.array(group, np.int64)


def _stands_apart(
    axes: NDArray[np.float64], distances: NDArray[np.float64], inside: NDArray[np.bool_]
) -> bool:
    """Whether a group and the rest are two heaps along the line between their middles."""
    way = axes[inside].mean(axis=0) - axes[~inside].mean(axis=0)
    length = float(np.linalg.norm(way))
    if not length:
        return False
    along = axes @ (way / length)
    own, others = along[inside], along[~inside]
    spread = max(1e-9, float(np.sqrt((own.var() + others.var()) / 2)))
    gap = float(np.quantile(own, _OUTER) - np.quantile(others, 1 - _OUTER))
    least = [
        isolated
        for deviations, share, isolated in _CLEAR
        if length >= deviations * spread and gap >= share * length
    ]
    # The neighbours are looked at only where they can decide.
    return bool(least) and _isolated(distances, inside) >= min(least)


def _isolated(distances: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """How much farther the nearest pictures outside are than those inside (median)."""
    k = min(_NEIGHBOURS, int(inside.sum()) - 1, int((~inside).sum()))
    own = np.partition(distances[np.ix_(inside, inside)], k, axis=1)[:, : k + 1].sum(axis=1) / k
    others = np.partition(distances[np.ix_(inside, ~inside)], k - 1, axis=1)[:, :k].mean(axis=1)
    return float(np.median(others / np.maximum(own, 1e-9)))
