"""The loop of a fine-tuning: stages, epochs, batches, checkpoints.

All that decides the next batch is in the checkpoint or follows from the batch's number, so that a
training that was killed ends as if it had not been (a deadline apart, for time goes on).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tellapart.errors import InputError
from tellapart.learn.deep.fit import Tick
from tellapart.learn.deep.learning import cuts
from tellapart.learn.deep.tuning import finding, weights
from tellapart.learn.deep.tuning.augmenting import Augmenter, kept_side
from tellapart.learn.deep.tuning.facts import StageLog
from tellapart.learn.deep.tuning.judging import Best, Look, logits_of, look
from tellapart.learn.deep.tuning.network import (
    TunedNet,
    frozen_groups,
    groups,
    set_learning,
    untouched,
)
from tellapart.learn.deep.tuning.pacing import Pace, works
from tellapart.learn.deep.tuning.pictures import PictureFeed
from tellapart.learn.deep.tuning.plan import Plan
from tellapart.learn.deep.tuning.schedules import factor
from tellapart.learn.deep.tuning.stepping import Stepper

if TYPE_CHECKING:
    from tellapart.learn.deep.tuning.crew import Crew

#: In the folder for checkpoints.
FILE = "tuning.pt"
#: Beside it, for processes on other devices that go on with it.
_OPTIMIZER = "optimizer.pt"
#: Seconds between two words to the watcher within an epoch, and between two checkpoints.
_WORD, _SAVE = 0.25, 25.0
#: Tests put another in its place.
clock = time.monotonic


@dataclass(frozen=True)
class Running:
    """Where and how a training runs."""

    folder: Path
    key: str
    watch: Callable[[Tick], None]
    stop: Callable[[], bool]
    #: On `time.monotonic`'s clock.
    deadline: float | None
    precision: str


class Learning:
    """One fine-tuning under way. `module.Module` calls it in Lightning's order."""

    def __init__(self, net: TunedNet, plan: Plan, feed: PictureFeed, running: Running) -> None:
        self.net, self.plan, self.feed, self._running = net, plan, feed, running
        self.groups = groups(net)
        self._frozen = [frozen_groups(self.groups, stage.freeze) for stage in plan.stages]
        self._cuts = cuts(len(feed.train), plan.batch_size)
        self.pace = Pace(works(plan, self._frozen, len(self.groups), feed), running.deadline)
        self.best, self._average = Best(running.folder), weights.Average(plan.ema)
        self.stopped = False
        #: Finished epochs of all stages; batches of the one at hand.
        self._epoch = self._batch = 0
        #: Epochs of the stage at hand without a better one.
        self._waited = 0
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)
        self._sums = torch.zeros(2)
        self._seen = 0
        self._seconds = self._epoch_seconds = 0.0
        self.history: list[dict[str, Any]] = []
        self.logs: list[StageLog] = []
        self._search: dict[str, Any] | None = None
        self._restored: dict[str, Any] | None = None
        self._stepper: Stepper | None = None
        #: The other devices' processes, and how gradients are had where there are any.
        self.crew: Crew | None = None
        self.backward: Callable[[torch.Tensor], Any] = torch.Tensor.backward
        self._since = self._word = self._saved = clock()

    # What Lightning asks.

    @property
    def precision(self) -> str:
        """What it multiplies in."""
        return self._running.precision

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.stopped or self.pace.stage >= len(self.plan.stages)

    @property
    def goes_on(self) -> bool:
        """Whether the epoch at hand has another batch."""
        return not self.stopped and self._batch < len(self._cuts) and self.pace.left(clock()) > 0

    def start(self, device: torch.device) -> torch.optim.Optimizer:
        """Bring the stage to the device and make the optimizer, or take up the one there was."""
        place, plan, running = self.pace.stage, self.plan, self._running
        stage, frozen = plan.stages[place], self._frozen[place]
        self._since = clock()
        set_learning(self.net, self.groups, frozen, plan.freeze_norm)
        side = kept_side(plan.augmentation, stage.size)
        pixels = self.feed.pixels(self.feed.train, side, running.folder, self._prepared)
        self._shown = self.feed.pixels(
            self.feed.validation, stage.size, running.folder, self._prepared
        )
        self._augmenter = Augmenter(plan.augmentation, stage.size, self.feed.mean, self.feed.std)
        self._augmenter.to(device)
        self._stepper = Stepper(
            self.net,
            plan,
            self.feed,
            pixels,
            stage.size,
            running.precision,
            device,
            crew=self.crew,
            backward=self.backward,
        )
        self._sums = self._sums.to(device)
        self._untouched = untouched(self.net, self.groups, min(self._frozen[: place + 1]))
        self._average.begin(self.net, self._untouched)
        optimizer = self._stepper.begin(self.groups, frozen)
        if len(self.logs) == place:
            self.logs.append(StageLog.begun(place, plan, self.groups, frozen, len(self._cuts)))
        restored = self._restored is not None
        if self._restored is not None:
            optimizer.load_state_dict(self._restored["optimizer"])
            self._restored = None
        if self.crew is not None:
            self._tell_stage(optimizer if restored else None, pixels)
        self._saved = clock()
        return optimizer

    def begin_epoch(self) -> None:
        """Look for the rate where that is asked; shuffle."""
        stage = self.plan.stages[self.pace.stage]
        if self.logs[-1].rate is None and stage.searches:
            self._find()
        elif self.logs[-1].rate is None:
            self.logs[-1].rate = float(stage.lr)
        if self._batch == 0:
            self._sums.zero_()
            self._seen, self._epoch_seconds = 0, 0.0
        self._order = self._shuffled(self._epoch)

    def batch(self) -> None:
        """Learn from the next batch."""
        stage, log = self.plan.stages[self.pace.stage], self.logs[-1]
        assert log.rate is not None
        rate = log.rate * factor(stage, self.pace.progress)
        first, end = self._cuts[self._batch]
        self._sums += self._step(self._order[first:end], rate, (self._epoch, self._batch))
        self._average.follow()
        self._seen += end - first
        self._batch += 1
        self.pace.step(clock())
        log.rates.append(rate)
        if self._running.stop():
            self.stopped = True
        now = clock()
        if now - self._word >= _WORD or self.stopped:
            self._check()
            self._tell(None)
        if self.stopped or now - self._saved >= _SAVE:
            self._save()

    def end_epoch(self) -> None:
        """Look at the validation split, note the epoch, keep the best weights."""
        if not self._batch:
            if not self.stopped:  # no time was left for a single batch
                self._next_stage()
                self._save()
            return
        self._check()
        ended = self._batch == len(self._cuts) or not self.stopped
        seen = self._look()
        line = self._line(seen, self._batch < len(self._cuts))
        better = self._keep(line, seen)
        self.history.append(line)
        if not ended:
            return  # the checkpoint of the stop knows nothing of this: it goes on within the epoch
        self._epoch, self._batch = self._epoch + 1, 0
        self._waited = 0 if better else self._waited + 1
        self._clock()
        patience = self.plan.early_stopping
        tired = patience is not None and self._waited >= patience
        if tired or not self.pace.left(clock()):
            self._next_stage()
        self._save()  # before it is said: an epoch that was seen to end is never repeated
        self.best.tidy()
        self._tell(line)

    # What happens inside.

    def _next_stage(self) -> None:
        self.logs[-1].close(self.pace.steps)
        self.pace.begin(self.pace.stage + 1)
        self._waited = 0

    def _tell_stage(
        self, optimizer: torch.optim.Optimizer | None, pixels: NDArray[np.uint8]
    ) -> None:
        """Tell the other devices' processes of the stage, and of an optimizer that goes on."""
        assert self.crew is not None
        folder = self._running.folder.absolute()
        if optimizer is not None:
            weights.write(folder / _OPTIMIZER, optimizer.state_dict())
        file = pixels.filename if isinstance(pixels, np.memmap) and not self.stopped else None
        said = {
            "stage": self.pace.stage,
            "side": self.plan.stages[self.pace.stage].size,
            "precision": self.precision,
            "folder": str(folder),
            "pixels": str(Path(file).absolute()) if file else "",
            "optimizer": "" if optimizer is None else _OPTIMIZER,
        }
        self.crew.say(said)

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        draws = np.random.default_rng([self.plan.seed, epoch])
        return np.asarray(draws.permutation(len(self.feed.train)), np.int64)

    def _step(self, places: NDArray[np.int64], rate: float, number: tuple[int, ...]) -> Any:
        assert self._stepper is not None
        before = clock()
        if self.crew is not None:
            drawn = [self.plan.seed, *number]
            self.crew.say({"places": places.tolist(), "rate": rate, "draws": drawn})
        sums = self._stepper.step(places, rate, (self.plan.seed, *number))
        if self.pace.deadline is not None and sums.is_cuda:
            torch.cuda.synchronize()
        seconds = clock() - before
        self.pace.timed(seconds)
        self.logs[-1].timed(seconds, len(places))
        return sums

    def _find(self) -> None:
        """The search for a learning rate; the network is then as it was before."""
        if self._search is None:
            start = {k: v.clone() for k, v in weights.state(self.net, self._untouched).items()}
            steps = self.pace.search_steps(clock())
            self._search = {"points": [], "start": start, "steps": steps}
        points, steps = self._search["points"], self._search["steps"]
        order = np.concatenate([self._shuffled(self._epoch) for _ in range(2)])
        places = cuts(len(self.feed.train), self.plan.batch_size)
        while not points or not finding.over([loss for _, loss in points], steps):
            if self._running.stop():
                self.stopped = True
                self._save()
                return
            step = len(points)
            rate = finding.rate(self.plan.optimizer, step, steps)
            first, end = places[step % len(places)]
            sums = self._step(order[first:end], rate, (self._epoch, step, 1))
            points.append((rate, float(sums[0]) / (end - first)))
            now = clock()
            if now - self._word >= _WORD:
                self._tell(None)
            if now - self._saved >= _SAVE:
                self._save()
            if self.pace.late(now):
                break
        weights.put(self.net, self._search["start"])
        log = self.logs[-1]
        log.search, log.suggested = list(points), finding.chosen(points, self.plan.optimizer)
        asked = self.plan.stages[self.pace.stage].lr
        log.rate = log.suggested if asked == "find" else float(asked)
        self._search = None
        if self.crew is not None:
            self.crew.say({"again": True})
            self.crew.share(self.net)
        assert self._stepper is not None
        self._stepper.begin(self.groups, self._frozen[self.pace.stage])
        self._save()

    def _check(self) -> None:
        if math.isfinite(float(self._sums[0])):
            return
        rate = self.logs[-1].rate or 0.0
        raise InputError(
            f"The loss is not a number any more in stage {self.pace.stage + 1}, epoch "
            f"{self._epoch + 1}, batch {self._batch} of {len(self._cuts)} "
            f"(optimizer {self.plan.optimizer}, learning rate {rate:g}).",
            expected="weights that stay finite",
            do="Set a smaller lr for this stage (a tenth), or lr: find.",
        )

    def _look(self) -> Look:
        self.net.eval()
        with self._average.inside(self.net):
            logits = logits_of(self.net, self._shown, self._augmenter, self._running.precision)
        set_learning(self.net, self.groups, self._frozen[self.pace.stage], self.plan.freeze_norm)
        return look(logits, self.feed.targets[self.feed.validation])

    def _line(self, seen: Look, partial: bool) -> dict[str, Any]:
        self._clock()
        loss, right = (float(v) / max(1, self._seen) for v in self._sums)
        line = {
            "epoch": self._epoch + 1,
            "stage": self.pace.stage + 1,
            "loss": round(loss, 6),
            "accuracy": round(right, 6),
            "validation_loss": seen.loss,
            "validation_accuracy": seen.accuracy,
            "validation_scaled_loss": seen.scaled_loss,
            "seconds": round(self._epoch_seconds, 3),
            "learning_rate": self.logs[-1].rates[-1] if self.logs[-1].rates else None,
        }
        return line | ({"partial": True} if partial else {})

    def _keep(self, line: dict[str, Any], seen: Look) -> bool:
        """Keep the weights if they are the best; whether the epoch was the best so far."""
        size = self.plan.stages[self.pace.stage].size
        judged = line["loss"] if seen.scaled_loss is None else seen.scaled_loss
        if seen.scaled_loss is None or not self.plan.best_weights:
            better = judged < self.best.loss
            self.best.loss = min(judged, self.best.loss)
            return better
        with self._average.inside(self.net):
            return self.best.judge(line["epoch"], size, judged, weights.state(self.net))

    def _prepared(self, done: int, total: int) -> bool:
        if clock() - self._word >= _WORD:
            self._tell(None)
        self.stopped = self.stopped or self._running.stop()
        return not self.stopped

    def _clock(self) -> None:
        now = clock()
        self._seconds += now - self._since
        self._epoch_seconds += now - self._since
        self._since = now

    def _tell(self, line: dict[str, Any] | None) -> None:
        self._clock()
        now = self._word = clock()
        done, left, seconds = self._epoch * len(self._cuts) + self._batch, 0, 0.0
        if self.pace.stage < len(self.plan.stages):
            left, seconds = self.pace.outlook(now)
        epochs = max(self._epoch + bool(left), math.ceil((done + left) / len(self._cuts)))
        loss, right = (float(v) / max(1, self._seen) for v in self._sums)
        epoch = self._epoch if line is not None else self._epoch + 1
        tick = Tick(done, done + left, epoch, epochs, loss, right, round(seconds, 1), line)
        self._running.watch(tick)

    # Going on after an interruption.

    def _save(self) -> None:
        assert self._stepper is not None and self._stepper.optimizer is not None
        self._clock()
        self._saved = clock()
        values = {
            "key": self._running.key,
            "net": weights.state(self.net, self._untouched),
            "optimizer": self._stepper.optimizer.state_dict(),
            "pace": self.pace.state(),
            "epoch": self._epoch,
            "batch": self._batch,
            "waited": self._waited,
            "sums": self._sums.cpu(),
            "seen": self._seen,
            "history": self.history,
            "logs": [log.state() for log in self.logs],
            "best": self.best.state(),
            "average": self._average.values,
            "average_steps": self._average.steps,
            "search": self._search,
            "seconds": self._seconds,
            "epoch_seconds": self._epoch_seconds,
            "between": self._batch == 0
            and self._search is None
            and len(self.logs) <= self.pace.stage,
        }
        weights.write(self._running.folder / FILE, values)

    def resume(self) -> None:
        """Take up the checkpoint of this very training, if there is one."""
        kept = weights.read(self._running.folder / FILE)
        if not isinstance(kept, dict) or kept.get("key") != self._running.key:
            return
        weights.put(self.net, kept["net"])
        self.pace.restore(kept["pace"])
        self._epoch, self._batch = kept["epoch"], kept["batch"]
        self._waited = kept["waited"]
        self._sums, self._seen = kept["sums"], kept["seen"]
        self.history = kept["history"]
        self.logs = [StageLog.restored(log) for log in kept["logs"]]
        self.best.restore(kept["best"])
        self._average.values = kept["average"]
        self._average.steps = kept["average_steps"]
        self._search = kept["search"]
        self._seconds, self._epoch_seconds = kept["seconds"], kept["epoch_seconds"]
        self.pace.widen(clock())
        # Between two stages the next one begins with an optimizer of its own.
        self._restored = None if kept["between"] else kept

    @property
    def finished_early(self) -> bool:
        """Whether a deadline cut the plan short; early stopping and a stop request do not count."""
        if self.pace.deadline is None or self.stopped or self.plan.early_stopping is not None:
            return False
        done = sum(len(log.rates) for log in self.logs)
        return done < self.plan.epochs * len(self._cuts)

    @property
    def seconds(self) -> float:
        """Spent on training, over all the runs that it took."""
        return round(self._seconds, 3)

    def settle(self) -> int:
        """Put in the weights that are to be kept; the epoch they are of, from 1."""
        values = self.best.values() if self.plan.best_weights else {}
        if values:
            weights.put(self.net, values)
            return self.best.epoch
        weights.put(self.net, self._average.values)
        return self._epoch + bool(self._batch)

    @property
    def size(self) -> int:
        """Side of the square at which the kept weights were judged."""
        if self.plan.best_weights and self.best.epoch:
            return self.best.size
        return self.plan.stages[min(self.pace.stage, len(self.plan.stages) - 1)].size
