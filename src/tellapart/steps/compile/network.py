"""Compile a network: ONNX and Core ML, each proved on samples of the test split.

Leaves `model.onnx`, `golden.json`, the golden pictures, `coreml/…` and `formats.json` in the work
folder; nothing where the ONNX does not answer as the trained network. A Core ML file that cannot
be made or proved is left out, with its reason in `formats.json`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tellapart.bundle import golden
from tellapart.bundle.manifest import sha256, to_json
from tellapart.bundle.session import Session
from tellapart.errors import DataError, InputError
from tellapart.learn import outcome
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.samples import Samples, gather
from tellapart.store.files import write_file

if TYPE_CHECKING:
    from tellapart.learn.deep.coreml import Wanted
    from tellapart.learn.deep.deployed import Deployed
    from tellapart.learn.deep.proving import Evidence, Shipped

STEP = "compile"
#: Raise it whenever the same network would give another file, check or golden example.
VERSION = 1
MODEL, GOLDEN, FORMATS, COREML = "model.onnx", "golden.json", "formats.json", "coreml"
#: Fewer test samples than this prove little: validation and then training ones are added.
_ENOUGH = 32
#: More prove no more.
_MOST = 1000


def run(context: StepContext) -> dict[str, Any]:
    """Write and prove the formats; return hashes, how many samples were checked, on what.

    Raises `NotFoundError` before training, `DataError` where the samples have changed since,
    `VerificationError`, leaving no model, where an engine answers a sample differently, and
    `InputError` where the recipe insists on a Core ML file that cannot be had.
    """
    trained = outcome.load(context.work)
    samples = gather(context)
    if trained.ids != samples.ids or trained.kind != "network":
        raise DataError(
            "The data have changed since the network was trained.",
            expected="the samples that `train` learned from",
            do=f"Train again: tellapart train {context.catalog.name}",
        )
    wanted = context.recipe.compile
    inputs = fingerprint(
        [
            VERSION,
            trained.sha256,
            sha256((context.work / outcome.NETWORK).read_bytes()),
            samples.fingerprint,
            context.recipe.name,
            context.recipe.title,
            wanted.model_dump(mode="json"),
        ]
    )
    done = context.catalog.finished(STEP, inputs)
    if done is None or not _is_there(context.work, done):
        _remove(context.work)
        done = _compile(context, trained, samples)
        context.catalog.finish(STEP, inputs, done)
    formats = ["onnx", *done["formats"]["coreml"].get("max_difference", {})]
    figures = {"formats": formats, "bytes": done["bytes"], "checked": done["checked"]}
    total = done["checked"]
    context.progress(Progress(STEP, total, total, "compiled", "compiled", figures))
    return done


def _compile(context: StepContext, trained: outcome.Outcome, samples: Samples) -> dict[str, Any]:
    from tellapart.learn.deep import onnx, proving, saved

    deployed = saved.load(context.work)
    total = min(len(samples.ids), _MOST)
    context.progress(Progress(STEP, 0, total, "exporting"))
    model = onnx.export(deployed, _metadata(context.recipe.name, samples))
    evidence = _evidence(trained, samples)
    differences = proving.onnx(
        model,
        evidence,
        context.settings.worker_threads,
        lambda done: context.progress(Progress(STEP, done, len(evidence.ids), "checking")),
    )
    context.progress(Progress(STEP, total, total, "Core ML"))
    shipped = _coreml(context, deployed, evidence, _wanted(context, trained, samples, model))
    pictures, listed = _golden(model, samples)
    facts = {"model": sha256(model), "golden": listed}
    formats = {"coreml": shipped.facts}
    files = {**pictures, **shipped.files, GOLDEN: to_json(facts), FORMATS: to_json(formats)}
    # The model comes last, as the sign that all is there.
    for name, data in {**files, MODEL: model}.items():
        (context.work / name).parent.mkdir(parents=True, exist_ok=True)
        write_file(context.work / name, data)
    return {
        "model": facts["model"],
        "bytes": len(model),
        "checked": len(evidence.ids),
        "engines": list(differences),
        "agreement": 1.0,
        "max_difference": differences,
        "golden": len(listed),
        "formats": formats,
        "files": {name: sha256(data) for name, data in sorted(files.items())},
        "notes": _notes(context, shipped.facts),
    }


def _evidence(trained: outcome.Outcome, samples: Samples) -> Evidence:
    """Test samples; where they are few, validation and training ones too."""
    from tellapart.learn.deep.proving import Evidence

    chosen: list[NDArray[np.int64]] = []
    for split in ("test", "validation", "train"):
        have = sum(map(len, chosen))
        if have < _ENOUGH:
            # Spread over the split: data sets come sorted by class.
            places = samples.rows_of(split)
            most = _MOST if split == "test" else _ENOUGH - have
            step = max(1, -(-len(places) // most))
            chosen.append(places[::step])
    rows = np.concatenate(chosen)
    ids = [samples.ids[row] for row in rows]
    x = np.ascontiguousarray(samples.x[rows])
    return Evidence(x, trained.probabilities[rows], ids, samples.classes)


def _wanted(
    context: StepContext, trained: outcome.Outcome, samples: Samples, model: bytes
) -> Wanted:
    from tellapart.learn.deep.coreml import Wanted

    asked, recipe = context.recipe.compile, context.recipe
    rows = samples.schema is not None
    names = {"input": "rows" if rows else "image", "output": "classLabel_probs"}
    if asked.coreml_input != "auto":
        names["input"] = asked.coreml_input
    if asked.coreml_output != "auto":
        names["output"] = asked.coreml_output
    unfinished = "" if trained.finished else " (its training was stopped before its end)"
    return Wanted(
        classes=samples.classes,
        description=f"{recipe.title or recipe.name}: tells apart "
        f"{', '.join(samples.classes)}{unfinished}",
        author="made with Tellapart",
        license=_license(recipe.dataset),
        # The two formats of one version say so.
        version=f"onnx-{sha256(model)[:12]}",
        input_description=_input_description(samples),
        precision=asked.coreml_precision,
        **names,
    )


def _license(dataset: str | None) -> str:
    from tellapart import datasets

    if dataset is None:
        return "Made by Tellapart (Apache-2.0); the rights of the data stay with their owners"
    return f"Made by Tellapart (Apache-2.0) from {dataset} ({datasets.FACTS[dataset].license})"


def _input_description(samples: Samples) -> str:
    if samples.schema is None:
        height, width, channels = samples.x.shape[1:]
        return f"{'Gray' if channels == 1 else 'RGB'} picture, {width} × {height} pixels"
    columns = ", ".join(
        column.name
        if column.kind == "number"
        else f"{column.name} (the place, from 0, in {'|'.join(column.categories)})"
        for column in samples.schema.columns
    )
    return f"In this order, NaN where missing: {columns}"


def _coreml(
    context: StepContext, deployed: Deployed, evidence: Evidence, wanted: Wanted
) -> Shipped:
    from tellapart.learn.deep import proving

    wishes, name = context.recipe.compile, context.recipe.name
    asked, single = wishes.coreml, wishes.coreml_single_file
    if asked is False:
        return proving.Shipped({}, {"skipped": "The recipe says `coreml: false`."})
    shipped = proving.ship(deployed, wanted, name, evidence, single_file=single)
    if asked is True and "skipped" in shipped.facts:
        raise InputError(
            f"The recipe asks for Core ML (`compile.coreml: true`): {shipped.facts['skipped']}",
            expected="a network that Core ML holds and that answers the same there",
            do="Write `coreml: auto` to go on without it.",
        )
    return shipped


def _golden(model: bytes, samples: Samples) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Drawn pictures or rows, and what the model says of each."""
    session = Session(model, threads=1)
    if samples.schema is not None:
        return {}, golden.rows(samples.schema, session)
    height, width, channels = samples.x.shape[1:]
    color = "gray" if channels == 1 else "RGB"
    pictures = golden.small((height, width), cast(Any, color))
    view = cast(Any, samples.view)
    found = golden.answers(
        session, pictures, (height, width), view, cast(Any, color), familiar=False
    )
    return pictures, found


