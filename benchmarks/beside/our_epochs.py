"""The example `mnist_cnn.json` with our trainer, an epoch a turn.

Usage: our_epochs.py DATA.npz EPOCHS. Waits for a line on its standard input before each epoch and
prints the epoch's seconds and accuracy as one JSON line, so that peers can take turns.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.learn.deep import build, fit
from tellapart.learn.deep.deployed import Pictures
from tellapart.learn.deep.feeding import Feed
from tellapart.recipe.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D
from tellapart.recipe.network import Network, trace


def network() -> Network:
    """The example's layers."""
    layers = [
        Conv2D(filters=32, kernel_size=3, activation="relu"),
        Conv2D(filters=64, kernel_size=3, activation="relu"),
        MaxPool2D(pool_size=2),
        Dropout(rate=0.25),
        Flatten(),
        Dense(units=128, activation="relu"),
        Dropout(rate=0.5),
        Dense(units=10, activation="softmax"),
    ]
    return trace(layers, (28, 28, 1), 10)


def main() -> None:
    with np.load(sys.argv[1]) as file:
        x, y = file["x"], file["y"].astype(np.int64)
    epochs = int(sys.argv[2])
    feed = Feed(x, y, np.arange(len(x)), np.arange(0), Pictures(28, 28, 1))
    options = fit.Options(optimizer="adadelta", epochs=epochs, batch_size=32, best_weights=False)
    print(json.dumps({"ready": "ours"}), flush=True)
    if not sys.stdin.readline():
        raise SystemExit("nobody asks any more")
    start = time.perf_counter()

    def watch(tick: Any) -> None:
        nonlocal start
        if tick.line is None:
            return
        # The checkpoint after an epoch is written in the next one's turn: it counts.
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "accuracy": tick.line["accuracy"]}), flush=True)
        if tick.epoch < epochs:
            if not sys.stdin.readline():
                raise SystemExit("nobody asks any more")
            start = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        fit.fit(build.build(network(), 0), feed, options, folder=Path(folder), key="", watch=watch)


if __name__ == "__main__":
    main()
