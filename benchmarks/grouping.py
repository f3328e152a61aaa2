"""Where is the line between another picture and the same scene?

The cosine is set on caltech101_10 and trashnet_100: the lowest, in steps of .01, at which no
group holds more than a tenth of its class. Then it is fixed and looked at on grocery_10, whose
train part is full of near duplicates: accuracy by 5-fold cross-validation within the official
train part, naive and grouped, against the accuracy on the official test part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import main
from benchmarks.beside.photographs import Photographs, load
from tellapart.learn import head, nearness, similarity
from tellapart.learn.metrics import wilson
from tellapart.recipe.schema import Split

_LARGEST = 0.1
_COSINES = [round(0.98 - 0.01 * step, 2) for step in range(15)]
#: The head's penalty is held fixed: only the folds differ.
_STRENGTH = 10.0


def run(data: Path, small: bool) -> dict[str, Any]:
    draws, each = (1, 40) if small else (4, None)
    tuned = {name: load(data / name, each) for name in ("caltech101_10", "trashnet_100")}
    tables = {name: _table(photos, draws) for name, photos in tuned.items()}
    grocery = load(data / "grocery_10", each)
    train, test = grocery.only(grocery.splits == "train"), grocery.only(grocery.splits == "test")
    fitted = head.fit(train.features, train.y, n_classes=len(train.classes), C=_STRENGTH)
    right = int((fitted.probabilities(test.features).argmax(axis=1) == test.y).sum())
    official, naive = right / len(test.y), _accuracy(train, None, draws)
    cosine = float(Split().scene_cosine)
    grouped = _accuracy(train, _groups(train, cosine)[0], draws)
    return {
        "rule": f"largest share of a class in one group at most {_LARGEST}",
        "tuned on": tables,
        "cosine by the rule": _lowest(tables),
        "cosine in use": cosine,
        "grocery_10": {
            "official test": round(official, 4),
            "official test, 95 %": wilson(right, len(test.y)),
            "naive 5-fold within train": naive,
            "grouped 5-fold within train": grouped,
            "grouped is nearer": abs(grouped - official) < abs(naive - official),
            "by cosine": _table(train, draws),
        },
    }


def _lowest(tables: dict[str, list[dict[str, float]]]) -> float:
    found = _COSINES[0]
    for place, cosine in enumerate(_COSINES):
        if any(table[place]["largest share of a class"] > _LARGEST for table in tables.values()):
            break
        found = cosine
    return found


def _table(photos: Photographs, draws: int) -> list[dict[str, float]]:
    rows = []
    for cosine in _COSINES:
        groups, largest = _groups(photos, cosine, apart=False)
        row = {
            "cosine": cosine,
            "groups": len(np.unique(groups)),
            "pictures": len(groups),
            "largest share of a class": largest,
        }
        if largest <= 0.5:  # beyond, folds lack whole classes
            row["5-fold accuracy"] = _accuracy(photos, groups, draws)
        rows.append(row)
    return rows


def _groups(
    photos: Photographs, cosine: float, *, apart: bool = True
) -> tuple[NDArray[np.int64], float]:
    """Groups as the split makes them, and the largest share of a class that is in one of them.

    Without `apart`, groups that swallow a class are left as they are.
    """
    pairs = nearness.scenes(photos.features, cosine)
    links = pairs.rows
    if apart:
        names = [photos.classes[k] for k in photos.y]
        links, _ = nearness.scenes_apart(pairs, np.empty((0, 2), np.int64), names, cosine)
    groups = similarity.groups(len(photos.y), links)
    shares = [
        np.unique(groups[photos.y == k], return_counts=True)[1].max() / (photos.y == k).sum()
        for k in range(len(photos.classes))
    ]
    return groups, round(float(max(shares)), 4)


def _accuracy(photos: Photographs, groups: NDArray[np.int64] | None, draws: int) -> float:
    shares = []
    for seed in range(draws):
        fitted = head.fit(
            photos.features,
            photos.y,
            n_classes=len(photos.classes),
            seed=seed,
            C=_STRENGTH,
            groups=groups,
        )
        shares.append(fitted.tried[0][2])
    return round(float(np.mean(shares)), 4)


if __name__ == "__main__":
    main(run)
