"""Accuracy slice by slice, each class compared with itself.

A slice of hard classes is not weak for that: what counts is how much worse its pictures are told
than others of the same classes. Tested by Mantel and Haenszel's statistic over the classes (JNCI
22, 1959), one-sided, corrected for the number of slices by Holm's method.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.metrics import wilson
from tellapart.learn.workbench.shapes import Slice

#: Fewer pictures say nothing.
FEWEST = 10
#: Weak: at most this chance of such a gap by luck, and a gap worth speaking of.
_CHANCE, _GAP = 0.05, 0.03
_SHOWN = 12


@dataclass(frozen=True)
class Told:
    """Pictures and whether they were told right, in one order."""

    ids: Sequence[str]
    labels: Sequence[str]
    right: NDArray[np.bool_]
    #: Pictures of one group are one witness: near duplicates, scenes.
    groups: Sequence[str]


@dataclass(frozen=True)
class Cut:
    """Which pictures (n,) belong to a slice."""

    kind: str
    name: str
    rule: str
    mask: NDArray[np.bool_]


def measure(told: Told, cuts: Sequence[Cut]) -> tuple[Slice, ...]:
    """The slices of at least 10 pictures, of which as many are outside: the weak ones first."""
    names, y = np.unique(np.asarray(told.labels), return_inverse=True)
    counted = [cut for cut in cuts if FEWEST <= int(cut.mask.sum()) <= len(cut.mask) - FEWEST]
    chances = holm([_chance(told, y, cut.mask) for cut in counted])
    found = [
        _slice(told, names.tolist(), y, cut, p) for cut, p in zip(counted, chances, strict=True)
    ]
    return tuple(
        sorted(found, key=lambda one: (not one.weak, round(one.accuracy - one.expected, 4)))
    )


def holm(chances: Sequence[float]) -> list[float]:
    """Chances corrected for their number (S. Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(np.asarray(chances, np.float64), kind="stable").tolist()
    corrected, most = [1.0] * len(order), 0.0
    for place, i in enumerate(order):
        most = max(most, min(1.0, (len(order) - place) * chances[i]))
        corrected[i] = most
    return corrected


def _slice(told: Told, names: Sequence[str], y: NDArray[np.int64], cut: Cut, p: float) -> Slice:
    n, correct = int(cut.mask.sum()), int(told.right[cut.mask].sum())
    low, high = wilson(correct, n)
    expected = _expected(told.right, y, cut.mask)
    accuracy = correct / n
    wrong = np.flatnonzero(cut.mask & ~told.right)[:_SHOWN]
    return Slice(
        kind=cut.kind,
        name=cut.name,
        rule=cut.rule,
        n=n,
        correct=correct,
        accuracy=round(accuracy, 4),
        low=low,
        high=high,
        expected=round(expected, 4),
        p=float(f"{p:.3g}"),
        weak=p <= _CHANCE and expected - accuracy >= _GAP,
        classes=dict(sorted(Counter(names[i] for i in y[cut.mask].tolist()).items())),
        wrong=tuple(told.ids[i] for i in wrong.tolist()),
    )


def _expected(right: NDArray[np.bool_], y: NDArray[np.int64], mask: NDArray[np.bool_]) -> float:
    """The slice's accuracy, were each of its classes told as outside of it."""
    everywhere = float(right[~mask].mean())
    total = 0.0
    for number in np.unique(y[mask]).tolist():
        own = y == number
        outside = own & ~mask
        share = float(right[outside].mean()) if outside.any() else everywhere
        total += share * int((own & mask).sum())
    return total / int(mask.sum())


def _chance(told: Told, y: NDArray[np.int64], mask: NDArray[np.bool_]) -> float:
    """Chance that a slice of these classes is told so badly by luck."""
    from scipy.stats import norm

    gap, variance = 0.0, 0.0
    for number in np.unique(y[mask]).tolist():
        own = y == number
        total, inside = int(own.sum()), int((own & mask).sum())
        hits = int(told.right[own].sum())
        if total < 2:
            continue
        gap += int((told.right & own & mask).sum()) - inside * hits / total
        variance += (
            inside * (total - inside) * hits * (total - hits) / (total * total * (total - 1))
        )
    if variance <= 0:
        return 1.0
    # Alike pictures are told alike: they count as the groups that they are.
    together = len({(told.groups[i]) for i in np.flatnonzero(mask).tolist()}) / int(mask.sum())
    return float(norm.cdf((gap + 0.5) / np.sqrt(variance) * np.sqrt(together)))
