"""Networks of our own for small pictures, and how they are trained, where a recipe has no layers.

Chosen on a validation part of the training samples; `docs/` says with which figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from tellapart.recipe.layers import AnyLayer, Layer

_LAYERS: TypeAdapter[tuple[AnyLayer, ...]] = TypeAdapter(tuple[AnyLayer, ...])
#: Steps of the optimizer that a small data set gets at least.
_STEPS = 3000


@dataclass(frozen=True)
class Design:
    """Layers as a recipe would write them, and the training's settings (`fit.Options`)."""

    layers: tuple[Layer, ...]
    settings: dict[str, Any]
    why: str


def design(shape: tuple[int, int, int], classes: int, samples: int) -> Design:
    """The network for pictures of `shape` (h, w, c), `samples` of them to learn from."""
    high, wide, channels = shape
    side = min(high, wide)
    colored = channels == 3
    if (high, wide) == (28, 28):
        body, why = _characters(), "two convolutions, pooling, twice, and one over what is left"
    else:
        body, why = _pictures(side, colored), "pairs of convolutions with pooling between them"
    last = [{"dropout": {"rate": 0.2}}, {"dense": {"units": classes, "activation": "softmax"}}]
    batch = 128 if samples >= 10_000 else 32
    epochs = math.ceil(_STEPS * batch / max(samples, 1))
    settings = {
        "optimizer": "adamw",
        "learning_rate": 4e-3,
        "epochs": min(60, max(20 if colored else 10, epochs)),
        "batch_size": batch,
        "schedule": "one_cycle",
        "augment": "shift" if side >= 16 else "none",
        "decay": 1e-2,
        "smoothing": 0.05,
        "flip": colored,
    }
    return Design(_LAYERS.validate_python([*body, *last]), settings, why)


def _characters() -> list[Any]:
    """For 28×28: under 100,000 parameters for ten classes."""
    return [
        *_conv(16),
        *_conv(24),
        "max_pool2d",
        *_conv(48),
        *_conv(48),
        "max_pool2d",
        *_conv(64, kernel=4),
        "flatten",
    ]


def _pictures(side: int, colored: bool) -> list[Any]:
    """Pairs of convolutions, each half as wide a picture as the one before, down to about 8×8."""
    halvings = max(1, round(math.log2(max(side, 8) / 8)))
    first = 24 if side > 40 else 32
    widths = [min(first * 2**number, 128) for number in range(halvings + 1)]
    body: list[Any] = []
    for number, width in enumerate(widths):
        if number:
            body.append("max_pool2d")
        body += [*_conv(width, padding="same"), *_conv(width, padding="same")]
    return [*body, "global_avg_pool"]


def _conv(filters: int, kernel: int = 3, padding: str = "valid") -> list[Any]:
    """A convolution with batch norm, whose statistics follow fast: a training is short."""
    options = {
        "filters": filters,
        "kernel_size": kernel,
        "padding": padding,
        "use_bias": False,
        "kernel_initializer": "he_normal",
    }
    norm = {"batch_norm": {"momentum": 0.9}}
    return [{"conv2d": options}, norm, {"activation": {"function": "relu"}}]
