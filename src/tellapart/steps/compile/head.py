"""Compile a head of pictures: one ONNX with its backbone, proved picture by picture.

Leaves `model.onnx`, `golden.json` and the drawn golden pictures in the work folder, or nothing
where a check fails.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tellapart.bundle import golden, licenses
from tellapart.bundle.manifest import sha256, to_json
from tellapart.bundle.predictor import Session
from tellapart.catalog import PictureRow
from tellapart.learn import backbone as backbones
from tellapart.learn import doubling, graph, parity
from tellapart.learn.backbone import Backbone
from tellapart.learn.features import cache_key
from tellapart.learn.measuring import reader
from tellapart.learn.trained import Trained, load
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.compile import quantizing
from tellapart.store.files import FileStore, write_file

STEP = "compile"
#: Raise it whenever the same head would give another model, check or golden pictures.
VERSION = 1
#: Fewer test pictures than this prove little: validation and then training ones are added.
_ENOUGH = 32
#: More prove no more; each costs about 5 ms.
_MOST = 1000
#: Test pictures above this size are not taken for golden ones.
_GOLDEN_BYTES = 500_000


def run(context: StepContext) -> dict[str, Any]:
    """Write and check the model; return its hash, how many pictures were checked, on what.

    Raises `VerificationError`, and leaves no model, where ONNX Runtime or OpenVINO answers a
    checked picture differently from the trained model.
    """
    trained = load(context.work)
    backbone = backbones.of(context.work, trained.facts, context.settings.cache_dir)
    rows = context.catalog.pictures(status="ok", kept=True)
    checked, samples = _to_check(rows), _samples(rows)
    inputs = fingerprint(
        {
            "version": VERSION,
            "trained": trained.sha256,
            "features": cache_key(backbone, context.recipe.train.view),
            "name": context.recipe.name,
            "checked": [row.sha256 for row in checked],
            "samples": [row.sha256 for row in samples],
            **quantizing.inputs(context, rows),
        }
    )
    done = context.catalog.finished(STEP, inputs)
    if done is not None and _is_there(context.work, done):
        return done
    _remove(context.work)
    view = context.recipe.train.view
    metadata = _metadata(context.recipe.name, trained, backbone, view)
    model = graph.assemble(
        doubling.data_of(backbone, view),
        weight=trained.head.weight,
        bias=trained.head.bias,
        bank=trained.bank,
        neighbours=trained.facts["neighbours"],
        metadata=metadata,
    )
    report = _check(context, checked, backbone, trained, model)
    pictures, facts = _golden(context, samples, backbone, model)
    result = {
        "model": sha256(model),
        "bytes": len(model),
        "checked": len(checked),
        "engines": report.engines,
        "agreement": 1.0,
        "max_difference": report.max_difference,
        "golden": len(facts),
        "notes": report.notes,
    }
    if quantizing.wanted(context):
        quantized, own, note = quantizing.make(context, rows, backbone, trained, metadata)
        quantizing.write(context.work, model, quantized, own)
        result |= {"variants": {"int8": own}, "notes": [*report.notes, note]}
    _write(context.work, model, pictures, facts)
    context.catalog.finish(STEP, inputs, result)
    return result


def _metadata(name: str, trained: Trained, backbone: Backbone, view: str) -> dict[str, str]:
    """The official `Image.*` keys, and those that other programs read (`names imgsz task`)."""
    return {
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "NominalRange_0_255",
        "description": f"{name}: tells apart {', '.join(trained.classes)}",
        "imgsz": str([backbone.size, backbone.size]),
        "names": repr(dict(enumerate(trained.classes))),
        "task": "classify",
        "tellapart.backbone": backbone.name,
        "tellapart.thresholds": json.dumps(trained.facts["thresholds"], sort_keys=True),
        "tellapart.view": view,
    }


def _to_check(rows: Sequence[PictureRow]) -> list[PictureRow]:
    """Test pictures by content; where they are few, validation and training ones too."""
    chosen: dict[str, PictureRow] = {}
    for split in ("test", "validation", "train"):
        if len(chosen) >= _ENOUGH:
            break
        most = _MOST if split == "test" else _ENOUGH
        for row in sorted((r for r in rows if r.split == split), key=lambda r: r.sha256):
            if len(chosen) < most:
                chosen.setdefault(row.sha256, row)
    return list(chosen.values())


def _samples(rows: Sequence[PictureRow]) -> list[PictureRow]:
    """Test pictures that may be passed on, one a class by content, then the next of each."""
    turns: dict[str, int] = {}
    keyed: dict[str, tuple[int, str, PictureRow]] = {}
    for row in sorted((r for r in rows if r.split == "test"), key=lambda r: (r.label, r.sha256)):
        if licenses.read(row.license).may_pass_on and 0 < (row.bytes or 0) <= _GOLDEN_BYTES:
            turns[row.label] = turns.get(row.label, -1) + 1
            keyed.setdefault(row.sha256, (turns[row.label], row.sha256, row))
    room = golden.MOST - len(golden.drawn())
    return [item[2] for item in sorted(keyed.values(), key=lambda item: item[:2])[:room]]


def _check(
    context: StepContext,
    rows: Sequence[PictureRow],
    backbone: Backbone,
    trained: Trained,
    model: bytes,
) -> parity.Parity:
    files = FileStore(context.settings.files_dir)
    return parity.check(
        [(row.sha256, reader(files, row.sha256, row.path)) for row in rows],
        backbone,
        context.recipe.train.view,
        trained,
        model,
        context.settings,
        on_done=lambda done: context.progress(Progress(STEP, done, len(rows), "checking")),
    )


def _golden(
    context: StepContext,
    samples: Sequence[PictureRow],
    backbone: Backbone,
    model: bytes,
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The drawn pictures by name, and what every golden picture must get.

    One that comes from the data set is named by its SHA-256: the bundle has it there already.
    """
    drawn = golden.drawn()
    files = FileStore(context.settings.files_dir)
    taken = {row.sha256: reader(files, row.sha256, row.path)() for row in samples}
    session = Session(model, threads=1)
    view = context.recipe.train.view
    facts = golden.answers(session, {**drawn, **taken}, backbone.size, view)
    return drawn, facts


def _write(
    work: Path, model: bytes, pictures: dict[str, bytes], facts: list[dict[str, Any]]
) -> None:
    """Each file appears whole or not at all; the model comes last, as the sign that all is."""
    listed = to_json({"model": sha256(model), "golden": facts})
    for name, data in {**pictures, "golden.json": listed, "model.onnx": model}.items():
        write_file(work / name, data)


def _remove(work: Path) -> None:
    for name in ("model.onnx", "golden.json"):
        (work / name).unlink(missing_ok=True)
    quantizing.remove(work)


def _is_there(work: Path, done: dict[str, Any]) -> bool:
    try:
        facts = json.loads((work / "golden.json").read_bytes())
        return bool(
            facts["model"] == done["model"]
            and sha256((work / "model.onnx").read_bytes()) == done["model"]
            and all((work / name).is_file() for name in golden.drawn())
            and ("variants" not in done or quantizing.is_there(work, done["model"]))
        )
    except (OSError, ValueError, LookupError, TypeError):
        return False
