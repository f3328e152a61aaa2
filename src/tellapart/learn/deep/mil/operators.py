"""The operators of Core ML's Model Intermediate Language, as its reference defines them.

Each function has the operator's name and takes the operator's inputs under their names; what it
does not take, it does not know, and the program is refused. Source: the MIL operator reference
of coremltools (iOS 15).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tellapart.learn.deep.described import broken

OPERATORS: dict[str, Callable[..., Any]] = {}


def operator(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function known under its own name, less an underscore at its end."""
    OPERATORS[function.__name__.removesuffix("_")] = function
    return function


def _ints(values: Tensor | None, default: Sequence[int]) -> list[int]:
    return list(default) if values is None else [int(v) for v in values.flatten().tolist()]


# -- Layers ----------------------------------------------------------------------------------


def around(
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    pad_type: str,
    pad: Sequence[int],
) -> list[int]:
    """[before, after] a spatial dimension; `kernel` as wide as it reaches."""
    if pad_type == "valid":
        return [0] * (2 * len(size))
    if pad_type == "custom":
        return list(pad)
    if pad_type not in ("same", "same_lower"):
        raise broken(f"pads by {pad_type!r}")
    ends: list[int] = []
    for length, wide, step in zip(size, kernel, strides, strict=True):
        total = max((math.ceil(length / step) - 1) * step + wide - length, 0)
        small, large = total // 2, total - total // 2
        ends += [small, large] if pad_type == "same" else [large, small]
    return ends


def _extend(x: Tensor, ends: Sequence[int], value: float = 0.0) -> Tensor:
    """Pad the last dimensions; torch names the last one first."""
    if not any(ends):
        return x
    pairs = [ends[i : i + 2] for i in range(0, len(ends), 2)]
    return functional.pad(x, [n for pair in reversed(pairs) for n in pair], value=value)


@operator
def conv(
    x: Tensor,
    weight: Tensor,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    strides: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | int = 1,
    bias: Tensor | None = None,
) -> Tensor:
    if x.dim() != 4:
        raise broken(f"convolves {x.dim() - 2} dimensions")
    steps, gaps = _ints(strides, (1, 1)), _ints(dilations, (1, 1))
    reach = [(k - 1) * gap + 1 for k, gap in zip(weight.shape[2:], gaps, strict=True)]
    ends = around(x.shape[2:], reach, steps, pad_type, _ints(pad, (0,) * 4))
    return functional.conv2d(
        _extend(x, ends), weight, bias, steps, dilation=gaps, groups=int(groups)
    )


@operator
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.linear(x, weight, bias)


@operator
def matmul(
    x: Tensor, y: Tensor, transpose_x: Tensor | bool = False, transpose_y: Tensor | bool = False
) -> Tensor:
    left = x.transpose(-1, -2) if bool(transpose_x) else x
    return left @ (y.transpose(-1, -2) if bool(transpose_y) else y)


@operator
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | float = 1e-5,
) -> Tensor:
    shape = [1, -1] + [1] * (x.dim() - 2)
    found = (x - mean.reshape(shape)) / torch.sqrt(variance.reshape(shape) + epsilon)
    if gamma is not None:
        found = found * gamma.reshape(shape)
    return found if beta is None else found + beta.reshape(shape)


def _windows(
    x: Tensor, kernel: list[int], steps: list[int], pad_type: str, pad: Tensor | None, ceil: bool
) -> tuple[list[int], list[int]]:
    """[before, after] a dimension: what is padded, and what more a last partial window needs."""
    if x.dim() != 4:
        raise broken(f"pools {x.dim() - 2} dimensions")
    ends = around(x.shape[2:], kernel, steps, pad_type, _ints(pad, (0,) * 4))
    more = [0, 0, 0, 0]
    if not ceil:
        return ends, more
    for i, (length, wide, step) in enumerate(zip(x.shape[2:], kernel, steps, strict=True)):
        whole = length + ends[2 * i] + ends[2 * i + 1]
        count = math.ceil((whole - wide) / step) + 1
        if (count - 1) * step >= length + ends[2 * i] and ends[2 * i] + ends[2 * i + 1] > 0:
            count -= 1
        more[2 * i + 1] = max((count - 1) * step + wide - whole, 0)
    return ends, more


@operator
def max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    ceil_mode: Tensor | bool = False,
) -> Tensor:
    kernel, steps = _ints(kernel_sizes, ()), _ints(strides, (1, 1))
    ends, more = _windows(x, kernel, steps, pad_type, pad, bool(ceil_mode))
    total = [a + b for a, b in zip(ends, more, strict=True)]
    return functional.max_pool2d(_extend(x, total, -math.inf), kernel, steps)


@operator
def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    ceil_mode: Tensor | bool = False,
    exclude_padding_from_average: Tensor | bool = False,
) -> Tensor:
    kernel, steps = _ints(kernel_sizes, ()), _ints(strides, (1, 1))
    ends, more = _windows(x, kernel, steps, pad_type, pad, bool(ceil_mode))
    inside = torch.ones_like(x[:1, :1])
    inside = _extend(inside, ends, 0.0 if bool(exclude_padding_from_average) else 1.0)
    count = functional.avg_pool2d(_extend(inside, more), kernel, steps)
    total = [a + b for a, b in zip(ends, more, strict=True)]
    return functional.avg_pool2d(_extend(x, total), kernel, steps) / count


@operator
def pad(
    x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | float = 0.0
) -> Tensor:
    ends = _ints(pad, ())
    if mode == "constant":
        return _extend(x, ends, float(constant_val))
    pairs = [ends[i : i + 2] for i in range(0, len(ends), 2)]
    while pairs and not any(pairs[0]):
        pairs = pairs[1:]
    flat = [n for pair in reversed(pairs) for n in pair]
    return functional.pad(x, flat, mode=mode) if flat else x


# -- Activations -----------------------------------------------------------------------------


@operator
def softmax(x: Tensor, axis: Tensor | int = -1) -> Tensor:
    return torch.softmax(x, dim=int(axis))


@operator
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode == "EXACT":
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
    if mode == "TANH_APPROXIMATION":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    raise broken(f"has a gelu of the mode {mode!r}")


@operator
def elu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x > 0, x, alpha * torch.expm1(x))


@operator
def leaky_relu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x >= 0, x, alpha * x)


@operator
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x > 0, x, alpha.reshape([1, -1] + [1] * (x.dim() - 2)) * x)


@operator
def sigmoid_hard(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.clamp(alpha * x + beta, 0, 1)


@operator
def linear_activation(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return alpha * x + beta


@operator
def scaled_tanh(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return alpha * torch.tanh(beta * x)


@operator
def softplus(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))


@operator
def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.clamp(x, float(alpha), float(beta))


@operator
def threshold(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.maximum(x, alpha)
