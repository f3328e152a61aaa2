"""Cross-validation of a table's candidates: what each says of rows it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.calibration import ece, fit_temperature, softmax
from tellapart.learn.head import folds
from tellapart.learn.tabular import boosting, logistic

#: Up to so many rows: how many folds, how often over. The more rows, the less each fold counts.
_PLANS = ((1000, 5, 3), (3000, 5, 2), (10_000, 5, 1))
_FEW_FOLDS = 3
#: Candidates are compared on so many rows at most (the chosen one is fitted to all).
MOST_ROWS = 50_000
#: Boostings that are averaged. Small trees on a third of the columns each are steadier on few
#: rows, scikit-learn's own settings hold more; the mean of both was the steadiest beside its
#: defaults on eight public tables (benchmarks/tables.py).
BOOSTINGS = {
    "default": boosting.Settings(),
    "small trees": boosting.Settings(max_leaf_nodes=6, min_samples_leaf=5, max_features=0.3),
}

Key = tuple[str, float | str]
#: `watch(done, total)`: fits so far and in all.
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """Which rows are held out together, in each repetition."""

    #: Rows (m,) that take part.
    rows: NDArray[np.int64]
    #: (repeats, m) fold numbers.
    fold_of: NDArray[np.int64]
    folds: int

    @property
    def repeats(self) -> int:
        return len(self.fold_of)


@dataclass(frozen=True)
class Crossed:
    """Answers on held-out rows: for each candidate logits (repeats, m, C), NaN where unknown."""

    plan: Plan
    #: (m,) class numbers of the plan's rows.
    y: NDArray[np.int64]
    logits: dict[Key, NDArray[np.float64]]
    #: False where it was asked to stop: the last repetitions are missing.
    finished: bool


@dataclass(frozen=True)
class Score:
    """What held-out rows say of one candidate at its best temperature; shares of 1."""

    accuracy: float
    log_loss: float
    ece: float
    temperature: float
    #: (m,) how often each row was answered rightly, over repetitions; NaN where never held out.
    hits: NDArray[np.float64] = field(repr=False)
    #: (m, C) mean calibrated probabilities; NaN likewise.
    probabilities: NDArray[np.float64] = field(repr=False)


def plan(y: NDArray[np.int64], groups: NDArray[np.int64] | None, seed: int) -> Plan:
    """Stratified folds, groups whole; repeated with other draws where rows are few."""
    rows = np.arange(len(y))
    if len(y) > MOST_ROWS:
        rows = np.flatnonzero(folds(y, groups, -(-len(y) // MOST_ROWS), seed) == 0)
    k, repeats = next(
        ((k, often) for most, k, often in _PLANS if len(rows) <= most), (_FEW_FOLDS, 1)
    )
    part = None if groups is None else groups[rows]
    dealt = [folds(y[rows], part, k, seed + 1000 * turn) for turn in range(repeats)]
    return Plan(rows, np.stack(dealt), k)


def cross(
    expanded: NDArray[np.float32],
    y: NDArray[np.int64],
    n_classes: int,
    planned: Plan,
    seed: int,
    watch: Watch,
    stop: Callable[[], bool],
) -> Crossed:
    """Fit every candidate on all folds but one, in turn, and ask it about that one."""
    own, labels = expanded[planned.rows], y[planned.rows]
    logits: dict[Key, NDArray[np.float64]] = {}
    shape = (planned.repeats, len(labels), n_classes)
    finished, done, total = True, 0, planned.repeats * planned.folds
    for turn, fold_of in enumerate(planned.fold_of):
        for fold in range(planned.folds):
            watch(done, total)
            done += 1
            held = fold_of == fold
            known = np.unique(labels[~held])
            # A class that lies in the held-out fold alone could not be learned: not counted.
            asked = np.flatnonzero(held & np.isin(labels, known))
            if not len(asked) or len(known) < 2:
                continue
            if stop():
                return Crossed(planned, labels, logits, False)
            for key, answer in _answers(own[~held], labels[~held], n_classes, seed, own[asked]):
                full = logits.setdefault(key, np.full(shape, np.nan))
                full[turn, asked] = answer
    watch(total, total)
    return Crossed(planned, labels, logits, finished)


def _answers(
    rows: NDArray[np.float32],
    y: NDArray[np.int64],
    n_classes: int,
    seed: int,
    asked: NDArray[np.float32],
) -> Iterator[tuple[Key, NDArray[np.float64]]]:
    for model in logistic.path(rows, y, n_classes):
        yield ("logistic", model.C), model.logits(asked)
    for name, settings in BOOSTINGS.items():
        fitted = boosting.fit(rows, y, n_classes, settings, seed)
        yield ("boosting", name), fitted.logits(asked)


def score(logits: NDArray[np.float64], y: NDArray[np.int64]) -> Score:
    """Judge held-out logits (repeats, m, C) against `y` (m,)."""
    repeats, _, n_classes = logits.shape
    flat, labels = logits.reshape(-1, n_classes), np.tile(y, repeats)
    seen = ~np.isnan(flat[:, 0])
    temperature = fit_temperature(flat[seen], labels[seen])
    odds = np.full(flat.shape, np.nan)
    odds[seen] = softmax(flat[seen] / temperature)
    right = np.full(len(flat), np.nan)
    right[seen] = odds[seen].argmax(axis=1) == labels[seen]
    own = np.clip(odds[seen][np.arange(int(seen.sum())), labels[seen]], 1e-15, 1)
    return Score(
        accuracy=round(float(right[seen].mean()), 6) if seen.any() else 0.0,
        log_loss=abs(round(float(-np.log(own).mean()), 6)) if seen.any() else 0.0,
        ece=round(ece(odds[seen], labels[seen]), 6),
        temperature=temperature,
        hits=_mean(right.reshape(repeats, -1)),
        probabilities=_mean(odds.reshape(logits.shape)),
    )


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the first axis of what is no NaN; NaN where all is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.asarray(np.where(counts > 0, total / np.maximum(counts, 1), np.nan))
