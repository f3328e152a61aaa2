"""Whether collecting stops at the right time: accuracy where it stopped, and at four times as many.

In each trial two search services on this machine offer real pictures of a few classes, one with
5 % of noise, the other with 25 % (half of it pictures of the other classes, half of foreign
things). A project with `enough: 0.2` collects from them in rounds until it says that there are
enough. Then the same project is made to collect four times as many, as the last round did. A head
on the kept pictures of both is asked about pictures that no service offers. Where the services
have less than four times as many, how many times it was is reported.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import main, spread
from benchmarks.beside.chains import Rows
from benchmarks.beside.judged import accuracy
from benchmarks.beside.noisy_web import NoisyWeb, Pool, digit_pool, folder_pool, offers

if TYPE_CHECKING:
    from benchmarks.beside.noisy_web import Read
    from tellapart.project import Project
    from tellapart.settings import Settings

#: Set, and classes of a trial: all chosen before the first trial.
KINDS = (
    ("caltech101_10", 2),
    ("caltech101_10", 3),
    ("caltech101_10", 4),
    ("caltech101_10", 3),
    ("mnist", 2),
)
TRIALS = 10
ENOUGH, FACTOR = 0.2, 4
#: What the figure asks for, in points.
WITHIN = 1.0
NOISE = {"openverse": 0.05, "commons": 0.25}
#: Of each class, these many pictures judge and are not offered.
_TESTS = {"mnist": 200, "caltech101_10": 40}
_FOREIGN = {"mnist": "trashnet_100", "caltech101_10": "grocery_10/train"}
_EACH = 1200
#: Digits are so alike that to search for near duplicates would leave a third of them.
_CURATE = {"mnist": {"near_duplicate_likeness": 1, "near_duplicate_bits": 0}}


def run(data: Path, small: bool) -> dict[str, Any]:
    rows = Rows("stop_rule", small)
    trials = []
    with tempfile.TemporaryDirectory() as temporary:
        # Features are kept by content, and the same pictures come in many trials.
        features = Path(tempfile.gettempdir()) / "tellapart-benchmarks" / "cache"
        features.mkdir(parents=True, exist_ok=True)
        (Path(temporary) / "cache").symlink_to(features, target_is_directory=True)
        order = sorted(range(TRIALS), key=lambda number: (KINDS[number % len(KINDS)], number))
        for number in order[:1] if small else order:
            name, classes = KINDS[number % len(KINDS)]

            def measure(name: str = name, n: int = classes, number: int = number) -> dict[str, Any]:
                return _trial(data, Path(temporary), name, n, number)

            trials.append(rows.get(f"{name}, {classes}, {number}", measure))
    return _figures(trials)


def _trial(data: Path, home: Path, name: str, n: int, number: int) -> dict[str, Any]:
    from tellapart.project import Project
    from tellapart.recipe import check
    from tellapart.settings import Settings

    rng = np.random.default_rng([number, 8])
    pool, tests = _held_out(_pool(data, name, n, rng), _TESTS[name], rng)
    foreign = folder_pool(data / _FOREIGN[name])
    strange = [read for word in foreign.classes for read in foreign.by_class[word]]
    noise = {service: (lambda _, share=share: share) for service, share in NOISE.items()}
    given = offers(pool, strange, noise, 1500, number)
    with NoisyWeb(given) as web:
        settings = Settings(
            home=home,
            openverse_url=web.openverse_url,
            commons_url=web.commons_url,
            allow_hosts=(web.host,),
        )
        recipe = check({"name": f"trial-{number}", "classes": list(pool.classes), "enough": ENOUGH})
        with Project.create(recipe, settings) as project:
            rounds = project.collect()["rounds"]
            project.curate()
            first = _state(project, tests)
            _go_on(project, settings)
            then = _state(project, tests)
    last = rounds["history"][-1]
    sources = {one["source"]: one["share"] for one in rounds["quality"]["sources"]}
    return {
        "set": name,
        "classes": list(pool.classes),
        "over": rounds["over"],
        "rounds": len(rounds["history"]),
        "worth": last["worth"],
        "stopped": first,
        "fourfold": then,
        "factor": round(then["kept"] / first["kept"], 2),
        "gain_points": round(100 * (then["accuracy"] - first["accuracy"]), 3),
        "tested": len(tests),
        "noise_estimated": sources,
        "noise_offered": {service: round(given.share(service), 4) for service in NOISE},
    }


def _pool(data: Path, name: str, n: int, rng: np.random.Generator) -> Pool:
    if name == "mnist":
        whole = digit_pool(data / name, _EACH)
    else:
        whole = folder_pool(data / name)
    # The largest ones: four times as many of them are there. What is background is no class.
    things = [word for word in whole.classes if not word.startswith("background")]
    largest = sorted(things, key=lambda word: (-len(whole.by_class[word]), word))
    chosen = rng.choice(largest[: 10 if name == "mnist" else 5], n, replace=False)
    return Pool(name, {str(word): whole.by_class[str(word)] for word in chosen})


def _held_out(
    pool: Pool, each: int, rng: np.random.Generator
) -> tuple[Pool, list[tuple[str, Read]]]:
    """The pool without the pictures that judge, and these."""
    tests: list[tuple[str, Read]] = []
    rest: dict[str, Sequence[Read]] = {}
    for word in pool.classes:
        order = rng.permutation(len(pool.by_class[word])).tolist()
        tests += [(word, pool.by_class[word][i]) for i in order[:each]]
        rest[word] = [pool.by_class[word][i] for i in order[each:]]
    return Pool(pool.name, rest), tests


def _state(project: Project, tests: Sequence[tuple[str, Read]]) -> dict[str, Any]:
    counts = project.counts()
    return {
        "found": counts["found"],
        "kept": counts["kept"],
        "accuracy": round(accuracy(project, tests), 5),
    }


def _go_on(project: Project, settings: Settings) -> None:
    """Collect four times as many of each class, by the last round's shares."""
    from tellapart.steps import rounds, run_step

    context = project.context()
    try:
        standing = rounds.read(context)
        assert standing is not None
        ration = standing.ration
        here: dict[str, set[str]] = {}
        for row in project.pictures(status="ok"):
            here.setdefault(row.label, set()).add(row.sha256)
        wanted = {label: FACTOR * len(shas) for label, shas in here.items()}
        replace(ration, round=ration.round + 1, wanted=wanted).write(context.work)
        run_step("collect", context)
        run_step("curate", context)
    finally:
        context.close()


def _figures(trials: list[dict[str, Any]]) -> dict[str, Any]:
    stopped = [one for one in trials if one["over"] == "enough"]
    within = [one for one in stopped if one["gain_points"] <= WITHIN]
    return {
        "trials": len(trials),
        "said_enough": len(stopped),
        "within_1_point": len(within),
        "share_within": round(len(within) / max(1, len(stopped)), 4),
        "gain_points": spread([one["gain_points"] for one in stopped] or [0.0]),
        "pictures_kept_when_stopped": spread([one["stopped"]["kept"] for one in stopped] or [0]),
        "factor_reached": spread([one["factor"] for one in stopped] or [0.0]),
        "rounds": spread([one["rounds"] for one in trials]),
        "each": trials,
    }


if __name__ == "__main__":
    main(run)
