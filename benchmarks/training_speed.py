"""Training pictures/s of whole networks on the CPU beside a plain float32 torch loop.

Both live at once in processes of their own and take turns, epoch by epoch, so that a noisy machine
is noisy for both; the first epoch of each is left out. Ours runs with the environment of the
worker process and writes its checkpoint after each epoch; the loop is torch as installed. Both
learn from the same prepared pictures in memory, mirrored at random, with AdamW.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import HERE, Skipped, main, spread
from benchmarks.epoch_time import Runner
from tellapart.worker import _ENVIRONMENT as WORKER

#: Network, side in pixels, pictures a batch, batches a turn.
NETWORKS = (
    ("resnext50_32x4d", 224, 24, 4),
    ("tf_efficientnet_lite0", 224, 32, 8),
)
SMALL = (("tf_efficientnet_lite0", 64, 8, 2),)
SCRIPTS = {"ours": "our_tuning.py", "plain_loop": "torch_tuning.py"}


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import timm  # noqa: F401
    except ImportError:
        raise Skipped("torch and timm are not installed: make test installs them") from None
    rounds = 2 if small else 7
    # One thread where other tests are at work too: more would wait for one another.
    threads = {"OMP_NUM_THREADS": "1"} if small else {}
    asked = SMALL if small else NETWORKS
    return {name: _turns(name, how, rounds, threads) for name, *how in asked}


def _turns(name: str, how: list[int], rounds: int, threads: dict[str, str]) -> dict[str, Any]:
    side, batch, batches = how
    count = batch * batches
    pictures = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    runners: dict[str, Runner] = {}
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "pictures.npy"
        np.save(file, pictures)
        asked = [name, str(file), str(batch), str(rounds + 1)]
        try:
            for who, script in SCRIPTS.items():
                command = [sys.executable, str(HERE / "beside" / script), *asked]
                environment = {**(WORKER if who == "ours" else {}), **threads}
                runners[who] = Runner(command, environment)
            turns = [
                {who: r.turn()["seconds"] for who, r in runners.items()} for _ in range(rounds + 1)
            ]
            precision = runners["ours"].greeting["precision"]
        finally:
            for runner in runners.values():
                runner.process.kill()
                runner.process.wait()
    return {
        "size": side,
        "batch": batch,
        "pictures_a_turn": count,
        "our_precision": precision,
        "pictures_per_second": {
            who: spread([count / turn[who] for turn in turns[1:]]) for who in SCRIPTS
        },
        "times_as_fast": spread([turn["plain_loop"] / turn["ours"] for turn in turns[1:]]),
    }


if __name__ == "__main__":
    main(run)
