"""Depthwise convolutions whose gradients are quick on a CPU.

Measured (torch 2.15, one core of a Zen 5, batch of 16, channels last): in bf16 two of torch's
kernels are 4 to 20 times slower than their neighbors. The gradient of the input at stride 2 (93 ms
for 96 channels of 80²) is taken from the one at stride 1 (3 ms), and that of kernels larger than
3×3 (42 ms for 672 channels of 10²) in float32 (9 ms). The values are the same but for rounding.
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
            parts = grad, x, weight
            if weight.shape[-1] > 3 and weight.dtype == torch.bfloat16:
                parts = grad.float(), x.float(), weight.float()
            to_weight = _backward(*parts, stride, padding, dilation, 1).to(weight.dtype)
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
