"""How well a learning curve foretells the accuracy with twice the pictures.

In each trial some pictures are drawn, groups of near duplicates whole; the curve sees them alone,
with the C that the head fitted to them has, as in a project. The truth: a head fitted to twice as
many, asked about all the others. Two intervals are held against it: the one that the report shows,
which is of the accuracy on ever more new pictures, and the wider one of what a test on just so many
would say, which is what is measured. Trials go in turn through three sets and several sizes, which
had a part in making the method: on others it may hold less often.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
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
    small, double = (
        partial(head.fit, x[rows], y[rows], n_classes=len(classes), groups=groups[rows])
        for rows in (drawn.small, drawn.double)
    )
    with threadpool_limits(1):
        found = curve.fit(
            x[drawn.small],
            y[drawn.small],
            groups[drawn.small],
            classes,
            seed=number,
            C=small(seed=number).C,
        )
        model = double(seed=number)
    right = model.logits(x[drawn.rest]).argmax(axis=1) == y[drawn.rest]
    truth, factor = float(right.mean()), len(drawn.double) / len(drawn.small)
    shown, told = found.at(factor), found.at(factor, tested=len(right))
    return {
        "n": len(drawn.small),
        "double": len(drawn.double),
        "tested": len(right),
        "now": found.now.accuracy,
        "foretold": told.accuracy,
        "shown": [shown.low, shown.high],
        "tested_interval": [told.low, told.high],
        "truth": round(truth, 6),
        "held_as_shown": shown.low <= truth <= shown.high,
        "held_as_tested": told.low <= truth <= told.high,
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
        **{
            f"{which}_by_set": {
                name: _share([t for t in trials if t["set"] == name], which) for name in names
            }
            for which in ("held_as_shown", "held_as_tested")
        },
        "held_as_shown": _share(trials, "held_as_shown"),
        "held_as_tested": _share(trials, "held_as_tested"),
        "width_points_as_shown": spread([_width(t["shown"]) for t in trials]),
        "width_points_as_tested": spread([_width(t["tested_interval"]) for t in trials]),
        "off_points": spread([100 * t["off"] for t in trials]),
        "off_points_mean": round(100 * float(np.mean([t["off"] for t in trials])), 2),
        "off_points_mean_if_nothing_changed": round(
            100 * float(np.mean([t["off_without"] for t in trials])), 2
        ),
        "each": trials,
    }


def _share(trials: list[dict[str, Any]], which: str) -> float:
    return round(sum(bool(trial[which]) for trial in trials) / len(trials), 4)


def _width(interval: list[float]) -> float:
    """In points."""
    return 100 * (interval[1] - interval[0])


if __name__ == "__main__":
    main(run)
