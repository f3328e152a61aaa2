""" "None of these": how many foreign pictures are refused, at what cost in own ones.

Far-foreign: the head knows trash or groceries and is shown caltech101_10. Near-foreign: it knows
every second class of a set and is shown the others. Each with the threshold as training sets it,
and as a ranking (AUROC) beside the alternatives. Splits are grouped by scene.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import main
from benchmarks.beside.photographs import Photographs, load
from tellapart.learn import familiarity, head, nearness, similarity
from tellapart.learn.metrics import auc
from tellapart.recipe.schema import Split, Train

Rows = NDArray[np.float32]
_ASKED = Train()


def run(data: Path, small: bool) -> dict[str, Any]:
    draws, each = (1, 40) if small else (10, None)
    trash, things, food = (
        load(data / name, each) for name in ("trashnet_100", "caltech101_10", "grocery_10")
    )
    foreign = things.features
    train, held, test = (food.only(food.splits == part) for part in ("train", "val", "test"))
    figures = {
        "trashnet_100, far-foreign": [_drawn(trash, foreign, seed) for seed in range(draws)],
        "grocery_10 (official split), far-foreign": [_measure(train, held, test, foreign)],
    }
    for name, photos in (("caltech101_10", things), ("trashnet_100", trash)):
        halves = [_halved(photos, seed) for seed in range(draws)]
        figures[f"{name}, near-foreign: every second class"] = [
            _drawn(own, others, seed) for seed, (own, others) in enumerate(halves)
        ]
    return {
        "settings": {"refuse": _ASKED.refuse, "neighbours": _ASKED.neighbours, "bank": _ASKED.bank},
        **{name: _mean(parts) for name, parts in figures.items()},
    }


def _halved(photos: Photographs, seed: int) -> tuple[Photographs, Rows]:
    own = photos.y % 2 == seed % 2
    return photos.only(own), photos.features[~own]


def _drawn(photos: Photographs, foreign: Rows, seed: int) -> dict[str, float]:
    """70/10/20, by scene."""
    folds = head.folds(photos.y, _scenes(photos), 10, seed)
    train, held, test = (photos.only(part) for part in (folds > 2, folds == 2, folds < 2))
    return _measure(train, held, test, foreign)


def _scenes(photos: Photographs) -> NDArray[np.int64]:
    pairs = nearness.scenes(photos.features, float(Split().scene_cosine))
    return similarity.groups(len(photos.y), pairs.rows)


def _measure(
    train: Photographs, held: Photographs, test: Photographs, foreign: Rows
) -> dict[str, float]:
    bank, least = familiarity.settle(
        train.features,
        train.y,
        _scenes(train),
        held.features,
        size=_ASKED.bank,
        k=_ASKED.neighbours,
        refuse=_ASKED.refuse,
        seed=0,
    )
    fitted = head.fit(train.features, train.y, n_classes=len(train.classes))
    middle = train.features.mean(axis=0)
    centered = familiarity.build_bank(train.features - middle, train.y, _ASKED.bank, 0)
    k = _ASKED.neighbours
    ways: dict[str, Callable[[Rows], NDArray[np.float64]]] = {
        "familiarity": lambda rows: familiarity.score(rows, bank, k),
        "centered features": lambda rows: familiarity.score(rows - middle, centered, k),
        "largest probability": lambda rows: fitted.probabilities(rows).max(axis=1),
        "largest logit": lambda rows: fitted.logits(rows).max(axis=1),
    }
    kind = np.r_[np.ones(len(test.y)), np.zeros(len(foreign))]
    known = ways["familiarity"]
    return {
        "own test pictures refused": float((known(test.features) < least).mean()),
        "foreign pictures refused": float((known(foreign) < least).mean()),
        **{
            f"AUROC, {name}": auc(np.r_[way(test.features), way(foreign)], kind)
            for name, way in ways.items()
        },
    }


def _mean(parts: list[dict[str, float]]) -> dict[str, float]:
    means = {name: round(mean(part[name] for part in parts), 4) for name in parts[0]}
    worst = max(part["own test pictures refused"] for part in parts)
    return {**means, "own refused, worst draw": round(worst, 4), "draws": len(parts)}


if __name__ == "__main__":
    main(run)
