"""The linear head: multinomial logistic regression on frozen features.

Features are centred and scaled by one number, so that the mean squared length of a row is 1.
Scaling each feature by its own spread was measured and left out: on trashnet_100 it changed
nothing, on the official test of grocery_10 it cost two to four points. Centre, scale and
temperature are folded into `weight` and `bias`: a head reads raw features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import DataError, InputError
from tellapart.learn.calibration import fit_temperature, softmax

#: Inverse strengths of the L2 penalty that `C="auto"` tries, weakest model first.
CANDIDATES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
#: The search ends after so many candidates in a row that are no better than the best one.
_PATIENCE = 2
#: Folds of the cross-validation, up to and above so many rows: the more rows, the less each counts.
_FOLDS, _FEW_FOLDS, _MANY_ROWS = 5, 3, 4000
#: On the largest entry of the gradient of the mean loss. At 1e-4 the stronger candidates never
#: leave their warm start; at 1e-5 a warm refit moves no probability by more than about .01.
_TOLERANCE = 1e-5
_ITERATIONS = 1000

Balance = Literal["balanced"] | None


@dataclass(frozen=True)
class Head:
    """`softmax(features @ weight.T + bias)` are calibrated probabilities."""

    #: (C, D) float32, over raw features.
    weight: NDArray[np.float32]
    #: (C,) float32.
    bias: NDArray[np.float32]
    #: Inverse strength of the L2 penalty, as scikit-learn counts it.
    C: float
    #: Already folded into `weight` and `bias`.
    temperature: float
    #: (n, C) calibrated probabilities of each row from a model that had not seen it. A row of
    #: NaN could not be held out: it is the only one of its class. None after a warm start.
    out_of_fold: NDArray[np.float64] | None = None
    #: For each C tried the calibrated out-of-fold log loss and the accuracy.
    tried: tuple[tuple[float, float, float], ...] = ()

    def logits(self, features: ArrayLike) -> NDArray[np.float64]:
        """Calibrated logits (n, C) of raw features (n, D)."""
        rows = np.asarray(features, dtype=np.float64)
        return np.asarray(rows @ self.weight.T.astype(np.float64) + self.bias)

    def probabilities(self, features: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities (n, C) of raw features (n, D)."""
        return softmax(self.logits(features))


