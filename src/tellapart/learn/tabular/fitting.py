"""Fit a table: logistic regression, gradient boosting, their average; the best is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import DataError, InputError
from tellapart.learn.calibration import softmax
from tellapart.learn.tabular import boosting, columns, crossing, logistic
from tellapart.learn.tabular.comparing import Candidate, rank
from tellapart.learn.tabular.crossing import Crossed, Key, Watch

#: Names that reports show, in the order in which a tie is decided.
LOGISTIC, BOOSTING, AVERAGE = "logistic regression", "gradient boosting", "average of both"
#: Above so many figures the trees may use every thread; below, threads only cost.
_MANY_FIGURES = 200_000
#: What is fitted where nothing can be held out.
_PLAIN = 1.0

Model = logistic.Logistic | boosting.Boosting


@dataclass(frozen=True)
class Fitted:
    """`softmax` of the members' logits, each times its factor, are calibrated probabilities."""

    columns: columns.Columns
    #: The models over expanded rows that the candidates are made of, each fitted to all rows.
    models: Mapping[Key, Model]
    raw_columns: int
    n_classes: int
    #: All that were compared, the chosen one among them.
    candidates: tuple[Candidate, ...]
    #: What the comparison held out, and how often.
    plan: crossing.Plan
    #: (n, C) calibrated probabilities of training rows from models that had not seen them; NaN
    #: where a row was never held out.
    out_of_fold: NDArray[np.float64]
    #: False where it was asked to stop before all comparisons were made.
    finished: bool
    notes: tuple[str, ...] = ()

    @property
    def chosen(self) -> Candidate:
        """The candidate that the probabilities are of."""
        return next(candidate for candidate in self.candidates if candidate.chosen)

    def logits(self, rows: ArrayLike, candidate: Candidate | None = None) -> NDArray[np.float64]:
        """Calibrated logits (n, C) of raw rows (n, f); by default the chosen candidate's."""
        from threadpoolctl import threadpool_limits

        expanded = self.columns.expand(rows)
        with threadpool_limits(1):
            parts = [
                self.models[key].logits(expanded) * factor
                for key, factor in (candidate or self.chosen).parts
            ]
        return np.asarray(np.sum(parts, axis=0))

    def probabilities(
        self, rows: ArrayLike, candidate: Candidate | None = None
    ) -> NDArray[np.float64]:
        """Calibrated probabilities (n, C) of raw rows (n, f)."""
        return softmax(self.logits(rows, candidate))

    def to_onnx(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The chosen candidate from raw rows on: see `graph.assemble`."""
        from tellapart.learn.tabular import graph

        return graph.assemble(
            self.columns,
            [(self.models[key], factor) for key, factor in self.chosen.parts],
            raw_columns=self.raw_columns,
            n_classes=self.n_classes,
            metadata=metadata or {},
        )


def fit(
    rows: ArrayLike,
    y: ArrayLike,
    *,
    n_classes: int,
    categories: Sequence[int],
    groups: ArrayLike | None = None,
    seed: int = 0,
    threads: int = 1,
    watch: Watch = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Fitted:
    """Fit raw rows (n, f) and class numbers `y` (n,).

    Rows hold NaN where a value is missing and the index of a category; `categories` says for
    each column how many values it may have (0: a number). Candidates are compared by repeated,
    stratified cross-validation that keeps `groups` (n,) whole: the highest accuracy wins, ties
    go to the lower log loss, and the average must be half a point better. The strength of the
    penalty is chosen by log loss, a temperature by the same held-out rows (Guo et al. 2017);
    boosting is the mean of two, one of large and one of small trees.

    The same rows in the same order give the same model on any number of `threads`. Raises
    `DataError` for fewer than two classes or a class without a row, `InputError` for shapes or
    figures that do not fit.
    """
    # SciPy and the trees bring thread pools of their own; a limit holds only for those loaded.
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import ThreadpoolController

    raw, labels = np.asarray(rows, np.float32), np.asarray(y, np.int64)
    shape = columns.learn(raw, categories)
    _check(labels, len(raw), n_classes)
    expanded = shape.expand(raw)
    teams = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    pools = ThreadpoolController()
    trees = threads if expanded.size > _MANY_FIGURES else 1
    # Two BLAS threads make logistic regression several times slower.
    with pools.limit(limits=1, user_api="blas"), pools.limit(limits=trees, user_api="openmp"):
        start = time.perf_counter()
        planned = crossing.plan(labels, teams, seed)
        crossed = crossing.cross(expanded, labels, n_classes, planned, seed, watch, stop)
        spent = time.perf_counter() - start
        candidates = _candidates(crossed, teams, spent)
        best = next(candidate for candidate in candidates if candidate.chosen)
        keys = dict.fromkeys(key for candidate in candidates for key, _ in candidate.parts)
        models = {key: _fit(expanded, labels, n_classes, key, seed) for key in keys}
    out_of_fold = np.full((len(labels), n_classes), np.nan)
    if best.score is not None:
        out_of_fold[planned.rows] = best.score.probabilities
    return Fitted(
        shape,
        models,
        raw.shape[1],
        n_classes,
        candidates,
        planned,
        out_of_fold,
        crossed.finished,
        _notes(labels, crossed),
    )


def _candidates(
    crossed: Crossed, groups: NDArray[np.int64] | None, seconds: float
) -> tuple[Candidate, ...]:
    """The best of each kind and their average, the chosen one marked, each with a reason."""
    teams = None if groups is None else groups[crossed.plan.rows]
    if not crossed.logits:
        parts: tuple[tuple[Key, float], ...] = ((("logistic", _PLAIN), 1.0),)
        return rank([Candidate(LOGISTIC, "logistic", {"C": _PLAIN}, parts, None)], teams)
    line = _logistic(crossed)
    kinds = [("boosting", name) for name in crossing.BOOSTINGS]
    trees = _mean(crossed, BOOSTING, "boosting", [_calibrated(crossed, key) for key in kinds])
    both = _mean(crossed, AVERAGE, "average", [line, trees])
    return rank([replace(one, seconds=round(seconds, 3)) for one in (line, trees, both)], teams)


def _logistic(crossed: Crossed) -> Candidate:
    """The strength with the lowest log loss; ties go to the weakest model."""
    tried = [_calibrated(crossed, key) for key in crossed.logits if key[0] == "logistic"]
    return min(tried, key=lambda one: one.score.log_loss if one.score else 0.0)


def _calibrated(crossed: Crossed, key: Key) -> Candidate:
    """One model alone, at its best temperature."""
    score = crossing.score(crossed.logits[key], crossed.y)
    kind, setting = key
    if kind == "logistic":
        return Candidate(LOGISTIC, kind, {"C": setting}, ((key, 1 / score.temperature),), score)
    settings = crossing.BOOSTINGS[str(setting)].to_dict()
    return Candidate(str(setting), kind, settings, ((key, 1 / score.temperature),), score)


def _mean(crossed: Crossed, name: str, kind: str, members: Sequence[Candidate]) -> Candidate:
    """The mean of the members' calibrated logits, at a temperature of its own."""
    parts = [(key, factor / len(members)) for one in members for key, factor in one.parts]
    logits = np.sum([crossed.logits[key] * factor for key, factor in parts], axis=0)
    score = crossing.score(logits, crossed.y)
    shares = tuple((key, factor / score.temperature) for key, factor in parts)
    return Candidate(name, kind, {one.name: one.settings for one in members}, shares, score)


def _fit(
    expanded: NDArray[np.float32], y: NDArray[np.int64], n_classes: int, key: Key, seed: int
) -> Model:
    kind, setting = key
    if kind == "boosting":
        settings = crossing.BOOSTINGS[str(setting)]
        return boosting.fit(expanded, y, n_classes, settings, seed)
    return next(logistic.path(expanded, y, n_classes, (float(setting),)))


def _notes(y: NDArray[np.int64], crossed: Crossed) -> tuple[str, ...]:
    notes = []
    if len(crossed.plan.rows) < len(y):
        notes.append(
            f"Candidates were compared on {len(crossed.plan.rows)} of {len(y)} rows to learn from; "
            "the chosen one learned from all."
        )
    if not crossed.finished:
        notes.append("Stopped before all comparisons were made: the choice rests on fewer rows.")
    return tuple(notes)


def _check(y: NDArray[np.int64], n: int, n_classes: int) -> None:
    if len(y) != n or (n and (y.min() < 0 or y.max() >= n_classes)):
        raise InputError(
            f"{len(y)} class numbers for {n} rows and {n_classes} classes.",
            expected="one class number a row, each from 0 to the number of classes less one",
            do="Pass the class numbers of these very rows.",
        )
    counts = np.bincount(y, minlength=n_classes)
    if n_classes < 2 or not counts.all():
        raise DataError(
            f"Rows per class: {counts.tolist()}, for {n_classes} classes.",
            expected="at least two classes and at least one row in each to learn from",
            do="Add rows to the empty classes, or leave those classes out.",
        )
