"""Shortcuts: classes that something beside the point gives away.

A small decision tree is fitted to one cue alone (file size, border, …), a class against the others,
and asked about pictures it has not seen; scenes and near duplicates stay together. Chance is one
half of balanced accuracy. Warned of is only what holds for nearly all of a class, far beyond luck
and after correction for all classes and cues tried: things differ in size and ground by nature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

#: What a class is given away by from here on: balanced accuracy, its interval's lower end, and the
#: corrected chance of it.
_ACCURACY, _LEAST, _CHANCE = 0.85, 0.75, 0.01
#: Fewest pictures of a class, in as many groups, that say something.
FEWEST = 16
#: The tree.
_DEPTH, _LEAF = 3, 0.05
_FOLDS = 5
#: Of each class, and of all others together, so many are looked at.
MOST_OWN, MOST_OTHERS = 400, 1600
_Z = 1.959963984540054


@dataclass(frozen=True)
class Cue:
    """One thing beside the point, in numbers (n, d)."""

    name: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """How well one cue tells one class."""

    label: str
    cue: str
    accuracy: float
    low: float
    high: float
    #: Corrected for all that was tried.
    p: float
    inside: float
    outside: float
    #: Rows that were looked at, and whether the cue takes them for the class.
    rows: NDArray[np.int64]
    taken: NDArray[np.bool_]

    @property
    def gives_away(self) -> bool:
        """Whether it is worth a warning."""
        return self.accuracy >= _ACCURACY and self.low >= _LEAST and self.p <= _CHANCE


def search(labels: Sequence[str], groups: Sequence[str], cues: Sequence[Cue]) -> list[Found]:
    """Every cue tried on every class of at least 16 pictures (in as many groups).

    `labels` and `groups` (n,) in an order that depends on the pictures' content alone.
    """
    from threadpoolctl import threadpool_limits

    kinds = np.asarray(labels)
    teams = np.unique(np.asarray(groups), return_inverse=True)[1]
    found = []
    with threadpool_limits(1):
        for label in sorted(set(labels)):
            own = kinds == label
            if min(_witnesses(teams[own]), _witnesses(teams[~own])) < FEWEST:
                continue
            rows = _chosen(own)
            for cue in cues:
                values = cue.values[rows]
                if len(np.unique(values, axis=0)) < 2:
                    continue  # the same everywhere: it tells nothing
                found.append(_tried(label, cue.name, values, own[rows], teams[rows], rows))
    return [_corrected(one, len(found)) for one in found]


def _witnesses(teams: NDArray[np.int64]) -> int:
    return len(np.unique(teams))


def _chosen(own: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of the class and of the others, spread evenly, few enough."""
    parts = []
    for rows, most in ((np.flatnonzero(own), MOST_OWN), (np.flatnonzero(~own), MOST_OTHERS)):
        few = rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]
        parts.append(few)
    return np.sort(np.concatenate(parts)).astype(np.int64)


def _tried(
    label: str,
    cue: str,
    values: NDArray[np.float64],
    own: NDArray[np.bool_],
    teams: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> Found:
    from scipy.stats import norm

    taken = _held_out(values, own, teams)
    inside, outside = float(taken[own].mean()), float(taken[~own].mean())
    accuracy = (inside + 1 - outside) / 2
    # Pictures of one scene are one witness.
    n, m = _witnesses(teams[own]), _witnesses(teams[~own])
    spread = np.sqrt(_variance(inside, n) + _variance(outside, m)) / 2
    by_luck = np.sqrt(0.25 / n + 0.25 / m) / 2
    return Found(
        label=label,
        cue=cue,
        accuracy=accuracy,
        low=max(0.0, accuracy - _Z * spread),
        high=min(1.0, accuracy + _Z * spread),
        p=float(norm.sf((accuracy - 0.5) / by_luck)),
        inside=inside,
        outside=outside,
        rows=rows,
        taken=taken,
    )


def _variance(share: float, n: int) -> float:
    """Of a share among `n`; never zero (Agresti and Coull's two more of each kind)."""
    adjusted = (share * n + 2) / (n + 4)
    return adjusted * (1 - adjusted) / (n + 4)


def _held_out(
    values: NDArray[np.float64], own: NDArray[np.bool_], teams: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows the cue takes for the class, each told by a tree that had not seen it."""
    from sklearn import config_context
    from sklearn.tree import DecisionTreeClassifier

    from tellapart.learn import head

    folds = head.folds(own.astype(np.int64), teams, _FOLDS, 0)
    taken = np.zeros(len(own), bool)
    leaf = max(4, int(_LEAF * int(own.sum())))
    for fold in np.unique(folds).tolist():
        held = folds == fold
        if len(np.unique(own[~held])) < 2:
            continue
        tree = DecisionTreeClassifier(
            max_depth=_DEPTH, min_samples_leaf=leaf, class_weight="balanced", random_state=0
        )
        # Its checks take longer than it does.
        with config_context(assume_finite=True, skip_parameter_validation=True):
            taken[held] = tree.fit(values[~held], own[~held]).predict(values[held])
    return taken


def _corrected(found: Found, tried: int) -> Found:
    return replace(found, p=min(1.0, tried * found.p))


def one_hot(words: Sequence[str], most: int = 20) -> NDArray[np.float64]:
    """Words as columns, the most common ones; the others share the zeros."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    chosen = sorted(counts, key=lambda word: (-counts[word], word))[:most]
    place = {word: i for i, word in enumerate(chosen)}
    out = np.zeros((len(words), max(1, len(chosen))))
    for row, word in enumerate(words):
        if word in place:
            out[row, place[word]] = 1.0
    return out


def cues(
    figures: Sequence[Mapping[str, float]],
    around: Sequence[Mapping[str, float]],
    sources: Sequence[str],
) -> list[Cue]:
    """The cues of pictures, by the analyzers' `figures` and those `around`; all (n,)."""

    def column(table: Sequence[Mapping[str, float]], *names: str) -> NDArray[np.float64]:
        return np.array([[float(one[name]) for name in names] for one in table], np.float64)

    size = np.maximum(1.0, column(figures, "width", "height"))
    pixels = size.prod(axis=1, keepdims=True)
    weight = np.maximum(1.0, column(figures, "bytes"))
    return [
        Cue("file_size", np.hstack([np.log(weight), np.log(weight / pixels)])),
        Cue("picture_size", np.hstack([size, size[:, :1] / size[:, 1:]])),
        Cue("border", column(around, "left", "right", "top", "bottom")),
        Cue("background", column(around, "ring_r", "ring_g", "ring_b", "ring_spread")),
        *([Cue("source", one_hot(sources))] if len(set(sources)) > 1 else []),
    ]
