"""Train pictures with `good` or `best`: a ladder of ever dearer models, within a time.

The quick head comes first. Then heads on larger pictures, mirror images and several networks; then
networks are tuned, and mixed with the best head. A dearer rung replaces a cheaper one only where
it is better beyond noise on pictures that neither had seen: training pictures out of fold, and
the validation split. The test split has no part in it. Each rung that is kept is the project's
trained model at once, so that at any interruption the last one stands.
"""

from __future__ import annotations

import contextlib
import importlib.util
import time
from typing import Any

import numpy as np

from tellapart.errors import NotFoundError, TellapartError
from tellapart.learn import backbone, features, trained
from tellapart.learn.ladder import Budget, kept
from tellapart.learn.ladder.budget import seconds_of
from tellapart.learn.ladder.kept import Kept
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.train import frozen
from tellapart.steps.train.climbing import Climb, Ended
from tellapart.steps.train.heads import climb_heads, fill, networks_of
from tellapart.steps.train.material import Material, gather, weights_key
from tellapart.steps.train.reached import jury
from tellapart.steps.train.reserve import Reserve

STEP = "train"
#: Raise it whenever the same pictures and time would be climbed otherwise.
VERSION = 2
_NO_TORCH = (
    "Networks were not tuned: torch is not installed. With `pip install 'tellapart[deep]'` the "
    "ladder goes on where it ended here."
)
_STOPPED = "The ladder was stopped after {seconds}: the same command again goes on from there."


def run(context: StepContext) -> dict[str, Any]:
    """Climb; return what the quick head's step returns, with `ladder`, `rung` and `finished`.

    Raises `DataError` for fewer than two classes, a class without a picture to learn from, or
    pictures whose files are gone, `InputError` for devices that are not here.
    """
    material = gather(context)
    inputs = _inputs(context, material)
    last = _last(context)
    if last is None or last.facts["fingerprint"] != inputs["all"] or not last.facts["finished"]:
        _climb(context, material, inputs)
        last = trained.load(context.work)
    summary = _summary(last.facts)
    if last.facts["finished"] and context.catalog.finished(STEP, inputs["all"]) is None:
        context.catalog.finish(STEP, inputs["all"], summary)
    return summary


def is_deep() -> bool:
    """Whether what tuning needs is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "timm"))


def _inputs(context: StepContext, material: Material) -> dict[str, str]:
    """What each rung depends on, and with effort, time and what is installed the whole ladder."""
    recipe, asked = context.recipe, context.recipe.train
    first = backbone.embedded(context.settings.cache_dir)
    pictures = [
        [[row.sha256, row.label, row.group] for row in part]
        for part in (material.train, material.validation)
    ]
    joined = recipe.split.scene_cosine if material.official else None
    # Where it is computed makes no other model, and a threshold is set on one that is there.
    beside = ("device", "devices", "refuse")
    settings = {k: v for k, v in asked.model_dump(mode="json").items() if k not in beside}
    key = features.cache_key(first, asked.view)
    each = fingerprint([VERSION, key, settings, recipe.seed, material.classes, pictures, joined])
    time_asked = seconds_of(getattr(recipe, "budget", "auto"), recipe.effort)
    whole = fingerprint(
        [each, recipe.effort, time_asked, is_deep(), networks_of(context), _weights(context)]
    )
    return {"rungs": each, "ladder": whole, "all": fingerprint([whole, asked.refuse])}


def _last(context: StepContext) -> trained.Trained | None:
    try:
        last = trained.load(context.work)
        backbone.of(context.work, last.facts, context.settings.cache_dir)
    except (NotFoundError, LookupError):  # nothing yet, or not whole any more
        return None
    return last if "ladder" in last.facts and "finished" in last.facts else None


def _weights(context: StepContext) -> dict[str, str]:
    """Keys of the networks' weights by their names, of those that are here."""
    found = {}
    for name in networks_of(context):
        with contextlib.suppress(TellapartError):  # left out with a note where it is tried
            found[name] = weights_key(context, name)
    return found


