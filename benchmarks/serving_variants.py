"""The variants of a model against fp32 ONNX Runtime: how fast, how much alike, which is chosen.

`tellapart benchmark` on bundles that learned from one half of a set, with the other half as
held-out pictures (more than 500 where the set has them): lite0 on three sets, easy and hard, and
ResNeXt50 for its speed alone (its weights start at random: nothing else about it says anything).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import main, need, tellapart, timed
from benchmarks.beside import chains
from tellapart.demo.drawing import WORDS, write_folder

SETS = ("caltech101_10", "trashnet_100", "grocery_10/train")
RESNEXT = "resnext50_32x4d, weights at random"
#: Of a bundle, with held-out pictures, in a home.
_Measure = Callable[[Path, Path, Path], dict[str, Any]]
#: One pass over a few pictures: what the weights are is all one for the speed.
STAGE = '[{"freeze": "body", "size": 224, "lr": 0.001, "cycles": 1, "cycle_length": 1}]'


def run(data: Path, small: bool) -> dict[str, Any]:
    if small:
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_folder(Path(temporary) / "drawn", list(WORDS[:3]), 14)
            return {"drawn": _figures(_measured(folder, data, _briefly))}
    rows = chains.Rows("serving_variants", small)
    quantized = ("--set", "compile.int8=true")
    figures = {}
    for name in SETS:
        folder = need(data / name)
        measure = partial(_measured, folder, data, partial(_whole, seconds="60"), *quantized)
        figures[f"lite0, {name}"] = rows.get(name, lambda measure=measure: _figures(measure()))
    figures[RESNEXT] = rows.get(RESNEXT, lambda: _resnext(data))
    return figures


def _measured(folder: Path, data: Path, measure: _Measure, *options: str) -> dict[str, Any]:
    """What is measured of a bundle that learned from one half of the folder, on the other."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "home"
        known, kept = _halves(folder, Path(temporary))
        outcome = chains.train(known, home, data, *options)
        return measure(outcome.bundle, kept, home)


def _whole(bundle: Path, kept: Path, home: Path, seconds: str) -> dict[str, Any]:
    words = tellapart("benchmark", str(bundle), "--json", "--quiet")
    words += ["--pictures", str(kept), "--seconds", seconds]
    _, done = timed(words, env={**os.environ, "TELLAPART_HOME": str(home)})
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _briefly(bundle: Path, kept: Path, home: Path) -> dict[str, Any]:
    """The same in one round and one size of batches."""
    from tellapart.serving import timing
    from tellapart.settings import Settings

    settings = Settings(home=home)
    found = timing.measure(bundle, settings, pictures=kept, seconds=0.5, rounds=1, batches=(1,))
    return found.to_dict()


def _halves(folder: Path, out: Path) -> tuple[Path, Path]:
    """Every second picture of each class in one folder, the others in another."""
    found = out / "known", out / "kept"
    for place in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = sorted(p for p in place.iterdir() if p.suffix.lower() in chains.SUFFIXES)
        for number, file in enumerate(files):
            target = found[number % 2] / place.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return found


def _resnext(data: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        few = chains.few(need(data / "trashnet_100"), Path(temporary) / "few", 40, 2)
        asked = ["train.weights=none", f"train.stages={STAGE}", "compile.int8=true"]
        options = [word for each in asked for word in ("--set", each)]
        measure = partial(_whole, seconds="120")
        return _figures(_measured(few, data, measure, "--recipe", "swipr", *options))


def _figures(told: dict[str, Any]) -> dict[str, Any]:
    """Each variant in its best setup, and the chosen one; without the machine's names."""
    reference = next(one for one in told["variants"] if one["name"] == told["reference"])
    base = reference.get("pictures_per_second", 0.0)
    found: dict[str, Any] = {
        "pictures": told["pictures"],
        "chosen": told["chosen"],
        "notes": told["notes"],
        "variants": {},
    }
    for one in told["variants"]:
        speed = one.get("pictures_per_second", 0.0)
        found["variants"][one["name"]] = {
            "pictures_per_second": speed,
            "spread": one.get("spread"),
            "times_the_reference": round(speed / base, 3) if base else None,
            "best_setup": one.get("best"),
            "memory_mb": one.get("memory_mb"),
            "ready_s": one.get("ready_seconds"),
            "agreement": one["agreement"],
            "faults": one["faults"],
        }
    return found


if __name__ == "__main__":
    main(run)
