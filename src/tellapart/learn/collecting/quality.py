"""How much of what a source brings does not show its class: by source, query and rank.

A few dozen pictures of one query say little, and the worst of many queries looks worse than it is.
So all are estimated together, by a logistic regression whose effects of class, source, query and
rank are drawn towards nought by as much as the pictures leave them undecided (a generalised linear
mixed model; Breslow and Clayton, JASA 88, 1993). How far the effects of one kind spread is learned
from the pictures too (Fellner, Technometrics 28, 1986; Schall, Biometrika 78, 1991), beside a
weak guess that decides where there are two or three of them. Intervals are Laplace's, widened by
how far the measurement of noise is off from set to set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Any)

#: Ranks on which `t`, the logarithm that noise is taken to grow by, rises by one: 0 to 20, to 60,
#: to 140, … A page or so.
_RANKS = 20
#: Before anything is seen: log odds of noise (about one picture in ten), how sure that is; how much
#: they rise by one step of `t`, and how sure that is.
_USUAL, _USUAL_SPREAD, _SLOPE, _SLOPE_SPREAD = -2.2, 1.5, 0.1, 0.3
#: Standard deviation guessed for the effects of one kind; as how many effects that guess counts.
_GUESSES = {"class": 0.5, "source": 0.8, "pair": 0.5, "rise": 0.15}
_COUNTS_AS = 2.0
#: So many classes are estimated together: the work grows with the cube of their number.
_CLASSES = 40
#: What is flagged is not what is noise: of noise a part is missed, of the rest a little is flagged,
#: more in one set than in another. Standard deviations of these two parts, by planted noise.
_MISSED, _FLAGGED = 0.1, 0.03
_ROUNDS, _STEPS, _ENOUGH = 40, 25, 1e-8
_Z90 = 1.6449
_DECIMALS = 4


@dataclass(frozen=True)
class Looked:
    """One picture that was looked at."""

    label: str
    source: str
    query: str
    #: Place among the query's hits, from 0.
    rank: int
    #: How probable it is, from 0 to 1, that it does not show its class.
    noise: float


@dataclass(frozen=True)
class Share:
    """A share of noise with its 90 % interval, and how many pictures were looked at for it."""

    share: float
    low: float
    high: float
    n: int = 0


class Quality:
    """The noise of sources, queries and ranks, as far as the pictures tell."""

    def __init__(self, looked: Sequence[Looked]) -> None:
        labels = sorted({one.label for one in looked})
        by_label: dict[str, list[Looked]] = {label: [] for label in labels}
        for one in looked:
            by_label[one.label].append(one)
        self._looked = by_label
        self._parts: list[_Part] = []
        self._part_of: dict[str, _Part] = {}
        for start in range(0, max(1, len(labels)), _CLASSES):
            chosen = labels[start : start + _CLASSES]
            part = _Part([one for label in chosen for one in by_label[label]])
            self._parts.append(part)
            self._part_of |= dict.fromkeys(chosen, part)

    def at(self, label: str, source: str, query: str, rank: int) -> Share:
        """What to expect of the picture at `rank`; also of a query not looked at yet."""
        part = self._part_of.get(label, self._parts[0])
        return part.mean([Looked(label, source, query, rank, 0.0)], counted=0)

    def among(self, first: int, until: int, label: str, source: str, query: str) -> Share:
        """What to expect, on average, of the pictures from rank `first` up to before `until`."""
        part = self._part_of.get(label, self._parts[0])
        ranks = np.unique(np.linspace(first, max(first, until - 1), 8).round().astype(int))
        return part.mean([Looked(label, source, query, r, 0.0) for r in ranks.tolist()], counted=0)

    def overall(self) -> Share:
        """Of all pictures looked at."""
        return self._of(list(self._everyone()))

    def by_source(self) -> dict[str, Share]:
        """Of the pictures looked at, by source."""
        return self._by(lambda one: one.source)

    def by_query(self) -> dict[tuple[str, str, str], Share]:
        """Of the pictures looked at, by class, source and query."""
        return self._by(lambda one: (one.label, one.source, one.query))

    def by_rank(self) -> dict[tuple[str, int], Share]:
        """Of the pictures looked at, by source and first rank of a stretch: 0, 20, 60, 140, …"""
        return self._by(lambda one: (one.source, first_rank(one.rank)))

    def _everyone(self) -> Iterator[Looked]:
        for looked in self._looked.values():
            yield from looked

    def _by(self, key: Callable[[Looked], K]) -> dict[K, Share]:
        groups: dict[K, list[Looked]] = {}
        for one in self._everyone():
            groups.setdefault(key(one), []).append(one)
        return {name: self._of(groups[name]) for name in sorted(groups)}

    def _of(self, looked: list[Looked]) -> Share:
        """Parts were estimated apart from each other, so their doubts add up as such."""
        shares, sizes = [], []
        for part in self._parts:
            own = [one for one in looked if self._part_of[one.label] is part]
            if own:
                shares.append(part.mean(own, counted=len(own)))
                sizes.append(len(own))
        if len(shares) <= 1:
            return shares[0] if shares else self._parts[0].mean([], counted=0)
        weights = np.array(sizes) / sum(sizes)
        middle = float(weights @ [one.share for one in shares])
        below = np.array([one.share - one.low for one in shares]) * weights
        above = np.array([one.high - one.share for one in shares]) * weights
        low, high = middle - np.sqrt((below**2).sum()), middle + np.sqrt((above**2).sum())
        return _share(middle, float(low), float(high), sum(sizes))


def first_rank(rank: int) -> int:
    """The first rank of the stretch that `rank` lies in: 0, 20, 60, 140, …"""
    step = int(np.floor(np.log2(1 + rank / _RANKS)))
    return int(_RANKS * (2**step - 1))


class _Part:
    """One regression."""

    def __init__(self, looked: Sequence[Looked]) -> None:
        self._columns: dict[tuple[str, ...], int] = {("all",): 0, ("t",): 1}
        self._kinds: list[str] = ["", ""]
        for one in looked:
            for name in _effects(one):
                if name not in self._columns:
                    self._columns[name] = len(self._columns)
                    self._kinds.append(name[0])
        self._center = np.zeros(len(self._columns))
        self._center[:2] = _USUAL, _SLOPE
        self._variances = {kind: guess**2 for kind, guess in _GUESSES.items()}
        cells: dict[tuple[str, str, str, int], list[float]] = {}
        for one in looked:
            place = (one.label, one.source, one.query, _band(one.rank))
            cell = cells.setdefault(place, [0.0, 0.0])
            cell[0] += min(1.0, max(0.0, one.noise))
            cell[1] += 1
        rows = [Looked(*place[:3], rank=place[3], noise=0.0) for place in sorted(cells)]
        self._fit(self._design(rows), np.array([cells[p] for p in sorted(cells)]).reshape(-1, 2))

    def _design(self, looked: Sequence[Looked]) -> NDArray[np.float64]:
        design = np.zeros((len(looked), len(self._columns)))
        for i, one in enumerate(looked):
            t = _t(one.rank)
            design[i, 0], design[i, 1] = 1.0, t
            for name in _effects(one):
                if name in self._columns:
                    design[i, self._columns[name]] = t if name[0] == "rise" else 1.0
        return design

    def _fit(self, design: NDArray[np.float64], counts: NDArray[np.float64]) -> None:
        noisy, all_ = counts[:, 0], counts[:, 1]
        kinds = np.array(self._kinds)
        self._at = self._center.copy()
        for _ in range(_ROUNDS):
            before = dict(self._variances)
            precision = np.array(
                [_USUAL_SPREAD**-2, _SLOPE_SPREAD**-2]
                + [1 / self._variances[kind] for kind in kinds[2:]]
            )
            for _ in range(_STEPS):
                chance = _logistic(design @ self._at)
                slope = design.T @ (noisy - all_ * chance) - precision * (self._at - self._center)
                weighed = design * (all_ * chance * (1 - chance))[:, None]
                bend = design.T @ weighed + np.diag(precision)
                step = np.linalg.solve(bend, slope)
                # Far steps overshoot where almost nothing or almost all is noise.
                step *= min(1.0, 4.0 / max(1e-12, float(np.abs(step).max())))
                self._at = self._at + step
                if float(np.abs(step).max()) < _ENOUGH:
                    break
            self._covariance = np.linalg.inv(bend)
            spread = self._at**2 + np.diag(self._covariance)
            for kind, guess in _GUESSES.items():
                mine = kinds == kind
                total = float(spread[mine].sum()) + _COUNTS_AS * guess**2
                self._variances[kind] = total / (int(mine.sum()) + _COUNTS_AS)
            if all(abs(self._variances[k] / before[k] - 1) < 1e-3 for k in before):
                break

    def mean(self, looked: Sequence[Looked], counted: int) -> Share:
        """The mean chance of noise of `looked`, each by its place alone."""
        if not looked:
            return _share(0.0, 0.0, 1.0, 0)
        cells: dict[tuple[str, str, str, int], int] = {}
        for one in looked:
            place = (one.label, one.source, one.query, one.rank)
            cells[place] = cells.get(place, 0) + 1
        rows = [Looked(*place, noise=0.0) for place in cells]
        weights = np.array(list(cells.values()), float) / len(looked)
        design = self._design(rows)
        # What was never seen has an effect of its own all the same: nobody knows which.
        unseen = np.zeros(len(rows))
        for i, one in enumerate(rows):
            for name in _effects(one):
                if name not in self._columns:
                    scale = _t(one.rank) ** 2 if name[0] == "rise" else 1.0
                    unseen[i] += self._variances[name[0]] * scale
        chance = _logistic(design @ self._at)
        share = float(weights @ chance)
        slopes = weights * chance * (1 - chance)
        along = design.T @ slopes
        variance = float(along @ self._covariance @ along + (slopes.sum() ** 2) * unseen.mean())
        variance += (share * _MISSED) ** 2 + ((1 - share) * _FLAGGED) ** 2
        # On the scale of log odds, where the doubt is about even on both sides.
        inner = max(1e-9, share * (1 - share))
        odds, spread = np.log(max(share, 1e-9) / max(1 - share, 1e-9)), np.sqrt(variance) / inner
        low, high = _logistic(np.array([odds - _Z90 * spread, odds + _Z90 * spread]))
        return _share(share, float(low), float(high), counted)


def _effects(one: Looked) -> tuple[tuple[str, ...], ...]:
    return (
        ("class", one.label),
        ("source", one.source),
        ("pair", one.label, one.source, one.query),
        ("rise", one.source),
    )


def _t(rank: int) -> float:
    return float(np.log2(1 + max(0, rank) / _RANKS))


def _band(rank: int) -> int:
    """The middle rank of a narrow band, so that there are few cells."""
    step = np.floor(4 * _t(rank)) / 4 + 0.125
    return round(float(_RANKS * (2**step - 1)))


def _logistic(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def _share(share: float, low: float, high: float, n: int) -> Share:
    inside = [round(min(1.0, max(0.0, value)), _DECIMALS) + 0.0 for value in (share, low, high)]
    return Share(inside[0], inside[1], inside[2], n)
