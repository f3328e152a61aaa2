"""The older program's two specs unchanged, and iris with 100 epochs over ten seeds.

The second with the spec's own learning rate, and with ten times that.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import HERE, Skipped, main, need, spread, tellapart, timed

EXAMPLES = HERE.parent / "examples"
_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise Skipped("torch is not installed: pip install 'tellapart[deep]'") from None
    folder = need(data / "mnist")
    seeds = range(1 if small else 10)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        if small:
            folder = fewer(folder, root / "mnist")
        found = {
            "mnist_cnn": _run(root, folder, "mnist_cnn"),
            "iris_spec": _run(root, folder, "iris_spec"),
        }
        # Weights from their random start are far for the spec's own optimizer (RMSprop, 0.001).
        faster = _iris(root, folder, seeds, "faster", "train.learning_rate=0.01")
        longer = {} if small else {"iris_100_epochs": _iris(root, folder, seeds, "longer")}
    return {**found, **longer, "iris_100_epochs_rate_0.01": faster}


def _iris(root: Path, folder: Path, seeds: range, name: str, *changes: str) -> dict[str, Any]:
    """100 epochs of the iris spec for each seed."""
    changes = ("train.epochs=100", *changes)
    runs = [
        _run(root, folder, "iris_spec", *changes, f"seed={seed}", f"name={name}-{seed}")
        for seed in seeds
    ]
    accuracies = [one["test_accuracy"] for one in runs]
    return {
        "test_accuracy": spread(accuracies),
        "mean": round(float(np.mean(accuracies)), 4),
        "test_rows": runs[0]["test_samples"],
    }


def _run(root: Path, folder: Path, spec: str, *changes: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "TELLAPART_HOME": str(root / "home"),
        "TELLAPART_DATASETS": str(folder),
    }
    options = [word for change in changes for word in ("--set", change)]
    command = tellapart("run", str(EXAMPLES / f"{spec}.json"), "--json", *options)
    seconds, done = timed(command, env=environment)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    result, signals = lines[-1], [line["event"] for line in lines[:-1]]
    compiled = next(line for line in lines if line.get("event") == "compiled")
    return {
        "signals": [event for event in signals if event != "epoch"],
        "epochs": signals.count("epoch"),
        "formats": compiled["formats"],
        "test_accuracy": result["metrics"]["accuracy"],
        "test_samples": result["metrics"]["n"],
        "whole_chain_s": round(seconds, 1),
    }


def fewer(folder: Path, to: Path, train: int = 2000, test: int = 500) -> Path:
    """The first pictures of each part as a folder of the same files."""
    to.mkdir()
    for name in _FILES:
        count = train if name.startswith("train") else test
        raw = gzip.decompress((folder / f"{name}-ubyte.gz").read_bytes())
        header = 16 if "idx3" in name else 8
        each = 784 if "idx3" in name else 1
        cut = raw[:4] + count.to_bytes(4, "big") + raw[8 : header + count * each]
        (to / f"{name}-ubyte").write_bytes(cut)
    return to


if __name__ == "__main__":
    main(run)
