"""How much more pictures would help: a learning curve, carried on to more pictures than there are.

Heads are fitted to nested parts of the pictures and judged on pictures held out with their
groups. The error is taken to fall as an inverse power of the number of training pictures towards
a floor, e(m) = a · m^-b + c (Figueroa et al., BMC Medical Informatics 12:8, 2012; Hestness et al.,
Deep Learning Scaling is Predictable, Empirically, 2017). A short curve does not tell b and c
apart, so none is chosen: all are weighed by how well they agree with the curve, and the interval
is that of their mixture (Bayesian model averaging; Hoeting et al., Statistical Science 14, 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import DataError
from tellapart.learn import head
from tellapart.learn.calibration import fit_temperature, softmax
from tellapart.learn.extrapolate import Law
from tellapart.learn.head import Balance
from tellapart.learn.refit import Refitter, Solution

#: Times as many pictures as now, for which the accuracy is foretold.
FACTORS = (2.0, 5.0)
#: The curve's points, from all of a fold's training pictures down, each 1/√2 of the one before.
_POINTS, _STEP = 7, 2**-0.5
_FOLDS = 5
#: Pictures a class below which a part is too small to be a point.
_LEAST = 2
#: More pictures than these: as many are drawn, by groups.
MOST_ROWS = 1500
#: A class's worth is measured by leaving out this share of its training pictures.
_LEFT_OUT = 0.5
#: More classes than these: only so many, those with the most errors, are measured one by one.
_MOST_CLASSES = 24
#: On the gradient: probabilities are then within .005 of the optimum's.
_TOLERANCE = 1e-3
_Z90 = 1.6449
#: In log losses, a lower chance of the true class counts as this.
_LEAST_CHANCE = 1e-3


@dataclass(frozen=True)
class Point:
    """What heads of one number of training pictures got right of those held out."""

    #: Training pictures, on average over the folds.
    n: int
    accuracy: float
    #: 90 % interval.
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """The accuracy to expect with `factor` times as many training pictures as now."""

    factor: float
    #: Training pictures.
    n: int
    accuracy: float
    #: 90 % interval of the accuracy on new pictures of the same kind.
    low: float
    high: float


@dataclass(frozen=True)
class Worth:
    """What further pictures of one class are worth."""

    name: str
    #: Training pictures now, and how many more.
    n: int
    more: int
    #: By how much the accuracy over all classes would rise, as a share, with its 90 % interval.
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """A learning curve and what it lets expect."""

    #: From few to many training pictures.
    points: tuple[Point, ...]
    #: With the training pictures there are.
    now: Forecast
    #: With `FACTORS` times as many.
    ahead: tuple[Forecast, ...]
    #: Most worth first; empty where it could not be measured.
    classes: tuple[Worth, ...]
    #: Pictures that the curve was measured on, and by how many held out each was judged.
    pictures: int
    folds: int
    law: Law

    def at(self, factor: float, tested: int | None = None) -> Forecast:
        """The accuracy to expect with `factor` times the training pictures of now.

        The interval is that of the accuracy on ever more new pictures; with `tested`, that of
        what a test on so many of them would say.
        """
        middle, low, high = self.law.quantiles(factor * self.now.n, (0.5, 0.05, 0.95), tested)
        n = round(factor * self.now.n)
        return Forecast(factor, n, _share(1 - middle), _share(1 - high), _share(1 - low))

    def line(self, places: int = 40) -> list[Forecast]:
        """The band from the first point up to the furthest forecast, evenly by the logarithm."""
        first, last = self.points[0].n / self.now.n, max(FACTORS)
        return [self.at(float(factor)) for factor in np.geomspace(first, last, places)]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; without the law."""
        return {
            "points": [asdict(point) for point in self.points],
            "now": asdict(self.now),
            "ahead": [asdict(one) for one in self.ahead],
            "classes": [asdict(one) for one in self.classes],
            "pictures": self.pictures,
            "folds": self.folds,
        }


