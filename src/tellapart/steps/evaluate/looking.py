"""Reads the look inside a network that training left: first filters, one picture's activations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.outcome import LOOKS
from tellapart.recipe.network import Network, Traced
from tellapart.report.learned import Layer, Looks
from tellapart.steps.samples import Samples

#: Layers that pass numbers on as they are when answering, or only in another shape.
_QUIET = ("dropout", "flatten", "reshape")
#: Layers shown at most, spread over the network; values of a vector at most.
_LAYERS, _VALUES = 16, 1024
#: Classes whose probability is shown.
_CLASSES = 12


def read(
    work: Path, network: Network, samples: Samples, probabilities: NDArray[np.float32]
) -> Looks | None:
    """What there is to look at; None where training left nothing readable.

    The file's arrays: `picture` (uint8, as in `Samples.x`), `first_filters` (the weights of the
    first convolution, channels before height and width) and, for each layer, `layer:` and its name
    (its output for that picture, channels last or first).
    """
    arrays = _arrays(work)
    if arrays is None:
        return None
    found, picture = _found(arrays, network), arrays.get("picture")
    place = None if picture is None else _find(picture, samples)
    if place is None:
        return found
    return replace(
        found,
        caption=_caption(place, samples, probabilities),
        answers=_answers(samples.classes, probabilities[place]),
    )


def inside(work: Path, network: Network) -> Looks | None:
    """The same without the samples: nothing says what the picture is and was taken for."""
    arrays = _arrays(work)
    return None if arrays is None else _found(arrays, network)


def _arrays(work: Path) -> dict[str, Any] | None:
    try:
        with np.load(work / LOOKS, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError):
        return None


def _found(arrays: dict[str, Any], network: Network) -> Looks:
    picture = arrays.get("picture")
    first = next((layer for layer in network.layers if layer.kind == "conv2d"), None)
    return Looks(
        filters=None if first is None else _filters(first, arrays.get("first_filters")),
        filters_layer="" if first is None else first.name,
        picture=picture if picture is not None and picture.ndim == 3 else None,
        layers=_layers(network, arrays),
    )


def _filters(layer: Traced, weights: Any) -> NDArray[np.float32] | None:
    """(n, h, w, c) of (n, c, h, w); None where they are not this layer's."""
    kernel = layer.options.get("kernel_size", 1)
    size = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)
    if weights is None or weights.ndim != 4 or weights.shape[2:] != size:
        return None
    return np.asarray(weights, np.float32).transpose(0, 2, 3, 1)


def _layers(network: Network, arrays: dict[str, Any]) -> list[Layer]:
    found = []
    # The last layer's numbers are the answer, which is shown with its classes.
    for layer in network.layers[:-1]:
        values = _output(layer, arrays.get(f"layer:{layer.name}"))
        if values is None or layer.kind in _QUIET or values.ndim not in (1, 3):
            continue
        if values.ndim == 1 and values.size > _VALUES:
            continue
        found.append(Layer(layer.name, layer.kind, values))
    if len(found) <= _LAYERS:
        return found
    places = np.unique(np.linspace(0, len(found) - 1, _LAYERS).round().astype(int))
    return [found[place] for place in places]


def _output(layer: Traced, values: Any) -> NDArray[np.float32] | None:
    """Channels last; None where it is no output of this layer."""
    if values is None:
        return None
    if values.shape == layer.output:
        return np.asarray(values, np.float32)
    if values.ndim == 3 and (*values.shape[1:], values.shape[0]) == layer.output:
        return np.asarray(values, np.float32).transpose(1, 2, 0)
    return None


def _find(picture: NDArray[np.uint8], samples: Samples) -> int | None:
    """Which sample it is, by its pixels."""
    for split in ("test", "validation", "train"):
        for place in samples.rows_of(split).tolist():
            if np.array_equal(samples.x[place], picture):
                return int(place)
    return None


def _caption(place: int, samples: Samples, probabilities: NDArray[np.float32]) -> str:
    """What the picture is and what it was taken for."""
    truth = samples.classes[int(samples.y[place])]
    answer = samples.classes[int(probabilities[place].argmax())]
    sure = float(probabilities[place].max())
    return f"A {samples.split[place]} picture of “{truth}”, taken for “{answer}” ({sure:.0%} sure)."


def _answers(classes: tuple[str, ...], told: NDArray[np.float32]) -> list[tuple[str, float]]:
    """All classes in their order, or of many the most probable ones."""
    pairs = [(name, round(float(value), 6)) for name, value in zip(classes, told, strict=True)]
    if len(pairs) <= _CLASSES:
        return pairs
    return sorted(pairs, key=lambda pair: -pair[1])[:_CLASSES]
