"""Gradient-boosted trees (scikit-learn's histogram boosting) on the columns of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: scikit-learn stops early by itself above this many rows; below, all rounds are run.
_MANY_ROWS = 10_000
#: Stopping early holds out a stratified tenth: every class must have so many rows for it.
_ROWS_A_CLASS = 20
#: The logit of a class without a row to learn from.
ABSENT = -1e3


@dataclass(frozen=True)
class Settings:
    """What a boosting is asked for; scikit-learn's names and, without a word, its defaults."""

    learning_rate: float = 0.1
    max_iter: int = 100
    min_samples_leaf: int = 20
    max_leaf_nodes: int = 31
    l2_regularization: float = 0.0
    max_features: float = 1.0

    def to_dict(self) -> dict[str, float]:
        return dict(vars(self))


@dataclass(frozen=True)
class Boosting:
    """A fitted boosting over expanded rows, for classes some of which it may not have seen."""

    model: Any
    #: Class numbers of the model's columns.
    present: tuple[int, ...]
    n_classes: int
    settings: Settings

    @property
    def mixing(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How the trees' sums (n, K) become logits: @ matrix (C, K) transposed, + offset (C,).

        Two classes share one sum. A class that had no row gets a logit far below the others.
        """
        offset = np.full(self.n_classes, ABSENT)
        offset[list(self.present)] = 0
        own = np.array([[-0.5], [0.5]]) if len(self.present) == 2 else np.eye(len(self.present))
        matrix = np.zeros((self.n_classes, own.shape[1]))
        matrix[list(self.present)] = own
        return matrix, offset

    def logits(self, expanded: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits (n, C) of expanded rows (n, w)."""
        matrix, offset = self.mixing
        if not len(expanded):  # the trees refuse to answer nothing
            return np.zeros((0, self.n_classes))
        sums = np.asarray(self.model.decision_function(expanded), np.float64)
        return np.asarray(sums.reshape(len(expanded), -1) @ matrix.T + offset)


def fit(
    expanded: NDArray[np.float32],
    y: NDArray[np.int64],
    n_classes: int,
    settings: Settings,
    seed: int,
) -> Boosting:
    """Fit expanded rows (n, w), NaN where missing, and class numbers `y` (n,).

    Thresholds lie between values of single precision, as in the compiled model. `y` holds two
    classes or more.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    present, counts = np.unique(y, return_counts=True)
    stops = len(y) > _MANY_ROWS and int(counts.min()) >= _ROWS_A_CLASS
    model = HistGradientBoostingClassifier(
        **settings.to_dict(), early_stopping=stops, random_state=seed
    )
    # scikit-learn cannot bin a column without any value; as a constant it is never split by.
    empty = np.isnan(expanded).all(axis=0)
    model.fit(np.where(empty, np.float32(0), expanded), y)
    return Boosting(model, tuple(present.tolist()), n_classes, settings)


@dataclass(frozen=True)
class Trees:
    """All nodes of a boosting, one entry each, trees one after the other."""

    tree: NDArray[np.int64]
    #: Number within its tree; 0 is the root.
    node: NDArray[np.int64]
    is_leaf: NDArray[np.bool_]
    feature: NDArray[np.int64]
    #: float32: x <= threshold goes left. Leaves hold 0.
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    #: float32: what a leaf adds to its output.
    value: NDArray[np.float32]
    #: Which of the raw sums the tree adds to.
    target: NDArray[np.int64]
    #: (sums,) float32: where the sums start.
    baseline: NDArray[np.float32]


def trees(fitted: Boosting) -> Trees:
    """The nodes of a fitted boosting, for a graph that compares in single precision.

    A threshold is rounded down to single precision: then x <= threshold holds for just the same
    x of single precision as before, whatever x is; rounded to the nearest it could flip where
    x is the threshold.
    """
    parts: list[dict[str, NDArray[Any]]] = []
    number = 0
    # scikit-learn gives no public way to the trees. The nodes' fields have stood since 0.21, and
    # a test compares every answer.
    for rounds in fitted.model._predictors:
        for target, predictor in enumerate(rounds):
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            if nodes["is_categorical"].any():
                raise ValueError("the trees split by sets of categories")
            parts.append(
                {
                    "tree": np.full(len(nodes), number, np.int64),
                    "node": np.arange(len(nodes), dtype=np.int64),
                    "is_leaf": leaf,
                    "feature": np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
                    "threshold": _down(np.where(leaf, 0.0, nodes["num_threshold"])),
                    "missing_left": nodes["missing_go_to_left"].astype(bool) & ~leaf,
                    "left": np.where(leaf, 0, nodes["left"]).astype(np.int64),
                    "right": np.where(leaf, 0, nodes["right"]).astype(np.int64),
                    "value": np.where(leaf, nodes["value"], 0.0).astype(np.float32),
                    "target": np.full(len(nodes), target, np.int64),
                }
            )
            number += 1
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    baseline = np.asarray(fitted.model._baseline_prediction, np.float64).reshape(-1)
    return Trees(**joined, baseline=baseline.astype(np.float32))


def _down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest single-precision number at or below each of `thresholds`."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