def _metadata(name: str, samples: Samples) -> dict[str, str]:
    """What other programs read (`names imgsz task`), and what goes in."""
    facts = {
        "description": f"{name}: tells apart {', '.join(samples.classes)}",
        "names": repr(dict(enumerate(samples.classes))),
        "task": "classify",
    }
    if samples.schema is not None:
        columns = samples.schema.to_dict()["columns"]
        kept = [{key: one[key] for key in ("name", "kind", "categories")} for one in columns]
        return {**facts, "tellapart.columns": json.dumps(kept, sort_keys=True, ensure_ascii=False)}
    height, width, channels = samples.x.shape[1:]
    return {
        **facts,
        "Image.BitmapPixelFormat": "Gray8" if channels == 1 else "Rgb8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "NominalRange_0_255",
        "imgsz": str([height, width]),
        "tellapart.view": samples.view,
    }


def _notes(context: StepContext, facts: dict[str, Any]) -> list[str]:
    if context.recipe.compile.coreml is False:
        return []
    if "skipped" in facts:
        return [f"There is no Core ML file: {facts['skipped']}"]
    return [f"There is no .{form}: {why}" for form, why in facts.get("left_out", {}).items()]


def _remove(work: Path) -> None:
    for name in (MODEL, GOLDEN, FORMATS):
        (work / name).unlink(missing_ok=True)
    for folder in (COREML, "golden"):
        shutil.rmtree(work / folder, ignore_errors=True)


def _is_there(work: Path, done: dict[str, Any]) -> bool:
    try:
        return all(
            sha256((work / name).read_bytes()) == digest
            for name, digest in {**done["files"], MODEL: done["model"]}.items()
        )
    except (OSError, LookupError, TypeError):
        return False
