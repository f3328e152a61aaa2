"""Sex and age of portraits, and whether P(age < 50) behaves as the stated error says.

The error is found on every other portrait and checked on the rest; the halves are then drawn again
by chance. No data here shows that anybody under 18 is estimated right: see docs/people.md.
"""

from __future__ import annotations

import csv
import math
import statistics
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import Skipped, main, need, spread
from benchmarks.faces_count import opened, reader
from tellapart.bundle.face import cut
from tellapart.learn.faces.age_sex import KNOWN, MARGIN, SIDE, AgeSex
from tellapart.learn.faces.errors import calibrated
from tellapart.learn.metrics import wilson

_LIMIT = 50
_BINS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0)
_DRAWS = 100


@dataclass(frozen=True)
class _People:
    said: NDArray[np.float64]
    age: NDArray[np.float64]
    male_said: NDArray[np.bool_]
    male: NDArray[np.bool_]


def run(data: Path, small: bool) -> dict[str, Any]:
    file = data / "face_models/age_sex_112.onnx"
    if not file.is_file():
        raise Skipped("the model of ages and sexes is not here: set TELLAPART_TEST_DATA")
    people = _look(data, AgeSex(file.read_bytes()), 8 if small else 1)
    first, second = slice(0, None, 2), slice(1, None, 2)
    right = int((people.male_said == people.male).sum())
    n = len(people.age)
    shuffled = np.random.default_rng(0)
    draws = [_draw(people, shuffled.permutation(n)) for _ in range(5 if small else _DRAWS)]
    (stated,) = KNOWN.values()
    errors = people.age - people.said
    return {
        "people": {"all": n, "men": int(people.male.sum()), "youngest": int(people.age.min())},
        "sex": {
            "right": right,
            "share": round(right / n, 4),
            "interval": [round(bound, 4) for bound in wilson(right, n)],
        },
        "age": {
            "bias": round(float(errors.mean()), 2),
            "sd": round(float(errors.std()), 2),
            "correlation": round(float(np.corrcoef(people.said, people.age)[0, 1]), 3),
            "stated_in_the_program": {"bias": stated.bias, "error": stated.error},
        },
        "age_below_50": _checked(people, np.arange(n)[first], np.arange(n)[second]),
        "age_below_50_halves_by_chance": {
            name: spread([draw[name] for draw in draws]) for name in draws[0]
        },
        "clearly_adult": {
            "of_these_adults": int(sum(stated.estimate(s).clearly_adult for s in people.said)),
            "all": n,
        },
    }


def _look(data: Path, model: AgeSex, step: int) -> _People:
    look, folder = reader(data), need(data / "congress_faces")
    with (folder / "labels.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file"])[::step]
    said, males = [], []
    for row in rows:
        image = opened(folder / "img" / row["file"])
        face = cut(image, look.find(image)[0], SIDE, MARGIN)
        ((age, sex),) = model.estimate(face[None])
        said.append(age.years)
        males.append(sex is not None and sex.sex == "male")
    return _People(
        np.array(said),
        np.array([float(row["age_2013"]) for row in rows]),
        np.array(males),
        np.array([row["sex"] == "M" for row in rows]),
    )


def _chances(people: _People, fit: NDArray[np.int64], rows: NDArray[np.int64]) -> Any:
    errors = calibrated(people.said[fit].tolist(), people.age[fit].tolist())
    estimates = [errors.estimate(s) for s in people.said[rows]]
    chance = np.array([one.under(_LIMIT) for one in estimates])
    off = np.abs(people.age[rows] - np.array([one.likely for one in estimates])) / errors.error
    return errors, chance, off


def _checked(people: _People, fit: NDArray[np.int64], rows: NDArray[np.int64]) -> dict[str, Any]:
    """What was stated on `fit`, and how it holds on `rows`."""
    errors, chance, off = _chances(people, fit, rows)
    under = people.age[rows] < _LIMIT
    bins = []
    for low, high in pairwise(_BINS):
        here = (chance >= low) & (chance < high if high < 1 else chance <= 1)
        if here.any():
            room = 1.96 * math.sqrt(float((chance[here] * (1 - chance[here])).sum()))
            bins.append(
                {
                    "from": low,
                    "n": int(here.sum()),
                    "said": round(float(chance[here].mean()), 3),
                    "were": round(float(under[here].mean()), 3),
                    "within_chance": bool(
                        abs(float(chance[here].sum()) - int(under[here].sum())) <= room + 0.5
                    ),
                }
            )
    return {
        "calibrated_on": len(fit),
        "checked_on": len(rows),
        "bias": round(errors.bias, 2),
        "slope": round(errors.slope, 3),
        "error": round(errors.error, 2),
        "within_one_error": round(float((off <= 1).mean()), 3),
        "within_two_errors": round(float((off <= 2).mean()), 3),
        "said_below": round(float(chance.mean()), 3),
        "were_below": round(float(under.mean()), 3),
        "brier": round(float(((chance - under) ** 2).mean()), 4),
        "brier_of_the_share": round(float(under.mean() * (1 - under.mean())), 4),
        "bins": bins,
    }


def _draw(people: _People, order: NDArray[np.int64]) -> dict[str, float]:
    half = len(order) // 2
    found = _checked(people, order[:half], order[half:])
    gaps = [abs(one["said"] - one["were"]) * one["n"] for one in found["bins"]]
    return {
        "within_one_error": found["within_one_error"],
        "within_two_errors": found["within_two_errors"],
        "said_minus_were": round(found["said_below"] - found["were_below"], 3),
        "calibration_error": round(sum(gaps) / found["checked_on"], 4),
        "bins_within_chance": statistics.mean(one["within_chance"] for one in found["bins"]),
    }


if __name__ == "__main__":
    main(run)
