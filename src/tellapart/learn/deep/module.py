"""The Lightning module around `learning.Learning`: imported only where a training starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightning.pytorch import LightningModule

from tellapart.learn.deep.learning import Learning

#: Batches that Lightning sees as one.
_RUN = 16


class Module(LightningModule):  # type: ignore[misc]
    """Hands Lightning's calls on: what is learned and how is `Learning`'s."""

    def __init__(self, learning: Learning) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = learning.net
        self.learning = learning
        #: A Ctrl-C amid a batch: Lightning would end the process for it.
        self.interrupted: KeyboardInterrupt | None = None

    def runs(self) -> Runs:
        """What Lightning walks in an epoch: how many batches each run has."""
        return Runs(self.learning)

    def configure_optimizers(self) -> Any:
        return self.learning.start(self.device)

    def on_train_epoch_start(self) -> None:
        self.learning.begin_epoch()

    def training_step(self, batches: int, index: int) -> None:
        if self.learning.stopped or self.interrupted is not None:
            return
        try:
            self.learning.batches(batches)
        except KeyboardInterrupt as interrupt:
            self.interrupted = interrupt
        if self.learning.stopped or self.interrupted is not None:
            self.trainer.should_stop = True

    def on_train_epoch_end(self) -> None:
        if self.interrupted is not None:
            return
        try:
            self.learning.end_epoch()
        except KeyboardInterrupt as interrupt:
            self.interrupted = interrupt
        if self.learning.over:
            self.trainer.should_stop = True


class Runs:
    """Runs of batches that are left of the epoch at hand."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning

    def __iter__(self) -> Iterator[int]:
        left = self._learning.batches_left
        while left > 0:
            yield min(_RUN, left)
            left -= _RUN
