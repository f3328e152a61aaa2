"""`tellapart train FOLDER`: accuracy and seconds from command to verified bundle.

trashnet_100 over five seeds, each in a fresh home with the backbone's graph cached, and once
with nothing cached; caltech101_10; grocery_10 with its official test split.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import main, need, spread, tellapart, timed


def _train(folder: Path, home: Path, *options: str) -> tuple[float, dict[str, Any]]:
    environment = {**os.environ, "TELLAPART_HOME": str(home)}
    words = tellapart("train", str(folder), "--json", "--quiet", *options)
    seconds, done = timed(words, env=environment)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    timed(tellapart("verify", result["bundle"]), env=environment)
    return seconds, result


def _set(data: Path, name: str, seeds: range) -> dict[str, Any]:
    folder = need(data / name)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        first, result = _train(folder, home, "--seed", "0")
        seconds, metrics = [], []
        for seed in seeds:
            for entry in home.iterdir():  # keep the backbone's graph, forget the rest
                if entry.name != "cache":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            for entry in (home / "cache").iterdir():
                if entry.name.startswith("features"):
                    entry.unlink()
            took, result = _train(folder, home, "--seed", str(seed))
            seconds.append(took)
            metrics.append(result["metrics"])
        metrics = metrics or [result["metrics"]]
    return {
        "first_time_s": round(first, 2),
        "backbone_cached_s": spread(seconds) if seconds else None,
        "test_accuracy_mean": round(statistics.mean(m["accuracy"] for m in metrics), 4),
        "test_accuracy": [round(m["accuracy"], 4) for m in metrics],
        "interval": [[round(m["low"], 4), round(m["high"], 4)] for m in metrics],
        "baseline": round(metrics[0]["baseline"], 4),
        "n": [m["n"] for m in metrics],
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    figures = {"trashnet_100": _set(data, "trashnet_100", range(0 if small else 5))}
    if not small:
        figures["caltech101_10"] = _set(data, "caltech101_10", range(3))
        figures["grocery_10 (official split)"] = _set(data, "grocery_10", range(3))
    return figures


if __name__ == "__main__":
    main(run)
