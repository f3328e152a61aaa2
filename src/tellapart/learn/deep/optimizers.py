"""Optimizers by the names a recipe uses, with the defaults of Keras 2.1.

Source: Keras 2.1.6, `keras/optimizers.py`: SGD .01; RMSprop .001, rho .9; Adagrad .01; Adadelta
1.0, rho .95; Adam .001; Adamax and Nadam .002; epsilon 1e-7 throughout. AdamW is younger: Keras 3,
.001 with a weight decay of .004. Adam, Adamax and Nadam are torch's: they add epsilon after the
correction of the second mean, Keras before it; at 1e-7 that tells only on gradients of that size.
Where torch has a fused kernel for the CPU it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_EPSILON = 1e-7


class Adadelta(Optimizer):  # type: ignore[misc]
    """Adadelta in place, without a temporary of a weight's size a step.

    torch's own makes five of them; here the update costs half as much. Source: Zeiler 2012,
    "ADADELTA: An adaptive learning rate method".
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, rho: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "rho": rho})
        self._scratch: dict[nn.Parameter, tuple[Tensor, Tensor, Tensor]] = {}

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            lr, rho = group["lr"], group["rho"]
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, lr, rho)

    def _update(self, p: nn.Parameter, lr: float, rho: float) -> None:
        state, g = self.state[p], p.grad
        if not state:
            # Both averages hold epsilon already: the mean of x + e is the mean of x, plus e. That
            # saves two passes over memory, which is all that an optimizer costs.
            state["square_avg"] = torch.full_like(p, _EPSILON)
            state["acc_delta"] = torch.full_like(p, _EPSILON)
        if p not in self._scratch:
            epsilon = torch.full((), _EPSILON, device=p.device)
            self._scratch[p] = (torch.empty_like(p), torch.empty_like(p), epsilon)
        square, moved = state["square_avg"], state["acc_delta"]
        step, spare, epsilon = self._scratch[p]
        square.lerp_(torch.addcmul(epsilon, g, g, out=spare), 1 - rho)
        torch.div(moved, square, out=step).sqrt_().mul_(g)
        p.sub_(step, alpha=lr)
        moved.lerp_(torch.addcmul(epsilon, step, step, out=spare), 1 - rho)


def _adam(kind: type[Optimizer], **more: Any) -> Callable[..., Optimizer]:
    def make(params: Any, lr: float, **options: Any) -> Optimizer:
        return kind(params, lr=lr, betas=(0.9, 0.999), eps=_EPSILON, **more, **options)

    return make


def _sgd(params: Any, lr: float, **options: Any) -> Optimizer:
    return torch.optim.SGD(params, lr=lr, **options)


def _rmsprop(params: Any, lr: float, **options: Any) -> Optimizer:
    return torch.optim.RMSprop(params, lr=lr, alpha=0.9, eps=_EPSILON, foreach=True, **options)


def _adagrad(params: Any, lr: float, **options: Any) -> Optimizer:
    return torch.optim.Adagrad(params, lr=lr, eps=_EPSILON, **options)


#: Name: (default learning rate, maker, whether torch has a fused kernel for it on a CPU).
_KINDS: Mapping[str, tuple[float, Callable[..., Optimizer], bool]] = {
    "adadelta": (1.0, Adadelta, False),
    "adagrad": (0.01, _adagrad, True),
    "adam": (0.001, _adam(torch.optim.Adam), True),
    "adamax": (0.002, _adam(torch.optim.Adamax), False),
    "adamw": (0.001, _adam(torch.optim.AdamW, weight_decay=0.004), True),
    "nadam": (0.002, _adam(torch.optim.NAdam), False),
    "rmsprop": (0.001, _rmsprop, False),
    "sgd": (0.01, _sgd, True),
}
NAMES = tuple(_KINDS)


def default_rate(name: str) -> float:
    """The learning rate that the name of an optimizer alone means."""
    return _KINDS[name][0]


def optimizer(
    name: str, net: nn.Module, rate: float, decay: float = 0.0, momentum: float = 0.0
) -> Optimizer:
    """The optimizer `name` over the weights of `net`. Raises `ValueError` for an unknown name.

    `decay`: weight decay of AdamW and SGD, for kernels only; 0 leaves the optimizer's own.
    `momentum`: of SGD, Nesterov's.
    """
    if name not in _KINDS:
        raise ValueError(f"there is no optimizer {name!r}")
    _, make, fused = _KINDS[name]
    weights = [p for p in net.parameters() if p.requires_grad]
    options: dict[str, Any] = {}
    if fused and all(p.device.type in ("cpu", "cuda") for p in weights):
        options["fused"] = True
    if name == "sgd" and momentum:
        options |= {"momentum": momentum, "nesterov": True}
    if not decay or name not in ("adamw", "sgd"):
        return make(weights, lr=rate, **options)
    kernels = [p for p in weights if p.dim() > 1]
    others = [p for p in weights if p.dim() <= 1]
    groups = [{"params": others, "weight_decay": 0.0}]
    if kernels:
        groups.append({"params": kernels, "weight_decay": decay})
    return make(groups, lr=rate, **options)


def grouped(name: str, parts: Sequence[Mapping[str, Any]], decay: float) -> Optimizer:
    """The optimizer `name` over groups of weights, for layers that learn at different rates.

    Each part: `params`; `decays`, whether weight decay `decay` is for them (AdamW and SGD alone
    have any); what else it holds stays in the optimizer's `param_groups`. SGD has Nesterov's
    momentum .9. Raises `ValueError` for an unknown name.
    """
    if name not in _KINDS:
        raise ValueError(f"there is no optimizer {name!r}")
    rate, make, fused = _KINDS[name]
    options: dict[str, Any] = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    if fused and all(p.device.type in ("cpu", "cuda") for part in parts for p in part["params"]):
        options["fused"] = True
    groups = [dict(part) for part in parts]
    if name in ("adamw", "sgd"):
        for group in groups:
            group["weight_decay"] = decay if group["decays"] else 0.0
    return make(groups, lr=rate, **options)


#: Shares of `one_cycle`: of the steps that warm up, and of the peak rate at both ends.
_WARM, _FIRST, _LAST = 0.25, 0.04, 0.001


def rate_at(schedule: str, rate: float, step: int, steps: int) -> float:
    """The learning rate of step `step` (from 0) of `steps`.

    `one_cycle` climbs from a twenty-fifth of `rate` and falls by a cosine to a thousandth.
    Source: Smith and Topin 2017, "Super-convergence".
    """
    if schedule == "constant":
        return rate
    warm = max(1.0, _WARM * steps)
    if step < warm:
        return rate * (_FIRST + (1 - _FIRST) * (step / warm))
    done = (step - warm) / max(1.0, steps - warm)
    return rate * (_LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
