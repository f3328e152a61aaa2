"""Train on rows of a table: logistic regression, gradient boosting, with `good` a network too.

Writes `work/table.onnx`, the whole model from raw rows on, and `work/outcome.safetensors`. The
validation split has no part in the models: it shows how they do on rows that nobody chose by.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.bundle.manifest import sha256
from tellapart.errors import DataError, InputError, NotFoundError
from tellapart.learn import calibration, outcome
from tellapart.learn.metrics import wilson
from tellapart.learn.tabular import Candidate, Fitted, fit
from tellapart.learn.tabular.importance import permutation
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.samples import Samples, gather

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
            context.recipe.effort == "good" and _has_torch(),
        ]
    )
    last = _last(context)
    if last is None or last.facts["fingerprint"] != inputs or not last.finished:
        last = _train(context, samples, inputs)
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
    categories = [
        len(column.categories) if column.kind == "category" else 0 for column in schema.columns
    ]
    rows = {split: samples.rows_of(split) for split in ("train", "validation")}
    shape = {
        "rows": len(rows["train"]),
        "columns": len(categories),
        "classes": len(samples.classes),
    }
    context.progress(Progress(STEP, 0, None, "built", "built", shape))
    fitted = fit(
        samples.x[rows["train"]],
        samples.y[rows["train"]],
        n_classes=len(samples.classes),
        categories=categories,
        groups=samples.groups[rows["train"]],
        seed=context.recipe.seed,
        threads=context.settings.worker_threads,
        watch=lambda done, total: context.progress(Progress(STEP, done, total, "comparing")),
        stop=context.stop_asked,
    )
    chosen = _choose(context, samples, fitted)
    held, y = samples.x[rows["validation"]], samples.y[rows["validation"]]
    validation = _judge(chosen.probabilities(held), y) if len(y) else {"n": 0}
    facts = {
        "fingerprint": inputs,
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
        "validation": validation,
        "importance": permutation(
            chosen.probabilities,
            held,
            y,
            [column.name for column in schema.columns],
            context.recipe.seed,
        ),
        "samples": samples.counts(),
        "seed": context.recipe.seed,
        "history": [],
        "seconds": round(time.perf_counter() - start, 3),
        "notes": [*schema.notes, *chosen.notes, *_few(samples)],
    }
    probabilities = chosen.probabilities(samples.x).astype(np.float32)
    # The outcome names the model's sum and comes last: a kill in between trains again.
    outcome.replace(context.work / outcome.TABLE, chosen.model)
    outcome.save(
        context.work,
        outcome.Outcome("table", samples.classes, samples.ids, probabilities, facts),
    )
    figures = {"accuracy": validation.get("accuracy"), "model": chosen.name}
    context.progress(Progress(STEP, 1, 1, "trained", "trained", figures))
    return outcome.load(context.work)


def _choose(context: StepContext, samples: Samples, fitted: Fitted) -> _Chosen:
    """The best of the candidates without torch, or the network where it is better."""
    places = samples.rows_of("validation")
    held, y = samples.x[places], samples.y[places]
    told = [_told(candidate, fitted, held, y) for candidate in fitted.candidates]
    return _Chosen(
        fitted.chosen.name,
        fitted.probabilities,
        fitted.to_onnx(),
        told,
        fitted.finished,
        fitted.notes,
    )


def _told(
    candidate: Candidate, fitted: Fitted, held: NDArray[np.float32], y: NDArray[np.int64]
) -> dict[str, Any]:
    """A candidate's facts, with how it does on the validation rows."""
    found = candidate.to_dict()
    found["validation"] = _judge(fitted.probabilities(held, candidate), y) if len(y) else {"n": 0}
    return found


def _judge(chances: NDArray[Any], y: NDArray[np.int64]) -> dict[str, Any]:
    """How answers (n, C) do on rows that had no part in them: rounded shares, and how many."""
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


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    names = ("chosen", "finished", "samples", "validation", "cross_validation", "notes")
    return {name: facts[name] for name in names}