def fit(
    features: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | None,
    classes: Sequence[str],
    *,
    seed: int = 0,
    now: int | None = None,
    tested: ArrayLike | None = None,
    C: float = 10.0,  # noqa: N803 - the field's name for it
    class_weight: Balance = "balanced",
) -> Curve:
    """The learning curve of linear heads on raw `features` (n, D) of class numbers `y` (n,).

    Rows of one of `groups` (n,) stay together. `now`: the training pictures there are, if not
    all n (part of them may be held out for tests; the curve may still learn from it). `tested`
    (n,): rows of a test of its own, such as an official one; heads are then fitted to parts of
    the others and judged by these alone, else they take turns (cross-validation). `C`
    and `class_weight` as the head has them. Raises `DataError` where there are too
    few pictures.
    """
    import scipy.optimize  # noqa: F401 - brings a BLAS of its own, which the limit must hold
    from threadpoolctl import threadpool_limits

    labels = np.asarray(y, np.int64)
    teams = np.arange(len(labels)) if groups is None else np.asarray(groups)
    teams = np.unique(teams, return_inverse=True)[1]
    fixed = None if tested is None else np.asarray(tested, bool)
    drawn = _drawn(labels, teams, seed)
    learned = drawn if fixed is None else drawn[~fixed[drawn]]
    _check(labels[learned], teams[learned], classes)
    if fixed is not None and not fixed[drawn].any():
        raise _too_few("is no picture to test on")
    with threadpool_limits(1):
        trial = _Trial(
            np.asarray(features, np.float32)[drawn],
            labels[drawn],
            teams[drawn],
            _How(len(classes), seed, float(C), class_weight),
            None if fixed is None else fixed[drawn],
        )
        sizes, errors = trial.measure()
        law = Law.fit(sizes, errors, trial.judges)
        used = labels if fixed is None else labels[~fixed]
        whole = len(used) if now is None else now
        have = np.bincount(used, minlength=len(classes)) * (whole / len(used))
        worth = trial.worth(law, have.astype(np.float64), classes)
    points = [
        Point(round(float(n)), _share(1 - e), _share(1 - high), _share(1 - low))
        for n, (e, low, high) in zip(sizes, law.measured(), strict=True)
    ]
    blank = Forecast(1.0, whole, 0.0, 0.0, 0.0)
    curve = Curve(tuple(points), blank, (), worth, len(drawn), trial.folds_used, law)
    return Curve(
        curve.points,
        curve.at(1.0),
        tuple(curve.at(factor) for factor in FACTORS),
        worth,
        len(drawn),
        trial.folds_used,
        law,
    )


@dataclass(frozen=True)
class _How:
    """How heads are fitted."""

    classes: int
    seed: int
    C: float
    class_weight: Balance


