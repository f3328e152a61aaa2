"""`tellapart train --budget` beside fastai's `fine_tune` and a plain torch loop, at equal times.

trashnet_100, a quarter of each class held out by a seed; all three get the same pictures, start
from the same weights, and are given 1, 3 and 10 minutes from the start of their process to its
end. All are asked about the same held-out pictures. Peers do not hold out anything more; ours
judges its ladder within the same training pictures. TELLAPART_FASTAI_PATH names a folder that
holds fastai for this interpreter (`pip install --target FOLDER --no-deps fastai fastcore
'fastprogress<1.1' fasttransform fastdownload 'plum-dispatch<2.10' cloudpickle beartype rich
pygments markdown-it-py mdurl requests urllib3 idna certifi charset-normalizer`). Where it is not
named, fastai is left out, with the reason.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import HERE, Skipped, main, need, spread, timed
from benchmarks.beside import chains

SET = "trashnet_100"
MINUTES = (1, 3, 10)
SEEDS = 3
SCRIPTS = {"plain_loop": "torch_finetune.py", "fastai": "fastai_script.py"}
#: Side in pixels that the weights were made for.
SIDE = 224


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import timm  # noqa: F401
    except ImportError:
        raise Skipped("torch and timm are not installed: make test installs them") from None
    source = need(data / SET)
    peers, missing = _peers()
    rows = chains.Rows("finetune_versus", small)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = chains.few(source, Path(temporary) / SET, 12, 3) if small else source
        for minutes in (1 / 60,) if small else MINUTES:
            sides: dict[str, list[dict[str, Any]]] = {}
            for seed in range(1 if small else SEEDS):
                split = _split(folder, seed)
                for who in ("ours", *peers):
                    measure = partial(_side, who, split, minutes * 60, seed, data, small)
                    key = f"{who}, {minutes:g} min, seed {seed}"
                    sides.setdefault(who, []).append(rows.get(key, measure))
            found[f"{minutes:g} min"] = sides
    return {time_: _figures(sides) for time_, sides in found.items()} | {"skipped": missing}


def _peers() -> tuple[list[str], dict[str, str]]:
    if os.environ.get("TELLAPART_FASTAI_PATH"):
        return ["plain_loop", "fastai"], {}
    return ["plain_loop"], {"fastai": "TELLAPART_FASTAI_PATH is not set"}


def _split(folder: Path, seed: int) -> dict[str, list[tuple[str, int]]]:
    """A quarter of each class held out."""
    rng = random.Random(seed)
    out: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    for number, place in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        files = sorted(str(p) for p in place.iterdir() if p.suffix.lower() in chains.SUFFIXES)
        rng.shuffle(files)
        cut = len(files) // 4
        out["test"] += [(file, number) for file in files[:cut]]
        out["train"] += [(file, number) for file in files[cut:]]
    return out


def _side(
    who: str,
    split: dict[str, list[tuple[str, int]]],
    seconds: float,
    seed: int,
    data: Path,
    small: bool,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        if who == "ours":
            return _ours(root, split, seconds, seed, data, small)
        path = root / "split.json"
        path.write_text(json.dumps(split))
        script = str(HERE / "beside" / SCRIPTS[who])
        side = "64" if small else str(SIDE)
        asked = [str(path), f"{seconds:g}", str(seed), side, repr(time.time())]
        took, done = timed([sys.executable, script, *asked], env=_environment(who, small))
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**said, "elapsed_s": round(took, 2), "n": len(split["test"])}


def _environment(who: str, small: bool) -> dict[str, str]:
    extra = os.environ.get("TELLAPART_FASTAI_PATH", "") if who == "fastai" else ""
    given = [str(HERE.parent), extra, os.environ.get("PYTHONPATH", "")]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in given if part)}
    if small:  # other tests are at work too: more threads would wait for one another
        found["OMP_NUM_THREADS"] = "1"
    return found


def _ours(
    root: Path,
    split: dict[str, list[tuple[str, int]]],
    seconds: float,
    seed: int,
    data: Path,
    small: bool,
) -> dict[str, Any]:
    """The command on a folder with the training pictures alone; its bundle is asked afterwards.

    Only weights that the peers have: without TELLAPART_WEIGHTS. What the command itself holds out
    for testing is as little as it takes.
    """
    for file, _ in split["train"]:
        place = root / "train" / Path(file).parent.name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    classes = {str(label): Path(file).parent.name for file, label in split["train"]}
    shares = '{"train": 0.9, "validation": 0.05, "test": 0.05}'
    options = ["--effort", "good", "--budget", f"{max(1, round(seconds))}s", "--seed", str(seed)]
    if not small:
        options += ["--set", f"split={shares}"]
    outcome = chains.train(root / "train", root / "home", root, *options)
    files = [file for file, _ in split["test"]]
    told = chains.answers(outcome.bundle, files)
    right = [
        name == classes[str(label)] for name, (_, label) in zip(told, split["test"], strict=True)
    ]
    return {
        "accuracy": sum(right) / len(right),
        "elapsed_s": round(outcome.seconds, 2),
        "n": len(right),
        "rung": outcome.facts.get("rung"),
        "rungs": len(outcome.rungs),
    }


def _figures(sides: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    ours = [row["accuracy"] for row in sides["ours"]]
    return {
        "accuracy": {who: spread([row["accuracy"] for row in rows]) for who, rows in sides.items()},
        "accuracy_mean": {
            who: round(statistics.mean(row["accuracy"] for row in rows), 4)
            for who, rows in sides.items()
        },
        "lead_points": {
            who: spread([100 * (a - row["accuracy"]) for a, row in zip(ours, rows, strict=True)])
            for who, rows in sides.items()
            if who != "ours"
        },
        "elapsed_s": {
            who: spread([row["elapsed_s"] for row in rows]) for who, rows in sides.items()
        },
        "each": sides,
    }


if __name__ == "__main__":
    main(run)
