"""Train: a calibrated linear head and a familiarity bank on the features of the train split.

Writes `work/head.safetensors` and `work/train.json`. The validation split has no part in the
head: it checks the calibration and, beside held-out training pictures, sets the threshold below
which a picture is "none of these".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.errors import DataError, NotFoundError
from tellapart.learn import (
    backbone,
    calibration,
    familiarity,
    features,
    head,
    measuring,
    nearness,
    similarity,
    trained,
)
from tellapart.learn.metrics import wilson
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.store.files import FileStore

STEP = "train"
#: Raise it whenever the same pictures would give another head.
VERSION = 1
TRAIN, VALIDATION = "train", "validation"
#: From so many pictures on, a change of at most this share of them goes on from the last head,
#: at its C and temperature: fitting anew would take seconds. Smaller sets are always fitted anew,
#: so that what they give depends on nothing but the pictures.
_WARM_ROWS, _WARM_SHARE = 2000, 0.01
#: With fewer pictures than this a class is mentioned in the notes.
_FEW = 10


@dataclass(frozen=True)
class _Set:
    """The pictures to learn from and to check on, in an order that depends on content alone."""

    train: list[PictureRow]
    validation: list[PictureRow]
    classes: list[str]
    #: Whether the split is the data set's own.
    official: bool

    def numbers(self, rows: Sequence[PictureRow]) -> NDArray[np.int64]:
        return np.array([self.classes.index(row.label) for row in rows], dtype=np.int64)

    @property
    def groups(self) -> NDArray[np.int64]:
        """Numbers (n,) of what the split holds together among the pictures to learn from."""
        names = [row.group or row.id for row in self.train]
        return np.asarray(np.unique(np.array(names), return_inverse=True)[1], dtype=np.int64)


def run(context: StepContext) -> dict[str, Any]:
    """Train the head; return C, temperature, thresholds, counts, validation figures and notes.

    Raises `DataError` for fewer than two classes, a class without a picture to learn from, or
    pictures whose files are gone.
    """
    rows = _gather(context)
    net = backbone.embedded(context.settings.cache_dir)
    key = features.cache_key(net, context.recipe.train.view)
    inputs = _inputs(context, rows, key)
    last = _last(context)
    if last is None or last.facts["fingerprint"] != inputs:
        _train(context, rows, net, key, inputs, last)
        last = trained.load(context.work)
    done = context.catalog.finished(STEP, inputs)
    if done is None:
        done = _summary(last.facts)
        context.catalog.finish(STEP, inputs, done)
    return done


def _gather(context: StepContext) -> _Set:
    kept = context.catalog.pictures(status="ok", kept=True)
    ordered = sorted(kept, key=lambda row: (row.label, row.sha256, row.id))
    train = [row for row in ordered if row.split == TRAIN]
    validation = [row for row in ordered if row.split == VALIDATION]
    wanted = sorted({row.label for row in kept if row.split} | set(context.recipe.labels))
    have = Counter(row.label for row in train)
    missing = [label for label in wanted if not have[label]]
    name = context.catalog.name
    if missing:
        raise DataError(
            f"Of class {missing[0]!r} there is no picture to learn from"
            + (f", nor of {', '.join(map(repr, missing[1:]))}." if missing[1:] else "."),
            expected="at least one picture of every class in the train split",
            do=f"See where they went (tellapart show {name} --pictures), add pictures, or leave "
            "the class out.",
        )
    if len(wanted) < 2:
        raise DataError(
            f"There are pictures of {len(wanted)} class to learn from.",
            expected="at least two classes to tell apart",
            do=f"Add a class, and run the steps before this one: tellapart split {name}.",
        )
    split = context.catalog.finished("split") or {}
    return _Set(train, validation, wanted, bool(split.get("official")))


def _inputs(context: StepContext, rows: _Set, key: str) -> str:
    return fingerprint(
        {
            "version": VERSION,
            "features": key,
            "train": context.recipe.train.model_dump(mode="json"),
            "seed": context.recipe.seed,
            "classes": rows.classes,
            "pictures": [
                [[row.sha256, row.label, row.group or row.id] for row in part]
                for part in (rows.train, rows.validation)
            ],
            "scenes": context.recipe.split.scene_cosine if rows.official else None,
        }
    )


def _last(context: StepContext) -> trained.Trained | None:
    try:
        return trained.load(context.work)
    except NotFoundError:
        return None


def _train(
    context: StepContext,
    rows: _Set,
    net: backbone.Backbone,
    key: str,
    inputs: str,
    last: trained.Trained | None,
) -> None:
    asked, seed = context.recipe.train, context.recipe.seed
    vectors = _features(context, [*rows.train, *rows.validation], net)
    own, held = vectors[: len(rows.train)], vectors[len(rows.train) :]
    y = rows.numbers(rows.train)
    context.progress(Progress(STEP, 0, None, "fitting"))
    groups = _scenes(context, rows, own) if rows.official else rows.groups
    settled = fingerprint([VERSION, key, asked.model_dump(mode="json"), seed, rows.classes])
    basis = trained.basis((row.sha256, row.label) for row in rows.train)
    warm = last if last is not None and _is_close(last, settled, basis) else None
    fitted = head.fit(
        own,
        y,
        n_classes=len(rows.classes),
        seed=seed,
        C=asked.C if warm is None else warm.head.C,
        class_weight=asked.class_weight,
        warm=None if warm is None else warm.head,
        groups=groups,
    )
    bank, known, least = _familiarity(context, own, y, groups, held)
    tried = [{"C": c, "log_loss": loss, "accuracy": share} for c, loss, share in fitted.tried]
    facts = {
        "fingerprint": inputs,
        "settled": settled,
        "classes": rows.classes,
        "pictures": _counts(rows),
        "C": fitted.C,
        "temperature": fitted.temperature,
        "cross_validation": tried if warm is None else warm.facts["cross_validation"],
        "warm": warm is not None,
        "thresholds": {"familiarity": least, "probability": None},
        "neighbours": min(asked.neighbours, len(bank)),
        "bank": len(bank),
        "validation": _check(fitted, held, rows.numbers(rows.validation), known < least),
        "view": asked.view,
        "seed": seed,
        "backbone": {"name": net.name, "sha256": net.sha256, "size": net.size, "dim": net.dim},
        "features": key,
        "notes": _notes(rows),
    }
    if warm is not None:
        basis = warm.basis
    trained.save(context.work, fitted, bank, basis, facts)


def _familiarity(
    context: StepContext,
    own: NDArray[np.float32],
    y: NDArray[np.int64],
    groups: NDArray[np.int64],
    held: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float64], float]:
    """The bank, how familiar the validation pictures are, and the refusal threshold.

    Validation alone may be small, so training pictures, each held out with its group, stand
    beside it; but where it comes from another day or place than they do, as in official splits,
    only it tells what is usual. The more lenient of the two thresholds counts.
    """
    asked, seed = context.recipe.train, context.recipe.seed
    stored = familiarity.bank_rows(y, asked.bank, seed)
    bank = familiarity.build_bank(own, y, asked.bank, seed)
    known = familiarity.score(held, bank, asked.neighbours)
    alone = familiarity.held_out_score(own, groups, stored, asked.neighbours)
    scores = np.concatenate([known, alone])
    if np.isnan(scores).all():  # two classes of one picture: nothing tells what is usual
        return bank, known, -1.0
    least = familiarity.threshold(scores, asked.refuse)
    if len(known):
        least = min(least, familiarity.threshold(known, asked.refuse))
    return bank, known, least


def _scenes(context: StepContext, rows: _Set, own: NDArray[np.float32]) -> NDArray[np.int64]:
    """The groups with scenes joined in: an official split leaves scenes ungrouped.

    Twins on both sides of a fold would make the strongest head look best.
    """
    groups, cosine = rows.groups, context.recipe.split.scene_cosine
    first = np.unique(groups, return_index=True)[1][groups]
    given = np.stack([first, np.arange(len(groups))], axis=1)
    pairs = nearness.scenes(own, cosine)
    links, _ = nearness.scenes_apart(pairs, given, [row.label for row in rows.train], cosine)
    return similarity.groups(len(groups), np.concatenate([given, links]))


def _is_close(last: trained.Trained, settled: str, basis: NDArray[np.uint64]) -> bool:
    """Whether only few of many pictures differ from those that chose the last head's C."""
    if last.facts.get("settled") != settled or len(basis) < _WARM_ROWS:
        return False
    changed = len(np.setxor1d(last.basis, basis))  # a new label counts twice
    return changed <= 2 * _WARM_SHARE * len(basis)


