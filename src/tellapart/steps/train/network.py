"""Train a network of layers: build it, fit it, and keep its answers on every sample.

Writes `work/network.safetensors`, `work/outcome.safetensors` and, for pictures, `work/looks.npz`;
`work/progress.json` says how far it is. A training that was stopped or killed goes on from
`work/checkpoint`; after a stop request what was learned so far is kept all the same.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tellapart.bundle.manifest import sha256
from tellapart.errors import DataError, MissingExtraError, NotFoundError
from tellapart.learn import calibration, outcome
from tellapart.learn.history import still_falling
from tellapart.learn.metrics import wilson
from tellapart.recipe.network import Network, trace
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.samples import Samples, gather

if TYPE_CHECKING:
    from tellapart.learn.deep.deployed import Deployed, Preparation
    from tellapart.learn.deep.fit import Fitted, Options, Tick

STEP = "train"
#: Raise it whenever the same samples and recipe would give another network or other facts.
VERSION = 2
#: Optimizer steps of a network for which the recipe names no epochs, within these bounds.
_STEPS, _FEWEST, _MOST = 6000, 12, 200
#: Keys of `recipe.train` that the options of a training take over by the same name.
_SAME = (
    "optimizer",
    "learning_rate",
    "loss",
    "epochs",
    "batch_size",
    "early_stopping",
    "best_weights",
    "precision",
    "device",
    "schedule",
    "augment",
)


def run(context: StepContext) -> dict[str, Any]:
    """Train; return parameters, epochs, validation figures, whether it was finished, and notes.

    Raises `MissingExtraError` without torch, `DataError` for fewer than two classes or a class
    without a sample to learn from, `RecipeError` where the layers do not fit the data, and
    `InputError` where the loss is no number any more or a device is missing.
    """
    _require_torch()
    # Lightning imports matplotlib, which writes a list of fonts into the home folder.
    os.environ.setdefault("MPLCONFIGDIR", str(context.settings.cache_dir / "matplotlib"))
    samples = gather(context)
    _check_classes(samples, context.catalog.name)
    network, options, why = _planned(context, samples)
    asked = {k: v for k, v in asdict(options).items() if k not in ("device", "threads")}
    inputs = fingerprint([VERSION, samples.fingerprint, network.to_dict(), asked])
    last = _last(context)
    if last is None or last.facts["fingerprint"] != inputs or not last.finished:
        last = _train(context, samples, network, options, inputs, why)
    else:  # as true as it was then, for whoever reads along this time
        _say_built(context, network, options)
        _say_trained(context, last.facts)
    summary = _summary(last.facts)
    if last.finished and context.catalog.finished(STEP, inputs) is None:
        context.catalog.finish(STEP, inputs, summary)
    return summary


def _require_torch() -> None:
    for name in ("torch", "lightning"):
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(
                f"Networks are trained with torch and Lightning; {name!r} is not installed.",
                expected="the extra [deep]",
                do="Run: pip install 'tellapart[deep]'",
            )


def _check_classes(samples: Samples, name: str) -> None:
    things = "pictures" if samples.kind == "picture" else "rows"
    if len(samples.classes) < 2:
        raise DataError(
            f"There are {things} of {len(samples.classes)} class to learn from.",
            expected="at least two classes to tell apart",
            do=f"Add {things} of another class, then run: tellapart collect {name}",
        )
    counts = np.bincount(samples.y[samples.rows_of("train")], minlength=len(samples.classes))
    missing = [label for label, n in zip(samples.classes, counts, strict=True) if not n]
    if missing:
        raise DataError(
            f"No {things} to learn from for: {', '.join(map(repr, missing))}.",
            expected=f"{things} of every class in the train split",
            do=f"Add {things} of it, or leave the class out of the data.",
        )


def _planned(context: StepContext, samples: Samples) -> tuple[Network, Options, list[str]]:
    """The network and how it is trained, nothing left open, with notes on what was chosen."""
    from tellapart.learn.deep.designs import design
    from tellapart.learn.deep.fit import Options

    recipe, asked = context.recipe, context.recipe.train
    learned = len(samples.rows_of("train"))
    own: dict[str, Any] = {}
    layers, notes = recipe.layers, [*recipe.notes]
    if samples.kind == "row":
        shape: tuple[int, ...] = (_how(samples).width,)
    else:
        shape = tuple(int(size) for size in samples.x.shape[1:])
    if not layers:
        assert len(shape) == 3, "rows without layers are no network's"
        made = design((shape[0], shape[1], shape[2]), len(samples.classes), learned)
        layers, own = made.layers, made.settings
        notes.append(f"The recipe names no layers; a network of our own was used: {made.why}.")
    network = trace(layers, shape, len(samples.classes))
    said = {
        name: getattr(asked, name)
        for name in _SAME
        if getattr(asked, name) != type(asked).model_fields[name].default or name not in own
    }
    settings = {**own, **{name: value for name, value in said.items() if value != "auto"}}
    settings.setdefault("optimizer", "adam")
    if "epochs" not in settings:
        steps = max(1, learned // int(settings["batch_size"]))
        settings["epochs"] = min(_MOST, max(_FEWEST, -(-_STEPS // steps)))
    options = Options(**settings, seed=recipe.seed, threads=context.settings.threads or 0)
    return network, options, [*notes, *network.notes]


def _how(samples: Samples) -> Any:
    """How raw samples are prepared: pictures from 0 to 1, rows by what the train split shows."""
    from tellapart.learn.deep.deployed import Pictures, Rows

    if samples.kind == "picture":
        _, high, wide, channels = samples.x.shape
        return Pictures(high, wide, channels)
    assert samples.schema is not None
    kinds = [len(c.categories) if c.kind == "category" else 0 for c in samples.schema.columns]
    return Rows.fit(samples.x[samples.rows_of("train")], kinds)


def _last(context: StepContext) -> outcome.Outcome | None:
    """What an earlier run left, where it is whole and of a network."""
    try:
        last = outcome.load(context.work)
        weights = (context.work / outcome.NETWORK).read_bytes()
    except (NotFoundError, OSError):
        return None
    same = last.kind == "network" and last.facts.get("weights") == sha256(weights)
    return last if same else None


def _train(
    context: StepContext,
    samples: Samples,
    network: Network,
    options: Options,
    inputs: str,
    notes: list[str],
) -> outcome.Outcome:
    from tellapart.learn.deep import build, fit
    from tellapart.learn.deep.feeding import Feed

    net, how = build.build(network, context.recipe.seed), _how(samples)
    _say_built(context, network, options)
    feed = Feed(samples.x, samples.y, samples.rows_of("train"), samples.rows_of("validation"), how)
    folder = context.work / outcome.CHECKPOINT
    fitted = fit.fit(
        net,
        feed,
        options,
        folder=folder,
        key=inputs,
        watch=lambda tick: _tell(context, tick),
        stop=context.stop_asked,
    )
    _keep(context, samples, fitted, how, _facts(samples, fitted, options, inputs, notes))
    last = outcome.load(context.work)
    if fitted.finished:
        shutil.rmtree(folder, ignore_errors=True)
    _say_trained(context, last.facts)
    return last


def _say_built(context: StepContext, network: Network, options: Options) -> None:
    figures = {
        "parameters": network.parameters,
        "trainable": network.trainable,
        "flops": network.flops,
        "layers": len(network.layers),
        "epochs": options.epochs,
    }
    context.progress(Progress(STEP, 0, None, "built", "built", figures))


def _say_trained(context: StepContext, facts: dict[str, Any]) -> None:
    figures = {"finished": facts["finished"], "epochs": len(facts["history"])}
    told = {**figures, **facts["validation"]}
    context.progress(Progress(STEP, 1, 1, "trained", "trained", told))


def _tell(context: StepContext, tick: Tick) -> None:
    """One word to who watches, and the progress file."""
    note = f"epoch {min(tick.epoch, tick.epochs)} of {tick.epochs}"
    figures: dict[str, Any] | None = None
    if tick.line is not None:
        figures = {
            "epoch": tick.line["epoch"],
            "total_epochs": tick.epochs,
            **{name: tick.line[name] for name in tick.line if name != "epoch"},
            "seconds_left": tick.seconds_left,
        }
    context.progress(Progress(STEP, tick.done, tick.total, note, figures=figures))
    shown = {
        "loss": round(tick.loss, 6),
        "acc": round(tick.accuracy, 6),
        "epoch": tick.epoch,
        "total_epochs": tick.epochs,
    }
    # A watcher's file that cannot be written ends no training.
    with contextlib.suppress(Exception):
        outcome.replace(context.work / outcome.PROGRESS, json.dumps(shown).encode())


def _facts(
    samples: Samples, fitted: Fitted, options: Options, inputs: str, notes: list[str]
) -> dict[str, Any]:
    network = fitted.net.network
    facts: dict[str, Any] = {
        "fingerprint": inputs,
        "finished": fitted.finished,
        "input": _input(samples),
        "candidates": [],
        "history": fitted.history,
        "best_epoch": fitted.best_epoch,
        "epochs_asked": options.epochs,
        "network": network.to_dict(),
        "parameters": network.parameters,
        "optimizer": options.optimizer,
        "learning_rate": options.rate,
        "loss": options.loss,
        "batch_size": options.batch_size,
        "schedule": options.schedule,
        "augment": options.augment,
        "early_stopping": options.early_stopping,
        "settings": {k: v for k, v in asdict(options).items() if k != "threads"},
        "precision": fitted.precision,
        "device": fitted.device,
        "seconds": fitted.seconds,
        "samples": samples.counts(),
        "seed": options.seed,
        "notes": [*notes, *fitted.notes],
    }
    falling = still_falling(facts)
    return {**facts, "notes": [*facts["notes"], falling]} if falling else facts


def _input(samples: Samples) -> dict[str, Any]:
    if samples.schema is not None:
        return {
            "kind": "row",
            "name": "rows",
            "type": "float32",
            "columns": samples.schema.to_dict()["columns"],
            "target": samples.schema.target,
            "left_out": sorted(samples.schema.left_out),
        }
    _, high, wide, channels = samples.x.shape
    return {
        "kind": "picture",
        "name": "image",
        "type": "uint8",
        "layout": "NHWC",
        "color": "gray" if channels == 1 else "RGB",
        "size": [high, wide],
        "view": samples.view,
    }


def _keep(
    context: StepContext,
    samples: Samples,
    fitted: Fitted,
    how: Preparation,
    facts: dict[str, Any],
) -> None:
    """Write weights, looks and outcome; the outcome names the weights' sum and comes last."""
    from tellapart.learn.deep import looking, saved
    from tellapart.learn.deep.deployed import Deployed

    deployed = Deployed(fitted.net, how)
    probabilities = _answer(context, deployed, samples)
    rows = samples.rows_of("validation")
    facts["validation"] = _judge(probabilities[rows], samples.y[rows])
    saved.save(context.work, fitted.net, how)
    facts["weights"] = sha256((context.work / outcome.NETWORK).read_bytes())
    (context.work / outcome.LOOKS).unlink(missing_ok=True)
    if samples.kind == "picture":
        looking.save(context.work, deployed, np.array(samples.x[_shown(samples, probabilities)]))
    outcome.save(
        context.work,
        outcome.Outcome("network", samples.classes, samples.ids, probabilities, facts),
    )


