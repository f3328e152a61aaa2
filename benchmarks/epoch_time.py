"""Time per epoch of `mnist_cnn.json` beside Keras 3 on TensorFlow, on torch, and a plain loop.

All live at once and take turns, epoch by epoch, so that a noisy machine is noisy for all; the
first epoch of each is left out. Ours runs with the environment of the worker process. Peers:
TELLAPART_KERAS_TENSORFLOW names an interpreter with Keras 3 and TensorFlow; TELLAPART_KERAS_TORCH
one with Keras 3 and torch, or TELLAPART_KERAS_PATH a folder that holds Keras for this interpreter
(`pip install --target FOLDER --no-deps keras absl-py namex optree h5py ml-dtypes`). A peer that is
not named is left out, with the reason.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks import HERE, Skipped, main, need, spread
from tellapart.worker import _ENVIRONMENT as WORKER


class Runner:
    """One trainer in a process of its own; `turn` lets it learn an epoch."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        paths = os.pathsep.join([str(HERE.parent), str(HERE.parent / "src")])
        given = [environment.get("PYTHONPATH", ""), paths, os.environ.get("PYTHONPATH", "")]
        joined = os.pathsep.join(part for part in given if part)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment, "PYTHONPATH": joined},
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.asks: IO[str] = self.process.stdin
        self.tells: IO[str] = self.process.stdout
        #: What it said once it was ready.
        self.greeting = self.hear()

    def turn(self) -> dict[str, float]:
        self.asks.write("go\n")
        self.asks.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        line = self.tells.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        heard: dict[str, Any] = json.loads(line)
        return heard


def commands() -> tuple[dict[str, tuple[list[str], dict[str, str]]], dict[str, str]]:
    """Who runs, by name: (command up to the script's arguments, environment); who does not, why."""
    beside = HERE / "beside"
    keras = str(beside / "keras_script.py")
    found: dict[str, tuple[list[str], dict[str, str]]] = {
        "ours": ([sys.executable, str(beside / "our_epochs.py")], dict(WORKER)),
        "plain_loop": ([sys.executable, str(beside / "torch_loop.py")], {}),
    }
    missing = {}
    tensorflow = os.environ.get("TELLAPART_KERAS_TENSORFLOW")
    if tensorflow:
        quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        found["keras_tensorflow"] = ([tensorflow, keras], quiet)
    else:
        missing["keras_tensorflow"] = "TELLAPART_KERAS_TENSORFLOW is not set"
    path = os.environ.get("TELLAPART_KERAS_PATH")
    interpreter = os.environ.get("TELLAPART_KERAS_TORCH") or (sys.executable if path else "")
    if interpreter:
        extra = {"PYTHONPATH": path} if path else {}
        found["keras_torch"] = ([interpreter, keras], {"KERAS_BACKEND": "torch", **extra})
    else:
        missing["keras_torch"] = "neither TELLAPART_KERAS_TORCH nor TELLAPART_KERAS_PATH is set"
    return found, missing


def pictures(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 60,000 training pictures (n, 28, 28, 1) and their digits."""
    with gzip.open(folder / "train-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read(), np.uint8, offset=8)
    return x, y


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise Skipped("torch is not installed: pip install 'tellapart[deep]'") from None
    x, y = pictures(need(data / "mnist"))
    count, rounds = (3200, 1) if small else (len(x), 3)
    found, missing = commands()
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "data.npz"
        np.savez(file, x=x[:count], y=y[:count])
        runners: dict[str, Runner] = {}
        try:
            for name, (command, environment) in found.items():
                asked = [*command, str(file), str(rounds + 1)]
                runners[name] = Runner(asked, environment)
            turns = [{name: r.turn() for name, r in runners.items()} for _ in range(rounds + 1)]
        finally:
            for runner in runners.values():
                runner.process.kill()
                runner.process.wait()
    return {**_figures(turns[1:], count), "skipped": missing}


def _figures(turns: list[dict[str, dict[str, float]]], count: int) -> dict[str, Any]:
    names = list(turns[0])
    steps = -(-count // 32)
    return {
        "samples": count,
        "seconds_an_epoch": {n: spread([t[n]["seconds"] for t in turns]) for n in names},
        "ms_a_step": {n: spread([t[n]["seconds"] / steps * 1e3 for t in turns]) for n in names},
        "times_as_fast": {
            n: spread([t[n]["seconds"] / t["ours"]["seconds"] for t in turns])
            for n in names
            if n != "ours"
        },
        "training_accuracy": {
            n: round(statistics.median(t[n]["accuracy"] for t in turns), 4) for n in names
        },
    }


if __name__ == "__main__":
    main(run)
