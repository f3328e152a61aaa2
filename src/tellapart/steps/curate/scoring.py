"""Scores of the whole set: how well each picture fits its class, how doubtful its label is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.learn import outliers, similarity
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.curate.material import Material

#: Raise it whenever the scores change.
VERSION = 5
NAMES = ("off_topic", "mislabelled", "suggested", "suggested_chance", "suggested_fit")
#: Fixed, not searched for: doubtful labels stand out at any reasonable strength.
_STRENGTH = 3.0
#: Not the recipe's: which pictures are kept does not depend on how they are split.
_SEED = 0
#: Near duplicates must not vouch for each other's labels across folds, whatever the thresholds.
_SAME_BITS, _SAME_COSINE, _SAME_LIKENESS = 12, 0.7, 0.9
_DECIMALS = 4


def score(
    context: StepContext, rows: Sequence[PictureRow], material: Material
) -> dict[str, dict[str, float]]:
    """Scores by name and picture id, for classes of at least `outliers.FEWEST` pictures.

    They do not depend on thresholds and are kept in the catalog until pictures or labels change.
    """
    scored = _scored(rows, material)
    if not scored:
        return {}
    # `suggested` counts these, as the verdicts do.
    classes = sorted({row.label for row in rows})
    facts = "\n".join(f"{row.id} {row.sha256} {row.label}" for row in scored)
    key = fingerprint([facts, classes, material.feature_key, VERSION])
    stored = {name: context.catalog.scores(name, key) for name in NAMES}
    if any(row.id not in stored[name] for row in scored for name in NAMES):
        context.progress(Progress("curate", 0, None, "scoring"))
        stored = _compute(scored, classes, material)
        for name, values in stored.items():
            context.catalog.save_scores(name, key, values)
    return stored


def _scored(rows: Sequence[PictureRow], material: Material) -> list[PictureRow]:
    """Rows of classes large enough, by content; files in two classes say nothing of either."""
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.sha256 in material.figures:
            labels[row.sha256].add(row.label)
    sizes = Counter(next(iter(names)) for names in labels.values() if len(names) == 1)
    chosen = [
        row
        for row in rows
        if len(labels.get(row.sha256, ())) == 1 and sizes[row.label] >= outliers.FEWEST
    ]
    return sorted(chosen, key=lambda row: (row.sha256, row.id))


def _compute(
    scored: Sequence[PictureRow], classes: Sequence[str], material: Material
) -> dict[str, dict[str, float]]:
    place = {sha: i for i, sha in enumerate(material.shas)}
    label_of = {row.sha256: row.label for row in scored}
    shas = sorted(label_of)
    inside = np.array([place[sha] for sha in shas])
    vectors = material.vectors[inside]
    numbers = np.array([classes.index(label_of[sha]) for sha in shas])
    figures = _doubts(vectors, numbers, _twins(material, inside))
    figures["off_topic"] = outliers.belonging(vectors, numbers, figures["mislabelled"])
    at = {sha: i for i, sha in enumerate(shas)}
    return {
        name: {row.id: float(figures[name][at[row.sha256]]) for row in scored} for name in NAMES
    }


def _doubts(
    vectors: NDArray[np.float32],
    numbers: NDArray[np.int64],
    twins: NDArray[np.int64],
) -> dict[str, NDArray[np.float64]]:
    """Label quality by confident learning; the class suggested instead, its chance and its fit."""
    from tellapart.learn import head, noise

    present, y = np.unique(numbers, return_inverse=True)
    quality = np.ones(len(y))
    suggested, chance = numbers.astype(np.float64), np.zeros(len(y))
    if len(present) > 1:
        fitted = head.fit(vectors, y, n_classes=len(present), seed=_SEED, C=_STRENGTH, groups=twins)
        chances = np.asarray(fitted.out_of_fold)
        quality = noise.label_issues(chances, y)
        others = np.where(np.isnan(chances), 0.0, chances)
        others[np.arange(len(y)), y] = -1.0
        suggested = present[others.argmax(axis=1)].astype(np.float64)
        chance = others.max(axis=1)
    return {
        "mislabelled": np.round(quality, _DECIMALS),
        "suggested": suggested,
        "suggested_chance": np.round(chance, _DECIMALS),
        "suggested_fit": outliers.fit_to(vectors, numbers, suggested.astype(np.int64)),
    }


def _twins(material: Material, inside: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group numbers of near duplicates among the rows `inside`."""
    near = material.pairs.near(_SAME_BITS, _SAME_COSINE, _SAME_LIKENESS)
    return similarity.groups(len(material.shas), near.rows)[inside]
