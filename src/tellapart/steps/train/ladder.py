"""Train pictures with `good` or `best`: a ladder of ever dearer models, within a time.

The quick head comes first. Then heads on larger pictures, mirror images and several networks; then
networks are tuned, and mixed with the best head. A dearer rung replaces a cheaper one only where
it is better beyond noise on pictures that neither had seen: training pictures out of fold, and
the validation split. The test split has no part in it. Each rung that is kept is the project's
trained model at once, so that at any interruption the last one stands.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tellapart.errors import NotFoundError, TellapartError
from tellapart.learn import backbone, features, trained
from tellapart.learn.backbone import NAME
from tellapart.learn.ladder import Budget, rungs
from tellapart.learn.ladder.budget import seconds_of
from tellapart.learn.ladder.kept import Kept
from tellapart.learn.ladder.rungs import HeadRung
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.train import frozen
from tellapart.steps.train.climbing import Climb, Ended
from tellapart.steps.train.material import Material, gather
from tellapart.steps.train.reached import jury
from tellapart.steps.train.reserve import Reserve

STEP = "train"
#: Raise it whenever the same pictures and time would be climbed otherwise.
VERSION = 1
#: Of the time left, what a rung that seldom pays may take.
_SHARE = 0.33
_NO_TORCH = (
    "Networks were not tuned: torch is not installed. With `pip install 'tellapart[deep]'` the "
    "ladder goes on where it ended here."
)
_STOPPED = "The ladder was stopped after {seconds}: the same command again goes on from there."


def run(context: StepContext) -> dict[str, Any]:
    """Climb; return what the quick head's step returns, with `ladder`, `rung` and `finished`.

    Raises `DataError` for fewer than two classes, a class without a picture to learn from, or
    pictures whose files are gone.
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
    settings = {k: v for k, v in asked.model_dump(mode="json").items() if k != "device"}
    key = features.cache_key(first, asked.view)
    each = fingerprint([VERSION, key, settings, recipe.seed, material.classes, pictures, joined])
    time_asked = seconds_of(getattr(recipe, "budget", "auto"), recipe.effort)
    return {
        "rungs": each,
        "all": fingerprint([each, recipe.effort, time_asked, is_deep(), _networks(context)]),
    }


def _last(context: StepContext) -> trained.Trained | None:
    try:
        last = trained.load(context.work)
    except NotFoundError:
        return None
    return last if "ladder" in last.facts and "finished" in last.facts else None


def _networks(context: StepContext) -> list[str]:
    """The networks at hand, the embedded one first; only the one asked for, where one is."""
    from tellapart.learn import weights

    asked = str(getattr(context.recipe.train, "backbone", "auto"))
    if asked != "auto":
        return [asked]
    local = {each.name for each in weights.available(context.settings)}
    return [NAME, *sorted(local - {NAME})]


def _climb(context: StepContext, material: Material, inputs: dict[str, str]) -> None:
    context.progress(Progress(STEP, 0, None, "features"))
    net = backbone.embedded(context.settings.cache_dir)
    rows = [*material.train, *material.validation]
    first = frozen.looked(context, rows, net, lambda *_: None)
    judges = jury(context, material, first)
    kept = Kept.open(context.work, inputs["rungs"])
    budget = _budget(context, kept)
    reserve = Reserve.of(context, net)
    climb = Climb(context, judges, budget, kept, {"fingerprint": inputs["all"], "inputs": inputs})
    climb.resume()
    notes: list[str] = []
    finished = True
    try:
        _heads(climb, reserve, notes)
        if is_deep():
            from tellapart.steps.train import deepening

            deepening.deepen(climb, reserve, _networks(context), notes)
        else:
            notes.append(_NO_TORCH)
    except Ended:
        finished = False
        notes.append(_STOPPED.format(seconds=_time(climb.budget.spent)))
    _finish(climb, notes, finished=finished)


def _budget(context: StepContext, kept: Kept) -> Budget:
    """The time of this command, less what earlier, interrupted ones have spent on the same."""
    asked = getattr(context.recipe, "budget", "auto")
    whole = seconds_of(asked, context.recipe.effort)
    started = time.monotonic() if context.command is None else context.command.started
    spent = kept.spent if kept.spent < whole else 0.0
    return Budget(whole, started - spent, explicit=asked != "auto")


def _flag(value: object) -> bool | None:
    return None if value == "auto" else bool(value)


