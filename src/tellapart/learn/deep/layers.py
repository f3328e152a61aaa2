"""The layers of a network as torch modules that reckon as Keras does.

Tensors are (n, c, h, w) inside; shapes in a recipe are (h, w, c) or (n,). Sources: the Keras 3
API reference for names, defaults and formulas; for "same" padding the note on convolution in
TensorFlow's `tf.nn` guide: out = ceil(in / stride), the odd pixel goes below and to the right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

#: Left, right, top, bottom: the order of `torch.nn.functional.pad`.
Padding = tuple[int, int, int, int]


def pair(value: Any) -> tuple[int, int]:
    """A pair option: one number for both, or two (rows first)."""
    if isinstance(value, Sequence):
        numbers = [int(v) for v in value]
        return (numbers[0], numbers[-1])
    return (int(value), int(value))


def same_padding(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: Any = 1
) -> Padding:
    """What TensorFlow's "same" adds around a picture of (height, width) `size`."""
    ends: list[tuple[int, int]] = []
    for length, wide, step, gap in zip(size, kernel, stride, pair(dilation), strict=True):
        out = math.ceil(length / step)
        total = max((out - 1) * step + (wide - 1) * gap + 1 - length, 0)
        ends.append((total // 2, total - total // 2))
    return (*ends[1], *ends[0])


class Conv2d(nn.Module):  # type: ignore[misc]
    """A convolution over (n, c, h, w) with padding `valid` or TensorFlow's `same`."""

    def __init__(self, size: tuple[int, ...], options: Mapping[str, Any]) -> None:
        super().__init__()
        kernel = pair(options["kernel_size"])
        stride = pair(options.get("stride") or 1)
        dilation = pair(options.get("dilation_rate") or 1)
        around: Padding = (0, 0, 0, 0)
        if options.get("padding") == "same":
            around = same_padding((size[0], size[1]), kernel, stride, dilation)
        even = around[0] == around[1] and around[2] == around[3]
        self.around = None if even else around
        self.conv = nn.Conv2d(
            size[2],
            int(options["filters"]),
            kernel,
            stride,
            padding=(around[2], around[0]) if even else 0,
            dilation=dilation,
            groups=int(options.get("groups") or 1),
            bias=bool(options.get("use_bias", True)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.around is None else F.pad(x, self.around))


class MaxPool(nn.Module):  # type: ignore[misc]
    """The largest value of each window; what lies outside the picture never counts."""

    def __init__(self, size: tuple[int, ...], options: Mapping[str, Any]) -> None:
        super().__init__()
        self.kernel, self.stride, self.around = _pooling(size, options)

    def forward(self, x: Tensor) -> Tensor:
        if self.around is not None:
            x = F.pad(x, self.around, value=-math.inf)
        return F.max_pool2d(x, self.kernel, self.stride)


class AvgPool(nn.Module):  # type: ignore[misc]
    """The mean of each window, over the pixels that lie inside the picture."""

    share: Tensor | None

    def __init__(self, size: tuple[int, ...], options: Mapping[str, Any]) -> None:
        super().__init__()
        self.kernel, self.stride, self.around = _pooling(size, options)
        share = None
        if self.around is not None:
            inside = F.pad(torch.ones(1, 1, size[0], size[1]), self.around)
            share = 1 / F.avg_pool2d(inside, self.kernel, self.stride)
        self.register_buffer("share", share, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.around is None:
            return F.avg_pool2d(x, self.kernel, self.stride)
        return F.avg_pool2d(F.pad(x, self.around), self.kernel, self.stride) * self.share


def _pooling(
    size: tuple[int, ...], options: Mapping[str, Any]
) -> tuple[tuple[int, int], tuple[int, int], Padding | None]:
    kernel = pair(options.get("pool_size") or 2)
    stride = pair(options.get("stride") or kernel)
    around: Padding = (0, 0, 0, 0)
    if options.get("padding") == "same":
        around = same_padding((size[0], size[1]), kernel, stride)
    return kernel, stride, around if any(around) else None


class Flatten(nn.Module):  # type: ignore[misc]
    """(n, c, h, w) to (n, h*w*c): Keras' order, and without a copy where channels lie last."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 4 and x.shape[2:] != (1, 1):
            x = x.permute(0, 2, 3, 1)
        return x.flatten(1)


class Reshape(nn.Module):  # type: ignore[misc]
    """Another shape, (h, w, c) or (n,), for the same numbers in Keras' order."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.flatten = Flatten()

    def forward(self, x: Tensor) -> Tensor:
        x = self.flatten(x)
        if len(self.shape) == 1:
            return x
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2)


class GlobalAvgPool(nn.Module):  # type: ignore[misc]
    """(n, c, h, w) to (n, c)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Dropout(nn.Module):  # type: ignore[misc]
    """Zeros with the chance `rate`, the rest scaled up; `noise_shape` shares the draw."""

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None) -> None:
        super().__init__()
        self.rate = rate
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate <= 0:
            return x
        if self.noise_shape is not None:
            ones = torch.ones(self._noise(x), device=x.device, dtype=x.dtype)
            return F.dropout(ones, self.rate) * x
        if x.device.type != "cpu":
            return F.dropout(x, self.rate)
        return _Drop.apply(x, self.rate)

    def _noise(self, x: Tensor) -> list[int]:
        """The shape of the draw in torch's order; null stands for the tensor's own size."""
        own = list(x.shape)
        wanted: list[int | None] = list(self.noise_shape or ())
        if len(wanted) == len(own) - 1:  # written without the batch
            wanted = [None, *wanted]
        if len(wanted) == 4:
            wanted = [wanted[0], wanted[3], wanted[1], wanted[2]]
        return [size if w != 1 else 1 for w, size in zip(wanted, own, strict=True)]


class _Drop(torch.autograd.Function):  # type: ignore[misc]
    """Dropout on a CPU: torch's own draws a float for every number, which costs a fifth of a step.

    Here one byte decides (two, where the rate is no whole number of 256ths).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, rate: float) -> Tensor:
        kind, steps = (torch.uint8, 256) if rate * 256 == int(rate * 256) else (torch.int16, 65536)
        size = x.numel() * (1 if kind is torch.uint8 else 2)
        words = torch.empty((size + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        draws = words.view(kind)[: x.numel()]
        # The highest draw is kept, however near 1 the rate is.
        dropped = min(round(rate * steps), steps - 1) - (steps // 2 if kind is torch.int16 else 0)
        mask = draws.ge_(dropped).to(x.dtype).mul_(1 / (1 - rate))
        last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
        shape = (x.shape[0], x.shape[2], x.shape[3], x.shape[1]) if last else x.shape
        mask = mask.view(shape).permute(0, 3, 1, 2) if last else mask.view(shape)
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return gradient * mask, None


def _hard_sigmoid(x: Tensor) -> Tensor:
    return F.relu6(x + 3) / 6  # Keras 3's; Keras 2 had clip(0.2 x + 0.5, 0, 1)


def _softmax(x: Tensor) -> Tensor:
    return F.softmax(x, dim=1)  # Keras' last axis: the channels, or a row's numbers


def _leaky_relu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)  # Keras 3's default slope as an activation by name


#: By Keras' names.
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": _leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "swish": F.silu,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": _hard_sigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "softmax": _softmax,
}


def activate(x: Tensor, name: str, own: bool = False) -> Tensor:
    """`x` after the activation `name`; unchanged for "" and "linear".

    `own`: nobody else needs `x`, so that it may be written over.
    """
    if name in ("", "linear"):
        return x
    return F.relu_(x) if own and name == "relu" else ACTIVATIONS[name](x)


def batch_norm(size: tuple[int, ...], options: Mapping[str, Any]) -> nn.Module:
    """Batch norm over the channels; torch's momentum is what Keras' leaves over."""
    kind = nn.BatchNorm2d if len(size) == 3 else nn.BatchNorm1d
    momentum, epsilon = options.get("momentum"), options.get("epsilon")
    return kind(
        size[-1],
        eps=1e-3 if epsilon is None else float(epsilon),
        momentum=1 - (0.99 if momentum is None else float(momentum)),
    )
