"""Train: a calibrated linear head and a familiarity bank on the features of the train split.

Writes `work/head.safetensors` and `work/train.json`. The validation split has no part in the
head: it checks the calibration and, beside held-out training pictures, sets the threshold below
which a picture is "none of these".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import NotFoundError
from tellapart.learn import backbone, calibration, familiarity, features, head, trained
from tellapart.learn.ladder import kept
from tellapart.learn.metrics import wilson
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.train.material import Material, gather, network, notes, scenes, vectors_of

STEP = "train"
#: Raise it whenever the same pictures would give another head.
VERSION = 1
#: From so many pictures on, a change of at most this share of them goes on from the head of the
#: last cross-validation, at its C and temperature: fitting anew would take seconds. Always from
#: that one, so that it does not matter by which steps a change was made, and one taken back leaves
#: no trace. Smaller sets are always fitted anew: they depend on nothing but the pictures.
_WARM_ROWS, _WARM_SHARE = 2000, 0.01


def run(context: StepContext) -> dict[str, Any]:
    """Train the head; return C, temperature, thresholds, counts, validation figures and notes.

    Raises `DataError` for fewer than two classes, a class without a picture to learn from, or
    pictures whose files are gone.
    """
    material = gather(context)
    net = network(context)
    key = features.cache_key(net, context.recipe.train.view)
    inputs = _inputs(context, material, key)
    last = _last(context)
    if last is None or last.facts["fingerprint"] != inputs["all"]:
        _train(context, material, net, inputs, last)
        last = trained.load(context.work)
        backbone.prune(context.work, last.facts, *kept.networks(context.work))
    done = context.catalog.finished(STEP, inputs["all"])
    if done is None:
        done = _summary(last.facts)
        context.catalog.finish(STEP, inputs["all"], done)
    return done


def _inputs(context: StepContext, material: Material, key: str) -> dict[str, str]:
    """What the head's settings, the head, the threshold, and all of it together depend on."""
    asked = context.recipe.train
    settings = [VERSION, key, asked.C, asked.class_weight, context.recipe.seed, material.classes]
    train, validation = (
        [[row.sha256, row.label, row.group] for row in part]
        for part in (material.train, material.validation)
    )
    joined = context.recipe.split.scene_cosine if material.official else None
    refusal = [asked.refuse, asked.neighbours, asked.bank]
    return {
        "settings": fingerprint(settings),
        "head": fingerprint([settings, train, joined]),
        "refusal": fingerprint(refusal),
        "all": fingerprint([settings, train, joined, refusal, validation, asked.view]),
    }


def _last(context: StepContext) -> trained.Trained | None:
    try:
        return trained.load(context.work)
    except NotFoundError:
        return None


def _train(
    context: StepContext,
    material: Material,
    net: backbone.Backbone,
    inputs: dict[str, str],
    last: trained.Trained | None,
) -> None:
    asked = context.recipe.train
    vectors = vectors_of(context, [*material.train, *material.validation], net)
    own, held = vectors[: len(material.train)], vectors[len(material.train) :]
    context.progress(Progress(STEP, 0, None, "fitting"))
    basis = trained.basis((row.sha256, row.label) for row in material.train)
    at_hand = _at_hand(last, inputs)
    warm = last if last is not None and _is_close(last, inputs, basis) else None
    # A few changed labels among many do not call for another threshold either.
    keeps = warm and at_hand is None and _of(warm, "refusal") == inputs["refusal"]
    known = warm if keeps else None
    groups = material.groups
    if material.official and known is None:
        groups = scenes(context, material, own)
    facts, origin = {}, None
    if last is not None and at_hand is not None:
        fitted, facts, basis = at_hand, last.facts, last.basis
    elif warm is not None:
        fitted, facts, basis = _fit(context, material, own, groups, warm), warm.facts, warm.basis
    else:
        fitted = _fit(context, material, own, groups, None)
    first = str(facts.get("origin", inputs["head"]))
    if last is not None and first != inputs["head"]:
        origin = last.origin
    bank, least = _familiarity(context, material, own, held, groups, known)
    refused = familiarity.score(held, bank, asked.neighbours) < least
    tried = [{"C": c, "log_loss": loss, "accuracy": share} for c, loss, share in fitted.tried]
    facts = {
        "fingerprint": inputs["all"],
        "inputs": inputs,
        "classes": material.classes,
        "pictures": material.counts,
        "C": fitted.C,
        "temperature": fitted.temperature,
        "cross_validation": facts.get("cross_validation", tried),
        "warm": origin is not None,
        "origin": first,
        "thresholds": {"familiarity": least, "probability": None},
        "neighbours": min(asked.neighbours, len(bank)),
        "bank": len(bank),
        "validation": _check(fitted, held, material.numbers(material.validation), refused),
        "view": asked.view,
        "seed": context.recipe.seed,
        "backbone": backbone.save(context.work, net),
        "features": features.cache_key(net, asked.view),
        "notes": notes(material),
    }
    trained.save(context.work, fitted, bank, basis, facts, origin)


