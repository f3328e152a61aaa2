"""Fine-tuning within a time with fastai's `fine_tune`, as its documentation shows it.

Usage: fastai_script.py SPLIT.json SECONDS SEED SIZE BEGAN. SPLIT.json holds `train` and `test`,
lists of [path, class number]; BEGAN is when the process was started, in seconds since the epoch.
Presized pictures, `aug_transforms`, fastai's own head, rates and schedule; the body's ImageNet
weights are those that the others start from. Some batches are timed first; the epochs that fit are
trained. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from fastai.vision.all import (
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    ImageBlock,
    IndexSplitter,
    Learner,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    set_seed,
    vision_learner,
)

from benchmarks.beside.torch_finetune import BATCH, KEPT, TIMED
from benchmarks.beside.torch_script import network

ARCH = "tf_efficientnet_lite0"


def learner(dls: Any, classes: int) -> Learner:
    """The embedded weights under fastai's own head."""
    made = vision_learner(
        dls,
        ARCH,
        pretrained=False,  # it would ask the model hub; the same weights are put in below
        metrics=accuracy,
        loss_func=CrossEntropyLossFlat(),
    )
    body = made.model[0].model
    own, theirs = body.state_dict(), network(classes).state_dict()
    body.load_state_dict({name: theirs[name] for name in own})
    return made


def main() -> None:
    warnings.simplefilter("ignore")
    split = json.loads(Path(sys.argv[1]).read_text())
    seconds, seed, size = float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    end = float(sys.argv[5]) + seconds
    set_seed(seed)
    rows: list[Any] = split["train"]
    classes = 1 + max(label for _, label in rows)
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=list(range(classes)))),
        get_x=lambda row: row[0],
        get_y=lambda row: row[1],
        # One picture for validation, which chooses nothing: no time is spent on it.
        splitter=IndexSplitter([len(rows)]),
        item_tfms=Resize(round(size * 1.4)),
        batch_tfms=[
            *aug_transforms(size=size, min_scale=0.75),
            Normalize.from_stats([0.5] * 3, [0.5] * 3),  # as the network was trained
        ],
    )
    # fastai drops a batch that is not full.
    dls = block.dataloaders([*rows, rows[0]], bs=min(BATCH, len(rows)), num_workers=2)

    tried = learner(dls, classes)
    epoch = timed(tried, dls) * len(dls.train)
    left = (end - time.time()) * (1 - KEPT) - epoch * len(split["test"]) / len(rows)
    # The frozen epoch that comes first has no backward pass through the body.
    epochs = max(1, int(left / epoch - 0.5))
    set_seed(seed)
    learn = learner(dls, classes)
    with learn.no_bar(), learn.no_logging():
        learn.fine_tune(epochs)
        _, found = learn.validate(dl=dls.test_dl(split["test"], with_labels=True))
    print(json.dumps({"accuracy": float(found), "epochs": epochs + 1}))


def timed(tried: Any, dls: Any) -> float:
    """Seconds a batch of the whole network, without the first."""
    tried.create_opt()
    tried.model.train()
    start = time.perf_counter()
    seen = 0
    while seen < TIMED:
        for x, y in dls.train:
            loss = tried.loss_func(tried.model(x), y)
            loss.backward()
            tried.opt.step()
            tried.opt.zero_grad()
            seen += 1
            if seen == 1:
                start = time.perf_counter()
            if seen == TIMED:
                break
    return (time.perf_counter() - start) / (TIMED - 1)


if __name__ == "__main__":
    torch.multiprocessing.set_sharing_strategy("file_system")
    main()