class _Trial:
    """Heads on nested parts of each fold's training pictures."""

    def __init__(
        self,
        features: NDArray[np.float32],
        y: NDArray[np.int64],
        teams: NDArray[np.int64],
        how: _How,
        tested: NDArray[np.bool_] | None = None,
    ) -> None:
        self.y, self.teams = y, teams
        self.C = how.C
        self.solver = Refitter(
            features, y, n_classes=how.classes, class_weight=how.class_weight, dtype=np.float32
        )
        #: Rows held out, rows learned from, and each of the latter's turn, 0 to 1.
        self.folds = []
        folds = head.folds(y, teams, _FOLDS, how.seed)
        for fold in np.unique(folds).tolist() if tested is None else range(_FOLDS):
            held = folds == fold if tested is None else tested
            self.folds.append((np.flatnonzero(held), *_turns(y, teams, ~held, how.seed + fold)))
        self.folds_used = 1 if tested is not None else len(self.folds)
        #: Rows (m,) that are held out, and what belongs together among them.
        self.judged = np.unique(np.concatenate([held for held, *_ in self.folds]))
        self.judges = np.unique(teams[self.judged], return_inverse=True)[1]
        #: How often each row (n,) is held out.
        self._times = np.zeros(len(y))
        for held, *_ in self.folds:
            self._times[held] += 1
        #: The heads on all of each fold's training pictures.
        self._whole: list[Solution] = []

    def measure(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Numbers of training pictures (s,), and how often each judged row is told wrong (m, s)."""
        sizes, columns = [], []
        for share in self._shares():
            wrong = np.zeros(len(self.y))
            counts = []
            for held, rows, turn in self.folds:
                part = rows[turn <= share]
                solved = self.solver.solve(part, self.C, tolerance=_TOLERANCE)
                answers = self.solver.logits(solved, held).argmax(axis=1)
                wrong[held] += answers != self.y[held]
                counts.append(len(part))
                if share == 1:
                    self._whole.append(solved)
            sizes.append(float(np.mean(counts)))
            columns.append((wrong / np.maximum(self._times, 1))[self.judged])
        return np.array(sizes), np.stack(columns, axis=1)

    def _shares(self) -> list[float]:
        least = np.bincount(self.y)
        smallest = float(least[least > 0].min()) * (1 - 1 / _FOLDS)
        shares = [_STEP**place for place in range(_POINTS)]
        return [share for share in reversed(shares) if share * smallest >= _LEAST or share == 1]

    def worth(
        self, law: Law, have: NDArray[np.float64], classes: Sequence[str]
    ) -> tuple[Worth, ...]:
        """What further pictures of each class are worth, when now there are `have` (C,).

        Measured backwards: a part of the class's training pictures is left out, the others stay.
        What that costs, on all classes, is carried forward by the law's exponent.
        """
        more = _round_number(float(np.median(have)))
        whole = self._loss(self._whole)
        exponent = law.exponent

        def forward(grown: float) -> float:
            """What was lost by leaving out, as a factor of what growing brings."""
            lost = (1 - _LEFT_OUT) ** -exponent - 1
            return float((1 - grown**-exponent) / lost)

        # Answers seldom change by one class's pictures, chances always do. So classes share out
        # what doubling all of them brings to the accuracy by what each brings to the log loss.
        gain, doubt = law.gain(have.sum(), 2 * have.sum())
        together = forward(2.0) * float((self._loss(self._lessened(None)) - whole).mean())
        if together <= 0:  # noise alone: fewer pictures did no worse
            return ()
        unit = gain / together
        numbers = self._hardest(whole, len(classes))
        means, deviations = [], []
        for number in numbers:
            cost = self._loss(self._lessened(number)) - whole
            factor = unit * forward((have[number] + more) / max(have[number], 1.0))
            means.append(factor * float(cost.mean()))
            deviations.append(factor * _deviation(cost, self.judges))
        worth = []
        for number, (mean, deviation) in zip(numbers, _shrunk(means, deviations), strict=True):
            spread = _Z90 * float(np.hypot(deviation, mean * doubt / max(gain, 1e-12)))
            low, high = _signed(mean - spread), _signed(mean + spread)
            n = round(float(have[number]))
            worth.append(Worth(str(classes[number]), n, more, _signed(mean), low, high))
        return tuple(sorted(worth, key=lambda one: (-one.gain, one.name)))

    def _lessened(self, number: int | None) -> list[Solution]:
        """Each fold's head without a part of the training pictures of one class, or of all."""
        solved = []
        for (_, rows, turn), whole in zip(self.folds, self._whole, strict=True):
            stays = turn <= 1 - _LEFT_OUT
            part = rows[stays if number is None else stays | (self.y[rows] != number)]
            start = whole.weight, whole.bias
            solved.append(self.solver.solve(part, self.C, start=start, tolerance=_TOLERANCE))
        return solved

    def _loss(self, solved: Sequence[Solution]) -> NDArray[np.float64]:
        """The calibrated log loss (m,) of each judged row while held out."""
        held = np.concatenate([held for held, *_ in self.folds])
        logits = np.concatenate(
            [
                self.solver.logits(one, part)
                for (part, *_), one in zip(self.folds, solved, strict=True)
            ]
        )
        # Each at its own temperature, as heads are made: how far logits reach depends on C.
        chances = softmax(logits / fit_temperature(logits, self.y[held]))
        own = chances[np.arange(len(held)), self.y[held]]
        loss = np.bincount(held, -np.log(np.maximum(own, _LEAST_CHANCE)), len(self.y))
        return np.asarray((loss / np.maximum(self._times, 1))[self.judged], np.float64)

    def _hardest(self, loss: NDArray[np.float64], n_classes: int) -> list[int]:
        total = np.bincount(self.y[self.judged], weights=loss, minlength=n_classes)
        return sorted(np.argsort(-total, kind="stable")[:_MOST_CLASSES].tolist())


def _deviation(values: NDArray[np.float64], teams: NDArray[np.int64]) -> float:
    """Standard deviation of the mean of `values` (n,), whose `teams` (n,) vary together."""
    sums = np.bincount(teams, weights=values - values.mean())
    several = len(np.unique(teams))
    return float(np.sqrt((sums**2).sum() * several / max(1, several - 1)) / len(values))


def _shrunk(means: Sequence[float], deviations: Sequence[float]) -> list[tuple[float, float]]:
    """Each mean and deviation, drawn towards all by as much as noise explains their differences.

    Empirical Bayes (Efron and Morris, JASA 70, 1975): of many noisy figures the largest is
    mostly luck.
    """
    values, noise = np.array(means), np.array(deviations) ** 2
    if len(values) < 3:
        return list(zip(values.tolist(), np.sqrt(noise).tolist(), strict=True))
    middle = float(values.mean())
    true = max(0.0, float(values.var(ddof=1) - noise.mean()))
    keep = true / np.maximum(true + noise, 1e-18)
    # What remains unknown: the part of the noise that was kept, and where the middle is.
    left = keep * noise + (1 - keep) ** 2 * (true + noise.mean()) / len(values)
    drawn = middle + keep * (values - middle)
    return list(zip(drawn.tolist(), np.sqrt(left).tolist(), strict=True))


def _round_number(value: float) -> int:
    """The next lower of 1, 2, 5, 10, 20, 50, …; at least 5."""
    for power in range(12, -1, -1):
        for digit in (5, 2, 1):
            found = digit * int(10**power)
            if found <= value:
                return max(5, found)
    return 5


def _signed(value: float) -> float:
    return round(float(value), 6) + 0.0


def _turns(
    y: NDArray[np.int64], teams: NDArray[np.int64], wanted: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The `wanted` rows, and for each the share of its class from which on it takes part.

    Groups come whole, in an order drawn with `seed`; of each class some row takes part in all.
    """
    rows = np.flatnonzero(wanted)
    labels, numbers = y[rows], np.unique(teams[rows], return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(numbers.max() + 1)
    turn = np.empty(len(rows))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        mine = mine[np.argsort(order[numbers[mine]], kind="stable")]
        first = np.concatenate([[True], np.diff(order[numbers[mine]]) != 0])
        starts = np.flatnonzero(first)
        ends = np.append(starts[1:], len(mine))
        # A group counts from the share at which half of it would belong.
        middle = (starts + ends) / 2 / len(mine)
        middle[0] = 0.0
        turn[mine] = np.repeat(middle, ends - starts)
    return rows, turn


def _drawn(y: NDArray[np.int64], teams: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """At most about `MOST_ROWS` rows, groups whole, classes in proportion."""
    if len(y) <= MOST_ROWS:
        return np.arange(len(y))
    rows, turn = _turns(y, teams, np.ones(len(y), bool), seed)
    return rows[turn <= MOST_ROWS / len(y)]


def _check(y: NDArray[np.int64], teams: NDArray[np.int64], classes: Sequence[str]) -> None:
    counts = [len(np.unique(teams[y == number])) for number in range(len(classes))]
    if len(counts) < 2 or min(counts) < _FOLDS:
        raise _too_few(f"are {min(counts, default=0)} unrelated pictures of the smallest class")


def _too_few(what: str) -> DataError:
    return DataError(
        f"There {what}.",
        expected=f"{_FOLDS} or more of each of at least two classes, for a learning curve",
        do="Add pictures; nothing else depends on the curve.",
    )


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, float(value))), 6)
