"""Bring in a picture data set by name: nothing is copied, its contents are noted and checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from tellapart import datasets
from tellapart.steps import Progress, StepContext, fingerprint

STEP = "collect"
VERSION = 1


def run(context: StepContext) -> dict[str, Any]:
    """Load the data set; return counts by class and official part, its digest, and notes.

    Raises what `datasets.load_arrays` raises.
    """
    name = context.recipe.dataset
    assert name is not None  # that makes a recipe's data arrays
    arrays = datasets.load_arrays(
        name,
        context.settings,
        lambda done, total, word: context.progress(Progress(STEP, done, total, word)),
    )
    mark = fingerprint([VERSION, name, arrays.sha256])
    done = context.catalog.finished(STEP, mark)
    if done is not None:
        return done
    counts = np.bincount(arrays.y, minlength=len(arrays.classes)).tolist()
    parts, sizes = np.unique(arrays.official, return_counts=True)
    facts = datasets.FACTS[name]
    result = {
        "found": len(arrays.y),
        "classes": {
            label: {"different": count, "ok": count}
            for label, count in zip(arrays.classes, counts, strict=True)
        },
        "unusable": {},
        "notes": list(arrays.notes),
        "unfinished": False,
        "sha256": arrays.sha256,
        "shape": list(arrays.x.shape[1:]),
        "official": {str(part): int(size) for part, size in zip(parts, sizes, strict=True) if part},
        "origin": {
            "name": name,
            "about": facts.about,
            "license": facts.license,
            "from": arrays.origin,
        },
    }
    context.catalog.finish(STEP, mark, result)
    context.progress(Progress(STEP, len(arrays.y), len(arrays.y)))
    return result
