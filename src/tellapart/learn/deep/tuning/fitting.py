"""Fine-tune a network: what comes out, and Lightning around the loop."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tellapart import telemetry
from tellapart.errors import InputError
from tellapart.learn.deep import numbers
from tellapart.learn.deep.fit import Tick, _quiet
from tellapart.learn.deep.tuning import depthwise, network, weights
from tellapart.learn.deep.tuning.augmenting import Augmenter
from tellapart.learn.deep.tuning.judging import logits_of
from tellapart.learn.deep.tuning.learning import FILE, Learning, Running
from tellapart.learn.deep.tuning.network import TunedNet, frozen_groups, set_learning
from tellapart.learn.deep.tuning.pictures import PictureFeed
from tellapart.learn.deep.tuning.plan import Plan

#: Of a plan, where it is computed.
_PLACE = ("device", "devices")


@dataclass
class Tuned:
    """A tuned network, in evaluation mode on the CPU, and how it came about."""

    net: TunedNet
    plan: Plan
    #: Side of the square that the network is to see.
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    #: One dict an epoch: epoch, stage, loss, accuracy, validation_loss, validation_accuracy,
    #: validation_scaled_loss (after the best temperature), seconds, learning_rate; `partial` where
    #: it was cut off.
    history: list[dict[str, Any]]
    #: One dict a stage, see `facts.StageLog.facts`: size, lr, lr_found, groups (name, frozen, share
    #: of the rate), cycles, rates ([epoch, rate] points), search ([rate, loss] points), …
    stages: list[dict[str, Any]]
    #: The epoch whose weights were kept, from 1.
    best_epoch: int
    #: False after a stop request; what a deadline left out does not count.
    finished: bool
    precision: str
    device: str
    #: Spent on training, over all the runs that it took.
    seconds: float
    #: Training pictures a second of the steps alone, over all stages.
    pictures_per_second: float
    notes: list[str] = field(default_factory=list)

    @property
    def lr_plots(self) -> dict[int, list[list[float]]]:
        """Stage (from 1) to the [rate, loss] points of its search for a learning rate."""
        return {stage["stage"]: stage["search"] for stage in self.stages if stage["search"]}


def tune(
    plan: Plan,
    tensors: Mapping[str, NDArray[Any]] | None,
    feed: PictureFeed,
    *,
    folder: Path,
    key: str,
    watch: Callable[[Tick], None] = lambda tick: None,
    stop: Callable[[], bool] = lambda: False,
    deadline: float | None = None,
    head: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> Tuned:
    """Tune timm's `plan.backbone`, whose weights are `tensors` (None: random), on `feed`.

    `folder` keeps the prepared pictures and a checkpoint, written every 25 s, after every epoch
    and when `stop`, asked after each batch, says so; one there with the same `key`, plan and
    pictures is gone on from, to the same result as without the interruption (on other devices: but
    for rounding). Whoever has kept the result removes the folder. `deadline`, on
    `time.monotonic`'s clock: the plan's epochs are then an upper bound, fitted to the time after
    the first batches and again all the way. `head`: weight (C, d) and bias (C,) over raw pooled
    features to start from (Kumar et al. 2022, "Fine-tuning can distort pretrained features").
    Raises `InputError` where the loss is no number any more, for a device that is not here, or for
    a name that timm has not;
    `VerificationError` for weights of another network, `PictureError` for a picture that cannot
    be decoded, `StorageError` where `folder` cannot be written, `MissingExtraError` without timm,
    `WorkerError` where the process of another device is lost.
    """
    telemetry.off()
    device = _device(plan)
    precision = precision_for(plan.precision, device)
    net = network.build(plan, tensors, feed.classes, head).to(memory_format=torch.channels_last)
    running = Running(folder, _key(key, plan, feed), watch, stop, deadline, precision)
    learning = Learning(net, plan, feed, running)
    before = torch.get_num_threads()
    torch.set_num_threads(_threads(plan, device))
    try:
        with torch.random.fork_rng(devices=[]), _quiet(folder), quickened(net, device):
            learning.resume()
            if plan.devices > 1 and not learning.over:
                _walk_together(learning, device, folder)
            while not learning.over:
                _walk(learning, device, folder)
    finally:
        torch.set_num_threads(before)
        net.cpu()
    return _result(learning, device)


def spent(plan: Plan, feed: PictureFeed, *, folder: Path, key: str) -> float:
    """Seconds that the training which `tune` would go on from has taken; 0 where there is none."""
    kept = weights.read(folder / FILE)
    if not isinstance(kept, dict) or kept.get("key") != _key(key, plan, feed):
        return 0.0
    return float(kept["seconds"])


def _result(learning: Learning, device: str) -> Tuned:
    """What was learned, with the weights that are to be kept."""
    net, plan, feed = learning.net, learning.plan, learning.feed
    best_epoch = learning.settle()
    stages = [log.facts() for log in learning.logs]
    net.eval().requires_grad_(False)
    pictures = sum(log.pictures for log in learning.logs)
    seconds = sum(log.seconds for log in learning.logs)
    return Tuned(
        net=net,
        plan=plan,
        size=learning.size,
        mean=feed.mean,
        std=feed.std,
        history=list(learning.history),
        stages=stages,
        best_epoch=best_epoch,
        finished=not learning.stopped,
        precision=learning.precision,
        device=device,
        seconds=learning.seconds,
        pictures_per_second=round(pictures / seconds, 2) if seconds else 0.0,
        notes=_shortened(plan, stages) if learning.finished_early else [],
    )


def predict(
    tuned: Tuned, feed: PictureFeed, places: NDArray[np.int64], folder: Path
) -> NDArray[np.float32]:
    """Logits (n, C) of the pictures `places` of `feed`, in float32, as the exported model's."""
    pixels = feed.pixels(places, tuned.size, folder)
    augmenter = Augmenter(tuned.plan.augmentation, tuned.size, tuned.mean, tuned.std)
    logits: NDArray[np.float32] = logits_of(tuned.net, pixels, augmenter, "fp32")
    return logits


