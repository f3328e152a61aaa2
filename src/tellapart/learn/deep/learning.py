"""The training loop: batches, epochs, the best weights, checkpoints.

Everything that decides the next batch is in the checkpoint (weights, optimizer, random states, the
place in the epoch), so that a training that was killed ends as if it had not been.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tellapart.errors import InputError
from tellapart.learn import outcome
from tellapart.learn.deep import losses, optimizers
from tellapart.learn.deep.build import Net, logits_of
from tellapart.learn.deep.feeding import Feed
from tellapart.learn.deep.fit import Fitted, Options, Tick
from tellapart.learn.deep.limits import Limits, Penalties

#: In the folder for checkpoints.
FILE = "training.pt"
#: Seconds between two words to the watcher within an epoch, and between two checkpoints.
_WORD, _SAVE = 0.25, 60.0
#: Samples at a time where nothing is learned.
_EVALUATED = 256


class Learning:
    """One training under way. `module.Module` calls it in Lightning's order."""

    def __init__(
        self,
        net: Net,
        feed: Feed,
        options: Options,
        precision: str,
        folder: Path,
        key: str,
        watch: Callable[[Tick], None],
        stop: Callable[[], bool],
    ) -> None:
        self.net, self.feed, self.options, self.precision = net, feed, options, precision
        self._file, self._key = folder / FILE, key
        self._watch, self._stop = watch, stop
        self._loss = losses.loss(options.loss, net.final, options.smoothing)
        # What is compared between epochs and shown of the validation split is not smoothed.
        self._plain = losses.loss(options.loss, net.final)
        self._penalties, self._limits = Penalties(net.weighted()), Limits(net.weighted())
        self._optimizer: torch.optim.Optimizer | None = None
        self._restored: dict[str, Any] | None = None
        self._shuffle = torch.Generator().manual_seed(options.seed)
        self._cuts = cuts(len(feed.train), options.batch_size)
        self._order = torch.empty(0, dtype=torch.int64)
        self._order_state = self._shuffle.get_state()
        self.stopped = False
        #: Finished epochs, and batches of the one at hand.
        self._epoch = self._batch = 0
        self._history: list[dict[str, Any]] = []
        self._best: dict[str, Any] = {"loss": math.inf, "epoch": 0, "weights": {}}
        self._average: dict[str, Tensor] = {}
        self._sums = torch.zeros(2, dtype=torch.float64)
        self._seen = 0
        self._seconds = self._epoch_seconds = 0.0
        self._since = self._word = self._saved = time.monotonic()

    # What Lightning asks.

    @property
    def epochs_left(self) -> int:
        """Epochs that are not finished."""
        return self.options.epochs - self._epoch

    @property
    def batches_left(self) -> int:
        """Batches of the epoch at hand that are not done."""
        return len(self._cuts) - self._batch

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        patience = self.options.early_stopping
        waited = patience is not None and self._epoch - self._best["epoch"] >= patience
        return self.stopped or self.epochs_left <= 0 or (waited and self._epoch > 0)

    def start(self, device: torch.device) -> torch.optim.Optimizer:
        """Bring everything to the device and make the optimizer, or take up the one there was."""
        asked = self.options
        self.feed.to(device)
        self._sums = self._sums.to(device)
        self._optimizer = optimizers.optimizer(
            asked.optimizer, self.net, asked.rate, asked.decay, asked.momentum
        )
        if asked.average and not self._average:
            self._average = {k: v.clone() for k, v in _floats(self.net).items()}
        self._average = {k: v.to(device) for k, v in self._average.items()}
        if self._restored is not None:
            self._optimizer.load_state_dict(self._restored["optimizer"])
            # Optimizers make buffers of their own on the way: the draws are set right last.
            torch.set_rng_state(self._restored["random"])
            self._restored = None
        self._since = self._saved = time.monotonic()
        return self._optimizer

    def begin_epoch(self) -> None:
        """Shuffle, unless the epoch is gone on with."""
        self.net.train()
        if self._batch == 0:
            self._order_state = self._shuffle.get_state()
            self._sums.zero_()
            self._seen, self._epoch_seconds = 0, 0.0
        order = torch.randperm(len(self.feed.train), generator=self._shuffle)
        self._order = self.feed.train[order.to(self.feed.train.device)]

    def batches(self, count: int) -> None:
        """Learn from the next `count` batches, fewer after a stop request."""
        for _ in range(count):
            first, end = self._cuts[self._batch]
            self._step(self._order[first:end])
            self._batch += 1
            if self._stop():
                self.stopped = True
                break
        now = time.monotonic()
        if now - self._word >= _WORD or self.stopped:
            self._check()
            self._tell(None)
        if self.batches_left and (self.stopped or now - self._saved >= _SAVE):
            self._save()

    def end_epoch(self) -> None:
        """Look at the validation split, note the epoch, keep the best weights."""
        partial = self._batch < len(self._cuts)
        self._check()
        line = self._line(partial)
        self._keep(line)
        self._history.append(line)
        if partial:
            return  # the checkpoint of the stop knows nothing of this: it goes on within the epoch
        self._epoch, self._batch = self._epoch + 1, 0
        self._save()  # before it is said: an epoch that was seen to end is never repeated
        self._tell(line)

    # What happens inside.

    def _step(self, places: Tensor) -> None:
        asked, optimizer = self.options, self._optimizer
        assert optimizer is not None
        step = self._epoch * len(self._cuts) + self._batch
        rate = self._rate(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        varied = asked.augment == "shift"
        x = self.feed.varied(places, asked.flip) if varied else self.feed.inputs(places)
        y = self.feed.y[places]
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            scores, _ = self.net.scores(x)
        loss = self._loss(scores, y)
        activity = self.net.activity()
        if activity is not None:
            loss = loss + activity
        if self._penalties:
            loss = loss + self._penalties()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if self._limits:
            self._limits()
        if self._average:
            self._follow(step)
        with torch.no_grad():
            right = (logits_of(scores, self.net.final).argmax(1) == y).sum()
            self._sums[0] += loss.detach() * len(y)
            self._sums[1] += right
        self._seen += len(places)

    def _rate(self, step: int) -> float:
        steps = self.options.epochs * len(self._cuts)
        return optimizers.rate_at(self.options.schedule, self.options.rate, step, steps)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _follow(self, step: int) -> None:
        """Let the averaged weights follow; fast at first, so that the start is soon forgotten."""
        share = 1 - min(self.options.average, (1 + step) / (10 + step))
        now = _floats(self.net)
        torch._foreach_lerp_(list(self._average.values()), [now[k] for k in self._average], share)

    def _check(self) -> None:
        if math.isfinite(float(self._sums[0])):
            return
        asked = self.options
        raise InputError(
            f"The loss is not a number any more in epoch {self._epoch + 1}, batch {self._batch} "
            f"of {len(self._cuts)} (optimizer {asked.optimizer}, learning rate {asked.rate:g}).",
            expected="weights that stay finite",
            do="Set a smaller train.learning_rate (a tenth), or another optimizer such as adam.",
        )

    def _line(self, partial: bool) -> dict[str, Any]:
        total, right = (float(v) / max(1, self._seen) for v in self._sums)
        loss, accuracy = self._evaluate()
        self._clock()
        last = self._epoch * len(self._cuts) + self._batch - 1
        line = {
            "epoch": self._epoch + 1,
            "loss": _round(total),
            "accuracy": _round(right),
            "validation_loss": loss,
            "validation_accuracy": accuracy,
            "seconds": round(self._epoch_seconds, 3),
            "learning_rate": float(f"{self._rate(last):.6g}"),
        }
        return {**line, "partial": True} if partial else line

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _evaluate(self) -> tuple[float | None, float | None]:
        """Loss and accuracy on the validation split, in float32; None where there is none."""
        places = self.feed.validation
        if not len(places):
            return None, None
        total = right = 0.0
        with self._averaged():
            for part in places.split(_EVALUATED):
                scores, _ = self.net.scores(self.feed.inputs(part))
                y = self.feed.y[part]
                total += float(self._plain(scores, y)) * len(y)
                right += float((logits_of(scores, self.net.final).argmax(1) == y).sum())
        return _round(total / len(places)), _round(right / len(places))

    @contextlib.contextmanager
    def _averaged(self) -> Any:
        """The network in evaluation mode, with the averaged weights where there are such."""
        self.net.eval()
        own = {k: v.clone() for k, v in _floats(self.net).items()} if self._average else {}
        _put(self.net, self._average)
        try:
            yield
        finally:
            _put(self.net, own)
            self.net.train()

    def _keep(self, line: dict[str, Any]) -> None:
        """Keep the weights, if they are the best so far (or, where not asked for, the last)."""
        known = line["validation_loss"]
        judged = line["loss"] if known is None else known
        better = judged < self._best["loss"]
        if better:
            self._best |= {"loss": judged, "epoch": line["epoch"]}
        if (better and known is not None) or not self._wants_best or not self._best["weights"]:
            weights = {k: v.detach().cpu().clone() for k, v in self.net.state_dict().items()}
            weights |= {k: v.cpu().clone() for k, v in self._average.items()}
            self._best |= {"weights": weights, "kept": line["epoch"]}

    @property
    def _wants_best(self) -> bool:
        return self.options.best_weights and len(self.feed.validation) > 0

    def _clock(self) -> None:
        now = time.monotonic()
        self._seconds += now - self._since
        self._epoch_seconds += now - self._since
        self._since = now

    def _tell(self, line: dict[str, Any] | None) -> None:
        self._clock()
        self._word = time.monotonic()
        epochs, each = self.options.epochs, len(self._cuts)
        done, total = self._epoch * each + self._batch, epochs * each
        # At the end of an epoch the sums are still those of the epoch that ended.
        loss, right = (float(v) / max(1, self._seen) for v in self._sums)
        epoch = self._epoch if line is not None else self._epoch + 1
        left = self._seconds / max(1, done) * (total - done)
        self._watch(Tick(done, total, epoch, epochs, loss, right, round(left, 1), line))

    # Going on after an interruption.

    def _save(self) -> None:
        assert self._optimizer is not None
        self._clock()
        self._saved = time.monotonic()
        state = {
            "key": self._key,
            "net": self.net.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "order": self._order_state if self._batch else self._shuffle.get_state(),
            "epoch": self._epoch,
            "batch": self._batch,
            "sums": self._sums.cpu(),
            "seen": self._seen,
            "history": self._history,
            "best": self._best,
            "average": self._average,
            "seconds": self._seconds,
            "epoch_seconds": self._epoch_seconds,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        outcome.replace(self._file, buffer.getvalue())

    def resume(self) -> None:
        """Take up the checkpoint of this very training, if there is one."""
        before = {name: value.clone() for name, value in self.net.state_dict().items()}
        try:
            state = torch.load(self._file, map_location="cpu", weights_only=True)
            if state["key"] != self._key:
                return
            self.net.load_state_dict(state["net"])
        except Exception:  # not there, cut off, of another version or network: begin anew
            self.net.load_state_dict(before)  # some of its weights may have fitted
            return
        self._shuffle.set_state(state["order"])
        self._order_state = state["order"]
        self._epoch, self._batch = state["epoch"], state["batch"]
        self._sums, self._seen = state["sums"], state["seen"]
        self._history, self._best = state["history"], state["best"]
        self._average = state["average"]
        self._seconds, self._epoch_seconds = state["seconds"], state["epoch_seconds"]
        self._restored = state

    def result(self, device: str) -> Fitted:
        """The network with the weights that were kept."""
        if self._best["weights"]:
            self.net.load_state_dict(self._best["weights"])
        self.net.eval()
        self.net.requires_grad_(False)
        kept = int(self._best.get("kept", 0))
        history, seconds = list(self._history), round(self._seconds, 3)
        finished = not self.stopped or self._epoch >= self.options.epochs
        return Fitted(self.net, history, kept, finished, self.precision, device, seconds)


def cuts(samples: int, batch: int) -> list[tuple[int, int]]:
    """Where batches begin and end; a last one of a single sample joins the one before it.

    Batch norm has nothing to normalize in a single sample.
    """
    starts = list(range(0, samples, batch))
    if len(starts) > 1 and samples - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts, samples][1:], strict=True))


def _floats(net: nn.Module) -> dict[str, Tensor]:
    """Weights and running statistics."""
    return {k: v.detach() for k, v in net.state_dict().items() if v.is_floating_point()}


@torch.no_grad()  # type: ignore[untyped-decorator]
def _put(net: nn.Module, values: dict[str, Tensor]) -> None:
    own = _floats(net)
    for name, value in values.items():
        own[name].copy_(value)


def _round(value: float) -> float:
    return round(value, 6)