def _answer(context: StepContext, deployed: Deployed, samples: Samples) -> NDArray[np.float32]:
    """The network's probabilities on every sample, in float32."""
    from tellapart.learn.deep.answering import answer

    total = len(samples.ids)
    return answer(
        deployed,
        samples.x,
        lambda done: context.progress(Progress(STEP, done, total, "answering")),
        threads=context.settings.threads or 0,
    )


def _shown(samples: Samples, probabilities: NDArray[np.float32]) -> int:
    """The test picture that is looked at: the first one told right, of whichever split there is."""
    for split in ("test", "validation", "train"):
        rows = samples.rows_of(split)
        right = rows[probabilities[rows].argmax(axis=1) == samples.y[rows]]
        if len(right):
            return int(right[0])
    return 0


def _judge(chances: NDArray[np.float32], y: NDArray[np.int64]) -> dict[str, Any]:
    """How the network does on samples it did not learn from: rounded shares, and how many."""
    if not len(y):
        return {"n": 0}
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


def _summary(facts: Mapping[str, Any]) -> dict[str, Any]:
    names = ("parameters", "finished", "best_epoch", "epochs_asked", "samples", "validation")
    done = {name: facts[name] for name in (*names, "notes")}
    return {**done, "epochs": len(facts["history"])}