def _shortened(plan: Plan, stages: list[dict[str, Any]]) -> list[str]:
    done = sum(stage["epochs"] for stage in stages)
    return [f"The time allowed {done:.1f} of the {plan.epochs} epochs that were planned."]


def device_of(asked: str, devices: int) -> str:
    """`cpu`, `cuda` or `mps`. Raises `InputError` where there are not so many here."""
    device = numbers.device_for(asked)
    if devices == 1:
        return device
    here = {"cpu": devices, "cuda": torch.cuda.device_count()}.get(device, 1)
    if devices > here or not torch.distributed.is_available():
        raise InputError(
            f"train.devices is {devices!r}, and of {device!r} there is {here} here to train "
            "together.",
            expected=f"a whole number from 1 to {here}",
            do="Set train.devices to such a number, or leave it out.",
        )
    return device


def _device(plan: Plan) -> str:
    device = device_of(plan.device, plan.devices)
    if plan.devices == 1:
        return device
    if plan.batch_size < 2 * plan.devices:
        raise InputError(
            f"train.devices is {plan.devices!r}, of a batch of {plan.batch_size} pictures.",
            expected="at least two pictures of each batch for every device",
            do=f"Set train.batch_size to {2 * plan.devices} or more, or use fewer devices.",
        )
    return device


def precision_for(asked: str, device: str) -> str:
    """`fp32` or `bf16`. `auto`: bf16 where the processor multiplies in it.

    Weights, sums and the optimizer keep float32 in either.
    """
    if asked != "auto":
        return asked
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if device == "cpu" and numbers.cpu_multiplies_bf16() else "fp32"


def threads() -> int:
    """As many as there are processors; `OMP_NUM_THREADS` has the last word."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said):
        return int(said)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _threads(plan: Plan, device: str) -> int:
    """Of this process: several on one CPU share its threads."""
    whole = plan.threads or threads()
    return max(1, whole // plan.devices) if device == "cpu" else whole


def quickened(net: TunedNet, device: str) -> contextlib.AbstractContextManager[None]:
    """On a CPU some gradients are had by quicker ways than torch's own."""
    return depthwise.quick(net) if device == "cpu" else contextlib.nullcontext()


def _key(key: str, plan: Plan, feed: PictureFeed) -> str:
    """Names all that a checkpoint must share with the training that goes on from it.

    Where it is computed is none of that.
    """
    shared = {name: value for name, value in plan.to_dict().items() if name not in _PLACE}
    said = [key, shared, feed.fingerprint]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _walk(learning: Learning, device: str, folder: Path) -> None:
    """What is left of the stage at hand, in Lightning's hands."""
    from lightning.pytorch import Trainer

    from tellapart.learn.deep.tuning.module import Module

    module = Module(learning)
    trainer = Trainer(
        accelerator="gpu" if device == "cuda" else device,
        devices=1,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=str(folder),
    )
    trainer.fit(module, module.turns())
    if module.ended is not None:
        raise module.ended


def _walk_together(learning: Learning, device: str, folder: Path) -> None:
    """All that is left, with a process for each further device."""
    from tellapart.learn.deep.tuning.crew import Leading, walked
    from tellapart.learn.deep.tuning.module import Module

    plan, feed = learning.plan, learning.feed
    leading = Leading(plan.devices, device, _threads(plan, device), folder)
    with leading.watched() as crew:
        targets = folder.absolute() / "targets.npy"
        np.save(targets, feed.targets[feed.train])
        said = {"plan": plan.to_dict(), "targets": str(targets)}
        crew.say({**said, "mean": feed.mean, "std": feed.std})
        learning.crew = crew
        while not learning.over:
            stage = learning.pace.stage
            crew.say({"walk": stage})
            frozen = frozen_groups(learning.groups, plan.stages[stage].freeze)
            set_learning(learning.net, learning.groups, frozen, plan.freeze_norm)
            module = Module(learning)
            walked(module, module.turns(), crew.place, folder)
            if module.ended is not None:
                raise module.ended
