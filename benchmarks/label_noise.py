"""Wrong labels planted and found: 5 % of a set, moved to another class by chance.

Flags here are by the label's probability alone; the step also asks that another class be likelier
than not, so it flags fewer. Every flag is compared with what was planted. "Nothing planted" tells
what a clean set loses; some of those flags are right, for the sets themselves hold wrong labels.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import main
from benchmarks.beside.photographs import Photographs, load
from tellapart.learn import head, noise
from tellapart.recipe.schema import Curate

_SHARE = 0.05
_THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
#: As curation fits it.
_STRENGTH = 3.0


def run(data: Path, small: bool) -> dict[str, Any]:
    draws, each = (1, 40) if small else (5, None)
    figures: dict[str, Any] = {"planted share": _SHARE, "default": Curate().mislabelled}
    for name in ("trashnet_100", "caltech101_10", "grocery_10"):
        photos = load(data / name, each)
        figures[name] = {
            "pictures": len(photos.y),
            **_mean([_planted(photos, seed) for seed in range(draws)]),
            "flagged where nothing is planted": _flagged(_quality(photos, photos.y, 0)),
        }
    return figures


def _planted(photos: Photographs, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    count = round(_SHARE * len(photos.y))
    chosen = rng.permutation(len(photos.y))[:count]
    wrong = np.zeros(len(photos.y), dtype=bool)
    wrong[chosen] = True
    labels = photos.y.copy()
    classes = len(photos.classes)
    labels[chosen] = (labels[chosen] + rng.integers(1, classes, count)) % classes
    quality = _quality(photos, labels, seed)
    order = np.argsort(quality, kind="stable")
    found = {f"precision of the first {min(100, count)} flags": wrong[order[: min(100, count)]]}
    for least in _THRESHOLDS:
        flags = quality < least
        found[f"precision below {least}"] = wrong[flags] if flags.any() else np.ones(1, bool)
        found[f"recall below {least}"] = flags[wrong]
    return {name: float(hits.mean()) for name, hits in found.items()}


def _quality(photos: Photographs, labels: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    fitted = head.fit(
        photos.features, labels, n_classes=len(photos.classes), seed=seed, C=_STRENGTH
    )
    assert fitted.out_of_fold is not None
    return noise.label_issues(fitted.out_of_fold, labels)


def _flagged(quality: NDArray[np.float64]) -> dict[str, float]:
    return {f"below {least}": round(float((quality < least).mean()), 4) for least in _THRESHOLDS}


def _mean(parts: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(mean(part[name] for part in parts), 4) for name in parts[0]}


if __name__ == "__main__":
    main(run)
