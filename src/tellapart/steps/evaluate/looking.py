"""Reads the look inside a network that training left: first filters, one picture's activations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.outcome import LOOKS
from tellapart.recipe.network import Network
from tellapart.report.learned import Layer, Looks
from tellapart.steps.samples import Samples

#: Layers that pass numbers on as they are when answering, or only in another shape.
_QUIET = ("dropout", "flatten", "reshape")
#: Layers shown at most, spread over the network; values of a vector at most.
_LAYERS, _VALUES = 16, 1024


def read(
    work: Path, network: Network, samples: Samples, probabilities: NDArray[np.float32]
) -> Looks | None:
    """What there is to look at; None where training left nothing readable."""
    try:
        with np.load(work / LOOKS, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError):
        return None
    picture = arrays.get("picture")
    filters = arrays.get("first_filters")
    first = next((layer.name for layer in network.layers if layer.kind == "conv2d"), "")
    return Looks(
        filters=filters if filters is not None and filters.ndim == 4 and first else None,
        filters_layer=first,
        picture=picture if picture is not None and picture.ndim == 3 else None,
        caption=_caption(picture, samples, probabilities),
        layers=_layers(network, arrays),
    )


def _layers(network: Network, arrays: dict[str, Any]) -> list[Layer]:
    found = []
    for layer in network.layers:
        values = arrays.get(f"layer:{layer.name}")
        if values is None or layer.kind in _QUIET or values.ndim not in (1, 3):
            continue
        if values.ndim == 1 and values.size > _VALUES:
            continue
        found.append(Layer(layer.name, layer.kind, values.astype(np.float32)))
    if len(found) <= _LAYERS:
        return found
    places = np.unique(np.linspace(0, len(found) - 1, _LAYERS).round().astype(int))
    return [found[place] for place in places]


def _caption(picture: Any, samples: Samples, probabilities: NDArray[np.float32]) -> str:
    """What the picture is and what it was taken for, found by its pixels."""
    if picture is None:
        return ""
    for split in ("test", "validation", "train"):
        for place in samples.rows_of(split).tolist():
            if np.array_equal(samples.x[place], picture):
                truth = samples.classes[int(samples.y[place])]
                answer = samples.classes[int(probabilities[place].argmax())]
                sure = float(probabilities[place].max())
                return f"A {split} picture of “{truth}”, taken for “{answer}” ({sure:.0%} sure)."
    return ""