def _climb(context: StepContext, material: Material, inputs: dict[str, str]) -> None:
    context.progress(Progress(STEP, 0, None, "features"))
    net = backbone.embedded(context.settings.cache_dir)
    rows = [*material.train, *material.validation]
    first = frozen.looked(context, rows, net, lambda *_: None)
    judges = jury(context, material, first)
    done = Kept.open(context.work, inputs["rungs"])
    shared = {"fingerprint": inputs["all"], "inputs": inputs}
    climb = Climb(context, judges, _budget(context, done), done, shared)
    done.take(_weights(context))
    climb.resume()
    if done.ended.get("for") == inputs["ladder"]:
        _finish(climb, list(done.ended["notes"]), finished=True)  # all that is new is a threshold
        return
    _check_devices(context)
    climb.budget = _budget(context, done)  # with the time of rungs whose networks are gone
    reserve = Reserve.of(context, net)
    climb.reckoned = reserve.facts()
    notes: list[str] = []
    finished = True
    try:
        climb_heads(climb, reserve, notes)
        if is_deep():
            _deepen(climb, reserve, networks_of(context), notes)
        else:
            notes.append(_NO_TORCH)
        if climb.budget.explicit:
            fill(climb, reserve, notes)
    except Ended:
        finished = False
        notes.append(_STOPPED.format(seconds=_time(climb.budget.spent)))
    if finished:
        spent = climb.budget.spent
        done.ended = {"for": inputs["ladder"], "notes": notes, "spent": spent}
    _finish(climb, notes, finished=finished)


def _check_devices(context: StepContext) -> None:
    """Raises `InputError` now where devices that were named are not here, not after an hour."""
    asked = context.recipe.train
    if is_deep() and (asked.devices > 1 or asked.device != "auto"):
        from tellapart.learn.deep import tuning

        tuning.device_of(asked.device, asked.devices)


def _deepen(climb: Climb, reserve: Reserve, networks: list[str], notes: list[str]) -> None:
    """Tune networks; with `best`, teach one what all of them know together."""
    from tellapart.steps.train import deepening, distilling

    best = climb.context.recipe.effort == "best"
    if best:
        climb.budget = climb.budget.holding(distilling.held(climb, reserve, networks))
    grown = deepening.deepen(climb, reserve, networks, notes)
    if best:
        distilling.distil(climb, reserve, grown, notes)


def _budget(context: StepContext, done: Kept) -> Budget:
    """The time of this command, less what earlier, interrupted ones have spent on the same."""
    asked = getattr(context.recipe, "budget", "auto")
    whole = seconds_of(asked, context.recipe.effort)
    started = time.monotonic() if context.command is None else context.command.started
    spent = done.spent if done.spent < whole else 0.0
    return Budget(whole, started - spent, explicit=asked != "auto")


def _finish(climb: Climb, notes: list[str], *, finished: bool) -> None:
    """Note on the model that stands how the ladder ended."""
    assert climb.best is not None
    vectors = frozen.looked(climb.context, climb.judges.rows, climb.best.backbone, lambda *_: None)
    rows, ended = climb.rows, climb.kept.ended
    spent = float(ended["spent"]) if finished else climb.budget.spent
    climb.kept.note(spent)
    facts = climb.save(
        climb.best,
        np.asarray(vectors),
        rows,
        finished=finished,
        notes=[*_gained(rows, climb.best.name, spent), *notes],
        budget=climb.budget.seconds,
        seconds=round(spent, 2),
        reserve={"seconds": round(climb.standing, 2), **climb.reckoned},
    )
    if finished:
        backbone.prune(climb.context.work, facts, *kept.networks(climb.context.work))


def _gained(rows: list[dict[str, Any]], name: str, spent: float) -> list[str]:
    """What the ladder brought over the quick head, in one line."""
    first, best = rows[0], next(row for row in rows if row["rung"] == name)
    if first["accuracy"] is None:
        return ["Nothing could be held out: no rung could be compared with the quick head."]
    if best is first:
        said = "No dearer model was better than the quick head beyond noise, in"
        return [f"{said} {_time(spent)}: the quick head stands."]
    points = 100 * (best["accuracy"] - first["accuracy"])
    said = f"The ladder gained {points:.1f} points over the quick head in {_time(spent)}"
    # Chosen among several by these very pictures, which makes it look a little too good.
    said += f": {best['rung']}, on the {best['n']} pictures by which it was chosen. The model had "
    return [f"{said}seen none of them; but the test figures alone are free of that choice."]


def _time(amount: float) -> str:
    if amount < 90:
        return f"{amount:.0f} s"
    return f"{amount / 60:.0f} min" if amount < 5400 else f"{amount / 3600:.1f} h"


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    names = ("C", "temperature", "thresholds", "pictures", "validation", "warm", "notes")
    said = {name: facts[name] for name in (*names, "rung", "ladder", "finished")}
    return {**said, "reserve": facts.get("reserve", {})}
