"""Is one model better than another beyond noise? A paired, grouped, one-sided test.

Both models have told the same pictures, none of which they learned from. Each picture gives one
difference of log losses; pictures of one group (near duplicates, one scene) are no independent
witnesses, so their differences are summed first. Were both models alike, each group's sum could
as well have had the other sign: the share of sign-flipped totals at or above the real one is the
p value (Fisher, The Design of Experiments, 1935; Edgington and Onghena, Randomization Tests,
2007). The flips are drawn from a fixed seed: the same answers give the same verdict.

Many rungs are tried, and each is one more chance to look better by luck. So the level is shared
out over all of a ladder's tests: the k-th gets `LEVEL` / (k (k + 1)), which add up to `LEVEL`
however many there are, and what a passed test had goes on to the next one (Wiens, "A fixed
sequence Bonferroni procedure for testing multiple endpoints", 2003). With that a ladder on which
nothing helps ends on its first rung 19 times in 20.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import InputError

#: How often chance alone may make any rung of a ladder replace a cheaper one.
LEVEL = 0.05
#: Share of pictures by which a cheaper model may be less often right and still count as equal.
SPARED = 0.005
#: Sign flips drawn; with fewer than `_ALL` groups every combination is counted instead.
_FLIPS, _ALL = 9_999, 13
#: For stricter levels so many more that about 20 are at or above them, and at most so many.
_ABOVE, _MOST_FLIPS = 20, 199_999
#: Flips at once: bounds memory to 512 × groups bytes.
_BLOCK = 512
#: Probabilities below are taken for this: one picture must not outweigh all others.
_LEAST = 1e-6
_SEED = 20_260_101


@dataclass(frozen=True)
class Verdict:
    """What the comparison of a new model with an old one gave."""

    #: Chance of a gain in log loss at least as large, were both alike.
    p: float
    #: Mean log loss of the old minus that of the new: above 0 the new is better.
    gain_log_loss: float
    #: Accuracy of the new minus that of the old, as a share.
    gain_accuracy: float
    #: Pictures and groups that were compared.
    n: int
    groups: int
    #: Whether the new is better beyond noise, and not less often right: surer alone does not pay
    #: for an answer that takes longer.
    replaces: bool
    #: What p had to be at most.
    level: float = LEVEL

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "p": round(self.p, 6),
            "level": round(self.level, 6),
            "gain_log_loss": round(self.gain_log_loss, 6),
            "gain": round(self.gain_accuracy, 6),
            "n": self.n,
            "groups": self.groups,
            "replaces": self.replaces,
        }


@dataclass(frozen=True)
class Sparing:
    """Whether a cheaper model is as good as a dearer one."""

    #: Chances of a gain of the dearer one as large, were both alike: in log loss, in right answers.
    p_log_loss: float
    p_accuracy: float
    #: Accuracy of the cheaper minus that of the dearer, as a share.
    gain_accuracy: float
    #: The dearer one would not replace the cheaper one, were it tried after it.
    equal: bool

    @property
    def p(self) -> float:
        """The smaller of both."""
        return min(self.p_log_loss, self.p_accuracy)


def level_after(passed: Sequence[bool]) -> float:
    """What p of a ladder's next test may be at most; `passed`: whether each so far was passed."""
    level = 0.0
    for k, before in enumerate([False, *passed], start=1):
        level = LEVEL / (k * (k + 1)) + (level if before else 0.0)
    return level


def better(
    new: ArrayLike,
    old: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | None,
    level: float = LEVEL,
) -> Verdict:
    """Compare calibrated probabilities `new` and `old` (n, C) of the same unseen rows.

    `y` (n,) are the true class numbers, `groups` (n,) names what belongs together (None: each row
    by itself). Rows that either could not be asked about (NaN) are left out. `level`: what p may be
    at most (`level_after` those before). Raises `InputError`
    where the shapes do not fit.
    """
    fresh, known, labels, teams = _checked(new, old, y, groups)
    if not len(labels):
        return Verdict(1.0, 0.0, 0.0, 0, 0, replaces=False, level=level)
    loss = _losses(known, labels) - _losses(fresh, labels)
    right = (fresh.argmax(axis=1) == labels).astype(np.float64)
    right -= (known.argmax(axis=1) == labels).astype(np.float64)
    sums = np.bincount(teams, loss).astype(np.float64)
    p = flipped(sums, _FLIPS)
    # A stricter level needs a finer p, where there is a chance that it is reached at all.
    if level < _ABOVE / _FLIPS and p < 2 * _ABOVE / _FLIPS:
        p = flipped(sums, min(_MOST_FLIPS, int(_ABOVE / level)))
    return Verdict(
        p=p,
        gain_log_loss=float(loss.mean()),
        gain_accuracy=float(right.mean()),
        n=len(labels),
        groups=len(sums),
        replaces=bool(p <= level and right.sum() >= 0),
        level=level,
    )


