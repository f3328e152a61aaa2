"""Penalties on weights and outputs, and limits that weights keep, as Keras has them.

Source: Keras 3 API reference, "Layer weight regularizers" and "constraints": a penalty is the sum
over all numbers, added to the mean loss; that on outputs is divided by the batch; a limit works
along the first axis of Keras' kernel, (in, out) or (height, width, in, out).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

#: Keras' `backend.epsilon`.
_EPSILON = 1e-7


def penalty(x: Tensor, asked: Mapping[str, float]) -> Tensor:
    """l1 times the sum of absolute values plus l2 times the sum of squares."""
    x = x.float()
    total = x.new_zeros(())
    if asked.get("l1"):
        total = total + float(asked["l1"]) * x.abs().sum()
    if asked.get("l2"):
        total = total + float(asked["l2"]) * x.square().sum()
    return total


class Penalties:
    """All penalties of a network's weights; false where there are none."""

    def __init__(self, weighted: Sequence[tuple[Mapping[str, Any], nn.Module]]) -> None:
        self._found: list[tuple[Tensor, Mapping[str, float]]] = []
        for options, module in weighted:
            for key, name in (("kernel_regularizer", "weight"), ("bias_regularizer", "bias")):
                tensor, asked = getattr(module, name), options.get(key)
                if asked and tensor is not None:
                    self._found.append((tensor, asked))

    def __bool__(self) -> bool:
        return bool(self._found)

    def __call__(self) -> Tensor:
        """Their sum, to be added to the loss."""
        return torch.stack([penalty(tensor, asked) for tensor, asked in self._found]).sum()


class Limits:
    """All limits of a network's weights; call it after every step."""

    def __init__(self, weighted: Sequence[tuple[Mapping[str, Any], nn.Module]]) -> None:
        self._found: list[tuple[Tensor, Callable[[Tensor], Tensor]]] = []
        for options, module in weighted:
            for key, name in (("kernel_constraint", "weight"), ("bias_constraint", "bias")):
                tensor, asked = getattr(module, name), options.get(key)
                if asked and tensor is not None:
                    self._found.append((tensor, _limit(asked, tensor)))

    def __bool__(self) -> bool:
        return bool(self._found)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def __call__(self) -> None:
        for tensor, limit in self._found:
            tensor.copy_(limit(tensor))


def _limit(asked: Any, tensor: Tensor) -> Callable[[Tensor], Tensor]:
    word, most = next(iter(asked.items())) if isinstance(asked, Mapping) else (asked, 0.0)
    # Keras' first axis: (n,) → 0, (in, out) is torch's (out, in), (h, w, in, out) (out, in, h, w).
    axis = {1: 0, 2: 1, 4: 2}[tensor.dim()]

    def norms(x: Tensor) -> Tensor:
        return x.square().sum(axis, keepdim=True).sqrt()

    if word == "non_neg":
        return lambda x: x.clamp(min=0)
    if word == "unit_norm":
        return lambda x: x / (_EPSILON + norms(x))
    if word == "max_norm":
        return lambda x: x * (norms(x).clamp(max=float(most)) / (_EPSILON + norms(x)))
    raise ValueError(f"there is no constraint {word!r}")
