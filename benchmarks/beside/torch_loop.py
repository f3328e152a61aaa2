"""The example `mnist_cnn.json` as a plain float32 torch loop, as one would write it by hand.

Usage: torch_loop.py DATA.npz EPOCHS. Waits for a line on its standard input before each epoch and
prints the epoch's seconds and accuracy as one JSON line, so that peers can take turns.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from torch import nn


def main() -> None:
    with np.load(sys.argv[1]) as file:
        x = torch.tensor(file["x"]).permute(0, 3, 1, 2).float() / 255
        y = torch.tensor(file["y"])
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0, rho=0.95, eps=1e-7)
    measure = nn.CrossEntropyLoss()
    print(json.dumps({"ready": "torch"}), flush=True)
    for _ in range(int(sys.argv[2])):
        if not sys.stdin.readline():
            raise SystemExit("nobody asks any more")
        start = time.perf_counter()
        right = 0
        for places in torch.randperm(len(x)).split(32):
            scores = net(x[places])
            loss = measure(scores, y[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += int((scores.argmax(1) == y[places]).sum())
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "accuracy": right / len(x)}), flush=True)


if __name__ == "__main__":
    main()
