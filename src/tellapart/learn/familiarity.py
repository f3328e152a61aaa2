"""How like the training pictures a picture is: the ground for "none of these".

The familiarity of a picture is the mean cosine between its raw features and those of the `k`
nearest pictures of a stored bank. Measured against the alternatives (centred, standardised and
whitened features, class means, Mahalanobis distance, largest probability or logit, energy) it
tells far-foreign pictures best and near-foreign ones as well as any: benchmarks/familiarity.py.
Nearest neighbours as a detector: Sun, Ming, Zhu, Li: Out-of-Distribution Detection with Deep
Nearest Neighbors (ICML 2022).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import DataError, InputError
from tellapart.learn.similarity import normalized

#: Rows compared at once: bounds memory to a block of 1,024 × bank figures.
_BLOCK = 1024


def bank_rows(y: ArrayLike, size: int, seed: int) -> NDArray[np.int64]:
    """Choose up to `size` rows to store: drawn with `seed`, as even over classes as they allow.

    `y` (n,) are class numbers. Returns ascending row numbers.
    """
    labels = np.asarray(y, dtype=np.int64)
    if len(labels) <= size:
        return np.arange(len(labels), dtype=np.int64)
    drawn = np.random.default_rng(seed).permutation(len(labels))
    # Turn: a row's place among the drawn rows of its class. The lowest turns of all classes go in.
    turn = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = drawn[labels[drawn] == label]
        turn[members] = np.arange(len(members))
    return np.sort(np.lexsort((drawn.argsort(), turn))[:size])


def build_bank(
    X: ArrayLike,  # noqa: N803 - the field's name for it
    y: ArrayLike,
    size: int,
    seed: int,
) -> NDArray[np.float32]:
    """Features to store: rows of `X` (n, D) as `bank_rows` chooses them, each of length 1."""
    return normalized(X)[bank_rows(y, size, seed)]


def score(X: ArrayLike, bank: NDArray[np.float32], k: int) -> NDArray[np.float64]:  # noqa: N803
    """Mean cosine (n,) of each row of `X` (n, D) with its `k` nearest rows of `bank` (B, D).

    With fewer than `k` rows in the bank all of them count. Raises `DataError` for an empty bank.
    """
    return _nearest(normalized(X), bank, k, None)


def held_out_score(
    X: ArrayLike,  # noqa: N803
    groups: ArrayLike,
    rows: ArrayLike,
    k: int,
) -> NDArray[np.float64]:
    """Score the very rows a bank was drawn from as if each had not been there.

    `X` (n, D) are the training features, `groups` (n,) what belongs together, `rows` those in
    the bank. No picture is compared with its own group: a picture's twins in the bank would make
    every training picture more familiar than a new one can be. NaN where nothing else is left.
    """
    unit = normalized(X)
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    chosen = np.asarray(rows, dtype=np.int64)
    return _nearest(unit, unit[chosen], k, (numbers, numbers[chosen]))


def threshold(scores: ArrayLike, refuse: float = 0.03) -> float:
    """The familiarity below which a picture is refused, from `scores` of own, unseen pictures.

    `refuse` is the share of own pictures that may be lost. The threshold lies at the highest
    score that refuses no more than that share of `scores`, counted as (number below + 1) of
    (n + 1) so that a new picture too is refused with at most that chance (Vovk, Gammerman,
    Shafer: Algorithmic Learning in a Random World, 2005); where there are too few scores for
    it, nothing that is as familiar as any of them is refused. NaN scores are left out. Rounded
    down to 6 decimals. Raises `InputError` for a share outside of 0 … 1, `DataError` for no
    score.
    """
    if not 0 <= refuse < 1:
        raise InputError(
            f"A share of {refuse} of own pictures is to be refused.",
            expected="a number from 0, below 1",
            do="Set train.refuse to such a number.",
        )
    values = np.sort(np.asarray(scores, dtype=np.float64))
    values = values[~np.isnan(values)]
    if not len(values):
        raise DataError(
            "There is no picture to set the refusal threshold from.",
            expected="at least one training or validation picture with another beside it",
            do="Add pictures.",
        )
    # A new picture falls below the j-th smallest of n with chance j / (n + 1).
    place = int(np.floor(refuse * (len(values) + 1) + 1e-9))
    return float(np.floor(values[max(place - 1, 0)] * 1e6) / 1e6)


def settle(
    X: ArrayLike,  # noqa: N803
    y: ArrayLike,
    groups: ArrayLike,
    held: ArrayLike,
    *,
    size: int,
    k: int,
    refuse: float,
    seed: int,
) -> tuple[NDArray[np.float32], float]:
    """The bank of training features `X` (n, D) and the threshold for it.

    Validation features `held` (m, D) alone may be few, so training pictures, each held out with
    its group (n,), stand beside them; but where validation comes from another day or place than
    training, as in official splits, only it tells what is usual. The more lenient of the two
    thresholds counts. With nothing to compare (two classes of one picture) nothing is refused.
    """
    rows = bank_rows(y, size, seed)
    bank = normalized(X)[rows]
    ours = score(held, bank, k) if len(np.asarray(held)) else np.empty(0)
    scores = np.concatenate([ours, held_out_score(X, groups, rows, k)])
    if np.isnan(scores).all():
        return bank, -1.0
    least = threshold(scores, refuse)
    return bank, min(least, threshold(ours, refuse)) if len(ours) else least


def _nearest(
    unit: NDArray[np.float32],
    bank: NDArray[np.float32],
    k: int,
    groups: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
) -> NDArray[np.float64]:
    from threadpoolctl import threadpool_limits

    if not len(bank):
        raise DataError(
            "The bank of training features is empty.",
            expected="at least one stored feature vector",
            do="Train on at least one picture a class.",
        )
    k = min(k, len(bank))
    found = np.empty(len(unit), dtype=np.float64)
    with threadpool_limits(1):
        for start in range(0, len(unit), _BLOCK):
            near = unit[start : start + _BLOCK] @ bank.T
            if groups is not None:
                near[groups[0][start : start + _BLOCK, None] == groups[1][None]] = np.nan
            # NaN goes last, so the best are taken from the negated end; sorted, to sum them in
            # one order.
            best = -np.sort(np.partition(-near, k - 1, axis=1)[:, :k], axis=1).astype(np.float64)
            present = ~np.isnan(best)
            total = np.where(present, best, 0).sum(axis=1)
            number = present.sum(axis=1)
            found[start : start + _BLOCK] = np.where(
                number > 0, total / np.maximum(number, 1), np.nan
            )
    return found
