"""Depthwise convolutions whose gradients are quick on a CPU.

Measured (torch 2.15, one core of a Zen 5, batch of 16, channels last): in bf16 two of torch's
kernels are 4 to 20 times slower than their neighbors. The gradient of the input at stride 2 (93 ms
for 96 channels of 80²) is taken from the one at stride 1 (3 ms), and that of a 5×5 kernel (42 ms
for 672 channels of 10²) is put together of four 3×3 ones (3 ms). The values are the same but for
rounding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_Pair = tuple[int, int]


class Depthwise(torch.autograd.Function):  # type: ignore[misc]
    """A convolution of each channel by itself, no bias: (n, c, h, w) and (c, 1, k, k)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, dilation: _Pair
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = stride, padding, dilation
        return torch.conv2d(x, weight, None, stride, padding, dilation, len(weight))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.how
        grad = grad.contiguous(memory_format=torch.channels_last)
        wants_x, wants_weight = ctx.needs_input_grad[:2]
        to_x = to_weight = None
        if wants_x:
            full = _spread(grad, x, weight, stride, padding, dilation)
            to_x = _backward(full, x, weight, (1, 1), padding, dilation, 0)
        if wants_weight:
            if weight.dtype == torch.bfloat16 and weight.shape[2:] == (5, 5) and dilation == (1, 1):
                to_weight = _of_quarters(grad, x, weight, stride, padding)
            else:
                to_weight = _backward(grad, x, weight, stride, padding, dilation, 1)
        return to_x, to_weight, None, None, None


def _spread(
    grad: Tensor, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, dilation: _Pair
) -> Tensor:
    """The gradient of what the convolution would give at stride 1: zeros between the places."""
    if stride == (1, 1):
        return grad
    high, wide = (
        x.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (weight.shape[2 + axis] - 1)
        for axis in (0, 1)
    )
    full = grad.new_zeros((grad.shape[0], high, wide, grad.shape[1])).permute(0, 3, 1, 2)
    full[:, :, :: stride[0], :: stride[1]] = grad
    return full


def _of_quarters(grad: Tensor, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
    """The gradient of a 5×5 kernel: each 3×3 part of it is that of a 3×3 kernel, which sees the
    pictures from as many places further on."""
    around = nn.functional.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    high, wide = ((grad.shape[2 + axis] - 1) * stride[axis] + 3 for axis in (0, 1))
    found, part = torch.empty_like(weight), weight.new_empty((len(weight), 1, 3, 3))
    for top in (0, 2):
        for left in (0, 2):
            seen = around[:, :, top : top + high, left : left + wide]
            seen = seen.contiguous(memory_format=torch.channels_last)
            quarter = _backward(grad, seen, part, stride, (0, 0), (1, 1), 1)
            found[:, :, top : top + 3, left : left + 3] = quarter
    return found


def _backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: _Pair,
    padding: _Pair,
    dilation: _Pair,
    which: int,
) -> Tensor:
    """The gradient of the input (`which` 0) or of the weight (1)."""
    wanted = [which == 0, which == 1, False]
    found = torch.ops.aten.convolution_backward(
        grad, x, weight, None, stride, padding, dilation, False, (0, 0), len(weight), wanted
    )
    result: Tensor = found[which]
    return result


def _takes(conv: nn.Module) -> bool:
    return (
        isinstance(conv, nn.Conv2d)
        and conv.groups == conv.in_channels == conv.out_channels > 1
        and conv.bias is None
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
    )


@contextlib.contextmanager
def quick(net: nn.Module) -> Iterator[None]:
    """The network's depthwise convolutions give their gradients this way inside."""
    from timm.layers import Conv2dSame, pad_same

    class Plain(nn.Conv2d):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            return _convolved(self, x, self.padding)

    class Same(Conv2dSame):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            around = pad_same(x, self.weight.shape[-2:], self.stride, self.dilation)
            return _convolved(self, around, (0, 0))

    swapped: list[tuple[nn.Module, type]] = []
    for module in net.modules():
        kind = {nn.Conv2d: Plain, Conv2dSame: Same}.get(type(module))
        if kind is not None and _takes(module):
            swapped.append((module, type(module)))
            module.__class__ = kind
    try:
        yield
    finally:
        for module, own in swapped:
            module.__class__ = own


def _convolved(conv: nn.Conv2d, x: Tensor, padding: _Pair) -> Tensor:
    weight = conv.weight
    if torch.is_autocast_enabled(x.device.type):
        kind = torch.get_autocast_dtype(x.device.type)
        x, weight = x.to(kind), weight.to(kind)
    found: Tensor = Depthwise.apply(x, weight, conv.stride, padding, conv.dilation)
    return found
