"""Fine-tunes one network in life after life, for whoever kills them.

Usage: tuning_lives.py JOB.json. Reads a folder a line from its standard input; for each, a forked
process tunes with that folder's checkpoints and notes on the way, in the folder's `notes.jsonl`,
each batch and each finished epoch with its time, and at the end the weights' digest. Prints the
process's id, then, once it has ended, its exit status.

JOB.json: `pictures` ([path, class number]), `train` and `validation` (places), `size`, `epochs`,
`batch_size`, `pretrained`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.learn.deep import tuning
from tellapart.learn.deep.tuning import fitting, module

#: Imported before the first fork, so that each life begins at once.
LOADED = (fitting, module)


def weights(model: str) -> dict[str, Any]:
    """The embedded network's tensors, as every fine-tuning of it begins."""
    import tempfile

    from tellapart.learn import weights as known
    from tellapart.settings import Settings

    with tempfile.TemporaryDirectory() as home:
        return known.tensors(known.find(model, Settings(home=Path(home))))


def feed_of(job: dict[str, Any]) -> tuning.PictureFeed:
    rows = job["pictures"]
    items = [
        (hashlib.sha256(Path(path).read_bytes()).hexdigest(), Path(path).read_bytes)
        for path, _ in rows
    ]
    labels = np.array([label for _, label in rows], np.int64)
    return tuning.PictureFeed(
        items,
        labels,
        int(labels.max()) + 1,
        np.array(job["train"]),
        np.array(job["validation"]),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )


def live(job: dict[str, Any], feed: tuning.PictureFeed, tensors: Any, folder: Path) -> None:
    """One life: from the folder's checkpoint to the end, unless it is killed."""
    plan = tuning.Plan(
        backbone=job["model"],
        stages=(
            tuning.Stage(freeze="body", epochs=1, lr=1e-3, size=job["size"]),
            tuning.Stage(epochs=job["epochs"] - 1, lr=3e-4, size=job["size"]),
        ),
        batch_size=job["batch_size"],
        augmentation=tuning.Augmentation(flip=True, zoom=1.2, rotate=10, lighting=0.1),
        ema=0.9,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "notes.jsonl").open("a", encoding="utf-8", buffering=1) as notes:

        def note(**what: Any) -> None:
            notes.write(json.dumps({"at": time.time(), **what}) + "\n")

        def watch(tick: Any) -> None:
            note(batches=tick.done)
            if tick.line is not None:
                note(epoch=tick.line["epoch"])

        note(born=os.getpid())
        found = tuning.tune(plan, tensors, feed, folder=folder, key="lives", watch=watch)
        digest = hashlib.sha256()
        for value in found.net.state_dict().values():
            digest.update(value.numpy().tobytes())
        note(
            sha256=digest.hexdigest(),
            best_epoch=found.best_epoch,
            history=[{k: v for k, v in line.items() if k != "seconds"} for line in found.history],
        )


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    feed = feed_of(job)
    tensors = weights(job["model"]) if job["pretrained"] else None
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                live(job, feed, tensors, Path(line.strip()))
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
                status = 1
            os._exit(status)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
