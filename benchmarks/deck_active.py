"""Labels in the order the program asks for them against labels by chance, 20 people a stream.

A person likes some classes of a stream of real photographs (`beside.tastes`); 60 % of its
candidates may be labelled, the others are the test. Random order is drawn three times a person.
Told is how many labels in the chosen order reach what random order reaches with a given number:
on the mean curves of a stream, and person by person, with an exact sign test that the chosen order
needs at most half. One in five in the chosen order is drawn by chance and counted with the rest.
Beside it what the page shows on the way: the estimated accuracy with its 90 % interval against the
test, the labels saved against those saved really, and what stopping when it says so would cost.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import main, spread
from benchmarks.beside import chains, tastes
from tellapart.learn.taste import Labelled, Progress, Taste, fit, order, progress

STREAMS = ("mixed", "grocery_10", "trashnet_100")
#: Labels in random order whose accuracy is to be reached.
TARGETS = (50, 100, 150)
_STEP, _MOST, _SHOWN, _DRAWS = 5, 150, 20, 3


def run(data: Path, small: bool) -> dict[str, Any]:
    people, most, each = (3, 60, 25) if small else (20, _MOST, None)
    streams = ("mixed",) if small else STREAMS
    kept = chains.Rows("deck_active", small)
    figures: dict[str, Any] = {}
    for name in streams:
        shown = tastes.stream(data, name, each)
        rows = [
            kept.get(f"{name}, {seed}", partial(_person, shown, name, seed, most))
            for seed in range(people)
        ]
        figures[name] = _figures(rows, [target for target in TARGETS if target <= most])
    return figures


def _person(shown: tastes.Stream, name: str, seed: int, most: int) -> dict[str, Any]:
    person = tastes.person(shown, name, seed)
    n = len(person.likes) * 6 // 10
    pool, test = np.arange(n), np.arange(n, len(person.likes))
    random = []
    for draw in range(_DRAWS if most == _MOST else 1):
        drawn = np.random.default_rng((seed, draw)).permutation(n)
        random.append(_by_chance(person, drawn, test, most))
    chosen, told = _chosen(person, pool, test, most, seed)
    return {
        "pool": n,
        "liked": round(float(person.likes.mean()), 4),
        "labels": list(range(_STEP, most + 1, _STEP)),
        "chosen": chosen,
        "random": np.mean(random, axis=0).round(5).tolist(),
        "told": told,
    }


def _fitted(labelled: Labelled, last: Taste | None) -> Taste | None:
    return fit(labelled, start=last) if all(labelled.counts()) else None


def _by_chance(
    person: tastes.Person, drawn: NDArray[np.int64], test: NDArray[np.int64], most: int
) -> list[float]:
    taste, curve = None, []
    counts = range(2 * _STEP, most + 1, 2 * _STEP)
    for count in counts:
        taste = _fitted(person.labelled(drawn[:count]), taste)
        curve.append(person.right(taste, test))
    # Every second place is between two that were measured.
    return np.interp(range(_STEP, most + 1, _STEP), counts, curve).round(5).tolist()


def _chosen(
    person: tastes.Person, pool: NDArray[np.int64], test: NDArray[np.int64], most: int, seed: int
) -> tuple[list[float], list[dict[str, Any]]]:
    asked: list[int] = []
    chance: list[bool] = []
    taste: Taste | None = None
    labelled: Labelled | None = None
    curve, told = [], []
    waiting = person.pool(pool)
    while len(asked) < most:
        picks = order(waiting, labelled, taste, _STEP, seed=seed)
        asked += [int(pick.candidate) for pick in picks]
        chance += [pick.by_chance for pick in picks]
        labelled = person.labelled(np.array(asked), by_chance=np.array(chance))
        taste = _fitted(labelled, taste)
        curve.append(round(person.right(taste, test), 5))
        if len(asked) % _SHOWN == 0 and taste is not None:
            rest = np.setdiff1d(pool, asked)
            found = progress(person.pool(rest), labelled, taste, seed=seed)
            told.append(_told(found, person.right(taste, rest), curve[-1]))
    return curve, told


def _told(found: Progress, truth: float, tested: float) -> dict[str, Any]:
    return {**found.to_dict(), "truth": round(truth, 5), "test": tested}


def _figures(rows: list[dict[str, Any]], targets: list[int]) -> dict[str, Any]:
    labels = np.array(rows[0]["labels"])
    chosen = np.array([row["chosen"] for row in rows])
    random = np.array([row["random"] for row in rows])
    told = [one | {"row": row} for row in rows for one in row["told"]]
    shown = [at for at in range(len(labels)) if labels[at] in (10, 20, 30, 50, 75, 100, 150)]
    return {
        "people": len(rows),
        "candidates to choose from": rows[0]["pool"],
        "liked": round(mean(row["liked"] for row in rows), 3),
        "accuracy": {
            str(labels[at]): {
                "chosen": round(float(chosen[:, at].mean()), 4),
                "random": round(float(random[:, at].mean()), 4),
            }
            for at in shown
        },
        "reaches random order's": {
            str(target): _reaches(labels, chosen, random, target) for target in targets
        },
        "the page": _page(told, labels),
    }


def _reaches(
    labels: NDArray[np.int64],
    chosen: NDArray[np.float64],
    random: NDArray[np.float64],
    target: int,
) -> dict[str, Any]:
    """Labels in the chosen order for what random order has with `target`."""
    from scipy.stats import binomtest

    place = int(np.flatnonzero(labels == target)[0])
    needed = [
        _first(labels, curve, float(other[place]))
        for curve, other in zip(chosen, random, strict=True)
    ]
    least = _first(labels, chosen.mean(axis=0), float(random[:, place].mean()))
    half = sum(one is not None and 2 * one <= target for one in needed)
    shares = [1.0 if one is None else min(1.0, one / target) for one in needed]
    return {
        "labels, on the mean curves": least,
        "share, on the mean curves": None if least is None else round(least / target, 3),
        "share, person by person": spread(shares),
        "people with at most half": half,
        "p (exact sign test, one-sided)": round(
            binomtest(half, len(needed), 0.5, alternative="greater").pvalue, 5
        ),
    }


def _first(labels: NDArray[np.int64], curve: NDArray[np.float64], wanted: float) -> int | None:
    """The first number of labels from which on the curve's mean over three steps is there."""
    for at in range(len(labels)):
        ahead = curve[at : at + 3]
        if curve[at] >= wanted and float(np.mean(ahead)) >= wanted:
            return int(labels[at])
    return None


