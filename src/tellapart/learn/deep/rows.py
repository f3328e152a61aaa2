"""A small network for rows of a table, as one more candidate beside those without torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tellapart.learn.deep.build import build
from tellapart.learn.deep.deployed import Deployed, Rows
from tellapart.learn.deep.feeding import Feed
from tellapart.learn.deep.fit import Fitted, Options, fit
from tellapart.recipe.layers import Dense, Dropout
from tellapart.recipe.network import Network, trace

#: Steps of the optimizer: enough to settle on any table, whatever its number of rows.
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 1000, 8, 100
#: The answer for a class that training had no row of, as the other candidates give it.
_ABSENT = -1e3


@dataclass(frozen=True)
class Task:
    """Training rows: raw x (n, f), class numbers y (n,), and what the columns are."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    n_classes: int
    #: How many values each column may have; 0: a number.
    categories: Sequence[int]
    seed: int
    #: For checkpoints; each training has a folder of its own in it.
    folder: Path

    def part(self, places: NDArray[Any]) -> Task:
        """The same with some of the rows: their places, or a flag for each."""
        return replace(self, x=self.x[places], y=self.y[places])

    def key(self, name: str, options: Options) -> str:
        """Names all that a training must share with one that goes on from its checkpoint."""
        facts = [name, self.x.shape, self.n_classes, list(self.categories), asdict(options)]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(self.x).tobytes())
        digest.update(np.ascontiguousarray(self.y).tobytes())
        return digest.hexdigest()


def design(width: int, n_classes: int) -> Network:
    """Two hidden layers of 64 with dropout between: a plain network for plain tables."""
    layers = [
        Dense(units=64, activation="relu", name="hidden_1"),
        Dropout(rate=0.1, name="dropout_1"),
        Dense(units=64, activation="relu", name="hidden_2"),
        Dropout(rate=0.1, name="dropout_2"),
        Dense(units=n_classes, activation="softmax", name="answer"),
    ]
    return trace(layers, (width,), n_classes)


def options(rows: int, seed: int) -> Options:
    """How it is trained: one rise and fall of the learning rate, no row held out to stop by."""
    batch = min(256, max(16, 2 ** round(math.log2(max(rows, 1) / 10))))
    epochs = math.ceil(_STEPS * batch / max(rows, 1))
    return Options(
        optimizer="adamw",
        learning_rate=5e-3,
        epochs=min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, epochs)),
        batch_size=batch,
        best_weights=False,
        precision="fp32",
        device="cpu",
        schedule="one_cycle",
        decay=5e-2,
        seed=seed,
    )


def train(task: Task, name: str, stop: Callable[[], bool]) -> tuple[Fitted, Rows]:
    """The network of all rows of `task`, and how rows are prepared for it."""
    how = Rows.fit(task.x, task.categories)
    net = build(design(how.width, task.n_classes), task.seed)
    everyone, nobody = np.arange(len(task.y)), np.arange(0)
    feed = Feed(task.x, task.y, everyone, nobody, how)
    asked = options(len(task.y), task.seed)
    key = task.key(name, asked)
    return fit(net, feed, asked, folder=task.folder / name, key=key, stop=stop), how


def cross(
    task: Task,
    fold_of: NDArray[np.int64],
    watch: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> NDArray[np.float64] | None:
    """Logits (n, C) of each row from a network that had not seen it; None after a stop request.

    `fold_of` (n,) says which rows are held out together. NaN where a row could not be judged:
    its class was not among the others.
    """
    found = np.full((len(task.y), task.n_classes), np.nan)
    numbers = np.unique(fold_of).tolist()
    for done, fold in enumerate(numbers):
        watch(done, len(numbers))
        rest = fold_of != fold
        known = np.unique(task.y[rest])
        asked = np.flatnonzero(~rest & np.isin(task.y, known))
        if not len(asked) or len(known) < 2:
            continue
        fitted, how = train(task.part(rest), f"fold-{fold}", stop)
        if stop():
            return None
        answers = _logits(Deployed(fitted.net, how), task.x[asked])
        absent = np.setdiff1d(np.arange(task.n_classes), known)
        answers[:, absent] = _ABSENT
        found[asked] = answers
    return found


def deploy(fitted: Fitted, how: Rows, temperature: float) -> Deployed:
    """The trained network with its calibration, from raw rows on."""
    return Deployed(_Tempered(fitted.net, temperature), how)


class _Tempered(nn.Module):  # type: ignore[misc]
    """A network whose logits are divided by a temperature."""

    def __init__(self, net: nn.Module, temperature: float) -> None:
        super().__init__()
        self.net, self.factor = net, 1 / temperature

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, features = self.net(x)
        return logits * self.factor, features


def _logits(deployed: Deployed, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.inference_mode():
        logits = deployed(torch.from_numpy(np.ascontiguousarray(rows)))[0]
    return np.asarray(logits.numpy(), np.float64)
