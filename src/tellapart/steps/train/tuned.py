"""Rungs of tuned networks: one network for each fold, side by side in the model.

Each network learns from all training pictures but one fold's, and is asked about that fold: so
each training picture is told by a network that has not seen it, which is what judges the rung and
sets its temperature. The model is the mean of the folds' networks (Breiman, "Bagging predictors",
1996), as one backbone with one linear head. The validation split judges that mean itself.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import familiarity, head, similarity
from tellapart.learn.backbone import FOLDER, Part
from tellapart.learn.calibration import fit_temperature, softmax
from tellapart.learn.composing import compose
from tellapart.learn.head import Head
from tellapart.learn.ladder.rungs import TunedRung
from tellapart.steps.train import frozen
from tellapart.steps.train.climbing import Climb
from tellapart.steps.train.lessons import (
    Fold,
    Lesson,
    Start,
    exported,
    keep_fold,
    kept_fold,
    learn,
    start_of,
)
from tellapart.steps.train.reached import Reached


def climb(
    climb: Climb, rung: TunedRung, deadline: float
) -> tuple[Reached, NDArray[np.float32]] | None:
    """Tune all folds of `rung` by `deadline` (`time.monotonic`); None where that was too short.

    Folds that an earlier command finished are not tuned again. Raises `Ended` at a stop request.
    """
    fold_of = folds_of(climb, rung.folds)
    done = {fold: _kept(climb, rung, fold) for fold in range(rung.folds)}
    missing = [fold for fold, one in done.items() if one is None]
    start = start_of(climb, rung) if missing else None
    for number, fold in enumerate(missing):
        share = (deadline - time.monotonic()) / (len(missing) - number)
        assert start is not None
        done[fold] = _tune(climb, rung, fold, fold_of, start, share)
        if done[fold] is None:
            return None
    made = [one for one in done.values() if one is not None]
    shutil.rmtree(_place(climb, rung) / "training", ignore_errors=True)
    return _together(climb, rung, made, fold_of)


def folds_of(climb: Climb, folds: int) -> NDArray[np.int64]:
    """The fold (n,) of each training picture: the same for all rungs of as many."""
    judges, own = climb.judges, climb.judges.own
    return head.folds(judges.y[:own], judges.groups[:own], folds, climb.context.recipe.seed)


def missing(climb: Climb, rung: TunedRung) -> float:
    """How many of the rung's folds no earlier command has finished; one that was begun is half."""
    lacking = sum(_kept(climb, rung, fold) is None for fold in range(rung.folds))
    begun = lacking > 0 and (_place(climb, rung) / "training").is_dir()
    return lacking - 0.5 * begun


def too_few(climb: Climb, folds: int) -> str:
    """Why no network can be tuned on these pictures; empty where one can.

    Each network learns from all folds but one, which must not hold all of a class.
    """
    fold_of, y = folds_of(climb, folds), climb.judges.y[: climb.judges.own]
    for fold in range(folds):
        lost = np.setdiff1d(y, y[fold_of != fold])
        if len(lost):
            name = climb.judges.material.classes[int(lost[0])]
            return (
                f"No network was tuned: all pictures of class {name!r} are near duplicates or too "
                "few, so that none of it would be left where a part of all pictures is held out."
            )
    return ""


def _tune(
    climb: Climb,
    rung: TunedRung,
    fold: int,
    fold_of: NDArray[np.int64],
    start: Start,
    share: float,
) -> Fold | None:
    out = fold_of == fold
    task = Lesson(
        np.flatnonzero(~out),
        np.flatnonzero(out),
        climb.judges.y[: climb.judges.own],
        climb.kept.folder / rung.folder / "training" / str(fold),
        f"{rung.name}, part {fold + 1} of {rung.folds}",
        fold,
    )
    found = learn(climb, rung, task, start, share)
    if found is None:
        return None
    made = exported(climb, found[0], start)
    keep_fold(climb, rung, str(fold), made)
    shutil.rmtree(task.folder, ignore_errors=True)
    return made


def _together(
    climb: Climb, rung: TunedRung, made: list[Fold], fold_of: NDArray[np.int64]
) -> tuple[Reached, NDArray[np.float32]]:
    """The folds' networks as one, judged where each had seen nothing."""
    judges, own = climb.judges, climb.judges.own
    folder, k = climb.context.work / FOLDER, len(made)
    parts, seen, scales = [], [], []
    for one in made:
        part = Part(one.backbone, mirror=rung.mirror)
        vectors = frozen.looked(
            climb.context, judges.rows, compose([part], folder), climb.watch(rung.name)
        )
        scales.append(frozen.scale_of(vectors[:own]))
        parts.append(replace(part, scale=scales[-1]))
        seen.append(vectors)
    logits = np.stack(
        [v.astype(np.float64) @ one.weight.T + one.bias for v, one in zip(seen, made, strict=True)]
    )
    held_out = logits[fold_of, np.arange(own)]
    y = judges.y[:own]
    temperature = fit_temperature(held_out, y)
    told = np.concatenate([held_out, logits[:, own:].mean(axis=0)]) / temperature
    weight = np.concatenate([one.weight / s for one, s in zip(made, scales, strict=True)], axis=1)
    fitted = Head(
        (weight / (k * temperature)).astype(np.float32),
        (np.mean([one.bias for one in made], axis=0) / temperature).astype(np.float32),
        C=0.0,
        temperature=temperature,
    )
    scaled = [v * np.float32(s) for v, s in zip(seen, scales, strict=True)]
    facts = {
        "networks": k,
        "epochs": [one.epochs for one in made],
        "train_speed": round(float(np.mean([one.speed for one in made])), 1),
    }
    reached = Reached(
        rung.name,
        "tuned",
        compose(parts, folder),
        fitted,
        softmax(told),
        unseen(climb, scaled, fold_of),
        facts,
    )
    return reached, np.concatenate(scaled, axis=1)


def unseen(
    climb: Climb,
    scaled: list[NDArray[np.float32]],
    fold_of: NDArray[np.int64],
    beside: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Familiarity (n,) of each training picture to the network that had not seen it.

    `scaled`: features (n + m, d) of each fold's network; `beside`: those of frozen networks in the
    same model. Compared with the bank's pictures of other folds, which that network learned from,
    as it did from all of the bank's that a new picture is compared with.
    """
    judges, asked = climb.judges, climb.context.recipe.train
    own, y = judges.own, judges.y[: judges.own]
    chosen = familiarity.bank_rows(y, asked.bank, climb.context.recipe.seed)
    found = np.full(own, np.nan)
    for fold, vectors in enumerate(scaled):
        rows = vectors[:own]
        if beside is not None:
            rows = np.concatenate([rows * np.float32(len(scaled) ** 0.5), beside[:own]], axis=1)
        out, bank = fold_of == fold, chosen[fold_of[chosen] != fold]
        if out.any() and len(bank):
            unit = similarity.normalized(rows[bank])
            found[out] = familiarity.score(rows[out], unit, asked.neighbours)
    return found


def _place(climb: Climb, rung: TunedRung) -> Path:
    return climb.kept.folder / rung.folder


def _kept(climb: Climb, rung: TunedRung, fold: int) -> Fold | None:
    return kept_fold(climb, rung, str(fold))
