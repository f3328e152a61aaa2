"""The shipped recipes `swipr` and `picaisso` on 40 pictures on the CPU, as their log tells them.

Each is walked to a verified bundle by `tellapart train FOLDER --recipe NAME`, and what the log
says is held against the facts of the older programs: stages, rates, cycles, frozen layers, head,
split. No weights of their networks come with the program, so both start at random, as
`train.weights: none` allows; so the accuracy says nothing. `picaisso` took 100 epochs. The split
has a test part that the old ones had not: 70/20/10. At a small scale the resolved recipes alone
are held against the facts: nothing is trained.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import Skipped, main, need
from benchmarks.beside import chains

#: What is known of the two older trainings.
KNOWN: dict[str, dict[str, Any]] = {
    "swipr": {
        "backbone": "resnext50_32x4d",
        "head": "concat512",
        "batch_size": 24,
        "seed": 42,
        "validation": 0.2,
        "augmentation": {"flip": True, "zoom": 1.1, "rotate": 10.0, "lighting": 0.05},
        "class_weight": None,
        "best_weights": True,
        "sizes": [224, 229],
        "rates": [1e-4, 1e-3],
        "cycles": [[1, 2, 4], [1, 2, 4]],
        "freeze": ["body", "body"],
    },
    "picaisso": {
        "backbone": "resnet50",
        "head": "linear",
        "batch_size": 4,
        "optimizer": "adam",
        "validation": 0.2,
        "augmentation": {},
        "class_weight": None,
        "best_weights": True,
        "sizes": [224],
        "rates": [1e-3],
        "cycles": [[100]],
        "freeze": ["none"],
    },
}
#: Two classes of 20.
SET, CLASSES, PER_CLASS = "trashnet_100", 2, 20
NEUTRAL = {"flip": False, "zoom": 1.0, "rotate": 0.0, "lighting": 0.0, "crop": 1.0}


def run(data: Path, small: bool) -> dict[str, Any]:
    if small:
        return {name: _held(name, _resolved(name)) for name in KNOWN}
    try:
        import timm  # noqa: F401
    except ImportError:
        raise Skipped("torch and timm are not installed: make test installs them") from None
    rows = chains.Rows("old_recipes", small)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chains.few(need(data / SET), Path(temporary) / SET, PER_CLASS, CLASSES)
        return {
            name: rows.get(name, lambda: _walked(name, folder, data))  # noqa: B023 - called here
            for name in KNOWN
        }


def _resolved(name: str) -> dict[str, Any]:
    """What the recipe asks for, every choice made."""
    from tellapart.learn.deep.tuning import Plan
    from tellapart.recipe import check
    from tellapart.steps.train import staging

    written = {"data": ".", "name": name, "recipe": name, "train": {"weights": "none"}}
    recipe = check(written)
    start = staging.Start(
        None, recipe.train.backbone, {}, (0.5,) * 3, (0.5,) * 3, 224, "Apache-2.0"
    )
    plan: Plan = staging.plan_of(recipe, start, 28, 1)
    return {
        "backbone": plan.backbone,
        "head": plan.head,
        "batch_size": plan.batch_size,
        "optimizer": plan.optimizer,
        "seed": recipe.seed,
        "validation": recipe.split.validation,
        "augmentation": _changes(plan.to_dict()["augmentation"]),
        "class_weight": plan.class_weight,
        "best_weights": plan.best_weights,
        "sizes": [stage.size for stage in plan.stages],
        "rates": [stage.lr for stage in plan.stages],
        "cycles": [list(stage.lengths) for stage in plan.stages],
        "freeze": [stage.freeze for stage in plan.stages],
    }


def _walked(name: str, folder: Path, data: Path) -> dict[str, Any]:
    """The whole chain, and what its log says."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        options = ("--recipe", name, "--set", "train.weights=none")
        outcome = chains.train(folder, home, data, *options, name=name)
        chains.verify(outcome.bundle, home, data)
        plot = home / "projects" / name / "work" / "plots" / "learning_rate.png"
        has_plot = plot.exists() and plot.read_bytes()[:4] == b"\x89PNG"
    tuning = outcome.facts["tuning"]
    settings, stages = tuning["settings"], tuning["stages"]
    told = {
        "backbone": tuning["backbone"],
        "head": tuning["head"],
        "batch_size": settings["batch_size"],
        "optimizer": settings["optimizer"],
        "seed": tuning["split"]["seed"],
        "validation": tuning["split"]["validation"],
        "augmentation": _changes(settings["augmentation"]),
        "class_weight": settings["class_weight"],
        "best_weights": settings["best_weights"],
        "sizes": [stage["size"] for stage in stages],
        "rates": [stage["lr"] for stage in stages],
        "cycles": [stage["cycles"] for stage in stages],
        "freeze": [stage["freeze"] for stage in stages],
    }
    return _held(name, told) | {
        "epochs_trained": [stage["epochs"] for stage in stages],
        "highest_rate_seen": [max(rate for _, rate in stage["rates"]) for stage in stages],
        "groups_frozen": [
            f"{sum(group['frozen'] for group in stage['groups'])} of {len(stage['groups'])}"
            for stage in stages
        ],
        "rates_tried_by_the_finder": [len(stage["search"]) for stage in stages],
        "learning_rate_plot": has_plot,
        "best_epoch": tuning["best_epoch"],
        "split": outcome.result["pictures"]["splits"],
        "weights": tuning["weights"],
        "pictures_per_second": tuning["pictures_per_second"],
        "training_s": tuning["seconds"],
        "whole_chain_s": round(outcome.seconds, 1),
        "device": tuning["device"],
    }


def _changes(augmentation: dict[str, Any]) -> dict[str, Any]:
    """What of an augmentation is on."""
    off = {**NEUTRAL, "mixup": 0.0, "cutmix": 0.0}
    return {key: value for key, value in augmentation.items() if value != off[key]}


def _held(name: str, told: dict[str, Any]) -> dict[str, Any]:
    """What the log says, and where it differs from what is known."""
    known = KNOWN[name]
    return {
        "told": told,
        "different": {
            key: {"told": told[key], "known": value}
            for key, value in known.items()
            if told[key] != value
        },
    }


if __name__ == "__main__":
    main(run)
