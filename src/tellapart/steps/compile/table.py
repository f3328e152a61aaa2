"""Compile a model of rows: its ONNX named and described, then proved row by row.

Leaves `model.onnx`, `golden.json` and `formats.json` in the work folder, or nothing where a
check fails.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tellapart.bundle import golden
from tellapart.bundle.manifest import sha256, to_json
from tellapart.bundle.session import Session
from tellapart.errors import DataError
from tellapart.learn import outcome
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.samples import Samples, gather
from tellapart.store.files import write_file

STEP = "compile"
#: Raise it whenever the same trained model would give another file, check or golden rows.
VERSION = 1
MODEL, GOLDEN, FORMATS = "model.onnx", "golden.json", "formats.json"
_NO_COREML = "Core ML files are made of networks: describe one with `layers`"


def run(context: StepContext) -> dict[str, Any]:
    """Write and check the model; return its hash, how many rows were checked, on what engines.

    Raises `NotFoundError` before training, `DataError` where the rows have changed since, and
    `VerificationError`, leaving no model, where an engine answers a row differently.
    """
    trained = outcome.load(context.work)
    samples = gather(context)
    if trained.ids != samples.ids or trained.kind != "table":
        raise DataError(
            "The table has changed since the model was trained.",
            expected="the rows that `train` learned from",
            do=f"Train again: tellapart train {context.catalog.name}",
        )
    inputs = fingerprint(
        [VERSION, trained.facts["model"], trained.sha256, context.recipe.name, samples.fingerprint]
    )
    done = context.catalog.finished(STEP, inputs)
    if done is None or not _is_there(context.work, done):
        for name in (MODEL, GOLDEN, FORMATS):
            (context.work / name).unlink(missing_ok=True)
        done = _compile(context, trained, samples)
        context.catalog.finish(STEP, inputs, done)
    total = done["checked"]
    context.progress(Progress(STEP, total, total, "compiled", "compiled", {"formats": ["onnx"]}))
    return done


def _compile(context: StepContext, trained: outcome.Outcome, samples: Samples) -> dict[str, Any]:
    from tellapart.learn.tabular.graph import describe
    from tellapart.learn.tabular.proof import prove

    assert samples.schema is not None
    stored = (context.work / outcome.TABLE).read_bytes()
    model = describe(stored, _metadata(context.recipe.name, samples))
    threads, total = context.settings.worker_threads, len(samples.ids)
    proof = prove(
        model,
        samples.x,
        trained.probabilities,
        samples.ids,
        samples.classes,
        threads,
        lambda done: context.progress(Progress(STEP, done, total, "checking")),
    )
    rows = golden.rows(samples.schema, Session(model, threads=1))
    formats = {"coreml": {"skipped": _NO_COREML}}
    listed = to_json({"model": sha256(model), "golden": rows})
    # The model comes last, as the sign that all is there.
    for name, data in ((GOLDEN, listed), (FORMATS, to_json(formats)), (MODEL, model)):
        write_file(context.work / name, data)
    return {
        "model": sha256(model),
        "bytes": len(model),
        "checked": total,
        "engines": list(proof.engines),
        "agreement": min(proof.agreement.values()),
        "max_difference": proof.max_difference,
        "golden": len(rows),
        "formats": formats,
        "notes": list(proof.notes),
    }


def _metadata(name: str, samples: Samples) -> dict[str, str]:
    """What other programs read (`names`, `task`), and the columns in their order."""
    assert samples.schema is not None
    columns = samples.schema.to_dict()["columns"]
    kept = [{key: one[key] for key in ("name", "kind", "categories")} for one in columns]
    return {
        "description": f"{name}: tells apart {', '.join(samples.classes)}",
        "names": repr(dict(enumerate(samples.classes))),
        "task": "classify",
        "tellapart.columns": json.dumps(kept, sort_keys=True, ensure_ascii=False),
    }


def _is_there(work: Path, done: dict[str, Any]) -> bool:
    try:
        facts = json.loads((work / GOLDEN).read_bytes())
        return bool(
            facts["model"] == done["model"]
            and sha256((work / MODEL).read_bytes()) == done["model"]
            and (work / FORMATS).is_file()
        )
    except (OSError, ValueError, LookupError, TypeError):
        return False