def _heads(climb: Climb, reserve: Reserve, notes: list[str]) -> None:
    """The quick head, then the largest pictures that the time allows; more where it is plenty."""
    asked, networks = climb.context.recipe.train, _networks(climb.context)
    mirror = _flag(asked.mirror)
    if asked.size != "auto":
        side = int(asked.size)
        _try(climb, reserve, rungs.first(networks, side, mirror=bool(mirror)), notes)
        sizes: tuple[int, ...] = (side,)
    else:
        _try(climb, reserve, rungs.first(networks, mirror=bool(mirror)), notes)
        sizes = rungs.SIZES
    for group in rungs.heads(networks, sizes=sizes, mirror=mirror):
        tried = [_try(climb, reserve, rung, notes) for rung in _until_kept(climb, group)]
        if any(tried):
            break
    if climb.context.recipe.effort == "best" or climb.budget.explicit:
        _more(climb, reserve, networks, mirror, notes)


def _until_kept(climb: Climb, group: Sequence[HeadRung]) -> Iterator[HeadRung]:
    """The rungs of `group` up to the first that is kept."""
    for rung in group:
        yield rung
        row = climb.kept.find(rung.name)
        if row is not None and row["kept"]:
            return


def _more(
    climb: Climb,
    reserve: Reserve,
    networks: Sequence[str],
    mirror: bool | None,
    notes: list[str],
) -> None:
    """What seldom pays: other sizes, two networks side by side; within a third of what is left."""
    if climb.context.recipe.train.size != "auto":
        return
    others = [group[0] for group in rungs.heads(networks, sizes=rungs.MORE_SIZES, mirror=mirror)]
    if len(networks) > 1:
        others.insert(0, rungs.together(networks, rungs.SIZES[0], mirror=mirror))
    for rung in others:
        if not climb.is_done(rung.name):
            _try(climb, reserve, rung, notes, share=_SHARE)


def _try(
    climb: Climb, reserve: Reserve, rung: HeadRung, notes: list[str], share: float = 1.0
) -> bool:
    """Climb `rung` where it fits into `share` of the time left; whether it was climbed, now or
    before. One of a network that cannot be had is left out."""
    climb.check()
    if climb.is_done(rung.name):
        climb.heads.append(rung)
        return True
    try:
        speeds = {each.network: reserve.speed(each.network) for each in rung.sources}
        known = frozen.known(rung, climb.heads)
        cost = rungs.seconds(rung, len(climb.judges.rows), speeds, known)
        climb.budget = climb.budget.with_reserve(reserve.seconds(rung.passes()))
        if climb.best is not None and not climb.budget.fits(cost / share):
            return False
        begun = time.monotonic()
        reached, vectors = frozen.climb(climb.context, climb.judges, rung, climb.watch(rung.name))
    except TellapartError as error:
        if climb.best is None:
            raise
        notes.append(f"{rung.name} was left out: {error.what}")
        return False
    climb.heads.append(rung)
    climb.offer(reached, vectors, time.monotonic() - begun)
    return True


def _finish(climb: Climb, notes: list[str], *, finished: bool) -> None:
    """Note on the model that stands how the ladder ended."""
    assert climb.best is not None
    vectors = frozen.looked(climb.context, climb.judges.rows, climb.best.backbone, lambda *_: None)
    rows = climb.rows
    climb.kept.note(climb.budget.spent)
    facts = climb.save(
        climb.best,
        np.asarray(vectors),
        rows,
        finished=finished,
        notes=[*_gained(rows, climb.budget.spent), *notes],
        budget=climb.budget.seconds,
        seconds=round(climb.budget.spent, 2),
    )
    if finished:
        backbone.prune(climb.context.work, facts)


def _gained(rows: list[dict[str, Any]], spent: float) -> list[str]:
    """What the ladder brought over the quick head, in one line."""
    stands = [row for row in rows if row["kept"]]
    first, best = stands[0], stands[-1]
    if first["accuracy"] is None:
        return ["Nothing could be held out: no rung could be compared with the quick head."]
    if best is first:
        said = "No dearer model was better than the quick head beyond noise, in"
        return [f"{said} {_time(spent)}: the quick head stands."]
    points = 100 * (best["accuracy"] - first["accuracy"])
    said = f"The ladder gained {points:.1f} points over the quick head in {_time(spent)}"
    return [f"{said}: {best['rung']}, on {best['n']} pictures that it had not seen."]


def _time(amount: float) -> str:
    if amount < 90:
        return f"{amount:.0f} s"
    return f"{amount / 60:.0f} min" if amount < 5400 else f"{amount / 3600:.1f} h"


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    names = ("C", "temperature", "thresholds", "pictures", "validation", "warm", "notes")
    return {name: facts[name] for name in (*names, "rung", "ladder", "finished")}
