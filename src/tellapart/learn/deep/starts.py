"""First weights by Keras' initializer names.

Source: Keras 3 API reference, "Layer weight initializers": variance scaling with fan-in and
fan-out over the receptive field; truncated normals are cut at two standard deviations and widened
by 1 / .8796 so that the variance stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

#: Standard deviation of a standard normal cut at 2.
_CUT = 0.87962566103423978


def fill(
    weighted: Sequence[tuple[Mapping[str, Any], nn.Module]], generator: torch.Generator
) -> None:
    """Fill every layer's weights as its options say: [(options, module with weight and bias)]."""
    for options, module in weighted:
        kernel = options.get("kernel_initializer") or "glorot_uniform"
        initialize(module.weight, kernel, generator)
        if module.bias is not None:
            initialize(module.bias, options.get("bias_initializer") or "zeros", generator)


def initialize(weight: Tensor, asked: Any, generator: torch.Generator) -> None:
    """Fill `weight`, (out, in, …) or (n,), by the initializer `asked`: a word or {word: options}.

    Raises `ValueError` for an unknown one.
    """
    name, options = _parts(asked)
    if name not in INITIALIZERS:
        raise ValueError(f"there is no initializer {name!r}")
    with torch.no_grad():
        INITIALIZERS[name](weight, options, generator)


def _parts(asked: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(asked, Mapping):
        name, options = next(iter(asked.items()))
        return str(name), options if isinstance(options, Mapping) else {"value": options}
    return str(asked), {}


def _fans(weight: Tensor) -> tuple[float, float]:
    if weight.dim() < 2:
        return float(weight.numel()), float(weight.numel())
    field = math.prod(weight.shape[2:])
    return float(weight.shape[1] * field), float(weight.shape[0] * field)


_Start = Callable[[Tensor, Mapping[str, Any], torch.Generator], None]


def _scaled(scale: float, mode: str, kind: str) -> _Start:
    def start(weight: Tensor, options: Mapping[str, Any], generator: torch.Generator) -> None:
        fan_in, fan_out = _fans(weight)
        fan = fan_in if mode == "in" else (fan_in + fan_out) / 2
        spread = math.sqrt(scale / max(1.0, fan))
        if kind == "uniform":
            limit = math.sqrt(3) * spread
            weight.uniform_(-limit, limit, generator=generator)
        else:
            _cut_normal(weight, 0.0, spread / _CUT, generator)

    return start


def _cut_normal(weight: Tensor, mean: float, spread: float, generator: torch.Generator) -> None:
    low, high = mean - 2 * spread, mean + 2 * spread
    nn.init.trunc_normal_(weight, mean, spread, low, high, generator=generator)


def _normal(weight: Tensor, options: Mapping[str, Any], generator: torch.Generator) -> None:
    mean, spread = float(options.get("mean", 0.0)), float(options.get("stddev", 0.05))
    weight.normal_(mean, spread, generator=generator)


def _truncated(weight: Tensor, options: Mapping[str, Any], generator: torch.Generator) -> None:
    mean, spread = float(options.get("mean", 0.0)), float(options.get("stddev", 0.05))
    _cut_normal(weight, mean, spread, generator)


def _uniform(weight: Tensor, options: Mapping[str, Any], generator: torch.Generator) -> None:
    low, high = float(options.get("minval", -0.05)), float(options.get("maxval", 0.05))
    weight.uniform_(low, high, generator=generator)


def _constant(weight: Tensor, options: Mapping[str, Any], generator: torch.Generator) -> None:
    weight.fill_(float(options.get("value", 0.0)))


def _orthogonal(weight: Tensor, options: Mapping[str, Any], generator: torch.Generator) -> None:
    nn.init.orthogonal_(weight, float(options.get("gain", 1.0)), generator=generator)


INITIALIZERS: Mapping[str, _Start] = {
    "glorot_uniform": _scaled(1, "mean", "uniform"),
    "glorot_normal": _scaled(1, "mean", "normal"),
    "he_uniform": _scaled(2, "in", "uniform"),
    "he_normal": _scaled(2, "in", "normal"),
    "lecun_uniform": _scaled(1, "in", "uniform"),
    "lecun_normal": _scaled(1, "in", "normal"),
    "zeros": lambda weight, options, generator: weight.zero_(),
    "ones": lambda weight, options, generator: weight.fill_(1),
    "constant": _constant,
    "random_normal": _normal,
    "random_uniform": _uniform,
    "truncated_normal": _truncated,
    "orthogonal": _orthogonal,
}
