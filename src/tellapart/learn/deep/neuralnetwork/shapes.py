"""Layers of Core ML's neural networks on single figures and on shapes: see `layers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tellapart.learn.deep.described import broken
from tellapart.learn.deep.neuralnetwork.layers import LAYERS, layer, weights

_BROADCASTING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "addBroadcastable": torch.add,
    "divideBroadcastable": torch.true_divide,
    "maxBroadcastable": torch.maximum,
    "minBroadcastable": torch.minimum,
    "multiplyBroadcastable": torch.mul,
    "powBroadcastable": torch.pow,
    "subtractBroadcastable": torch.sub,
}
_COMPARING: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "equal": torch.eq,
    "greaterEqual": torch.ge,
    "greaterThan": torch.gt,
    "lessEqual": torch.le,
    "lessThan": torch.lt,
    "notEqual": torch.ne,
}
_REDUCING: dict[str, Callable[..., Tensor]] = {
    "reduceMax": torch.amax,
    "reduceMean": torch.mean,
    "reduceMin": torch.amin,
    "reduceSum": torch.sum,
}


def _broadcasting(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def run(_: Any, x: Tensor, y: Tensor) -> Tensor:
        return function(x, y)

    return run


def _comparing(function: Callable[[Tensor, Any], Tensor]) -> Callable[..., Tensor]:
    """Two tensors, or one with the number `alpha`; 1.0 where it holds."""

    def run(p: Any, x: Tensor, y: Tensor | None = None) -> Tensor:
        return function(x, p.alpha if y is None else y).float()

    return run


def _reducing(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(p: Any, x: Tensor) -> Tensor:
        axes = list(range(x.dim())) if p.reduceAll else [int(a) for a in p.axes]
        return function(x, dim=axes, keepdim=bool(p.keepDims))

    return run


LAYERS.update({name: _broadcasting(function) for name, function in _BROADCASTING.items()})
LAYERS.update({name: _comparing(function) for name, function in _COMPARING.items()})
LAYERS.update({name: _reducing(function) for name, function in _REDUCING.items()})


@layer("add")
def _add(p: Any, x: Tensor, *others: Tensor) -> Tensor:
    for other in others:
        x = x + other
    return x if others else x + p.alpha


@layer("multiply")
def _multiply(p: Any, x: Tensor, *others: Tensor) -> Tensor:
    for other in others:
        x = x * other
    return x if others else x * p.alpha


@layer("clip")
def _clip(p: Any, x: Tensor) -> Tensor:
    return x.clamp(p.minVal, p.maxVal)


@layer("clampedReLU")
def _clamped_relu(p: Any, x: Tensor) -> Tensor:
    return torch.where(x >= 0, x, p.alpha * x).clamp(max=p.beta)


@layer("whereBroadcastable")
def _where(_: Any, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.where(condition != 0, x, y)


@layer("loadConstantND")
def _load_constant(p: Any) -> Tensor:
    return weights(p.data, [int(n) for n in p.shape])


@layer("copy")
def _copy(_: Any, x: Tensor) -> Tensor:
    return x


@layer("reshapeStatic")
def _reshape(p: Any, x: Tensor) -> Tensor:
    return x.reshape([int(n) for n in p.targetShape])


@layer("rankPreservingReshape")
def _rank_preserving(p: Any, x: Tensor) -> Tensor:
    return x.reshape([int(n) or x.shape[i] for i, n in enumerate(p.targetShape)])


@layer("flattenTo2D")
def _flatten(p: Any, x: Tensor) -> Tensor:
    axis = int(p.axis) % (x.dim() + 1)
    return x.reshape(x.shape[:axis].numel(), -1)


@layer("transpose")
def _transpose(p: Any, x: Tensor) -> Tensor:
    return x.permute([int(a) for a in p.axes])


@layer("expandDims")
def _expand(p: Any, x: Tensor) -> Tensor:
    rank = x.dim() + len(p.axes)
    for axis in sorted(int(a) % rank for a in p.axes):
        x = x.unsqueeze(axis)
    return x


@layer("squeeze")
def _squeeze(p: Any, x: Tensor) -> Tensor:
    return x.squeeze() if p.squeezeAll else x.squeeze(tuple(int(a) for a in p.axes))


@layer("concatND")
def _concat(p: Any, *parts: Tensor) -> Tensor:
    if p.interleave:
        raise broken("interleaves what it joins")
    return torch.cat(parts, dim=int(p.axis))


@layer("slice")
def _slice_axis(p: Any, x: Tensor) -> Tensor:
    axis = {"CHANNEL_AXIS": -3, "HEIGHT_AXIS": -2, "WIDTH_AXIS": -1}[p.SliceAxis.Name(p.axis)]
    end = int(p.endIndex)
    length = x.shape[axis]
    places = range(length)[int(p.startIndex) : end if end >= 0 else length + end + 1]
    chosen = torch.tensor(list(places)[:: int(p.stride) or 1])
    return x.index_select(axis, chosen)


@layer("sliceStatic")
def _slice(p: Any, x: Tensor) -> Tensor:
    places: list[slice | int] = []
    for i in range(x.dim()):
        step = int(p.strides[i])
        if step < 1:
            raise broken(f"takes every {step}th figure")
        if p.squeezeMasks and p.squeezeMasks[i]:
            places.append(int(p.beginIds[i]))
            continue
        first = None if p.beginMasks[i] else int(p.beginIds[i])
        places.append(slice(first, None if p.endMasks[i] else int(p.endIds[i]), step))
    return x[tuple(places)]
