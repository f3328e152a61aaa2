"""Table data sets: from scikit-learn, or points drawn from a seed."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from tellapart.datasets.facts import FACTS
from tellapart.tables import Table, clean

TARGET = "target"
_POINTS = 1000
_NOISE = {"circles": 0.08, "moons": 0.15}
#: Radius of the inner circle, the outer one having 1.
_INNER = 0.5


def load(name: str, seed: int) -> Table:
    """See `datasets.load_table`."""
    if FACTS[name].origin == "made":
        columns, x, labels = _points(name, seed)
    else:
        columns, x, labels = _from_sklearn(name)
    rows = [
        (*(clean(value) for value in row), label)
        for row, label in zip(x.tolist(), labels, strict=True)
    ]
    return Table((*columns, TARGET), rows, source=name)


def _from_sklearn(name: str) -> tuple[tuple[str, ...], NDArray[np.float64], list[str]]:
    # Imported here because it takes a second.
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    columns = tuple(
        re.sub(r"\W+", "_", each.replace("(cm)", "cm")).strip("_") for each in found.feature_names
    )
    labels = [str(found.target_names[place]) for place in found.target]
    return columns, found.data, labels


def _points(name: str, seed: int) -> tuple[tuple[str, ...], NDArray[np.float64], list[str]]:
    """Half the points each on two curves, normal noise added, in an order drawn from the seed."""
    random = np.random.Generator(np.random.PCG64(seed))
    half = _POINTS // 2
    if name == "circles":
        angle = np.linspace(0, 2 * np.pi, half, endpoint=False)
        ring = np.column_stack([np.cos(angle), np.sin(angle)])
        curves = {"inner": _INNER * ring, "outer": ring}
    else:
        angle = np.linspace(0, np.pi, half)
        upper = np.column_stack([np.cos(angle), np.sin(angle)])
        curves = {"lower": np.array([1.0, 0.5]) - upper, "upper": upper}
    x = np.concatenate(list(curves.values()))
    x = np.round(x + random.normal(scale=_NOISE[name], size=x.shape), 6)
    labels = [label for label in curves for _ in range(half)]
    order = random.permutation(_POINTS)
    return ("x", "y"), x[order], [labels[i] for i in order]
