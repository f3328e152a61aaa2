"""A network of timm tuned in a plain float32 torch loop, as one would write it by hand.

Usage: torch_tuning.py NAME PICTURES.npy BATCH EPOCHS. The pictures are tensors in memory: nothing
is decoded. Waits for a line on its standard input before each epoch and prints the epoch's
seconds as one JSON line, so that peers can take turns.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import timm
import torch

CLASSES = 10


def main() -> None:
    name, batch, epochs = sys.argv[1], int(sys.argv[3]), int(sys.argv[4])
    x = torch.from_numpy(np.load(sys.argv[2])).permute(0, 3, 1, 2).contiguous()
    y = torch.arange(len(x)) % CLASSES
    torch.manual_seed(0)
    net = timm.create_model(name, pretrained=False, num_classes=CLASSES)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.01)
    measure = torch.nn.CrossEntropyLoss()
    net.train()
    print(json.dumps({"ready": "torch"}), flush=True)
    for _ in range(epochs):
        if not sys.stdin.readline():
            raise SystemExit("nobody asks any more")
        start = time.perf_counter()
        for places in torch.randperm(len(x)).split(batch):
            pictures = (x[places].float() / 255 - 0.5) / 0.5
            mirrored = torch.rand(len(pictures)) < 0.5
            pictures[mirrored] = pictures[mirrored].flip(3)
            loss = measure(net(pictures), y[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
