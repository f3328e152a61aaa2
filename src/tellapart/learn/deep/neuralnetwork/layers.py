"""Layers of Core ML's neural networks, as `NeuralNetwork.proto` of its specification says.

Each function takes the layer's parameters and its inputs; tensors have the rank that the layer
before gave them (exact shapes, specification 4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tellapart.learn.deep.described import broken

#: By the name of the layer in the specification.
LAYERS: dict[str, Callable[..., Any]] = {}


def layer(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function known as the layer `name`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        LAYERS[name] = function
        return function

    return register


def weights(held: Any, shape: Sequence[int]) -> Tensor:
    """A `WeightParams` in single or half precision. Raises `VerificationError` for others."""
    if held.HasField("quantization") or held.rawValue or held.int8RawValue:
        raise broken("holds quantized weights")
    if held.float16Value:
        figures = np.frombuffer(held.float16Value, np.float16).astype(np.float32)
    else:
        figures = np.array(held.floatValue, np.float32)
    return torch.from_numpy(figures.reshape(tuple(shape)))


def _pair(values: Any, default: int) -> tuple[int, int]:
    return (int(values[0]), int(values[1])) if values else (default, default)


def _edges(amounts: Any) -> list[int]:
    """left, right, top, bottom of a `BorderAmounts`, whose first entry is the height."""
    borders = [(int(b.startEdgeSize), int(b.endEdgeSize)) for b in amounts.borderAmounts]
    if not borders:
        return [0, 0, 0, 0]
    (top, bottom), (left, right) = borders
    return [left, right, top, bottom]


def _same(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], top_heavy: bool
) -> list[int]:
    """left, right, top, bottom so that a layer gives ceil(size / stride)."""
    ends: list[list[int]] = []
    for length, wide, step in zip(size, kernel, stride, strict=True):
        total = max((-(-length // step) - 1) * step + wide - length, 0)
        pair = [total // 2, total - total // 2]
        ends.append(pair[::-1] if top_heavy else pair)
    return [*ends[1], *ends[0]]


@layer("convolution")
def _convolution(p: Any, x: Tensor) -> Tensor:
    if p.isDeconvolution:
        raise broken("holds a transposed convolution")
    kernel, stride, gaps = _pair(p.kernelSize, 3), _pair(p.stride, 1), _pair(p.dilationFactor, 1)
    groups = int(p.nGroups) or 1
    shape = (int(p.outputChannels), int(p.kernelChannels), *kernel)
    bias = weights(p.bias, shape[:1]) if p.hasBias else None
    if p.WhichOneof("ConvolutionPaddingType") == "same":
        reach = [(k - 1) * gap + 1 for k, gap in zip(kernel, gaps, strict=True)]
        edges = _same(x.shape[2:], reach, stride, p.same.asymmetryMode == 1)
    else:
        edges = _edges(p.valid.paddingAmounts)
    padded = functional.pad(x, edges)
    return functional.conv2d(
        padded, weights(p.weights, shape), bias, stride, dilation=gaps, groups=groups
    )


@layer("pooling")
def _pooling(p: Any, x: Tensor) -> Tensor:
    largest = p.PoolingType.Name(p.type) == "MAX"
    if not largest and p.PoolingType.Name(p.type) != "AVERAGE":
        raise broken(f"pools by {p.PoolingType.Name(p.type)}")
    if p.globalPooling:
        return x.amax((2, 3), keepdim=True) if largest else x.mean((2, 3), keepdim=True)
    kernel, stride = _pair(p.kernelSize, 3), _pair(p.stride, 1)
    how, last = p.WhichOneof("PoolingPaddingType"), [0, 0]
    if how == "same":
        edges = _same(x.shape[2:], kernel, stride, p.same.asymmetryMode == 1)
    elif how == "includeLastPixel":
        high, wide = _pair(p.includeLastPixel.paddingAmounts, 0)
        edges = [wide, wide, high, high]
        last = [
            _partial(length, around, k, step)
            for length, around, k, step in zip(
                x.shape[2:], (high, wide), kernel, stride, strict=True
            )
        ]
    else:
        edges = _edges(p.valid.paddingAmounts)
    total = [edges[0], edges[1] + last[1], edges[2], edges[3] + last[0]]
    if largest:
        return functional.max_pool2d(functional.pad(x, total, value=-math.inf), kernel, stride)
    inside = functional.pad(
        torch.ones_like(x[:1, :1]), edges, value=0.0 if p.avgPoolExcludePadding else 1.0
    )
    inside = functional.pad(inside, [0, last[1], 0, last[0]])
    count = functional.avg_pool2d(inside, kernel, stride)
    return functional.avg_pool2d(functional.pad(x, total), kernel, stride) / count


def _partial(length: int, around: int, kernel: int, stride: int) -> int:
    """How much a last window that begins inside the picture reaches beyond its edge."""
    whole = length + 2 * around
    count = -(-(whole - kernel) // stride) + 1
    if around and (count - 1) * stride >= length + around:
        count -= 1
    return max((count - 1) * stride + kernel - whole, 0)


@layer("innerProduct")
def _inner_product(p: Any, x: Tensor) -> Tensor:
    shape = (int(p.outputChannels), int(p.inputChannels))
    bias = weights(p.bias, shape[:1]) if p.hasBias else None
    return functional.linear(x, weights(p.weights, shape), bias)


@layer("batchnorm")
def _batchnorm(p: Any, x: Tensor) -> Tensor:
    if p.computeMeanVar or p.instanceNormalization:
        raise broken("normalizes by figures of the sample itself")
    count = int(p.channels)
    gamma, beta, mean, variance = (
        weights(held, (1, count, 1, 1)) for held in (p.gamma, p.beta, p.mean, p.variance)
    )
    return gamma * (x - mean) / torch.sqrt(variance + p.epsilon) + beta


@layer("padding")
def _padding(p: Any, x: Tensor) -> Tensor:
    if p.WhichOneof("PaddingType") != "constant":
        raise broken(f"pads by {p.WhichOneof('PaddingType')}")
    return functional.pad(x, _edges(p.paddingAmounts), value=p.constant.value)


_ACTIVATIONS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "linear": lambda p, x: p.alpha * x + p.beta,
    "ReLU": lambda _, x: x.clamp(min=0),
    "leakyReLU": lambda p, x: torch.where(x >= 0, x, p.alpha * x),
    "thresholdedReLU": lambda p, x: torch.where(x >= p.alpha, x, torch.zeros_like(x)),
    "tanh": lambda _, x: torch.tanh(x),
    "scaledTanh": lambda p, x: p.alpha * torch.tanh(p.beta * x),
    "sigmoid": lambda _, x: torch.sigmoid(x),
    "sigmoidHard": lambda p, x: (p.alpha * x + p.beta).clamp(0, 1),
    "ELU": lambda p, x: torch.where(x >= 0, x, p.alpha * torch.expm1(x)),
    "softsign": lambda _, x: x / (1 + x.abs()),
    "softplus": lambda _, x: torch.logaddexp(x, torch.zeros_like(x)),
}


@layer("activation")
def _activation(p: Any, x: Tensor) -> Tensor:
    kind = p.WhichOneof("NonlinearityType")
    if kind not in _ACTIVATIONS:
        raise broken(f"holds the activation {kind!r}, which is not known here")
    return _ACTIVATIONS[kind](getattr(p, kind), x)


@layer("unary")
def _unary(p: Any, x: Tensor) -> Tensor:
    kind = p.Operation.Name(p.type)
    x = p.scale * x + p.shift
    match kind:
        case "SQRT":
            return torch.sqrt(x)
        case "RSQRT":
            return 1 / torch.sqrt(x + p.epsilon)
        case "INVERSE":
            return 1 / (x + p.epsilon)
        case "POWER":
            return torch.pow(x, p.alpha)
        case "EXP":
            return torch.exp(x)
        case "LOG":
            return torch.log(x)
        case "ABS":
            return torch.abs(x)
        case "THRESHOLD":
            return x.clamp(min=p.alpha)
    raise broken(f"holds the function {kind}")


@layer("gelu")
def _gelu(p: Any, x: Tensor) -> Tensor:
    mode = p.GeluMode.Name(p.mode)
    if mode == "EXACT":
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
    if mode == "TANH_APPROXIMATION":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * torch.sigmoid(1.702 * x)


@layer("softmax")
def _softmax(_: Any, x: Tensor) -> Tensor:
    return torch.softmax(x, dim=-3)  # the channels of a picture


@layer("softmaxND")
def _softmax_nd(p: Any, x: Tensor) -> Tensor:
    return torch.softmax(x, dim=int(p.axis))
