"""Train on rows of a table: logistic regression, gradient boosting, with `good` a network too.

Writes `work/table.onnx`, the whole model from raw rows on, and `work/outcome.safetensors`. The
validation split has no part in the models: it shows how they do on rows that nobody chose by.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.bundle.manifest import sha256
from tellapart.errors import DataError, InputError, NotFoundError
from tellapart.learn import calibration, outcome
from tellapart.learn.metrics import wilson
from tellapart.learn.tabular import Fitted, fit, rank
from tellapart.learn.tabular.importance import permutation
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.samples import Samples, gather
from tellapart.steps.train import rows
from tellapart.steps.train.rows import Rival
from tellapart.tables import Schema

STEP = "train"
#: Raise it whenever the same rows would give another model or other facts.
VERSION = 1
#: With fewer rows than this a class is mentioned in the notes.
_FEW = 10

Probabilities = Callable[[NDArray[np.float32]], NDArray[Any]]


@dataclass(frozen=True)
class _Chosen:
    """The model that is kept, whichever kind it is."""

    name: str
    probabilities: Probabilities
    model: bytes
    candidates: list[dict[str, Any]]
    finished: bool
    notes: tuple[str, ...]
    #: The layers, where it is a network.
    network: dict[str, Any] | None


def run(context: StepContext) -> dict[str, Any]:
    """Train; return the chosen candidate, counts, validation figures and notes.

    Raises `DataError` for fewer than two classes or a class without a row to learn from,
    `InputError` where the recipe insists on Core ML.
    """
    _check_asked(context)
    samples = gather(context)
    _check_classes(samples, context.catalog.name)
    inputs = fingerprint(
        [
            VERSION,
            samples.fingerprint,
            context.recipe.seed,
            context.recipe.effort,
            context.recipe.effort == "good" and rows.is_possible(),
        ]
    )
    last = _last(context)
    if last is None or last.facts["fingerprint"] != inputs or not last.finished:
        last = _train(context, samples, inputs)
    else:  # as true as it was then, for whoever reads along this time
        _say_built(context, samples)
        _say_trained(context, last.facts)
    summary = _summary(last.facts)
    if last.finished and context.catalog.finished(STEP, inputs) is None:
        context.catalog.finish(STEP, inputs, summary)
    return summary


def _check_asked(context: StepContext) -> None:
    if context.recipe.compile.coreml is True:
        raise InputError(
            "The recipe asks for Core ML (`compile.coreml: true`) of a table without layers.",
            expected="`layers`, of which Core ML files are made, or no such demand",
            do="Describe a network with `layers`, or write `coreml: auto`.",
        )


def _check_classes(samples: Samples, name: str) -> None:
    counts = np.bincount(samples.y[samples.rows_of("train")], minlength=len(samples.classes))
    missing = [label for label, n in zip(samples.classes, counts, strict=True) if not n]
    if missing:
        raise DataError(
            f"Of class {missing[0]!r} there is no row to learn from"
            + (f", nor of {', '.join(map(repr, missing[1:]))}." if missing[1:] else "."),
            expected="at least one row of every class in the train split",
            do="Add rows of it, or leave the class out of the table.",
        )
    if len(samples.classes) < 2:
        raise DataError(
            f"There are rows of {len(samples.classes)} class to learn from.",
            expected="at least two classes to tell apart",
            do=f"Add rows of another class, then run the steps from the first: "
            f"tellapart collect {name}.",
        )


def _last(context: StepContext) -> outcome.Outcome | None:
    """What an earlier run left, where it is whole and of a table."""
    try:
        last = outcome.load(context.work)
        model = (context.work / outcome.TABLE).read_bytes()
    except (NotFoundError, OSError):
        return None
    same = last.kind == "table" and last.facts.get("model") == sha256(model)
    return last if same else None


def _train(context: StepContext, samples: Samples, inputs: str) -> outcome.Outcome:
    start = time.perf_counter()
    schema = samples.schema
    assert schema is not None
    own = samples.rows_of("train")
    categories = [
        len(column.categories) if column.kind == "category" else 0 for column in schema.columns
    ]
    _say_built(context, samples)
    fitted = fit(
        samples.x[own],
        samples.y[own],
        n_classes=len(samples.classes),
        categories=categories,
        groups=samples.groups[own],
        seed=context.recipe.seed,
        threads=context.settings.worker_threads,
        watch=lambda done, total: context.progress(Progress(STEP, done, total, "comparing")),
        stop=context.stop_asked,
    )
    chosen = _choose(context, samples, categories, fitted)
    facts = {
        "fingerprint": inputs,
        **_facts(context, samples, schema, chosen, fitted),
        "seconds": round(time.perf_counter() - start, 3),
    }
    probabilities = chosen.probabilities(samples.x).astype(np.float32)
    # The outcome names the model's sum and comes last: a kill in between trains again.
    outcome.replace(context.work / outcome.TABLE, chosen.model)
    outcome.save(
        context.work,
        outcome.Outcome("table", samples.classes, samples.ids, probabilities, facts),
    )
    _say_trained(context, facts)
    return outcome.load(context.work)


def _say_built(context: StepContext, samples: Samples) -> None:
    assert samples.schema is not None
    figures = {
        "rows": len(samples.rows_of("train")),
        "columns": len(samples.schema.columns),
        "classes": len(samples.classes),
    }
    context.progress(Progress(STEP, 0, None, "built", "built", figures))


def _say_trained(context: StepContext, facts: dict[str, Any]) -> None:
    chosen = next((each["name"] for each in facts["candidates"] if each["chosen"]), None)
    figures = {"accuracy": facts["validation"].get("accuracy"), "model": chosen}
    context.progress(Progress(STEP, 1, 1, "trained", "trained", figures))


def _facts(
    context: StepContext, samples: Samples, schema: Schema, chosen: _Chosen, fitted: Fitted
) -> dict[str, Any]:
    other = samples.rows_of("validation")
    held, y = samples.x[other], samples.y[other]
    names, seed = [column.name for column in schema.columns], context.recipe.seed
    return {
        "finished": chosen.finished,
        "input": {
            "kind": "row",
            "name": "rows",
            "type": "float32",
            "columns": schema.to_dict()["columns"],
            "target": schema.target,
            "left_out": sorted(schema.left_out),
        },
        "model": sha256(chosen.model),
        "chosen": chosen.name,
        "candidates": chosen.candidates,
        "cross_validation": {
            "n": len(fitted.plan.rows),
            "folds": fitted.plan.folds,
            "repeats": fitted.plan.repeats,
        },
        "validation": _judge(chosen.probabilities, held, y),
        "importance": permutation(chosen.probabilities, held, y, names, seed),
        "samples": samples.counts(),
        "seed": seed,
        "history": [],
        "network": chosen.network,
        "notes": [*schema.notes, *chosen.notes, *_few(samples)],
    }


def _choose(
    context: StepContext, samples: Samples, categories: list[int], fitted: Fitted
) -> _Chosen:
    """The best of the candidates without torch, or the network where it is better."""
    places = samples.rows_of("validation")
    held, y = samples.x[places], samples.y[places]
    rival = Rival(None)
    if context.recipe.effort == "good" and fitted.finished:
        rival = rows.network(context, samples, categories, fitted)
    candidates = fitted.candidates
    if rival.candidate is not None:
        teams = samples.groups[samples.rows_of("train")][fitted.plan.rows]
        candidates = rank([*candidates, rival.candidate], teams)
    best = next(one for one in candidates if one.chosen)
    answers: dict[str, Probabilities] = {
        one.name: partial(fitted.probabilities, candidate=one) for one in fitted.candidates
    }
    if rival.probabilities is not None:
        answers[rows.NETWORK] = rival.probabilities
    is_network = best.name == rows.NETWORK and rival.to_onnx is not None
    return _Chosen(
        best.name,
        answers[best.name],
        rival.to_onnx() if is_network and rival.to_onnx else fitted.to_onnx(),
        [{**one.to_dict(), "validation": _judge(answers[one.name], held, y)} for one in candidates],
        fitted.finished and rival.finished,
        (*fitted.notes, *([rival.note] if rival.note else [])),
        rival.network if is_network else None,
    )


def _judge(
    probabilities: Probabilities, held: NDArray[np.float32], y: NDArray[np.int64]
) -> dict[str, Any]:
    """How a model does on rows (n, f) that had no part in it: rounded shares, and how many."""
    if not len(y):
        return {"n": 0}
    chances = probabilities(held)
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
    }


def _few(samples: Samples) -> list[str]:
    """What a person should know of classes with few rows."""
    counts = np.bincount(samples.y[samples.rows_of("train")], minlength=len(samples.classes))
    return [
        f"Class {label!r} has {n} row{'s' * (n > 1)} to learn from: "
        + ("nothing could be held out to check it." if n == 1 else "its probabilities say little.")
        + f" {_FEW} or more are a start."
        for label, n in zip(samples.classes, counts.tolist(), strict=True)
        if n < _FEW
    ]


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    names = ("chosen", "finished", "samples", "validation", "cross_validation", "notes")
    return {name: facts[name] for name in names}
