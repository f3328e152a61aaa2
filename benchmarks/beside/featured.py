"""A labelled folder as the embedded network's features, computed once a home."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.beside.chains import SUFFIXES

#: Cosine from which two pictures count as the same scene, as `split.scene_cosine` has it.
SCENE = 0.88
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Featured:
    """Features (n, D), class numbers (n,), what belongs together (n,), and names of classes."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    groups: NDArray[np.int64]
    classes: tuple[str, ...]


def featured(folder: Path, home: Path) -> Featured:
    """Of all usable pictures of `folder`, one sub-folder a class; or such in train, val and test.

    Pictures of an official split count as one set.
    """
    from tellapart.learn import backbone, features, similarity
    from tellapart.settings import Settings

    settings = Settings(home=home)
    parts = [folder / name for name in SPLITS if (folder / name).is_dir()] or [folder]
    places = [p for part in parts for p in sorted(part.iterdir()) if p.is_dir()]
    classes = sorted({place.name for place in places})
    items, y = [], []
    for place in places:
        for file in sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES):
            name = hashlib.sha256(file.read_bytes()).hexdigest()
            items.append((name, file.read_bytes))
            y.append(classes.index(place.name))
    net = backbone.embedded(settings.cache_dir)
    x, _ = features.matrix(items, net, "squash", settings)
    usable = ~np.isnan(x).any(axis=1)
    x, labels = x[usable], np.array(y, np.int64)[usable]
    pairs, _ = similarity.cosine_pairs(x, SCENE, labels=labels)
    groups = np.asarray(similarity.groups(len(labels), pairs), np.int64)
    return Featured(x, labels, groups, tuple(classes))
