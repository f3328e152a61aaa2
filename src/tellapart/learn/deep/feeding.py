"""What a network is fed: all samples in memory, batches by their places.

Pictures stay uint8 until their batch is due: a quarter of the memory, and no workers to start.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from tellapart.learn.deep.deployed import Pictures, Preparation, Prepare

#: How far `augment: shift` moves a picture, in pixels.
SHIFT = 2


class Feed:
    """Samples x, uint8 (n, h, w, c) or float32 (n, f) rows, their classes y, and who learns.

    `train` and `validation` are places in x; `how` turns raw samples into what the network gets,
    exactly as the deployed network will.
    """

    def __init__(
        self,
        x: NDArray[Any],
        y: NDArray[np.int64],
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        how: Preparation,
    ) -> None:
        self.how = how
        self.train = torch.as_tensor(train)
        self.validation = torch.as_tensor(validation)
        self._prepare = Prepare(how)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of read-only arrays: it only reads
            self._x, self.y = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y)
        if not isinstance(how, Pictures):
            with torch.no_grad():
                self._x = self._prepare(self._x)

    def to(self, device: torch.device) -> None:
        """Move samples and all to where the network lies."""
        self._prepare.to(device)
        self._x, self.y = self._x.to(device), self.y.to(device)
        self.train, self.validation = self.train.to(device), self.validation.to(device)

    def inputs(self, places: Tensor) -> Tensor:
        """Prepared samples, float32 (b, c, h, w) or (b, f)."""
        x = self._x[places]
        return self._prepare(x) if isinstance(self.how, Pictures) else x

    def varied(self, places: Tensor, flip: bool = False) -> Tensor:
        """The same, each picture moved by up to `SHIFT` pixels, and maybe mirrored."""
        if not isinstance(self.how, Pictures):
            return self.inputs(places)
        x = self._x[places]
        count, high, wide, _ = x.shape
        around = F.pad(x, (0, 0, SHIFT, SHIFT, SHIFT, SHIFT))
        windows = around.unfold(1, high, 1).unfold(2, wide, 1)  # (b, 5, 5, c, h, w)
        moves = torch.randint(2 * SHIFT + 1, (2, count), device="cpu").to(x.device)
        moved = windows[torch.arange(count, device=x.device), moves[0], moves[1]]
        moved = moved.permute(0, 2, 3, 1)
        if flip:
            mirrored = (torch.rand(count, device="cpu") < 0.5).to(x.device)
            moved = torch.where(mirrored.view(-1, 1, 1, 1), moved.flip(2), moved)
        return self._prepare(moved.contiguous())
