"""The int8 model of a head of pictures: quantized, put together, and compared with the exact one.

Leaves `variants/int8.onnx` and `variants.json` in the work folder. Where the recipe says `auto`, a
model that does not answer as the exact one is left out, with its figures as the reason.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.bundle import agreement
from tellapart.bundle.agreement import Agreement
from tellapart.bundle.manifest import sha256, to_json
from tellapart.bundle.predictor import BATCH, Session
from tellapart.catalog import PictureRow
from tellapart.errors import VerificationError
from tellapart.learn import doubling, graph, int8
from tellapart.learn.backbone import Backbone
from tellapart.learn.features import matrix
from tellapart.learn.measuring import reader
from tellapart.learn.trained import Trained
from tellapart.steps import Progress, StepContext
from tellapart.store.files import FileStore, write_file

FILE, FACTS = "variants/int8.onnx", "variants.json"
#: Raise it whenever the same head would give another int8 model or other facts.
VERSION = 2
_FEW = "there are no test or validation pictures"


def wanted(context: StepContext) -> bool:
    """Whether an int8 model is to be made. Raises `MissingExtraError` where it must and nncf is
    not installed."""
    asked = context.recipe.quantized
    if asked is True:
        int8.require()
    return bool(asked) and int8.is_there()


def inputs(context: StepContext, rows: Sequence[PictureRow]) -> dict[str, Any]:
    """What it depends on beside the exact model; empty where none is made."""
    if not wanted(context):
        return {}
    return {
        "int8": VERSION,
        "nncf": int8.version(),
        "asked": context.recipe.quantized,
        "engine": _engine(),
        "calibration": [row.sha256 for row in _calibration(rows, int8.MOST)],
        "compared": [row.sha256 for row in _compared(rows)],
    }


def make(
    context: StepContext,
    rows: Sequence[PictureRow],
    backbone: Backbone,
    trained: Trained,
    metadata: Mapping[str, str],
) -> tuple[bytes, dict[str, Any], str]:
    """The int8 model, its facts for the bundle (JSON-able) and one sentence for people.

    Without `file` in the facts it is left out, for the reason that they give. Raises
    `VerificationError` where it must be had and nncf cannot quantize the network.
    """
    must = context.recipe.quantized is True
    try:
        model, facts, agreed, split = _make(context, rows, backbone, trained, metadata)
    except VerificationError as error:
        if must:
            raise
        return b"", {"left_out": error.what}, f"No int8 model was made. {error.what}"
    return decided(model, facts, agreed, split, must)


def decided(
    model: bytes, facts: Mapping[str, Any], agreed: Agreement, split: str, must: bool
) -> tuple[bytes, dict[str, Any], str]:
    """What becomes of a model that was compared on pictures of `split`, as `make` gives it.

    With `must` it travels whatever was found, and the facts say `agrees` and the `faults`, so that
    nobody takes it for a good one.
    """
    figures = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in agreed.to_dict().items()
    }
    faults = agreed.faults
    told = {
        **facts,
        "agreement": {**figures, "split": split},
        "agrees": not faults,
        "faults": faults,
    }
    unproved = split == "train"
    if not must and (faults or unproved):
        why = "; ".join(faults) or f"could be compared on training pictures alone ({_FEW})"
        return b"", {**told, "left_out": why}, f"The int8 model is left out: it {why}."
    note = f"The int8 model answers as the exact one on {agreed.share}."
    if faults:
        note = f"The int8 model does not answer as the exact one: it {'; '.join(faults)}."
    if unproved:
        note += " It was compared on training pictures, which prove little of others."
    return model, {**told, "file": FILE, "sha256": sha256(model), "bytes": len(model)}, note


def split_of(splits: Iterable[str | None]) -> str:
    """Where pictures are from that a model is compared on: `test`, `test, validation`, `train`."""
    found = set(splits)
    return ", ".join(name for name in ("test", "validation") if name in found) or "train"


def _make(
    context: StepContext,
    rows: Sequence[PictureRow],
    backbone: Backbone,
    trained: Trained,
    metadata: Mapping[str, str],
) -> tuple[bytes, dict[str, Any], Agreement, str]:
    """The model, how it was made, and how it compares on pictures of which splits."""
    files = FileStore(context.settings.files_dir)
    view = context.recipe.train.view

    def load(row: PictureRow) -> NDArray[np.uint8]:
        return images.load(reader(files, row.sha256, row.path)(), backbone.size, view)

    context.progress(Progress("compile", 0, None, "int8"))
    exact = doubling.data_of(backbone, view)
    taken = _calibration(rows, int8.pictures_for(exact))
    model = graph.assemble(
        int8.quantize(exact, taken, load),
        weight=trained.head.weight,
        bias=trained.head.bias,
        bank=trained.bank,
        neighbours=trained.facts["neighbours"],
        metadata=metadata,
    )
    chosen = _compared(rows)
    found = _agreement(context, chosen, backbone, trained, model)
    calibration = {"pictures": len(taken), "split": "train"}
    facts = {"nncf": int8.version(), "engine": _engine(), "calibration": calibration}
    return model, facts, found, split_of(row.split for row in chosen)


def write(work: Path, model: bytes, int8_model: bytes, facts: Mapping[str, Any]) -> None:
    """Write the int8 model, where it was not left out, and the facts; `model`: the exact one."""
    if "file" in facts:
        (work / FILE).parent.mkdir(exist_ok=True)
        write_file(work / FILE, int8_model)
    write_file(work / FACTS, to_json({"model": sha256(model), "variants": {"int8": dict(facts)}}))


def remove(work: Path) -> None:
    """Drop what an earlier run has left."""
    for name in (FILE, FACTS):
        (work / name).unlink(missing_ok=True)


def is_there(work: Path, model: str) -> bool:
    """Whether facts and file are whole and belong to the exact model of this SHA-256."""
    facts = json.loads((work / FACTS).read_bytes())
    found = facts["variants"]["int8"]
    whole = "file" not in found or sha256((work / FILE).read_bytes()) == found["sha256"]
    return bool(facts["model"] == model and whole)


def _engine() -> str:
    """The engine that the int8 model is compared in: the one in which it is fast, if installed."""
    return "openvino" if importlib.util.find_spec("openvino") is not None else "onnxruntime"


def _calibration(rows: Sequence[PictureRow], most: int) -> list[PictureRow]:
    """Training pictures by content, the classes in turn."""
    turns: dict[str, int] = {}
    keyed: dict[str, tuple[int, str, PictureRow]] = {}
    for row in sorted((r for r in rows if r.split == "train"), key=lambda r: (r.label, r.sha256)):
        turns[row.label] = turns.get(row.label, -1) + 1
        keyed.setdefault(row.sha256, (turns[row.label], row.sha256, row))
    return [item[2] for item in sorted(keyed.values(), key=lambda item: item[:2])[:most]]


def _compared(rows: Sequence[PictureRow]) -> list[PictureRow]:
    """Test pictures by content, and validation ones while they are fewer than 500; without any,
    training ones."""
    chosen: dict[str, PictureRow] = {}
    for split in ("test", "validation"):
        for row in sorted((r for r in rows if r.split == split), key=lambda r: r.sha256):
            if len(chosen) < agreement.ENOUGH:
                chosen.setdefault(row.sha256, row)
    return list(chosen.values()) or _calibration(rows, agreement.ENOUGH)


def _agreement(
    context: StepContext,
    rows: Sequence[PictureRow],
    backbone: Backbone,
    trained: Trained,
    model: bytes,
) -> Agreement:
    files = FileStore(context.settings.files_dir)
    view = context.recipe.train.view
    items = [(row.sha256, reader(files, row.sha256, row.path)) for row in rows]
    features, errors = matrix(items, backbone, view, context.settings)
    if errors:
        raise next(iter(errors.values()))
    session = Session(model, engine=_engine(), threads=context.settings.worker_threads)
    found = []
    for start in range(0, len(items), BATCH):
        part = items[start : start + BATCH]
        batch = np.stack([images.load(read(), backbone.size, view) for _, read in part])
        found.append(session.run(batch, ("probabilities",))["probabilities"])
        context.progress(Progress("compile", start + len(part), len(items), "int8"))
    places = {name: place for place, name in enumerate(trained.classes)}
    right = np.array([places.get(row.label, -1) for row in rows], np.int64)
    return agreement.compare(trained.head.probabilities(features), np.concatenate(found), right)
