"""`good` against `quick`: accuracy on the same untouched test pictures, and time against budget.

Three sets, three seeds. Each turn has a home of its own with nothing cached; the seed decides the
split, so that both efforts are asked about the same pictures. A turn is kept as soon as it is
there: a measurement that was cut off goes on.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import Skipped, main, need, spread
from benchmarks.beside import chains

#: Set and seconds for `good`.
SETS = (("trashnet_100", 600), ("grocery_10", 180), ("caltech101_10", 180))
#: Too short for anything but the first rung: what is dearer has tests of its own.
SMALL = (("trashnet_100", 1),)
#: A sum of results is worse beyond noise where chance alone would be as bad at most this often.
LEVEL = 0.05


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise Skipped("torch is not installed: pip install 'tellapart[deep]'") from None
    rows = chains.Rows("ladder", small)
    figures = {}
    for name, seconds in SMALL if small else SETS:
        source = need(data / name)
        with tempfile.TemporaryDirectory() as temporary:
            folder = chains.few(source, Path(temporary) / name, 12, 3) if small else source
            weights = Path(temporary) if small else data
            turns = [
                rows.get(f"{name}, seed {seed}", partial(_turn, folder, weights, seconds, seed))
                for seed in range(1 if small else 3)
            ]
        figures[name] = _figures(turns, seconds)
    return figures


def _turn(folder: Path, data: Path, seconds: int, seed: int) -> dict[str, Any]:
    """Both efforts with one seed."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        options = ("--seed", str(seed))
        quick = chains.train(folder, home / "quick", data, *options)
        asked = ("--effort", "good", "--budget", f"{seconds}s")
        good = chains.train(folder, home / "good", data, *options, *asked)
        pictures = chains.test_pictures(home / "quick", "measured")
        if pictures != chains.test_pictures(home / "good", "measured"):
            raise RuntimeError("the two efforts split the pictures differently")
        if seconds > 1:
            chains.verify(good.bundle, home / "good", data)
        files, labels = zip(*pictures, strict=True)
        right = {
            name: [a == b for a, b in zip(chains.answers(one.bundle, files), labels, strict=True)]
            for name, one in (("quick", quick), ("good", good))
        }
    pairs = list(zip(right["quick"], right["good"], strict=True))
    kept = [rung for rung in good.rungs if rung["kept"]]
    return {
        "n": len(pairs),
        "quick": sum(right["quick"]) / len(pairs),
        "good": sum(right["good"]) / len(pairs),
        "only_good_right": sum(not a and b for a, b in pairs),
        "only_quick_right": sum(a and not b for a, b in pairs),
        "quick_s": round(quick.seconds, 2),
        "good_s": round(good.seconds, 2),
        "rung": good.facts.get("rung"),
        "finished": good.facts.get("finished"),
        "rungs": [
            {key: rung.get(key) for key in ("rung", "seconds", "accuracy", "gain", "p", "kept")}
            for rung in good.rungs
        ],
        "rungs_kept": len(kept),
    }


def _figures(turns: list[dict[str, Any]], seconds: int) -> dict[str, Any]:
    gained = [100 * (turn["good"] - turn["quick"]) for turn in turns]
    wins = sum(turn["only_good_right"] for turn in turns)
    losses = sum(turn["only_quick_right"] for turn in turns)
    worse = chains.sign_test(losses, wins)
    return {
        "budget_s": seconds,
        "quick": spread([turn["quick"] for turn in turns]),
        "good": spread([turn["good"] for turn in turns]),
        "points_gained": [round(points, 2) for points in gained],
        "points_gained_mean": round(sum(gained) / len(gained), 2),
        "only_good_right": wins,
        "only_quick_right": losses,
        "p_better": chains.sign_test(wins, losses),
        "p_worse": worse,
        "worse_beyond_noise": worse <= LEVEL,
        "elapsed_of_budget": spread([turn["good_s"] / seconds for turn in turns]),
        "quick_s": spread([turn["quick_s"] for turn in turns]),
        "turns": turns,
    }


if __name__ == "__main__":
    main(run)
