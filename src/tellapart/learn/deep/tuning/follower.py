"""A process that follows in a tuning on several devices: its share of each batch, nothing else.

Started by `crew.Leading` as `python -m … MEETING RANK DEVICES DEVICE THREADS FOLDER`. It ends when
its standard input does, so that it never outlives the process that leads.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule

from tellapart import telemetry
from tellapart.learn.deep.tuning import network, weights
from tellapart.learn.deep.tuning.crew import Crew, Place, ready, walked
from tellapart.learn.deep.tuning.fitting import quickened
from tellapart.learn.deep.tuning.network import frozen_groups, groups, set_learning
from tellapart.learn.deep.tuning.pictures import PictureFeed
from tellapart.learn.deep.tuning.plan import Plan
from tellapart.learn.deep.tuning.stepping import Stepper


class Turns:
    """As many in each epoch as the leader takes."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def __iter__(self) -> Iterator[int]:
        turn = 0
        while self._crew.hear()["goes_on"]:
            yield turn
            turn += 1


class Following(LightningModule):  # type: ignore[misc]
    """One stage: whatever the leader's hooks do, these do what it says meanwhile."""

    def __init__(self, net: network.TunedNet, plan: Plan, feed: PictureFeed, crew: Crew) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net, self._plan, self._feed, self._crew = net, plan, feed, crew
        self._groups = groups(net)

    def configure_optimizers(self) -> Any:
        said = self._crew.hear()
        side, folder = int(said["side"]), Path(said["folder"])
        # A leader that was asked to stop has no pictures, and no batch either.
        pixels = np.load(said["pixels"], mmap_mode="r") if said["pixels"] else np.zeros(0, np.uint8)
        self._stage = int(said["stage"])
        self._stepper = Stepper(
            self.net,
            self._plan,
            self._feed,
            pixels,
            side,
            said["precision"],
            self.device,
            crew=self._crew,
            backward=self.manual_backward,
        )
        optimizer = self._begin()
        if said["optimizer"]:
            optimizer.load_state_dict(weights.read(folder / said["optimizer"]))
        return optimizer

    def on_train_epoch_start(self) -> None:
        self._follow()

    def training_step(self, turn: int, index: int) -> None:
        self._follow()

    def on_train_epoch_end(self) -> None:
        self._follow()

    def _follow(self) -> None:
        """Do what the leader says until it has done with what it is at."""
        while True:
            said = self._crew.hear()
            if "places" in said:
                self._stepper.step(np.array(said["places"]), said["rate"], said["draws"])
            elif "again" in said:  # after a search for a rate: as before it
                self._crew.share(self.net)
                self._begin()
            else:
                self.trainer.should_stop = said["stop"]
                return

    def _begin(self) -> torch.optim.Optimizer:
        frozen = frozen_groups(self._groups, self._plan.stages[self._stage].freeze)
        return self._stepper.begin(self._groups, frozen)


def follow(place: Place, meeting: Path, folder: Path) -> None:
    """Follow from stage to stage, until the leader says that it has ended."""
    ready(meeting, place.rank).touch()
    crew = Crew(place, meeting)
    said = crew.hear()
    plan = Plan.from_dict(said["plan"])
    targets = np.load(said["targets"])
    places = np.arange(len(targets))
    feed = PictureFeed(
        [], targets, targets.shape[1], places, places[:0], mean=said["mean"], std=said["std"]
    )
    # The leader's weights come with the first stage.
    net = network.build(plan, None, feed.classes).to(memory_format=torch.channels_last)
    with quickened(net, place.device):
        while not (said := crew.hear()).get("end"):
            found = groups(net)
            frozen = frozen_groups(found, plan.stages[said["walk"]].freeze)
            set_learning(net, found, frozen, plan.freeze_norm)
            module = Following(net, plan, feed, crew)
            walked(module, Turns(crew), place, folder)
    crew.close()


def _ends_with_its_leader() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Read the arguments and follow."""
    telemetry.off()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the leader to heed
    meeting, rank, world, device, threads, folder = sys.argv[1:]
    threading.Thread(target=_ends_with_its_leader, daemon=True).start()
    torch.set_num_threads(int(threads))
    follow(Place(int(rank), int(world), device), Path(meeting), Path(folder))
    os._exit(0)  # nothing is left to do, and a reader waits for its input


if __name__ == "__main__":
    main()
