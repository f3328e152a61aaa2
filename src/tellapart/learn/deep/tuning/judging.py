"""The validation split after an epoch, and which weights are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tellapart.learn import calibration
from tellapart.learn.deep.tuning import weights
from tellapart.learn.deep.tuning.augmenting import Augmenter
from tellapart.learn.deep.tuning.network import TunedNet

#: Pictures at a time where nothing is learned.
LOOKED_AT = 32


@torch.no_grad()  # type: ignore[untyped-decorator]
def logits_of(
    net: TunedNet, pixels: NDArray[np.uint8], augmenter: Augmenter, precision: str
) -> NDArray[np.float32]:
    """Logits (n, C) of prepared pictures (n, s, s, 3); the network must be in evaluation mode."""
    device = next(net.parameters()).device
    parts = []
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for start in range(0, len(pixels), LOOKED_AT):
            x = torch.from_numpy(np.array(pixels[start : start + LOOKED_AT])).to(device)
            x = augmenter.plain(x).contiguous(memory_format=torch.channels_last)
            parts.append(net(x).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, net.last.out_features), np.float32)


@dataclass(frozen=True)
class Look:
    """What the validation split says of an epoch; None without one."""

    loss: float | None
    accuracy: float | None
    #: The loss with the best temperature, by which epochs are compared: a network that is only
    #: surer of itself than it should be is not worse, for its temperature is fitted later.
    scaled_loss: float | None


def look(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> Look:
    """Compare logits (n, C) with targets (n, C)."""
    if not len(logits):
        return Look(None, None, None)
    known, classes = targets.argmax(1), targets.shape[1]
    if not np.isfinite(logits).all():
        return Look(math.inf, 0.0, math.inf)
    # A soft target is as many rows as there are classes, which count by their shares.
    rows = np.repeat(logits, classes, 0), np.tile(np.arange(classes), len(logits))
    temperature = calibration.fit_temperature(*rows, weights=targets.ravel())
    right = float((logits.argmax(1) == known).mean())
    losses = [_loss(logits / t, targets) for t in (1.0, temperature)]
    return Look(round(losses[0], 6), round(right, 6), round(losses[1], 6))


def _loss(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    shares = np.log(np.maximum(calibration.softmax(logits), 1e-12))
    return float(-(targets * shares).sum(1).mean())


class Best:
    """The best epoch so far and its weights, in a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: Number of the epoch, from 1; 0: none yet. Its stage's size.
        self.epoch = self.size = 0
        self.loss = math.inf

    def judge(self, epoch: int, size: int, loss: float, values: dict[str, Any]) -> bool:
        """Keep the epoch if it is the best. One of another size is not compared: it is replaced."""
        if size == self.size and loss >= self.loss:
            return False
        weights.write(self._file(epoch), values)
        self.epoch, self.size, self.loss = epoch, size, loss
        return True

    def tidy(self) -> None:
        """Remove the files of epochs that were once the best; after the checkpoint is written."""
        for path in self._folder.glob("best-*.pt"):
            if path != self._file(self.epoch):
                path.unlink(missing_ok=True)

    def values(self) -> dict[str, Any]:
        """The weights that were kept; empty where there are none."""
        return (weights.read(self._file(self.epoch)) or {}) if self.epoch else {}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epoch": self.epoch, "size": self.size, "loss": self.loss}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.epoch, self.size, self.loss = state["epoch"], state["size"], state["loss"]

    def _file(self, epoch: int) -> Path:
        return self._folder / f"best-{epoch}.pt"
