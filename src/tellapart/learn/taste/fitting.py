"""Fit a head to what one person said: logistic regression, every candidate counted once.

The pictures of one candidate share its weight, and cross-validation keeps them together. Penalty
and temperature are chosen by cross-validation while labels are few, and again whenever there are
a quarter more; between, a label costs one solution. So a correction is learned in well under a
second.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import DataError
from tellapart.learn import head
from tellapart.learn.calibration import fit_temperature
from tellapart.learn.refit import Refitter
from tellapart.learn.taste.heads import Taste, sigmoid
from tellapart.learn.taste.rows import Labelled, numbered
from tellapart.learn.taste.wholes import fit_whole

#: Inverse strengths of the L2 penalty that are tried, weakest model first.
CANDIDATES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
#: Before there are enough labels to choose by.
_FIRST = 3.0
_PATIENCE = 1
_FOLDS, _MOST_FOLDS = 5, 20
#: Labelled candidates of each kind from which on they are held out in turn.
_ENOUGH = 3
#: Penalty and temperature are chosen anew when there are so many times the labels.
_MORE = 1.25
#: … by so many pictures at most, which take half a second.
_MOST_TUNED = 600
_TOLERANCE = 1e-5


def fit(labelled: Labelled, *, base: str = "", start: Taste | None = None, seed: int = 0) -> Taste:
    """Fit a head to labelled pictures.

    `base` names the features (`Sight.key`). `start`: the last head of the same person, whose
    penalty, temperature and rule for whole candidates stay until there are a quarter more labels.
    The same arguments give the same head. Raises `DataError` without a like or without a pass.
    """
    likes, passes = labelled.counts()
    if not likes or not passes:
        raise DataError(
            f"{likes} candidates are liked and {passes} passed.",
            expected="at least one of each",
            do="Label more candidates.",
        )
    solver = _Solver(labelled)
    kept = start is not None and start.dim == labelled.features.shape[1] and start.base == base
    if start is not None and kept and 0 < likes + passes < _MORE * start.tuned_at:
        weight, bias = solver.solve(start.C, start.temperature)
        return replace(start, weight=weight, bias=bias, likes=likes, passes=passes)
    made = Taste(np.zeros(0, np.float32), 0.0, base=base, C=_FIRST, likes=likes, passes=passes)
    if min(likes, passes) >= _ENOUGH:
        some = _some(labelled, seed)
        tuner = solver if some is labelled else _Solver(some)
        C, temperature, logits = tuner.choose(seed)  # noqa: N806 - the field's name for it
        whole = fit_whole(logits / temperature, tuner.numbers, some.answers())
        made = replace(
            made, C=C, temperature=temperature, tuned_at=likes + passes, whole_weights=whole
        )
    weight, bias = solver.solve(made.C, made.temperature)
    return replace(made, weight=weight, bias=bias)


def held_out(
    labelled: Labelled, taste: Taste, *, only: NDArray[np.bool_] | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """P(like) of each labelled candidate, in their order, from a head that had not seen it.

    Penalty, temperature and rule are those of `taste`. `only` (n,): rows of the candidates asked
    about; few are left out at once, for each that was chosen to learn from is missed. NaN for
    the others, and where the rest holds one kind only.
    """
    solver = _Solver(labelled)
    if only is None:
        part = head.folds(solver.y, solver.numbers, _FOLDS, seed)
    else:
        part = np.full(len(solver.y), -1)
        asked = np.unique(solver.numbers[only], return_inverse=True)[1]
        part[only] = asked % _MOST_FOLDS
    logits = solver.held_out(taste.C, part) / taste.temperature
    found = np.full(len(labelled.candidates), np.nan)
    seen = ~np.isnan(logits)
    if seen.any():
        places, numbers = np.unique(solver.numbers[seen], return_inverse=True)
        found[places] = sigmoid(taste.whole_logits(logits[seen], numbers, len(places)))
    return found


def _some(labelled: Labelled, seed: int) -> Labelled:
    """The candidates to choose penalty and temperature by: all, or as many as is quick."""
    if len(labelled) <= _MOST_TUNED:
        return labelled
    names, numbers = numbered(labelled.groups)
    drawn = np.random.default_rng(seed).permutation(len(names))
    size = np.bincount(numbers, minlength=len(names))[drawn]
    kept = drawn[np.cumsum(size) <= _MOST_TUNED]
    part = labelled.only(np.isin(numbers, kept))
    return part if min(part.counts()) >= _ENOUGH else labelled


class _Solver:
    """The rows of one person, turned once, solved for many penalties and parts."""

    def __init__(self, labelled: Labelled) -> None:
        import scipy.optimize  # noqa: F401 - brings a BLAS of its own, which limits must hold
        from threadpoolctl import threadpool_limits

        names, self.numbers = numbered(labelled.groups)
        self.y = labelled.likes.astype(np.int64)
        self.weights = 1 / np.bincount(self.numbers, minlength=len(names))[self.numbers]
        self._all = np.arange(len(self.y))
        with threadpool_limits(1):
            self._refitter = Refitter(
                labelled.features,
                self.y,
                n_classes=2,
                class_weight=None,
                weights=self.weights,
                dtype=np.float32,
            )

    def solve(self, C: float, temperature: float) -> tuple[NDArray[np.float32], float]:  # noqa: N803
        """Weight and bias over raw features, the temperature folded in."""
        from threadpoolctl import threadpool_limits

        one = self._refitter
        with threadpool_limits(1):
            found = one.solve(self._all, C, tolerance=_TOLERANCE)
            turned = (found.weight[1] - found.weight[0]).astype(np.float64)
            raw = turned if one.axes is None else one.axes.astype(np.float64) @ turned
        weight = raw / (one.scale * temperature)
        bias = float(found.bias[1] - found.bias[0]) / temperature
        return weight.astype(np.float32), bias - float(weight @ one.center.astype(np.float64))

    def choose(self, seed: int) -> tuple[float, float, NDArray[np.float64]]:
        """The best penalty, its temperature, and each row's logit from a head that had not seen it.

        The lowest log loss counts, each candidate once; ties go to the weaker model.
        """
        best: tuple[float, float, NDArray[np.float64]] | None = None
        lowest, since = np.inf, 0
        part = head.folds(self.y, self.numbers, _FOLDS, seed)
        for candidate in CANDIDATES:
            logits = self.held_out(candidate, part)
            seen = ~np.isnan(logits)
            temperature = self._temperature(logits, seen)
            chances = np.where(self.y[seen] == 1, 1, -1) * logits[seen] / temperature
            loss = float(self.weights[seen] @ np.logaddexp(0, -chances)) / self.weights[seen].sum()
            if best is None or round(loss, 5) < lowest:
                best, lowest, since = (candidate, temperature, logits), round(loss, 5), 0
            else:
                since += 1
                if since > _PATIENCE:
                    break
        assert best is not None
        return best

    def _temperature(self, logits: NDArray[np.float64], seen: NDArray[np.bool_]) -> float:
        """The temperature of held-out logits; a few right answers do not make it certain.

        Each answer counts a little for the other kind too, as if one candidate of each had been
        seen beside (Platt: Probabilistic Outputs for Support Vector Machines, 1999).
        """
        y, weights = self.y[seen], self.weights[seen]
        of_kind = np.bincount(y, weights, 2)
        doubt = 1 / (of_kind[y] + 2)
        two = np.stack([-logits[seen] / 2, logits[seen] / 2], axis=1)
        return fit_temperature(
            np.concatenate([two, two]),
            np.concatenate([y, 1 - y]),
            weights=np.concatenate([weights * (1 - doubt), weights * doubt]),
        )

    def held_out(self, C: float, part: NDArray[np.int64]) -> NDArray[np.float64]:  # noqa: N803
        """Each row's logit, not calibrated, from a head that saw no row of its part (n,).

        Rows of a part below 0 are never held out.
        """
        from threadpoolctl import threadpool_limits

        logits = np.full(len(self.y), np.nan)
        with threadpool_limits(1):
            for fold in np.unique(part[part >= 0]).tolist():
                rest, out = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
                if len(np.unique(self.y[rest])) < 2:
                    continue
                found = self._refitter.solve(rest, C, tolerance=_TOLERANCE)
                both = self._refitter.logits(found, out)
                logits[out] = both[:, 1] - both[:, 0]
        return logits
