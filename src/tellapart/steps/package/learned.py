"""What goes into the bundle of a network or a table model: files, and a manifest of format 2.

Rows of tables and data sets by name stay out: columns, counts and sums describe them. Nothing
that changes from run to run or tells of the machine (seconds, paths, notes) goes in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import onnx

from tellapart.bundle import croissant, dataset
from tellapart.bundle.manifest import FORMAT, to_json
from tellapart.bundle.standalone import runtime_files
from tellapart.bundle.verify import labels_text
from tellapart.bundle.write import Content
from tellapart.learn import outcome
from tellapart.learn.metrics import HEADLINE
from tellapart.learn.outcome import Outcome
from tellapart.recipe import canonical, resolve
from tellapart.steps import StepContext
from tellapart.steps.package.content import (
    LIBRARIES,
    REPORT,
    Plan,
    data_notes,
    entries,
    golden_items,
    libraries,
    people,
)
from tellapart.steps.samples import Samples, gather

COREML = "coreml"
#: Libraries that decide the bytes of a network's or a table's bundle.
_LIBRARIES = (*LIBRARIES, "coremltools", "lightning", "onnxscript", "torch")
#: Facts of the training that a bundle passes on: nothing of the machine or of single samples.
_TRAINING = (
    "augment",
    "batch_size",
    "best_epoch",
    "candidates",
    "chosen",
    "cross_validation",
    "early_stopping",
    "epochs_asked",
    "history",
    "importance",
    "learning_rate",
    "loss",
    "optimizer",
    "parameters",
    "precision",
    "schedule",
    "seed",
    "validation",
)
#: Times differ from run to run.
_TIMES = frozenset(("seconds", "seconds_left", "samples_per_second"))
#: The least power of ten that a difference is said to be within.
_FINEST = -6
UNFINISHED = (
    "Training was stopped before its end: the bundle is marked unfinished. The same command "
    "again goes on with it."
)


def plan(context: StepContext) -> Plan:
    """Gather what the steps before have left, as `content.plan` does for heads."""
    work = context.work
    found = outcome.load(work)
    samples = gather(context)
    model = work / "model.onnx"
    data = None
    if context.recipe.data_kind == "pictures":
        seen = people(_read(work / "metrics.json")).get("people")
        data = croissant.added(dataset.build(entries(context)), context.recipe.name, seen)
    formats = _read(work / "formats.json")
    facts = _facts(context, found, samples, data, formats)
    files: dict[str, Content] = {
        **runtime_files(backbone=False),
        **(data.files if data else {}),
        **_coreml(work, formats),
        "labels.txt": labels_text(found.classes).encode(),
        "metrics.json": _metrics(work),
        "model.onnx": model,
    }
    if found.kind == "network":
        files["weights.safetensors"] = work / outcome.NETWORK
    if (work / REPORT).is_file():
        files["report.html"] = work / REPORT
    for plot in sorted((work / "plots").glob("*.png")):
        files[f"plots/{plot.name}"] = plot
    for item in facts["golden"]:
        if str(item.get("file", "")).startswith("golden/"):
            files[item["file"]] = work / item["file"]
    notes = [] if found.finished else [UNFINISHED]
    return Plan(files, facts, [*notes, *(data_notes(data) if data else [])])


def _facts(
    context: StepContext,
    found: Outcome,
    samples: Samples,
    data: dataset.DataSet | None,
    formats: Mapping[str, Any],
) -> dict[str, Any]:
    recipe, reasons = resolve(context.recipe)
    work = context.work
    measured = _read(work / "metrics.json")
    golden = _read(work / "golden.json")["golden"]
    training = {name: found.facts[name] for name in _TRAINING if name in found.facts}
    about = _data(context, samples, data)
    network = found.facts.get("network")
    return {
        "format": FORMAT,
        "name": context.recipe.name,
        "title": context.recipe.title,
        "task": f"{'tabular' if samples.kind == 'row' else 'image'}-classification",
        "kind": found.kind,
        "labels": list(found.classes),
        "input": _input(samples),
        "outputs": _outputs(work / "model.onnx"),
        "thresholds": {"familiarity": None, "probability": None},
        "golden": golden_items(golden, data.included if data else {})
        if samples.kind == "picture"
        else golden,
        "finished": found.finished,
        "metrics": _portable({name: measured[name] for name in HEADLINE if name in measured}),
        "training": _portable({"kind": found.kind, **training}),
        "network": _portable(network) if network else None,
        "formats": _portable(_bounded(formats)),
        "data": about,
        **people(measured),
        "recipe": canonical(recipe),
        "reasons": dict(sorted(reasons.items())),
        "licenses": {"program": "Apache-2.0", "data": about["licenses"]},
        "made_with": {"tellapart": installed("tellapart"), **libraries(_LIBRARIES)},
    }


def _input(samples: Samples) -> dict[str, Any]:
    if samples.schema is not None:
        told = samples.schema.to_dict()
        return {
            "kind": "row",
            "name": "rows",
            "type": "float32",
            "columns": told["columns"],
            "target": told["target"],
            "left_out": sorted(samples.schema.left_out),
        }
    height, width, channels = samples.x.shape[1:]
    return {
        "kind": "picture",
        "name": "image",
        "type": "uint8",
        "layout": "NHWC",
        "color": "gray" if channels == 1 else "RGB",
        "size": [int(height), int(width)],
        "view": samples.view or "squash",
    }


def _outputs(model: Path) -> list[str]:
    return [output.name for output in onnx.load(model, load_external_data=False).graph.output]


def _data(context: StepContext, samples: Samples, data: dataset.DataSet | None) -> dict[str, Any]:
    """Where the samples came from, and how many there are; never one of them."""
    splits: dict[str, dict[str, int]] = {}
    for label, counts in samples.counts().items():
        for split, count in counts.items():
            if count:
                splits.setdefault(split, {})[label] = count
    common = {
        "kind": context.recipe.data_kind,
        "samples": len(samples.ids),
        "splits": splits,
        "fingerprint": samples.fingerprint,
    }
    if data is not None:
        return {**data.summary, **common}
    collected = context.catalog.finished("collect") or {}
    origin = collected.get("origin", {})
    named = context.recipe.dataset
    license = str(origin.get("license", "")) if named else ""
    return {
        **common,
        # A file's name is its owner's affair.
        "name": named or "",
        "about": str(origin.get("about", "")) if named else "",
        "sha256": str(collected.get("sha256") or origin.get("sha256") or ""),
        "licenses": {license or "unknown": len(samples.ids)},
        "included": 0,
        "withheld": len(samples.ids),
    }


def _metrics(work: Path) -> bytes:
    """`metrics.json` but for the notes: they may name files of whoever made the project."""
    told = _read(work / "metrics.json")
    return to_json(_portable({key: value for key, value in told.items() if key != "notes"}))


def _coreml(work: Path, formats: Mapping[str, Any]) -> dict[str, Content]:
    """The Core ML files that `compile` has proved; none where it has skipped the format."""
    told = formats.get(COREML) or {}
    if "skipped" in told or not told:
        return {}
    return {
        f"{COREML}/{path.relative_to(work / COREML).as_posix()}": path
        for path in _walk(work / COREML)
    }


def _bounded(formats: Mapping[str, Any]) -> dict[str, Any]:
    """The largest differences as powers of ten: their last digits change with the threads."""
    found = {name: dict(told) for name, told in formats.items()}
    for told in found.values():
        differences = told.get("max_difference")
        if isinstance(differences, Mapping):
            told["max_difference"] = {
                form: float(f"1e{max(_FINEST, math.ceil(math.log10(max(value, 1e-30))))}")
                for form, value in differences.items()
            }
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield path


def _portable(value: Any) -> Any:
    """JSON without what differs from run to run, and without figures that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _portable(each) for key, each in value.items() if key not in _TIMES}
    if isinstance(value, (list, tuple)):
        return [_portable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found
