"""How well a learning curve foretells the accuracy with twice the pictures.

In each trial some pictures are drawn, groups of near duplicates whole; the curve sees them alone.
The truth: a head fitted to twice as many, asked about all the others. The interval is the one for
a test on so many pictures. Trials go in turn through three sets and several sizes.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import main, need, spread
from benchmarks.beside import chains
from benchmarks.beside.featured import Featured, featured

#: Set, and training pictures of a trial.
SETS = (
    ("trashnet_100", (100, 150, 200)),
    ("caltech101_10", (150, 300, 600)),
    ("grocery_10", (150, 300)),
)
TRIALS = 50
#: What the interval says of itself.
LEVEL = 0.90


@dataclass(frozen=True)
class _Drawn:
    """Rows of the pictures there are, of twice as many, and of those that judge."""

    small: NDArray[np.int64]
    double: NDArray[np.int64]
    rest: NDArray[np.int64]


def run(data: Path, small: bool) -> dict[str, Any]:
    rows = chains.Rows("learning_curve", small)
    with tempfile.TemporaryDirectory() as temporary:
        places = _places(3, SETS[:1], (72,)) if small else _places(TRIALS, SETS, None)
        sets: dict[str, Featured] = {}
        trials = []
        for name, n, number in places:

            def measure(name: str = name, n: int = n, number: int = number) -> dict[str, Any]:
                if name not in sets:
                    folder = need(data / name)
                    if small:
                        folder = chains.few(folder, Path(temporary) / name, 40)
                    sets[name] = featured(folder, Path(temporary) / "home")
                return _trial(sets[name], n, number)

            trials.append(rows.get(f"{name}, {n}, {number}", measure) | {"set": name})
    return _figures(trials)


def _places(trials: int, sets: Any, sizes: tuple[int, ...] | None) -> list[tuple[str, int, int]]:
    """(set, training pictures, number) of each trial, sets and sizes in turn."""
    kinds = [(name, n) for name, own in sets for n in (sizes or own)]
    return [(*kinds[number % len(kinds)], number) for number in range(trials)]


def _trial(given: Featured, n: int, number: int) -> dict[str, Any]:
    from threadpoolctl import threadpool_limits

    from tellapart.learn import curve, head

    drawn = _draw(given, n, number)
    x, y, groups, classes = given.x, given.y, given.groups, given.classes
    with threadpool_limits(1):
        found = curve.fit(x[drawn.small], y[drawn.small], groups[drawn.small], classes, seed=number)
        model = head.fit(
            x[drawn.double],
            y[drawn.double],
            n_classes=len(classes),
            seed=number,
            groups=groups[drawn.double],
        )
    right = model.logits(x[drawn.rest]).argmax(axis=1) == y[drawn.rest]
    truth, factor = float(right.mean()), len(drawn.double) / len(drawn.small)
    told = found.at(factor, tested=len(right))
    return {
        "n": len(drawn.small),
        "double": len(drawn.double),
        "tested": len(right),
        "now": found.now.accuracy,
        "foretold": told.accuracy,
        "low": told.low,
        "high": told.high,
        "truth": round(truth, 6),
        "held": told.low <= truth <= told.high,
        "off": round(abs(told.accuracy - truth), 6),
        # What one would say without a curve: that it stays as it is.
        "off_without": round(abs(found.now.accuracy - truth), 6),
    }


def _draw(given: Featured, n: int, number: int) -> _Drawn:
    """Groups in a random order; drawn again where a class has too few for a curve."""
    teams = np.unique(given.groups, return_inverse=True)[1]
    for attempt in range(100):
        rng = np.random.default_rng([number, n, attempt])
        rank = rng.permutation(teams.max() + 1)[teams]
        order = np.argsort(rank, kind="stable")
        # Cut between groups only.
        ends = np.flatnonzero(np.append(np.diff(rank[order]) != 0, True)) + 1
        first, second = (int(ends[np.searchsorted(ends, size)]) for size in (n, 2 * n))
        found = _Drawn(order[:first], order[:second], order[second:])
        apart = [
            len(np.unique(teams[found.small][given.y[found.small] == label]))
            for label in range(len(given.classes))
        ]
        if min(apart) >= 5:  # a fold each
            return found
    raise RuntimeError(f"no {n} pictures with five of each class")


def _figures(trials: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(dict.fromkeys(trial["set"] for trial in trials))
    return {
        "trials": len(trials),
        "interval": LEVEL,
        "held": _share(trials),
        "held_by_set": {name: _share([t for t in trials if t["set"] == name]) for name in names},
        "width_points": spread([100 * (t["high"] - t["low"]) for t in trials]),
        "off_points": spread([100 * t["off"] for t in trials]),
        "off_points_mean": round(100 * float(np.mean([t["off"] for t in trials])), 2),
        "off_points_mean_if_nothing_changed": round(
            100 * float(np.mean([t["off_without"] for t in trials])), 2
        ),
        "each": trials,
    }


def _share(trials: list[dict[str, Any]]) -> float:
    return round(sum(trial["held"] for trial in trials) / len(trials), 4)


if __name__ == "__main__":
    main(run)
