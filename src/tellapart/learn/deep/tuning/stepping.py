"""One batch: picked, varied, mixed, learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellapart.learn.deep import optimizers
from tellapart.learn.deep.tuning.augmenting import Augmenter, mixed
from tellapart.learn.deep.tuning.network import Group, TunedNet, rates
from tellapart.learn.deep.tuning.pictures import PictureFeed
from tellapart.learn.deep.tuning.plan import Plan

if TYPE_CHECKING:
    from tellapart.learn.deep.tuning.crew import Crew


def soft_cross_entropy(logits: Tensor, targets: Tensor, rows: Tensor | None = None) -> Tensor:
    """Mean of −Σ t log softmax(logits) over the batch (n, C); `rows` (n,): how much each counts.

    The sum is divided by n, not by what the rows count together: else a weight would mean nothing
    in a batch of one class alone, and little in any small one.
    """
    losses = -(targets * logits.log_softmax(1)).sum(1)
    return losses.mean() if rows is None else (losses * rows).mean()


def class_weights(plan: Plan, targets: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """A weight a class (C,) from the training split's targets (n, C), or None for all alike.

    The mean over the n rows is 1, so that learning rates mean what they mean without weights.
    """
    if plan.class_weight is None:
        return None
    counts = targets.sum(0, dtype=np.float64)
    if plan.class_weight == "balanced":
        weights = np.where(counts > 0, 1 / np.maximum(counts, 1e-9), 0.0)
    else:
        weights = np.asarray(plan.class_weight, np.float64)
    return np.asarray(weights * len(targets) / (counts @ weights), np.float32)


class Stepper:
    """Learns from batches of one stage; the optimizer is its own."""

    def __init__(
        self,
        net: TunedNet,
        plan: Plan,
        feed: PictureFeed,
        pixels: NDArray[np.uint8],
        size: int,
        precision: str,
        device: torch.device,
        *,
        crew: Crew | None = None,
        backward: Callable[[Tensor], Any] = torch.Tensor.backward,
    ) -> None:
        self._crew, self._backward = crew, backward
        self.net, self.plan, self.precision, self.device = net, plan, precision, device
        self._pixels = pixels
        self._targets = torch.from_numpy(feed.targets[feed.train])
        # Apple's devices have no resampling with reflected borders.
        self._varies_on = torch.device("cpu") if device.type == "mps" else device
        self._augmenter = Augmenter(plan.augmentation, size, feed.mean, feed.std)
        self._augmenter.to(self._varies_on)
        weights = class_weights(plan, feed.targets[feed.train])
        self._weights = None if weights is None else torch.from_numpy(weights).to(device)
        self.optimizer: torch.optim.Optimizer | None = None

    def begin(self, found: Sequence[Group], frozen: int) -> torch.optim.Optimizer:
        """Make the optimizer over the groups that learn."""
        self.optimizer = optimizers.grouped(
            self.plan.optimizer,
            _parts(self.net, found, frozen, self.plan.decay_by_layer),
            self.plan.weight_decay,
        )
        return self.optimizer

    def step(self, places: NDArray[np.int64], rate: float, draws: Sequence[int]) -> Tensor:
        """Learn from the training pictures `places`; returns (sum of losses, right ones).

        `draws` is the seed of everything random in this batch.
        """
        assert self.optimizer is not None
        numbers = np.random.default_rng(list(draws))
        seed = int(numbers.integers(2**62))
        rows, counts = slice(None), 1.0
        if self._crew is not None:  # its share of the batch, varied as it would be in the whole
            rows, counts = self._crew.place.mine(len(places))
            seed += self._crew.place.rank
        torch.manual_seed(seed)  # for dropout
        mine = places[rows]
        x = torch.from_numpy(self._pixels[mine]).to(self._varies_on)
        known = self._targets[torch.from_numpy(mine)].to(self.device)
        pixels = self._augmenter.varied(x, numbers, len(places), rows).to(self.device)
        pixels, targets = mixed(pixels, known, self.plan.augmentation, numbers)
        weights = None if self._weights is None else targets @ self._weights
        if self.plan.label_smoothing:
            share = self.plan.label_smoothing
            targets = targets * (1 - share) + share / targets.shape[1]
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.net(pixels.contiguous(memory_format=torch.channels_last))
        loss = soft_cross_entropy(logits, targets, weights)
        self.optimizer.zero_grad(set_to_none=True)
        self._backward(loss if self._crew is None else loss * counts)
        if self.plan.clip is not None:
            learning = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(learning, self.plan.clip)
        self.optimizer.step()
        with torch.no_grad():
            right = (logits.argmax(1) == known.argmax(1)).sum()
            sums = torch.stack([loss.detach() * len(mine), right.float()])
            return sums if self._crew is None else self._crew.total(sums * float(counts > 0))


def _parts(
    net: TunedNet, found: Sequence[Group], frozen: int, decay: float
) -> list[Mapping[str, Any]]:
    """One optimizer group for each layer group's kernels and one for its biases and norms."""
    named = dict(net.named_parameters())
    parts: list[Mapping[str, Any]] = []
    for place, (group, share) in enumerate(zip(found, rates(list(found), decay), strict=True)):
        if place < frozen:
            continue
        members: list[nn.Parameter] = [named[name] for name in group.parameters]
        for kernels in (True, False):
            chosen = [p for p in members if (p.dim() > 1) == kernels]
            if chosen:
                parts.append({"params": chosen, "share": share, "decays": kernels})
    return parts
