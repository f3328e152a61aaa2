"""Features of the data sets, as training sees them, for the studies of what follows them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import need
from tellapart.learn import backbone, features
from tellapart.settings import Settings


@dataclass(frozen=True)
class Photographs:
    """One labelled set: raw features (n, D), class numbers (n,), names, and split folders."""

    features: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: list[str]
    #: `train`, `val`, `test`, or empty.
    splits: NDArray[np.str_]

    def only(self, rows: NDArray[np.bool_]) -> Photographs:
        """The chosen rows; classes without a row go."""
        kept, y = np.unique(self.y[rows], return_inverse=True)
        names = [self.classes[k] for k in kept]
        return Photographs(self.features[rows], y, names, self.splits[rows])


@cache
def load(folder: Path, each: int | None = None) -> Photographs:
    """The pictures of `folder/[split/]class`, at most `each` a class and split, in path order."""
    need(folder)
    # Kept between studies; the features are keyed by path, so the folder must not change.
    home = Path(tempfile.gettempdir()) / "tellapart-benchmarks"
    settings = replace(Settings.from_env(), home=home)
    chosen = paths(folder, each)
    parts = [path.relative_to(folder).parts for path in chosen]
    items = [(str(path), path.read_bytes) for path in chosen]
    net = backbone.embedded(settings.cache_dir)
    vectors, errors = features.matrix(items, net, "squash", settings)
    if errors:
        raise RuntimeError(f"{len(errors)} pictures of {folder} cannot be read")
    classes, y = np.unique(np.array([part[-2] for part in parts]), return_inverse=True)
    splits = np.array([part[0] if len(part) > 2 else "" for part in parts])
    return Photographs(vectors, y, classes.tolist(), splits)


def paths(folder: Path, each: int | None = None) -> list[Path]:
    """The files of `load`, in its order."""
    chosen: list[Path] = []
    for kind in sorted({path.parent for path in folder.rglob("*.jpg")}):
        chosen += sorted(kind.glob("*.jpg"))[:each]
    return chosen
