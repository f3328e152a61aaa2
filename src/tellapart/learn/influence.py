"""Which training pictures speak for an answer and which against it, by leaving each one out.

Candidates are the training pictures nearest to the one asked about, of the answer's class and of
the others. Each is left out in turn and the head is really fitted again on the rest, from where
it stood, with its C and temperature kept. No linear approximation is made (as influence functions
make one; Koh and Liang, ICML 2017): what is told is what a training without the picture gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.learn.calibration import softmax
from tellapart.learn.head import Balance, Head
from tellapart.learn.refit import Refitter, Solution
from tellapart.learn.similarity import normalized

#: On the gradient, as a share of what one picture weighs in it.
_CLOSE = 1e-3
#: Smaller changes of the probability than this speak neither for nor against.
_SILENT = 5e-5


@dataclass(frozen=True)
class Speaker:
    """A training picture, and what the answer would be without it."""

    #: Its row among the training pictures.
    row: int
    #: Its class number.
    label: int
    #: Cosine of its features with those of the picture asked about.
    cosine: float
    #: The probability of the class asked about, of a head fitted without this picture.
    without: float


@dataclass(frozen=True)
class Speakers:
    """Who speaks for a class, and who against it; the strongest first."""

    #: The class number asked about.
    label: int
    #: Its probability with all training pictures, fitted as closely as without.
    probability: float
    #: Without each of these the probability would be lower.
    pro: tuple[Speaker, ...]
    #: Without each of these it would be higher.
    against: tuple[Speaker, ...]


class Influence:
    """Training pictures ready to be left out, one at a time.

    `features` (n, D) raw and class numbers `y` (n,) of the pictures that `head` was fitted to,
    `class_weight` as it was. The optimum with all of them is found first (`head` may have ended
    a little before it). Some 25 ms a picture left out of 600.
    """

    def __init__(
        self, features: ArrayLike, y: ArrayLike, head: Head, *, class_weight: Balance = "balanced"
    ) -> None:
        import scipy.optimize  # noqa: F401 - brings a BLAS of its own, which limits must hold
        from threadpoolctl import threadpool_limits

        self._temperature, self._C = head.temperature, head.C
        self._unit = normalized(features)
        with threadpool_limits(1):
            self._solver = Refitter(
                features, y, n_classes=len(head.bias), class_weight=class_weight
            )
            self._all = np.arange(len(self._solver.y))
            first = self._solver.start(
                head.weight.astype(np.float64) * head.temperature,
                head.bias.astype(np.float64) * head.temperature,
            )
            self._whole = self._solve(self._all, first)

    def speakers(
        self, picture: ArrayLike, label: int, *, count: int = 3, candidates: int = 6
    ) -> Speakers:
        """Who speaks for and against the class number `label` of a picture of features (D,).

        `candidates` nearest pictures of the class and as many of the others are left out, each
        alone; at most `count` a side are told, those that move the probability most.
        """
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            turned = self._solver.turn(np.atleast_2d(np.asarray(picture)))
            before = self._probability(self._whole, turned, label)
            cosines = self._unit @ normalized(picture)[0]
            found = [
                Speaker(
                    row,
                    int(self._solver.y[row]),
                    round(float(cosines[row]), 6),
                    self._probability(self._without(row), turned, label),
                )
                for row in self._nearest(cosines, label, candidates)
            ]
        found.sort(key=lambda one: (-abs(before - one.without), one.row))
        pro = [one for one in found if before - one.without > _SILENT]
        against = [one for one in found if one.without - before > _SILENT]
        return Speakers(label, before, tuple(pro[:count]), tuple(against[:count]))

    def without(self, row: int, pictures: ArrayLike) -> NDArray[np.float64]:
        """Probabilities (m, C) of raw features (m, D) of a head fitted without one row."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            solved = self._without(row)
            return self._chances(solved, self._solver.turn(np.atleast_2d(np.asarray(pictures))))

    def chances(self, pictures: ArrayLike) -> NDArray[np.float64]:
        """Probabilities (m, C) of raw features (m, D) of a head fitted to all rows as closely."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            turned = self._solver.turn(np.atleast_2d(np.asarray(pictures)))
            return self._chances(self._whole, turned)

    def _nearest(self, cosines: NDArray[np.float32], label: int, candidates: int) -> list[int]:
        order = np.lexsort((self._all, -cosines))
        own = self._solver.y[order] == label
        return [*order[own][:candidates].tolist(), *order[~own][:candidates].tolist()]

    def _without(self, row: int) -> Solution:
        return self._solve(np.delete(self._all, row), (self._whole.weight, self._whole.bias))

    def _solve(
        self, rows: NDArray[np.int64], start: tuple[NDArray[np.float64], NDArray[np.float64]]
    ) -> Solution:
        return self._solver.solve(
            rows, self._C, start=start, tolerance=_CLOSE / max(1, len(self._all))
        )

    def _chances(self, solved: Solution, turned: NDArray[np.float64]) -> NDArray[np.float64]:
        return softmax((turned @ solved.weight.T + solved.bias) / self._temperature)

    def _probability(self, solved: Solution, turned: NDArray[np.float64], label: int) -> float:
        return round(float(self._chances(solved, turned)[0, label]), 6)


def speakers(
    features: ArrayLike,
    y: ArrayLike,
    head: Head,
    picture: ArrayLike,
    label: int,
    *,
    class_weight: Balance = "balanced",
    count: int = 3,
) -> Speakers:
    """`Influence(features, y, head).speakers(picture, label)`, for one picture."""
    influence = Influence(features, y, head, class_weight=class_weight)
    return influence.speakers(picture, label, count=count)
