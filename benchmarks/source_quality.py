"""How well the noise of sources is estimated, and what collecting by it brings.

Two search services on this machine offer real pictures with planted noise, half of it pictures of
the other classes, half foreign things: one clean, one that grows noisier with the rank. A project
collects from them in rounds up to a number of pictures a class; another collects as many in the
recipe's order, the noisy service first. Shares estimated from what each took are held against what
was planted among it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import main, spread
from benchmarks.beside.chains import Rows
from benchmarks.beside.noisy_web import NoisyWeb, Offers, Pool, folder_pool, offers

if TYPE_CHECKING:
    from tellapart.project import Project
    from tellapart.settings import Settings

#: Set, what foreign pictures come from, and pictures wanted of a class.
SETS = (("trashnet_100", "caltech101_10", 60), ("caltech101_10", "grocery_10/train", 60))
DRAWS = 2
#: Shares of noise by rank.
NOISE = {
    "commons": (lambda rank: min(0.6, 0.15 + rank / 150)),
    "openverse": (lambda _: 0.05),
}
_CLASSES = 5


def run(data: Path, small: bool) -> dict[str, Any]:
    rows = Rows("source_quality", small)
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        features = Path(tempfile.gettempdir()) / "tellapart-benchmarks" / "cache"
        features.mkdir(parents=True, exist_ok=True)
        (Path(temporary) / "cache").symlink_to(features, target_is_directory=True)
        for number in range(1 if small else DRAWS * len(SETS)):

            def measure(number: int = number) -> dict[str, Any]:
                return _trial(data, Path(temporary), number, small)

            found.append(rows.get(f"{SETS[number % len(SETS)][0]}, {number}", measure))
    return _figures(found)


def _trial(data: Path, home: Path, number: int, small: bool) -> dict[str, Any]:
    from tellapart.settings import Settings

    name, others, each = SETS[number % len(SETS)]
    rng = np.random.default_rng([number, 3])
    whole = folder_pool(data / name)
    things = [word for word in whole.classes if not word.startswith("background")]
    chosen = sorted(rng.choice(things, 3 if small else min(_CLASSES, len(things)), replace=False))
    pool = Pool(name, {str(word): whole.by_class[str(word)] for word in chosen})
    foreign = folder_pool(data / others)
    strange = [read for word in foreign.classes for read in foreign.by_class[word]]
    given = offers(pool, strange, NOISE, 400, number)
    with NoisyWeb(given) as web:
        settings = Settings(
            home=home,
            openverse_url=web.openverse_url,
            commons_url=web.commons_url,
            allow_hosts=(web.host,),
        )
        asked = {
            "classes": [str(word) for word in chosen],
            "sources": ["commons", "openverse"],
            "per_class": 45 if small else each,
        }
        # So little is worth no round less: they go on to the number that is wanted.
        rounds = _collected(settings, given, {**asked, "name": f"r{number}", "enough": 0.001})
        order = _collected(settings, given, {**asked, "name": f"o{number}"})
    return {"set": name, "classes": asked["classes"], "in_rounds": rounds, "in_order": order}


def _collected(settings: Settings, given: Offers, asked: dict[str, Any]) -> dict[str, Any]:
    from tellapart.project import Project
    from tellapart.recipe import check

    with Project.create(check(asked), settings) as project:
        project.collect()
        project.curate()
        found = project.source_quality()
        taken = _taken(project, given)
    shares = {
        one["source"]: {
            "estimated": one["share"],
            "low": one["low"],
            "high": one["high"],
            "planted": round(sum(taken[one["source"]]) / len(taken[one["source"]]), 4),
            "n": len(taken[one["source"]]),
        }
        for one in found["sources"]
    }
    flags = [flag for own in taken.values() for flag in own]
    return {
        "taken": len(flags),
        "noise_taken": round(sum(flags) / len(flags), 4),
        "sources": shares,
    }


def _taken(project: Project, given: Offers) -> dict[str, list[bool]]:
    """By source: for each picture taken whether it is noise."""
    found: dict[str, list[bool]] = {}
    for row in project.pictures(status="ok"):
        place = (row.source, row.label, row.rank)
        found.setdefault(row.source, []).append(place in given.noise)
    return found


def _figures(trials: list[dict[str, Any]]) -> dict[str, Any]:
    shares = [
        one
        for trial in trials
        for how in ("in_rounds", "in_order")
        for one in trial[how]["sources"].values()
    ]
    return {
        "trials": len(trials),
        "shares": len(shares),
        "off_points": spread([100 * abs(s["estimated"] - s["planted"]) for s in shares]),
        "held_by_the_interval": round(
            sum(s["low"] <= s["planted"] <= s["high"] for s in shares) / len(shares), 4
        ),
        "the_noisier_is_found": all(
            t["in_rounds"]["sources"]["commons"]["estimated"]
            > t["in_rounds"]["sources"]["openverse"]["estimated"]
            for t in trials
        ),
        "noise_taken_in_rounds": spread([t["in_rounds"]["noise_taken"] for t in trials]),
        "noise_taken_in_order": spread([t["in_order"]["noise_taken"] for t in trials]),
        "each": trials,
    }


if __name__ == "__main__":
    main(run)
