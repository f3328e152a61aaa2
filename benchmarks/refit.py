"""One label changed among 10,000 pictures whose features are cached: seconds until the new head.

The whole step is timed: ledger, features, fit, refusal threshold, files. The features are those
of real photographs, moved by chance until there are enough.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import main, spread
from benchmarks.beside.photographs import load
from tellapart.catalog import Assignment, Catalog, NewPicture, Verdict
from tellapart.learn import backbone, features
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps import StepContext, train
from tellapart.store.database import open_database

_TURN = ["train"] * 7 + ["validation"] + ["test"] * 2


@dataclass(frozen=True)
class _Made:
    label: str
    split: str


def run(data: Path, small: bool) -> dict[str, Any]:
    pictures = 3_000 if small else 10_000
    with tempfile.TemporaryDirectory() as folder:
        context = _project(data, Path(folder), pictures, 40 if small else None)
        start = time.perf_counter()
        first = train.run(context)
        whole = time.perf_counter() - start
        seconds, warm = [], []
        victims = context.catalog.pictures(split="train")
        for place in range(1 if small else 5):
            other = victims[-1 - place].label
            context.catalog.relabel(victims[place].id, other)
            start = time.perf_counter()
            warm.append(train.run(context)["warm"])
            seconds.append(time.perf_counter() - start)
    return {
        "pictures": pictures,
        "classes": len(first["pictures"]),
        "in train": sum(counts["train"] for counts in first["pictures"].values()),
        "first fit_s": round(whole, 2),
        "refit_s": spread(seconds),
        "went on from the last head": all(warm),
    }


def _project(data: Path, home: Path, pictures: int, each: int | None) -> StepContext:
    photos = load(data / "caltech101_10", each)
    photos = photos.only(photos.y < 10)
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(photos.y), pictures)
    noise = rng.normal(size=(pictures, photos.features.shape[1])).astype(np.float32)
    vectors = photos.features[chosen] + 0.5 * photos.features.std(axis=0) * noise
    settings = Settings(home=home)
    net = backbone.embedded(settings.cache_dir)
    shas = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(pictures)]
    features.FeatureCache(settings.cache_dir, features.cache_key(net, "squash")).put(shas, vectors)
    made = {
        sha: _Made(photos.classes[photos.y[row]], _TURN[i % len(_TURN)])
        for i, (sha, row) in enumerate(zip(shas, chosen.tolist(), strict=True))
    }
    catalog = Catalog.create(open_database(settings), "refit", {})
    catalog.add(
        [
            NewPicture(label=one.label, source="made", key=sha, status="ok", sha256=sha)
            for sha, one in made.items()
        ]
    )
    rows = catalog.pictures()
    catalog.save_verdicts([Verdict(id=row.id, kept=True) for row in rows])
    catalog.save_splits(
        [Assignment(id=row.id, split=made[row.sha256].split, group=row.sha256) for row in rows]
    )
    recipe = check({"name": "refit", "classes": photos.classes})
    return StepContext(settings, catalog, recipe, home / "refit")


if __name__ == "__main__":
    main(run)
