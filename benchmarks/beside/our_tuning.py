"""A network of timm tuned by our trainer, an epoch a turn.

Usage: our_tuning.py NAME PICTURES.npy BATCH EPOCHS. Waits for a line on its standard input before
each epoch and prints the epoch's seconds as one JSON line, so that peers can take turns.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.learn.deep import tuning
from tellapart.learn.deep.tuning import fitting

CLASSES = 10


class Given(tuning.PictureFeed):
    """Prepared pictures: nothing is decoded."""

    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures = pictures
        count = len(pictures)
        super().__init__(
            [(f"{place:064x}", lambda: b"") for place in range(count)],
            np.arange(count) % CLASSES,
            CLASSES,
            np.arange(count),
            np.arange(0),
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        )

    def pixels(self, places: np.ndarray, side: int, *_: Any, **__: Any) -> np.ndarray:
        return self.pictures[places]


def main() -> None:
    name, batch, epochs = sys.argv[1], int(sys.argv[3]), int(sys.argv[4])
    pictures = np.load(sys.argv[2])
    size = pictures.shape[1]
    plan = tuning.Plan(
        backbone=name,
        stages=(tuning.Stage(epochs=epochs, lr=1e-4, size=size, schedule="constant"),),
        batch_size=batch,
        augmentation=tuning.Augmentation(flip=True),
        best_weights=False,
    )
    precision = fitting.precision_for(plan.precision, "cpu")
    print(json.dumps({"ready": "ours", "precision": precision}), flush=True)
    if not sys.stdin.readline():
        raise SystemExit("nobody asks any more")
    start = time.perf_counter()

    def watch(tick: Any) -> None:
        nonlocal start
        if tick.line is None:
            return
        # The checkpoint after an epoch comes before it is told: it counts.
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
        if tick.epoch < epochs:
            if not sys.stdin.readline():
                raise SystemExit("nobody asks any more")
            start = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        tuning.tune(plan, None, Given(pictures), folder=Path(folder), key="", watch=watch)


if __name__ == "__main__":
    main()
