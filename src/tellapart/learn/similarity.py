"""Who looks like whom: near pairs by hash or by feature, and the groups they form.

Pairs come back as an int64 array of shape (m, 2) with `i < j`, sorted, beside one distance or
similarity a pair, so that a caller may store them once and apply any stricter threshold later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import InputError
from tellapart.learn import candidates

Pairs = NDArray[np.int64]

#: Rows compared at once: bounds memory to a block of 1,024 × n figures.
_BLOCK = 1024
#: Cosines are rounded before they meet a threshold: the last bits differ between BLAS builds.
_DECIMALS = 5


def hamming_pairs(hashes: ArrayLike, bits: int) -> tuple[Pairs, NDArray[np.int64]]:
    """Find all pairs of 64-bit `hashes` (shape (n,)) that differ in at most `bits` bits.

    Returns pairs (m, 2) and their distances (m,), in bits.
    """
    return candidates.within(hashes, bits)


def cosine_pairs(
    features: ArrayLike, threshold: float, *, labels: ArrayLike | None = None
) -> tuple[Pairs, NDArray[np.float64]]:
    """Find all pairs of rows of `features` (n, d) whose cosine is at least `threshold`.

    With `labels` (n,) only pairs of equal label count. Returns pairs (m, 2) and cosines (m,),
    rounded to 5 decimals. Rows of zeros are near nobody.
    """
    parts = list(cosine_blocks(features, threshold, labels=labels))
    return _joined([rows for rows, _ in parts]), _flat([values for _, values in parts], np.float64)


def cosine_blocks(
    features: ArrayLike, threshold: float, *, labels: ArrayLike | None = None
) -> Iterator[tuple[Pairs, NDArray[np.float64]]]:
    """The same as `cosine_pairs`, a part at a time: the pairs of 1,024 rows with later ones."""
    from threadpoolctl import threadpool_limits

    unit = normalized(features)
    kinds = None if labels is None else np.unique(np.asarray(labels), return_inverse=True)[1]
    for start in range(0, len(unit), _BLOCK):
        with threadpool_limits(1):
            near = unit[start : start + _BLOCK] @ unit[start:].T
        wanted = np.triu(near >= threshold - 10.0**-_DECIMALS, k=1)
        if kinds is not None:
            wanted &= kinds[start : start + _BLOCK, None] == kinds[None, start:]
        rows, columns = np.nonzero(wanted)
        values = np.round(near[rows, columns].astype(np.float64), _DECIMALS)
        kept = values >= threshold
        pairs: Pairs = np.stack([rows[kept], columns[kept]], axis=1).astype(np.int64) + start
        yield pairs, values[kept].astype(np.float64)


def likeliest(n: int, pairs: Pairs, cosines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places in `pairs` (m, 2) of a maximum spanning forest over `n` rows by `cosines` (m,).

    At most n - 1 pairs that join the same rows as all of `pairs` do, at any threshold (single
    linkage; Gower and Ross, Applied Statistics 18, 1969).
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree

    # A length of 0 would mean no pair.
    length = 2.0 - cosines
    tree = minimum_spanning_tree(coo_matrix((length, (pairs[:, 0], pairs[:, 1])), (n, n))).tocoo()
    kept = np.sort(tree.row.astype(np.int64) * n + tree.col)
    return np.flatnonzero(np.isin(pairs[:, 0] * n + pairs[:, 1], kept))


def normalized(features: ArrayLike) -> NDArray[np.float32]:
    """Scale each row of `features` (n, d) to length 1; rows of zeros stay zeros."""
    rows = np.atleast_2d(np.asarray(features, dtype=np.float32))
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1), dtype=np.float32)


def groups(n: int, pairs: ArrayLike) -> NDArray[np.int64]:
    """Join `n` rows linked by `pairs` (m, 2) into groups (connected components).

    Returns (n,): for each row the smallest row of its group. Raises `InputError` for a pair
    that names a row outside of 0 … n-1.
    """
    links = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    if len(links) and (links.min() < 0 or links.max() >= n):
        raise InputError(
            f"A pair names row {int(links.max())} of {n} rows.",
            expected="row numbers from 0 up to one less than the number of rows",
            do="Pass pairs that were made from the same rows.",
        )
    roots = np.arange(n, dtype=np.int64)
    # Smallest label spreads along links, then jumps to its own root: few passes even for chains.
    while len(links):
        lowest = np.minimum(roots[links[:, 0]], roots[links[:, 1]])
        after = roots.copy()
        for side in (0, 1):
            np.minimum.at(after, links[:, side], lowest)
            np.minimum.at(after, roots[links[:, side]], lowest)
        after = after[after]
        if np.array_equal(after, roots):
            break
        roots = after
    return roots


def group_names(shas: Sequence[str], pairs: ArrayLike) -> list[str]:
    """Name each row's group by the smallest of its members' `shas`.

    The name depends on the members alone, not on their order.
    """
    roots = groups(len(shas), pairs)
    smallest: dict[int, str] = {}
    for sha, root in zip(shas, roots.tolist(), strict=True):
        if root not in smallest or sha < smallest[root]:
            smallest[root] = sha
    return [smallest[root] for root in roots.tolist()]


def _joined(parts: list[Pairs]) -> Pairs:
    return np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.int64)


def _flat(parts: list[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=kind)
