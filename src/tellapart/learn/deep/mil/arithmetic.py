"""Operators of MIL on single figures, over axes, and on shapes: see `operators`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tellapart.learn.deep.described import broken
from tellapart.learn.deep.mil.operators import OPERATORS, operator

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "identity": lambda x: x,
    "logical_not": torch.logical_not,
    "relu": lambda x: x.clamp(min=0),
    "relu6": lambda x: x.clamp(0, 6),
    "round": torch.round,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "silu": lambda x: x * torch.sigmoid(x),
    "sin": torch.sin,
    "softsign": lambda x: x / (1 + x.abs()),
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tanh": torch.tanh,
}
_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "equal": torch.eq,
    "floor_div": torch.floor_divide,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mul": torch.mul,
    "not_equal": torch.ne,
    "pow": torch.pow,
    "real_div": torch.true_divide,
    "sub": torch.sub,
}
_REDUCING: dict[str, Callable[..., Tensor]] = {
    "reduce_max": torch.amax,
    "reduce_mean": torch.mean,
    "reduce_min": torch.amin,
    "reduce_sum": torch.sum,
}
_CASTS = {"fp16": torch.float16, "fp32": torch.float32, "int32": torch.int32, "bool": torch.bool}


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def run(x: Tensor) -> Tensor:
        return function(x)

    return run


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def run(x: Tensor, y: Tensor) -> Tensor:
        return function(x, y)

    return run


def _reducing(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | bool = False) -> Tensor:
        wanted = list(range(x.dim())) if axes is None else axes.flatten().tolist()
        return function(x, dim=wanted, keepdim=bool(keep_dims))

    return run


OPERATORS |= {name: _unary(function) for name, function in _UNARY.items()}
OPERATORS |= {name: _binary(function) for name, function in _BINARY.items()}
OPERATORS |= {name: _reducing(function) for name, function in _REDUCING.items()}


@operator
def rsqrt(x: Tensor, epsilon: Tensor | float = 1e-12) -> Tensor:
    return torch.rsqrt(x + epsilon)


@operator
def inverse(x: Tensor, epsilon: Tensor | float = 1e-4) -> Tensor:
    return 1 / (x + epsilon)


@operator
def log(x: Tensor, epsilon: Tensor | float = 1e-45) -> Tensor:
    return torch.log(x + epsilon)


@operator
def cast(x: Tensor, dtype: str) -> Tensor:
    if dtype not in _CASTS:
        raise broken(f"casts to {dtype!r}")
    return x.to(_CASTS[dtype])


@operator
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(cond.bool(), a, b)


@operator
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    wanted = [x.shape[i] if n == 0 else int(n) for i, n in enumerate(shape.tolist())]
    return x.reshape(wanted)


@operator
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    return x.permute(perm.tolist())


@operator
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    rank = x.dim() + axes.numel()
    for axis in sorted(int(a) % rank for a in axes.flatten().tolist()):
        x = x.unsqueeze(axis)
    return x


@operator
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(axes.flatten().tolist()))


@operator
def concat(values: Any, axis: Tensor, interleave: Tensor | bool = False) -> Tensor:
    if bool(interleave):
        raise broken("interleaves what it joins")
    parts = values if isinstance(values, list) else [values]
    return torch.cat(parts, dim=int(axis))


@operator
def split(
    x: Tensor,
    axis: Tensor,
    num_splits: Tensor | None = None,
    split_sizes: Tensor | None = None,
) -> tuple[Tensor, ...]:
    if split_sizes is not None:
        return tuple(torch.split(x, split_sizes.tolist(), dim=int(axis)))
    if num_splits is None:
        raise broken("splits into an unknown number of parts")
    return tuple(torch.split(x, x.shape[int(axis)] // int(num_splits), dim=int(axis)))


@operator
def tile(x: Tensor, reps: Tensor) -> Tensor:
    return x.repeat(reps.tolist())


@operator
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    none = [False] * x.dim()
    steps = [1] * x.dim() if stride is None else stride.tolist()
    masks = [none if m is None else m.tolist() for m in (begin_mask, end_mask, squeeze_mask)]
    places: list[slice | int] = []
    for i, (first, last) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        if steps[i] < 1:
            raise broken(f"takes every {steps[i]}th figure")
        if masks[2][i]:
            places.append(int(first))
            continue
        places.append(
            slice(None if masks[0][i] else first, None if masks[1][i] else last, steps[i])
        )
    return x[tuple(places)]