def _page(told: list[dict[str, Any]], labels: NDArray[np.int64]) -> dict[str, Any]:
    known = [one for one in told if one["accuracy"] is not None]
    if not known:
        return {}
    stops = {}
    for one in known:
        if one["stop"]:
            stops.setdefault(id(one["row"]), one)
    compared = [
        (one["saved"], really)
        for one in known
        if one["saved"] is not None and (really := _really(one, labels)) is not None
    ]
    return {
        "times asked": len(known),
        "accuracy on the test within the 90 % interval": round(
            mean(one["low"] <= one["test"] <= one["high"] for one in known), 3
        ),
        "those not labelled yet are easier by": round(
            mean(one["truth"] - one["test"] for one in known), 4
        ),
        "width of the interval": round(mean(one["high"] - one["low"] for one in known), 3),
        "estimate less accuracy on the test": round(
            mean(one["accuracy"] - one["test"] for one in known), 4
        ),
        "labels saved": {
            "told, median": median(told for told, _ in compared) if compared else None,
            "really, median": median(really for _, really in compared) if compared else None,
            "told no more than really": (
                round(mean(told <= really for told, really in compared), 3) if compared else None
            ),
            "compared": len(compared),
        },
        "stopping when told": {
            "people told": len(stops),
            "labels": spread([one["labels"] for one in stops.values()]) if stops else None,
            "accuracy lost against all labels": (
                round(mean(one["row"]["chosen"][-1] - one["test"] for one in stops.values()), 4)
                if stops
                else None
            ),
        },
    }


def _really(one: dict[str, Any], labels: NDArray[np.int64]) -> int | None:
    """Labels by chance for the same accuracy, less those given; None where more than measured."""
    curve = np.maximum.accumulate(np.array(one["row"]["random"]))
    reached = np.flatnonzero(curve >= one["test"])
    return max(0, int(labels[reached[0]]) - int(one["labels"])) if len(reached) else None


if __name__ == "__main__":
    main(run)
