"""Train pictures as the recipe's own stages say: a network of timm tuned, then kept as any other.

Writes what the quick head's step writes: the tuned network is the backbone, its last layer the
head, calibrated on the validation split. Beside it `train.json` holds, as `tuning`, what was
frozen, at which sizes and rates, for how many epochs and cycles, and how loss and accuracy went.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import NotFoundError
from tellapart.learn import backbone, measuring, trained
from tellapart.learn.backbone import FOLDER, Backbone, Part
from tellapart.learn.calibration import fit_temperature, softmax
from tellapart.learn.composing import compose
from tellapart.learn.head import Head
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.train import frozen
from tellapart.steps.train.material import Material, gather
from tellapart.steps.train.reached import Jury, Reached, jury, keep
from tellapart.steps.train.staging import Start, plan_of, start_of, weights_of
from tellapart.store.files import FileStore

if TYPE_CHECKING:
    from tellapart.learn.deep.tuning import Plan, Tuned

STEP = "train"
#: Raise it whenever the same pictures and stages would give another model.
VERSION = 2
#: In the work folder: prepared pictures and the checkpoint, until the training has ended.
TUNING = "tuning"
#: With fewer validation pictures the temperature does not make answers surer than the network is.
_ENOUGH = 50
#: Seconds of the export and of the last looks at all pictures; of each step after training.
_AROUND, _AFTER = 12.0, 5.0
_STOPPED = "The training was stopped in epoch {epoch}: the same command again goes on from there."


def run(context: StepContext) -> dict[str, Any]:
    """Tune; return what the quick head's step returns, with `finished` and `stages`.

    A stop request ends it after a batch; what was learned is kept, and the next call goes on.
    Raises `InputError` for weights that are nowhere, a network that timm does not know, a size or
    device that does not work, or a loss that is no number any more; `MissingExtraError` without
    torch; `DataError` for fewer than two classes or a class without a picture to learn from.
    """
    # Lightning imports matplotlib, which writes a list of fonts into the home folder.
    os.environ.setdefault("MPLCONFIGDIR", str(context.settings.cache_dir / "matplotlib"))
    material = gather(context)
    inputs = _inputs(context, material)
    last = _last(context)
    if last is None or last.facts["fingerprint"] != inputs["all"] or not last.facts["finished"]:
        start = start_of(context.recipe, context.settings)
        threads = context.settings.threads or 0
        plan = plan_of(context.recipe, start, len(material.train), threads)
        _train(context, material, start, plan, inputs)
        last = trained.load(context.work)
    summary = _summary(last.facts)
    if last.facts["finished"] and context.catalog.finished(STEP, inputs["all"]) is None:
        context.catalog.finish(STEP, inputs["all"], summary)
    return summary


def _inputs(context: StepContext, material: Material) -> dict[str, str]:
    """What the model depends on, the machine apart; found without torch.

    `training` leaves the time out: with another budget a training that was stopped goes on.
    """
    recipe, asked = context.recipe, context.recipe.train
    found = None if asked.weights == "none" else weights_of(recipe, context.settings)
    start = (
        None if found is None else [found.model, found.sha256, found.args, found.mean, found.std]
    )
    chosen = asked.model_dump(mode="json", exclude={"device", "devices", "weights"})
    rows = [
        [[row.sha256, row.label, row.group] for row in part]
        for part in (material.train, material.validation)
    ]
    training = fingerprint([VERSION, start, chosen, rows, material.classes, recipe.seed])
    return {"training": training, "all": fingerprint([training, recipe.budget_seconds])}


def _last(context: StepContext) -> trained.Trained | None:
    try:
        last = trained.load(context.work)
        backbone.of(context.work, last.facts, context.settings.cache_dir)
    except NotFoundError:
        return None
    return last if "tuning" in last.facts else None


def _train(
    context: StepContext, material: Material, start: Start, plan: Plan, inputs: dict[str, str]
) -> None:
    from tellapart.learn.deep import tuning

    folder, key = context.work / TUNING, inputs["training"]
    judges = _jury(context, material)
    files = FileStore(context.settings.files_dir)
    own = len(material.train)
    feed = tuning.PictureFeed(
        [(r.sha256, measuring.reader(files, r.sha256, r.path)) for r in judges.rows],
        judges.y,
        judges.classes,
        np.arange(own),
        np.arange(own, len(judges.rows)),
        mean=start.mean,
        std=start.std,
        view=context.recipe.train.view,
        threads=context.settings.worker_threads,
    )
    tensors = None
    if start.weights is not None:
        from tellapart.learn import weights

        tensors = weights.tensors(start.weights)
    tuned = tuning.tune(
        plan,
        tensors,
        feed,
        folder=folder,
        key=key,
        watch=lambda tick: _tell(context, plan, tick),
        stop=context.stop_asked,
        deadline=_deadline(context, tuning.spent(plan, feed, folder=folder, key=key)),
    )
    context.progress(Progress(STEP, 0, None, "exporting"))
    net, weight, bias = tuning.tuned_backbone(tuned, context.work / FOLDER, license=start.license)
    facts = _facts(context, start, plan, tuned, inputs["all"], official=material.official)
    _keep(context, judges, tuned, net, (weight, bias), facts)
    if tuned.finished:
        shutil.rmtree(folder, ignore_errors=True)


def _jury(context: StepContext, material: Material) -> Jury:
    first = np.zeros((len(material.train) + len(material.validation), 1), np.float32)
    if material.official:  # scenes are found by the embedded network's features
        net = backbone.embedded(context.settings.cache_dir)
        rows = [*material.train, *material.validation]
        first = frozen.looked(context, rows, net, lambda *_: None)
    return jury(context, material, first)


def _deadline(context: StepContext, spent: float) -> float | None:
    """When the training has to be over, so that the whole command ends in time.

    Earlier, interrupted commands have `spent` seconds of it on the same training.
    """
    seconds = context.recipe.budget_seconds
    if seconds is None:
        return None
    began = time.monotonic() if context.command is None else context.command.started
    rest = () if context.command is None else context.command.after(STEP)
    return began + seconds - spent - _reserve(len(rest), seconds)


def _reserve(steps: int, seconds: float) -> float:
    """Seconds for the export, and for each of so many steps after training."""
    return min(_AROUND + _AFTER * steps, seconds / 2)


def _keep(
    context: StepContext,
    judges: Jury,
    tuned: Tuned,
    net: Backbone,
    head: tuple[NDArray[np.float32], NDArray[np.float32]],
    facts: dict[str, Any],
) -> None:
    """Calibrate the head and save all; the network that stands then is whole at any moment."""
    if context.recipe.train.mirror is True:
        net = compose([Part(net, mirror=True)], context.work / FOLDER)

    def watch(done: int, total: int) -> None:
        context.progress(Progress(STEP, done, total, "features"))

    vectors = frozen.looked(context, judges.rows, net, watch)
    weight, bias = head
    logits = vectors.astype(np.float64) @ weight.astype(np.float64).T + bias
    own = judges.own
    temperature = fit_temperature(logits[own:], judges.y[own:])
    if len(judges.rows) - own < _ENOUGH:
        temperature = max(1.0, temperature)
    told = softmax(logits / temperature)
    told[:own] = np.nan  # the network has learned from them
    fitted = Head(
        (weight / temperature).astype(np.float32),
        (bias / temperature).astype(np.float32),
        C=0.0,
        temperature=temperature,
    )
    plain = tuned.plan.head == "linear" and all(s.freeze == "body" for s in tuned.plan.stages)
    unseen = None if plain else np.full(own, np.nan)
    keep(context, judges, Reached("stages", "tuned", net, fitted, told, unseen), vectors, facts)


def _facts(
    context: StepContext, start: Start, plan: Plan, tuned: Tuned, inputs: str, *, official: bool
) -> dict[str, Any]:
    notes = list(context.recipe.notes)
    if not tuned.finished:
        notes.append(_STOPPED.format(epoch=len(tuned.history)))
    settings = {k: v for k, v in plan.to_dict().items() if k not in ("stages", "threads")}
    split = context.recipe.split
    found = None if start.weights is None else start.weights
    return {
        "fingerprint": inputs,
        "finished": tuned.finished,
        "tuning": {
            "backbone": plan.backbone,
            "weights": None if found is None else {"name": found.name, "sha256": found.sha256},
            "head": plan.head,
            "settings": settings,
            "planned": [asdict(stage) for stage in plan.stages],
            "stages": tuned.stages,
            "history": tuned.history,
            "best_epoch": tuned.best_epoch,
            "split": {
                "seed": context.recipe.seed,
                "train": split.train,
                "validation": split.validation,
                "test": split.test,
                "official": official,
            },
            "precision": tuned.precision,
            "device": tuned.device,
            "seconds": tuned.seconds,
            "pictures_per_second": tuned.pictures_per_second,
        },
        "notes": [*notes, *tuned.notes],
    }


def _tell(context: StepContext, plan: Plan, tick: Any) -> None:
    """One word to who watches: the epoch, and the stage that it is in."""
    stage = _stage_at(plan, tick.epoch)
    note = f"stage {stage} of {len(plan.stages)}, epoch {tick.epoch} of {tick.epochs}"
    figures: dict[str, Any] | None = None
    if tick.line is not None:
        figures = {
            **tick.line,
            "total_epochs": tick.epochs,
            "seconds_left": tick.seconds_left,
        }
    context.progress(Progress(STEP, tick.done, tick.total, note, figures=figures))


def _stage_at(plan: Plan, epoch: int) -> int:
    """The stage (from 1) of an epoch (from 1), as planned."""
    last = 0
    for number, stage in enumerate(plan.stages, start=1):
        last += stage.length
        if epoch <= last:
            return number
    return len(plan.stages)


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    names = ("temperature", "thresholds", "pictures", "validation", "finished", "notes")
    stages = [
        {k: stage[k] for k in ("stage", "freeze", "size", "lr", "lr_found", "cycles", "epochs")}
        for stage in facts["tuning"]["stages"]
    ]
    tuning = facts["tuning"]
    return {name: facts[name] for name in names} | {
        "stages": stages,
        "backbone": tuning["backbone"],
        "head": tuning["head"],
        "split": tuning["split"],
    }
