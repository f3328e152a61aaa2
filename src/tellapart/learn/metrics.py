"""What a classifier is worth on pictures it has not seen, with how sure we may be of it.

Only numpy; every figure can be written as JSON and is rounded to 6 decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import DataError, InputError
from tellapart.learn.calibration import ece

#: Two-sided 95 % quantile of the normal distribution.
_Z = 1.959963984540054
#: Figures that summaries, manifests and cards show; `metrics.json` holds all.
HEADLINE = (
    "accuracy",
    "low",
    "high",
    "n",
    "correct",
    "baseline",
    "baseline_class",
    "balanced_accuracy",
    "auc",
    "log_loss",
    "ece",
    "abstained",
    "warning",
)
_COVERAGES = [round(step / 20, 2) for step in range(20, 0, -1)]


def wilson(k: int, n: int) -> tuple[float, float]:
    """95 % score interval of a share: `k` hits in `n` tries -> (low, high).

    Wilson: Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).
    Without a try everything is possible: (0.0, 1.0).
    """
    if n <= 0:
        return 0.0, 1.0
    share, square = k / n, _Z * _Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _Z / (1 + square / n) * np.sqrt(share * (1 - share) / n + square / (4 * n * n))
    low = 0.0 if k <= 0 else float(max(0.0, middle - half))
    high = 1.0 if k >= n else float(min(1.0, middle + half))
    return _round(low), _round(high)


def evaluate(
    probabilities: ArrayLike,
    y: ArrayLike,
    classes: Sequence[str],
    abstain: ArrayLike | None = None,
    *,
    confidence: ArrayLike | None = None,
) -> dict[str, Any]:
    """Measure `probabilities` (n, C) against the true class numbers `y` (n,).

    `abstain` (n,) is true where the model says "none of these"; the headline figures count every
    picture all the same, `abstained` tells the rest. `confidence` (n,) orders the abstention
    curve; by default it is the top probability.

    Raises `DataError` without a row, `InputError` where shapes do not fit.
    """
    values, labels = _checked(probabilities, y, classes)
    n, predicted = len(labels), values.argmax(axis=1)
    right = predicted == labels
    support = np.bincount(labels, minlength=len(classes))
    low, high = wilson(int(right.sum()), n)
    baseline = float(support.max() / n)
    counts = _confusion(labels, predicted, len(classes))
    per_class = _per_class(counts, classes)
    certain = values.max(axis=1) if confidence is None else np.asarray(confidence, np.float64)
    silent = np.zeros(n, bool) if abstain is None else np.asarray(abstain, dtype=bool)
    return {
        "n": n,
        "correct": int(right.sum()),
        "accuracy": _round(right.mean()),
        "low": low,
        "high": high,
        "baseline": _round(baseline),
        "baseline_class": classes[int(support.argmax())],
        "warning": _warning(low, high, baseline, classes[int(support.argmax())]),
        "balanced_accuracy": _round(np.mean([r["recall"] for r in per_class if r["support"]])),
        "auc": _auc(values, labels),
        "log_loss": _round(-np.log(np.clip(values[np.arange(n), labels], 1e-15, 1)).mean()),
        "ece": _round(ece(values, labels)),
        "per_class": per_class,
        "confusion": counts.tolist(),
        "abstention": _abstention(certain, right),
        "abstained": _abstained(silent, right),
        "confident_errors": confident_errors(values, labels),
        "absent_classes": [c for c, s in zip(classes, support, strict=True) if not s],
    }


def confident_errors(probabilities: ArrayLike, y: ArrayLike, most: int = 50) -> list[int]:
    """Row numbers of wrong answers, the surest first (ties by row number), `most` of them."""
    values, labels = np.asarray(probabilities, np.float64), np.asarray(y, np.int64)
    wrong = np.flatnonzero(values.argmax(axis=1) != labels)
    order = np.lexsort((wrong, -np.round(values[wrong].max(axis=1), 9)))
    return [int(row) for row in wrong[order][:most]]


def auc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC curve: chance that a positive scores above a negative, ties half.

    Mann and Whitney's U over n₁·n₂. Raises `DataError` where one of the two sides is empty.
    """
    values, flags = np.asarray(scores, np.float64), np.asarray(positive, dtype=bool)
    n_positive, n_negative = int(flags.sum()), int((~flags).sum())
    if not n_positive or not n_negative:
        raise DataError(
            f"An ROC curve of {n_positive} positives and {n_negative} negatives.",
            expected="at least one of each",
            do="Measure on rows that hold both kinds.",
        )
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    above = ranks[flags].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def _checked(
    probabilities: ArrayLike, y: ArrayLike, classes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values, labels = np.asarray(probabilities, np.float64), np.asarray(y, np.int64)
    if not len(labels):
        raise DataError(
            "There is no picture to measure on.",
            expected="at least one picture in the test split",
            do="Add pictures, or give the test split a larger share.",
        )
    if values.shape != (len(labels), len(classes)) or labels.max() >= len(classes):
        raise InputError(
            f"Probabilities of shape {values.shape} for {len(labels)} labels up to {labels.max()}.",
            expected=f"one row a label and one column for each of the {len(classes)} classes",
            do="Pass the probabilities of these very rows and classes.",
        )
    return values, labels


def _confusion(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Counts (C, C): rows are true classes, columns answers."""
    flat = np.bincount(labels * n_classes + predicted, minlength=n_classes * n_classes)
    return flat.reshape(n_classes, n_classes)


def _per_class(counts: NDArray[np.int64], classes: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for k, name in enumerate(classes):
        hits, support, answers = int(counts[k, k]), int(counts[k].sum()), int(counts[:, k].sum())
        rows.append(
            {
                "class": name,
                "support": support,
                "predicted": answers,
                "precision": _round(hits / answers) if answers else 0.0,
                "recall": _round(hits / support) if support else 0.0,
                "f1": _round(2 * hits / (support + answers)) if support + answers else 0.0,
            }
        )
    return rows


def _auc(values: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """Macro mean of one class against the rest, over classes that have both sides."""
    present = [k for k in range(values.shape[1]) if 0 < (labels == k).sum() < len(labels)]
    if not present:
        return None
    return _round(np.mean([auc(values[:, k], labels == k) for k in present]))


def _warning(low: float, high: float, baseline: float, name: str) -> str | None:
    if low > baseline:
        return None
    return (
        f"This may be no better than always answering {name!r}: that is right for "
        f"{baseline:.1%} of the test pictures, and the model's accuracy lies between "
        f"{low:.1%} and {high:.1%} (95 % interval)."
    )


def _abstention(certain: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, Any]:
    """Accuracy on the surest share of the pictures (El-Yaniv and Wiener, JMLR 11, 2010)."""
    order = np.lexsort((np.arange(len(right)), -certain))
    running = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    curve, n = [], len(right)
    for coverage in _COVERAGES:
        answered = max(1, int(np.ceil(coverage * n - 1e-9)))
        curve.append(
            {
                "coverage": coverage,
                "n": answered,
                "accuracy": _round(running[answered - 1]),
                "confidence": _round(certain[order[answered - 1]]),
            }
        )
    return {"curve": curve, "area": _round((1 - running).mean())}


def _abstained(silent: NDArray[np.bool_], right: NDArray[np.bool_]) -> dict[str, Any]:
    answered = ~silent
    n, hits = int(answered.sum()), int((right & answered).sum())
    low, high = wilson(hits, n)
    return {
        "n": int(silent.sum()),
        "share": _round(silent.mean()),
        "wrong_among_them": int((silent & ~right).sum()),
        "answered": n,
        "accuracy_answered": _round(hits / n) if n else None,
        "low_answered": low,
        "high_answered": high,
    }


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 6)