def spares(new: ArrayLike, old: ArrayLike, y: ArrayLike, groups: ArrayLike | None) -> Sparing:
    """Whether `new`, which costs less, is as good as `old`: arguments as of `better`.

    The ladder's own rule the other way round: the dearer one stays only where it is better beyond
    noise, in log loss or in right answers, each at `LEVEL` by itself, for here it is the dearer
    one that must not be lost. Few pictures show little, so that the cheaper one may be less often
    right on at most `SPARED` of them too. Raises `InputError` as `better` does.
    """
    fresh, known, labels, teams = _checked(new, old, y, groups)
    if not len(labels):
        return Sparing(1.0, 1.0, 0.0, equal=False)
    loss = _losses(fresh, labels) - _losses(known, labels)
    right = (known.argmax(axis=1) == labels).astype(np.float64)
    right -= (fresh.argmax(axis=1) == labels).astype(np.float64)
    ps = [flipped(np.bincount(teams, each).astype(np.float64), _FLIPS) for each in (loss, right)]
    lost = float(right.mean())
    return Sparing(ps[0], ps[1], -lost, equal=bool(min(ps) > LEVEL and lost <= SPARED))


def figures(probabilities: ArrayLike, y: ArrayLike) -> dict[str, Any]:
    """`n`, `accuracy` and `log_loss` of probabilities (n, C), rows of NaN left out."""
    chances = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(y, dtype=np.int64)
    seen = ~np.isnan(chances).any(axis=1)
    if not seen.any():
        return {"n": 0, "accuracy": None, "log_loss": None}
    chances, labels = chances[seen], labels[seen]
    return {
        "n": len(labels),
        "accuracy": round(float((chances.argmax(axis=1) == labels).mean()), 6),
        "log_loss": round(float(_losses(chances, labels).mean()), 6),
    }


def _losses(chances: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(-np.log(np.clip(chances[np.arange(len(y)), y], _LEAST, 1)))


def flipped(sums: NDArray[np.float64], flips: int = _FLIPS) -> float:
    """The share of `flips` totals of `sums` (G,), their signs drawn, at or above the real one.

    Groups that agree on everything carry no sign. The real signs count as one of the draws.
    """
    told = sums[np.abs(sums) > 0]
    least = told.sum() - 1e-9 * np.abs(told).sum()
    reached = drawn = 0
    for signs in _signs(len(told), flips):
        reached += int((signs @ told >= least).sum())
        drawn += len(signs)
    if len(told) < _ALL:  # all combinations, the real one among them
        return reached / drawn
    return (reached + 1) / (drawn + 1)


def _signs(groups: int, flips: int) -> Any:
    if groups < _ALL:
        codes = np.arange(2**groups)[:, None] >> np.arange(groups)
        yield 1.0 - 2.0 * (codes & 1)
        return
    source = np.random.default_rng(_SEED)
    for start in range(0, flips, _BLOCK):
        rows = min(_BLOCK, flips - start)
        yield 1.0 - 2.0 * source.integers(0, 2, (rows, groups), dtype=np.int8)


def _checked(
    new: ArrayLike, old: ArrayLike, y: ArrayLike, groups: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    fresh, known = np.asarray(new, dtype=np.float64), np.asarray(old, dtype=np.float64)
    labels = np.asarray(y, dtype=np.int64)
    teams = np.arange(len(labels)) if groups is None else np.asarray(groups)
    if fresh.ndim != 2 or fresh.shape != known.shape or not len(fresh) == len(labels) == len(teams):
        raise InputError(
            f"Probabilities of shapes {fresh.shape} and {known.shape} for {len(labels)} labels "
            f"and {len(teams)} groups.",
            expected="two tables of one shape, one row a label",
            do="Ask both models about the same pictures.",
        )
    seen = ~(np.isnan(fresh).any(axis=1) | np.isnan(known).any(axis=1))
    numbers = np.unique(teams[seen], return_inverse=True)[1]
    return fresh[seen], known[seen], labels[seen], np.asarray(numbers, dtype=np.int64)
