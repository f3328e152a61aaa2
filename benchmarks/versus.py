"""Beside torch + timm scripts with the same weights, pictures and split, interleaved.

(a) frozen features + logistic regression, as installed and tuned (channels-last, glibc's malloc
thresholds); (b) fine-tuning for 3 epochs. Ours is measured twice: `same_work`, the scripts' very
job (decode, features, fit, accuracy on the test list) as one process, and `whole_chain`, the
command `tellapart train` to a verified bundle. Ratios are of whole processes, turn by turn;
`work` ratios leave the interpreter's imports out on both sides.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import Skipped, main, need, spread, tellapart, timed

MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}
SUFFIXES = {".jpg", ".jpeg", ".png"}


def split_of(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """A quarter of each class held out, seeded."""
    rng = random.Random(0)
    out: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    for number, place in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        files = sorted(str(p) for p in place.rglob("*") if p.suffix.lower() in SUFFIXES)
        rng.shuffle(files)
        cut = len(files) // 4
        out["test"] += [(file, number) for file in files[:cut]]
        out["train"] += [(file, number) for file in files[cut:]]
    rng.shuffle(out["train"])
    return out


def same_work(path: str, home: str) -> None:
    """The scripts' job with our parts, in this process; prints what they print."""
    start = time.perf_counter()
    import hashlib

    import numpy as np

    from tellapart.learn import backbone, features, head
    from tellapart.settings import Settings

    split = json.loads(Path(path).read_text())
    settings = Settings(home=Path(home))
    body = backbone.embedded(settings.cache_dir)
    matrix, labels = {}, {}
    for part in ("train", "test"):
        items = [
            (hashlib.sha256(file.encode()).hexdigest(), Path(file).read_bytes)
            for file, _ in split[part]
        ]
        found = dict(features.extract(items, body, "squash", settings))
        matrix[part] = np.stack([found[sha] for sha, _ in items])
        labels[part] = np.array([label for _, label in split[part]])
    fitted = head.fit(
        matrix["train"], labels["train"], n_classes=int(labels["train"].max()) + 1, seed=0
    )
    logits = matrix["test"] @ fitted.weight.T + fitted.bias
    accuracy = float((logits.argmax(1) == labels["test"]).mean())
    print(json.dumps({"accuracy": accuracy, "work_s": time.perf_counter() - start}))


def _same_work_command(split: Path, home: Path) -> list[str]:
    call = f"same_work({str(split)!r}, {str(home)!r})"
    return [sys.executable, "-c", f"from benchmarks.versus import same_work; {call}"]


def _turn(
    split: Path, folder: Path, home: Path, leave_out: frozenset[str]
) -> dict[str, dict[str, float]]:
    script = [sys.executable, "-m", "benchmarks.beside.torch_script", str(split)]
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "same_work": (_same_work_command(split, home), {}),
        "frozen": ([*script, "frozen"], {}),
        "whole_chain": (
            tellapart("train", str(folder), "--json", "--quiet", "--name", "versus"),
            {"TELLAPART_HOME": str(home)},
        ),
        "frozen_tuned": ([*script, "frozen-tuned"], MALLOC),
        "finetune": ([*script, "finetune"], {}),
    }
    out: dict[str, dict[str, float]] = {}
    for name, (command, environment) in commands.items():
        if name in leave_out:
            continue
        for entry in home.glob("*"):
            if entry.name != "cache":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for entry in home.glob("cache/features*"):
            entry.unlink()
        seconds, done = timed(command, env={**os.environ, **environment})
        last = json.loads(done.stdout.splitlines()[-1])
        accuracy = last["metrics"]["accuracy"] if "metrics" in last else last["accuracy"]
        work = last["seconds"]["total"] if "seconds" in last else last["work_s"]
        out[name] = {"process_s": seconds, "work_s": work, "accuracy": accuracy}
    return out


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import timm  # noqa: F401
    except ImportError:
        raise Skipped("torch and timm are not installed: make test installs them") from None
    figures = {}
    for name in ("trashnet_100",) if small else ("trashnet_100", "caltech101_10"):
        with tempfile.TemporaryDirectory() as temporary:
            folder, home = need(data / name), Path(temporary) / "home"
            if small:
                folder = _few(folder, Path(temporary) / name, 10)
            path = Path(temporary) / "split.json"
            path.write_text(json.dumps(split_of(folder)))
            timed(_same_work_command(path, home))  # builds the backbone's graph once
            often = 5 if name == "trashnet_100" and not small else 1
            # The tuned side is the frozen one in another environment.
            without = frozenset(("frozen_tuned",) if small else ())
            turns = [_turn(path, folder, home, without) for _ in range(often)]
        figures[name] = _figures(turns)
    return figures


def _few(folder: Path, out: Path, per_class: int) -> Path:
    """A copy of `folder` with the first pictures of each class."""
    for place in sorted(p for p in folder.iterdir() if p.is_dir()):
        (out / place.name).mkdir(parents=True)
        for file in sorted(place.iterdir())[:per_class]:
            shutil.copy(file, out / place.name)
    return out


def _figures(turns: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    ratios = {}
    for ours in ("same_work", "whole_chain"):
        for theirs in [side for side in turns[0] if side not in ("same_work", "whole_chain")]:
            for what in ("process_s", "work_s"):
                ratios[f"{theirs} / {ours}, {what}"] = spread(
                    [turn[theirs][what] / turn[ours][what] for turn in turns]
                )
    each = {
        name: {what: spread([turn[name][what] for turn in turns]) for what in turns[0][name]}
        for name in turns[0]
    }
    return {"ratios": ratios, "each": each}


if __name__ == "__main__":
    main(run)