@dataclass(frozen=True)
class _Scaled:
    """Rows as the solver sees them, and the way back."""

    rows: NDArray[np.float32]
    center: NDArray[np.float64]
    scale: float

    def fold(
        self, weight: NDArray[np.float64], bias: NDArray[np.float64], temperature: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        raw = weight / (self.scale * temperature)
        return raw.astype(np.float32), (bias / temperature - raw @ self.center).astype(np.float32)

    def unfold(self, head: Head) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        raw = head.weight.astype(np.float64) * head.temperature
        bias = head.bias.astype(np.float64) * head.temperature + raw @ self.center
        return raw * self.scale, bias


def fit(
    X: ArrayLike,  # noqa: N803 - the field's name for it
    y: ArrayLike,
    *,
    n_classes: int,
    seed: int = 0,
    C: Literal["auto"] | float = "auto",  # noqa: N803
    class_weight: Balance = "balanced",
    warm: Head | None = None,
    groups: ArrayLike | None = None,
) -> Head:
    """Fit a calibrated head to raw features `X` (n, D) and class numbers `y` (n,).

    Cross-validation is stratified, and rows of one of `groups` (n,) stay together. `C="auto"`
    takes the candidate with the lowest out-of-fold log loss, each at its best temperature;
    ties go to the smaller C. With a head to start from (`warm`) and a number for `C` there is no
    cross-validation: its temperature stays. `class_weight="balanced"` counts every class alike.

    The same rows in the same order give the same head on any number of threads. Raises
    `DataError` for fewer than two classes or a class without a row, `InputError` for shapes or
    figures that do not fit.
    """
    # SciPy brings a BLAS of its own, and the limit holds only what is loaded when it is set.
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits

    features, labels = _checked(X, y, n_classes)
    # Several BLAS threads make this 7-13 times slower, and its last bits depend on their number.
    with threadpool_limits(1):
        scaled = _scale(features)
        if warm is not None and warm.weight.shape == (n_classes, features.shape[1]) and C != "auto":
            start = scaled.unfold(warm)
            weight, bias = _solve(scaled.rows, labels, n_classes, float(C), class_weight, start)
            return Head(*scaled.fold(weight, bias, warm.temperature), float(C), warm.temperature)
        k = _FOLDS if len(labels) <= _MANY_ROWS else _FEW_FOLDS
        held_out = folds(labels, groups, k, seed)
        best = _cross_validate(scaled.rows, labels, n_classes, C, class_weight, held_out)
        weight, bias = _solve(scaled.rows, labels, n_classes, best.C, class_weight, None)
        return Head(
            *scaled.fold(weight, bias, best.temperature),
            C=best.C,
            temperature=best.temperature,
            out_of_fold=softmax(best.logits / best.temperature),
            tried=best.tried,
        )


def folds(y: ArrayLike, groups: ArrayLike | None, k: int, seed: int) -> NDArray[np.int64]:
    """Deal rows to `k` folds: stratified, groups whole, each class over as many as it can.

    Returns (n,) fold numbers. Groups are dealt largest first (then in an order drawn with
    `seed`), each to the fold that holds the fewest of its class. A class that lies in one group
    alone is dealt row by row: it could not be learned otherwise.
    """
    labels = np.asarray(y, dtype=np.int64)
    teams = np.arange(len(labels)) if groups is None else _numbers(groups)
    alone = len(labels) + np.arange(len(labels))
    for label in np.unique(labels):
        members = labels == label
        if len(np.unique(teams[members])) < 2:
            teams = np.where(members, alone, teams)
    teams = np.unique(teams, return_inverse=True)[1]
    size = np.bincount(teams)
    # A group of several classes counts for the one it holds most of.
    counts = np.zeros((len(size), int(labels.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(counts, (teams, labels), 1)
    main = counts.argmax(axis=1)
    drawn = np.random.default_rng(seed).permutation(len(size))
    held = np.zeros((k, counts.shape[1]), dtype=np.int64)
    fold_of = np.zeros(len(size), dtype=np.int64)
    for team in np.lexsort((drawn, -size)).tolist():
        # Few of this class first, then few rows in all, then the lowest number.
        fold = min(range(k), key=lambda f: (held[f, main[team]], held[f].sum(), f))
        fold_of[team] = fold
        held[fold] += counts[team]
    return fold_of[teams]


@dataclass(frozen=True)
class _Best:
    C: float
    temperature: float
    logits: NDArray[np.float64]
    tried: tuple[tuple[float, float, float], ...]


def _cross_validate(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    C: Literal["auto"] | float,  # noqa: N803
    class_weight: Balance,
    held_out: NDArray[np.int64],
) -> _Best:
    candidates: Sequence[float] = CANDIDATES if C == "auto" else (float(C),)
    starts: dict[int, Any] = {}
    best: _Best | None = None
    lowest, since, tried = np.inf, 0, []
    for candidate in candidates:
        logits = np.full((len(labels), n_classes), np.nan)
        for fold in np.unique(held_out).tolist():
            test = held_out == fold
            if len(np.unique(labels[~test])) < 2:
                continue
            # Each fold goes on from its own weaker model: far fewer iterations.
            start = starts.get(fold)
            solved = _solve(rows[~test], labels[~test], n_classes, candidate, class_weight, start)
            starts[fold] = solved
            known = np.isin(labels[test], labels[~test])
            places = np.flatnonzero(test)[known]
            logits[places] = rows[places].astype(np.float64) @ solved[0].T + solved[1]
        seen = ~np.isnan(logits[:, 0])
        temperature = fit_temperature(logits[seen], labels[seen])
        loss, accuracy = _score(logits[seen], labels[seen], temperature)
        tried.append((candidate, loss, accuracy))
        if best is None or loss < lowest:
            best, lowest, since = _Best(candidate, temperature, logits, ()), loss, 0
        else:
            since += 1
            if since >= _PATIENCE:
                break
    assert best is not None
    return _Best(best.C, best.temperature, best.logits, tuple(tried))


def _score(
    logits: NDArray[np.float64], labels: NDArray[np.int64], temperature: float
) -> tuple[float, float]:
    if not len(labels):
        return 0.0, 0.0
    chances = softmax(logits / temperature)
    loss = -np.log(np.clip(chances[np.arange(len(labels)), labels], 1e-15, 1)).mean()
    return round(float(loss), 5), round(float((chances.argmax(axis=1) == labels).mean()), 5)


def _solve(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    C: float,  # noqa: N803
    class_weight: Balance,
    start: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (C, D) and biases (C,); a class without a row gets an unreachable bias."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    model = LogisticRegression(
        C=C, class_weight=class_weight, tol=_TOLERANCE, max_iter=_ITERATIONS, warm_start=True
    )
    if start is not None:
        weight, bias = start[0][present], start[1][present]
        if len(present) == 2:  # scikit-learn keeps the difference of two classes only
            weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        model.coef_, model.intercept_ = weight.astype(np.float32), bias.astype(np.float32)
    model.fit(rows, labels)
    weight, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if len(present) == 2:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    full, offsets = np.zeros((n_classes, rows.shape[1])), np.full(n_classes, -1e3)
    full[present], offsets[present] = weight, bias
    return full, offsets


def _scale(features: NDArray[np.float32]) -> _Scaled:
    center = features.mean(axis=0)
    rows = features - center
    scale = float(np.sqrt(np.einsum("ij,ij->i", rows, rows).mean(dtype=np.float64))) or 1.0
    rows /= np.float32(scale)
    return _Scaled(rows, center.astype(np.float64), scale)


def _numbers(groups: ArrayLike) -> NDArray[np.int64]:
    return np.asarray(np.unique(np.asarray(groups), return_inverse=True)[1], dtype=np.int64)


def _checked(
    X: ArrayLike,  # noqa: N803
    y: ArrayLike,
    n_classes: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    features, labels = np.asarray(X, dtype=np.float32), np.asarray(y, dtype=np.int64)
    if features.ndim != 2 or len(features) != len(labels) or not np.isfinite(features).all():
        raise InputError(
            f"Features of shape {features.shape} for {len(labels)} labels.",
            expected="one row of finite numbers a label",
            do="Pass the features of these very pictures.",
        )
    counts = np.bincount(labels, minlength=n_classes)
    if n_classes < 2 or len(counts) > n_classes or not counts.all():
        raise DataError(
            f"Pictures per class: {counts.tolist()}, for {n_classes} classes.",
            expected="at least two classes and at least one picture in each",
            do="Add pictures to the empty classes, or leave those classes out.",
        )
    return features, labels
