"""The Lightning module around `learning.Learning`: imported only where a training starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightning.pytorch import LightningModule

from tellapart.learn.deep.tuning.learning import Learning


class Module(LightningModule):  # type: ignore[misc]
    """One stage. Hands Lightning's calls on: what is learned and how is `Learning`'s."""

    def __init__(self, learning: Learning) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = learning.net
        self.learning = learning
        self._stage = learning.pace.stage
        #: What ended the training amid a batch, a Ctrl-C too: Lightning would end the process.
        self.ended: BaseException | None = None

    def turns(self) -> Turns:
        """What Lightning walks in an epoch: a turn a batch."""
        return Turns(self.learning)

    def configure_optimizers(self) -> Any:
        if self.learning.crew is not None:
            self.learning.backward = self.manual_backward  # gradients of all devices, averaged
        return self.learning.start(self.device)

    def on_train_epoch_start(self) -> None:
        self._do(self.learning.begin_epoch)
        self._done()

    def training_step(self, turn: int, index: int) -> None:
        # Lightning asks for a turn before the last one is done: the epoch may be over by now.
        if self.learning.goes_on:
            self._do(self.learning.batch)
        self._done()

    def on_train_epoch_end(self) -> None:
        self._do(self.learning.end_epoch)
        if self.learning.over or self.learning.pace.stage != self._stage:
            self.trainer.should_stop = True
        self._done()

    def _done(self) -> None:
        """Let the other devices' processes go on, or end with this one."""
        if self.learning.crew is not None:
            self.learning.crew.say({"stop": bool(self.trainer.should_stop)})

    def _do(self, part: Any) -> None:
        if self.ended is not None:
            return
        try:
            part()
        except KeyboardInterrupt as interrupt:
            self.ended = interrupt
        if self.ended is not None or self.learning.stopped:
            self.trainer.should_stop = True


class Turns:
    """Turns while the epoch has batches left; how many is known only on the way."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning

    def __iter__(self) -> Iterator[int]:
        turn = 0
        while self._goes_on():
            yield turn
            turn += 1

    def _goes_on(self) -> bool:
        goes_on = self._learning.goes_on
        if self._learning.crew is not None:
            self._learning.crew.say({"goes_on": goes_on})
        return goes_on