def _features(
    context: StepContext, rows: Sequence[PictureRow], net: backbone.Backbone
) -> NDArray[np.float32]:
    files = FileStore(context.settings.files_dir)
    items = [(row.sha256, measuring.reader(files, row.sha256, row.path)) for row in rows]
    total = len({row.sha256 for row in rows})
    vectors, errors = features.matrix(
        items,
        net,
        context.recipe.train.view,
        context.settings,
        lambda done: context.progress(Progress(STEP, done, total, "features")),
    )
    if errors:
        sha, error = min(errors.items())
        raise DataError(
            f"{len(errors)} kept pictures cannot be read any more; {sha[:16]}: {error.what}",
            expected="every kept picture where it was when it was curated",
            do=f"Run the steps again from the start: tellapart collect {context.catalog.name}.",
        )
    return np.asarray(vectors, dtype=np.float32)


def _counts(rows: _Set) -> dict[str, dict[str, int]]:
    train = Counter(row.label for row in rows.train)
    validation = Counter(row.label for row in rows.validation)
    return {label: {TRAIN: train[label], VALIDATION: validation[label]} for label in rows.classes}


def _check(
    fitted: head.Head,
    held: NDArray[np.float32],
    y: NDArray[np.int64],
    refused: NDArray[np.bool_],
) -> dict[str, Any]:
    """How the head does on pictures that had no part in it: rounded shares, and how many."""
    if not len(y):
        return {"n": 0}
    chances = fitted.probabilities(held)
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
        "refused": int(refused.sum()),
    }


def _notes(rows: _Set) -> list[str]:
    counts = Counter(row.label for row in rows.train)
    few = [label for label in rows.classes if counts[label] < _FEW]
    return [
        f"Class {label!r} has {counts[label]} picture{'s' * (counts[label] > 1)} to learn from: "
        + (
            "nothing could be held out to check it."
            if counts[label] == 1
            else "its probabilities say little."
        )
        + f" {_FEW} or more are a start."
        for label in few
    ]


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    names = ("C", "temperature", "thresholds", "pictures", "validation", "warm", "notes")
    return {name: facts[name] for name in names}
