"""Fine-tuning within a time as a plain float32 torch loop, as a careful person would write it.

Usage: torch_finetune.py SPLIT.json SECONDS SEED SIZE BEGAN. SPLIT.json holds `train` and `test`,
lists of [path, class number]; BEGAN is when the process was started, in seconds since the epoch.
All layers learn from ImageNet weights with timm's training transform, AdamW, one-cycle, and the
head at ten times the body's rate. Some batches are timed first; the epochs that fit are trained.
Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import timm
import torch

from benchmarks.beside.torch_script import loader, network

BATCH = 32
#: Batches timed before training; the first is not counted.
TIMED = 6
#: For the answers to the test pictures and the end of the process, as a share of the time left.
KEPT = 0.03


def train(model: Any, batches: Any, optimizer: Any, schedule: Any, most: int | None) -> float:
    """An epoch, or `most` batches of it; seconds a batch, without the first."""
    model.train()
    seen, start = 0, time.perf_counter()
    for batch, label in batches:
        loss = torch.nn.functional.cross_entropy(model(batch), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        seen += 1
        if seen == 1:
            start = time.perf_counter()
        if seen == most:
            break
    return (time.perf_counter() - start) / max(1, seen - 1)


def groups(model: Any) -> list[dict[str, Any]]:
    """The body and, faster, the head."""
    head = {id(weight) for weight in model.get_classifier().parameters()}
    body = [weight for weight in model.parameters() if id(weight) not in head]
    return [{"params": body, "lr": 3e-4}, {"params": model.get_classifier().parameters()}]


def main() -> None:
    split = json.loads(Path(sys.argv[1]).read_text())
    seconds, seed, size = float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    end = float(sys.argv[5]) + seconds
    torch.manual_seed(seed)
    classes = 1 + max(label for _, label in split["train"])
    config = {
        **timm.data.resolve_model_data_config(network(classes)),
        "input_size": (3, size, size),
    }
    augmented = timm.data.create_transform(**config, is_training=True, scale=(0.35, 1.0))
    plain = timm.data.create_transform(**config)
    batches = loader(split["train"], augmented, True, BATCH)

    tried = network(classes)
    optimizer = torch.optim.AdamW(groups(tried), lr=3e-3)
    epoch = train(tried, batches, optimizer, None, TIMED) * len(batches)
    answering = epoch * len(split["test"]) / len(split["train"])
    left = (end - time.time()) * (1 - KEPT) - answering
    epochs = max(1, int(left / epoch))

    model = network(classes)
    optimizer = torch.optim.AdamW(groups(model), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [3e-4, 3e-3], total_steps=epochs * len(batches)
    )
    for _ in range(epochs):
        train(model, batches, optimizer, schedule, None)
    model.eval()
    right = 0
    with torch.inference_mode():
        for batch, label in loader(split["test"], plain, False, BATCH):
            right += int((model(batch).argmax(1) == label).sum())
    print(json.dumps({"accuracy": right / len(split["test"]), "epochs": epochs}))


if __name__ == "__main__":
    main()
