"""Sets of 95 : 5, and whether the warning about the largest class appears when it should.

(a) Balanced accuracy of the head as the program fits it (rare classes count as much as frequent
ones) beside the same head without weights, on a test half with the same shares. Pairs of classes
of caltech101_10 and of trashnet_100; each pair, each seed: 95 : 5 in either half, features of the
embedded network. (b) Whole chains, on 95 : 5 sets: where the two "classes" are one class dealt at
random, no model can beat always naming the largest, and the report must say so; where they are
easily told apart, equally many or not, it must not.
"""

from __future__ import annotations

import itertools
import random
import shutil
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import main, need, spread
from benchmarks.beside import chains
from benchmarks.beside.featured import Featured, featured

SETS = ("trashnet_100", "caltech101_10")
SHARE = 0.05
SEEDS = 10
#: Two classes that any head tells apart, and one that is dealt at random.
APART, ALIKE = ("airplanes", "Motorbikes"), "airplanes"


def run(data: Path, small: bool) -> dict[str, Any]:
    rows = chains.Rows("imbalance", small)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name in SETS[:1] if small else SETS:
            folder = need(data / name)
            if small:
                folder = chains.few(folder, root / name, 60, 2)
            figures[name] = rows.get(name, partial(_set, folder, root / "home", small))
        figures["warning"] = _warnings(data, root, small, rows)
    return figures


def _set(folder: Path, home: Path, small: bool) -> dict[str, Any]:
    """Both heads on all ordered pairs of classes."""
    given = featured(folder, home)
    trials = [
        trial
        for common, rare in itertools.permutations(range(len(given.classes)), 2)
        for seed in range(2 if small else SEEDS)
        if (trial := _trial(given, common, rare, seed)) is not None
    ]
    leads = [100 * (trial["ours"] - trial["unweighted"]) for trial in trials]
    by_seed = [
        statistics.mean(lead for lead, t in zip(leads, trials, strict=True) if t["seed"] == seed)
        for seed in sorted({trial["seed"] for trial in trials})
    ]
    return {
        "trials": len(trials),
        "rare_in_training": sorted({trial["rare"] for trial in trials}),
        "balanced_accuracy_mean": {
            who: round(statistics.mean(trial[who] for trial in trials), 4)
            for who in ("ours", "unweighted", "always_the_largest")
        },
        "lead_points": spread(leads),
        "lead_points_mean": round(statistics.mean(leads), 2),
        "lead_points_mean_by_seed": spread(by_seed),
        "better": sum(lead > 0 for lead in leads),
        "worse": sum(lead < 0 for lead in leads),
        "p_worse": chains.sign_test(sum(x < 0 for x in leads), sum(x > 0 for x in leads)),
    }


def _trial(given: Featured, common: int, rare: int, seed: int) -> dict[str, Any] | None:
    from threadpoolctl import threadpool_limits

    from tellapart.learn import head, metrics

    rng = np.random.default_rng([seed, common, rare])
    halves = [_halves(given, number, rng) for number in (common, rare)]
    most = min(len(half) for half in halves[0])
    few = max(2, round(most * SHARE / (1 - SHARE)))
    if len(halves[1][0]) < few or not len(halves[1][1]):
        return None
    train = np.concatenate([halves[0][0][:most], halves[1][0][:few]])
    # All pictures of the rare class that are left: its recall is measured, not its share.
    test = np.concatenate([halves[0][1], halves[1][1]])
    y = (given.y == rare).astype(np.int64)
    found: dict[str, Any] = {"seed": seed, "rare": few, "always_the_largest": 0.5}
    for who, weight in (("ours", "balanced"), ("unweighted", None)):
        with threadpool_limits(1):
            model = head.fit(
                given.x[train],
                y[train],
                n_classes=2,
                seed=seed,
                class_weight=weight,  # type: ignore[arg-type]
                groups=given.groups[train],
            )
        measured = metrics.evaluate(model.probabilities(given.x[test]), y[test], ("common", "rare"))
        found[who] = measured["balanced_accuracy"]
    return found


def _halves(given: Featured, number: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows of a class in two parts, groups whole, in random order."""
    rows = np.flatnonzero(given.y == number)
    teams = np.unique(given.groups[rows], return_inverse=True)[1]
    rank = rng.permutation(teams.max() + 1)[teams]
    order = rows[np.argsort(rank, kind="stable")]
    middle = int(np.searchsorted(np.sort(rank), np.median(rank), side="right"))
    return [order[:middle], order[middle:]]


def _warnings(data: Path, root: Path, small: bool, rows: chains.Rows) -> dict[str, Any]:
    """How often whole chains warned, where they should and where they should not."""
    source = need(data / "caltech101_10")
    seeds = range(1 if small else 5)
    cases = {
        "95 : 5, nothing to tell": True,
        "1 : 1, easily told apart": False,
        "95 : 5, easily told apart": False,
    }
    found: dict[str, Any] = {}
    for case, expected in cases.items():
        if small and not expected:
            continue
        each = [
            rows.get(f"{case}, seed {seed}", partial(_chain, case, source, data, seed, small))
            for seed in seeds
        ]
        found[case] = {
            "should_warn": expected,
            "warned": sum(one["warned"] for one in each),
            "of": len(each),
            "as_it_should": all(one["warned"] == expected for one in each),
            "each": each,
        }
    return found


def _chain(case: str, source: Path, data: Path, seed: int, small: bool) -> dict[str, Any]:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder, home = Path(temporary) / "pictures", Path(temporary) / "home"
        for name, files in _dealt(case, source, rng, small).items():
            (folder / name).mkdir(parents=True)
            for file in files:
                shutil.copy(file, folder / name)
        # Half of the pictures for the test: of a twentieth few would be left otherwise.
        shares = '{"train": 0.4, "validation": 0.1, "test": 0.5}'
        options = ("--seed", str(seed), "--set", f"split={shares}")
        outcome = chains.train(folder, home, data, *options)
    found = outcome.result["metrics"]
    said = any("no better than always" in note for note in outcome.result["notes"])
    return {
        "warned": found["warning"] is not None,
        "among_the_notes": said,
        "accuracy": found["accuracy"],
        "baseline": found["baseline"],
        "balanced_accuracy": found["balanced_accuracy"],
        "test_pictures": found["n"],
    }


def _dealt(case: str, source: Path, rng: random.Random, small: bool) -> dict[str, list[Path]]:
    """Pictures of two classes."""
    pools = {name: sorted((source / name).glob("*.jpg")) for name in {*APART, ALIKE}}
    for pool in pools.values():
        rng.shuffle(pool)
    if case.endswith("nothing to tell"):
        pool = pools[ALIKE][:60] if small else pools[ALIKE]
        few = max(6, round(SHARE * len(pool)))
        return {"common": pool[few:], "rare": pool[:few]}
    common, rare = (pools[name] for name in APART)
    if case.startswith("95"):
        return {"common": common, "rare": rare[: round(SHARE / (1 - SHARE) * len(common))]}
    return {"common": common[:60], "rare": rare[:60]}


if __name__ == "__main__":
    main(run)