def _at_hand(last: trained.Trained | None, inputs: dict[str, str]) -> head.Head | None:
    """The head of just these pictures and settings, where it is the last or the one before."""
    if last is None:
        return None
    if _of(last, "head") == inputs["head"]:
        return last.head
    return last.origin if last.facts.get("origin") == inputs["head"] else None


def _fit(
    context: StepContext,
    material: Material,
    own: NDArray[np.float32],
    groups: NDArray[np.int64],
    warm: trained.Trained | None,
) -> head.Head:
    return head.fit(
        own,
        material.numbers(material.train),
        n_classes=len(material.classes),
        seed=context.recipe.seed,
        C=context.recipe.train.C if warm is None else warm.origin.C,
        class_weight=context.recipe.train.class_weight,
        warm=None if warm is None else warm.origin,
        groups=groups,
    )


def _familiarity(
    context: StepContext,
    material: Material,
    own: NDArray[np.float32],
    held: NDArray[np.float32],
    groups: NDArray[np.int64],
    known: trained.Trained | None,
) -> tuple[NDArray[np.float32], float]:
    """The bank and the refusal threshold (that of `known`, where it is to stay)."""
    asked, seed = context.recipe.train, context.recipe.seed
    y = material.numbers(material.train)
    if known is not None:
        return familiarity.build_bank(own, y, asked.bank, seed), known.min_familiarity
    return familiarity.settle(
        own,
        y,
        groups,
        held,
        size=asked.bank,
        k=asked.neighbours,
        refuse=asked.refuse,
        seed=seed,
    )


def _is_close(last: trained.Trained, inputs: dict[str, str], basis: NDArray[np.uint64]) -> bool:
    """Whether only few of many pictures differ from those that chose the last head's C."""
    if _of(last, "settings") != inputs["settings"] or len(basis) < _WARM_ROWS:
        return False
    changed = len(np.setxor1d(last.basis, basis))  # a new label counts twice
    return changed <= 2 * _WARM_SHARE * len(basis)


def _of(last: trained.Trained, part: str) -> str:
    return str(last.facts.get("inputs", {}).get(part, ""))


def _check(
    fitted: head.Head,
    held: NDArray[np.float32],
    y: NDArray[np.int64],
    refused: NDArray[np.bool_],
) -> dict[str, Any]:
    """How the head does on pictures that had no part in it: rounded shares, and how many."""
    if not len(y):
        return {"n": 0}
    chances = fitted.probabilities(held)
    right = int((chances.argmax(axis=1) == y).sum())
    low, high = wilson(right, len(y))
    own = np.clip(chances[np.arange(len(y)), y], 1e-15, 1)
    return {
        "n": len(y),
        "accuracy": round(right / len(y), 6),
        "low": low,
        "high": high,
        "log_loss": round(float(-np.log(own).mean()), 6),
        "ece": round(calibration.ece(chances, y), 6),
        "refused": int(refused.sum()),
    }


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    names = ("C", "temperature", "thresholds", "pictures", "validation", "warm", "notes")
    return {name: facts[name] for name in names}
