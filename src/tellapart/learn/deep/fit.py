"""Train a network: what is asked for, what comes out, and Lightning around the loop.

Lightning brings the network to its device and walks the epochs. A batch of a small network takes
a few milliseconds, of which Lightning's own bookkeeping would be a tenth; so its "batch" is here a
run of batches, which `learning.Learning` takes one after the other.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tellapart import telemetry
from tellapart.learn.deep import numbers, optimizers
from tellapart.learn.deep.build import Net
from tellapart.learn.deep.feeding import Feed


@dataclass(frozen=True)
class Options:
    """How to train; every word as `recipe.train` has it, nothing left at `auto` but two."""

    optimizer: str = "adam"
    #: None: the optimizer's own default.
    learning_rate: float | None = None
    loss: str = "categorical_crossentropy"
    epochs: int = 10
    batch_size: int = 32
    #: Epochs without a better validation loss after which training ends; None: never.
    early_stopping: int | None = None
    best_weights: bool = True
    #: auto, fp32 or bf16.
    precision: str = "auto"
    #: auto, cpu, cuda or mps.
    device: str = "auto"
    #: constant or one_cycle.
    schedule: str = "constant"
    #: none or shift.
    augment: str = "none"
    seed: int = 0
    #: 0: as many as the network is worth.
    threads: int = 0
    #: Only for networks of our own design: share of a target spread over all classes, weight decay
    #: of kernels, momentum of SGD, mirrored pictures, and how slowly averaged weights follow.
    smoothing: float = 0.0
    decay: float = 0.0
    momentum: float = 0.0
    flip: bool = False
    average: float = 0.0

    @property
    def rate(self) -> float:
        """The learning rate, as asked for or the optimizer's own."""
        rate = self.learning_rate
        return optimizers.default_rate(self.optimizer) if rate is None else rate


@dataclass(frozen=True)
class Tick:
    """How far a training is: batches over all epochs."""

    done: int
    total: int
    #: From 1.
    epoch: int
    epochs: int
    #: Means over the epoch so far.
    loss: float
    accuracy: float
    seconds_left: float
    #: At the end of an epoch its line of the history, else None.
    line: Mapping[str, Any] | None = None


@dataclass
class Fitted:
    """A trained network, in evaluation mode on the CPU, and how it came about."""

    net: Net
    #: One dict an epoch: epoch, loss, accuracy, validation_loss, validation_accuracy (None
    #: without a validation split), seconds, learning_rate; `partial` where it was cut off.
    history: list[dict[str, Any]]
    #: The epoch whose weights were kept, from 1.
    best_epoch: int
    #: False after a stop request.
    finished: bool
    precision: str
    device: str
    #: Spent on training, over all the runs that it took.
    seconds: float
    notes: list[str] = field(default_factory=list)


def fit(
    net: Net,
    feed: Feed,
    options: Options,
    *,
    folder: Path,
    key: str,
    watch: Callable[[Tick], None] = lambda tick: None,
    stop: Callable[[], bool] = lambda: False,
) -> Fitted:
    """Train `net` on `feed` and return it with its best (or last) weights.

    `folder` keeps a checkpoint after every epoch and when `stop`, asked after each batch, says so;
    one there with the same `key` is gone on from, to the same result as without the interruption.
    Whoever has kept the result removes the folder. Raises `InputError` where the loss is no
    number any more, or for a device that is not here; `StorageError` where `folder` cannot be
    written.
    """
    from tellapart.learn.deep.learning import Learning

    telemetry.off()
    device = numbers.device_for(options.device)
    precision = numbers.precision_for(options.precision, device, net.network)
    learning = Learning(net, feed, options, precision, folder, key, watch, stop)
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads or numbers.threads_for(net.network, options.batch_size))
    try:
        with torch.random.fork_rng(devices=[]), _quiet(folder):
            torch.manual_seed(options.seed)
            learning.resume()
            if not learning.over:
                _walk(learning, device, folder)
    finally:
        torch.set_num_threads(before)
        net.cpu()
    return learning.result(device)


def _walk(learning: Any, device: str, folder: Path) -> None:
    """All epochs that are left, in Lightning's hands."""
    from lightning.pytorch import Trainer

    from tellapart.learn.deep.module import Module

    module = Module(learning)
    trainer = Trainer(
        accelerator="gpu" if device == "cuda" else device,
        devices=1,
        max_epochs=learning.epochs_left,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=str(folder),
    )
    trainer.fit(module, module.runs())
    if module.interrupted is not None:
        raise module.interrupted


@contextlib.contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Lightning's advice, tips and device lines are not for our users."""
    # Lightning imports matplotlib, which writes a list of fonts into the home folder.
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    import lightning.pytorch  # noqa: F401 - it sets its loggers' levels when it is imported

    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
