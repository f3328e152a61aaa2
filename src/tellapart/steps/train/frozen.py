"""Rungs of frozen networks: features from the cache, a linear head on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.learn import features, head, measuring, stages
from tellapart.learn.backbone import FOLDER, Backbone, Part
from tellapart.learn.composing import compose
from tellapart.learn.ladder.rungs import HeadRung, Source
from tellapart.steps import StepContext
from tellapart.steps.train.material import pretrained
from tellapart.steps.train.reached import Jury, Reached
from tellapart.store.files import FileStore

#: Pictures between two looks at stop requests.
_AT_ONCE = 512
#: Training pictures by which the stages' features are scaled.
_SAMPLE = 48
#: Told how many pictures are done of how many.
Watch = Callable[[int, int], None]


def network(context: StepContext, name: str, size: int) -> Backbone:
    """The frozen network `name` for pictures of `size` pixels; exported where it is not yet."""
    return pretrained(context, name, size)


def looked(
    context: StepContext, rows: Sequence[PictureRow], net: Backbone, watch: Watch
) -> NDArray[np.float32]:
    """Features (n, D) of `rows`, from the cache where they are there. Raises `DataError`.

    What `watch` raises between two parts of many pictures ends it: a stop request is heeded.
    """
    files = FileStore(context.settings.files_dir)
    items = [(row.sha256, measuring.reader(files, row.sha256, row.path)) for row in rows]
    view, found = context.recipe.train.view, []
    for start in range(0, max(len(items), 1), _AT_ONCE):
        vectors, errors = features.matrix(
            items[start : start + _AT_ONCE],
            net,
            view,
            context.settings,
            lambda done, start=start: watch(start + done, len(items)),  # type: ignore[misc]
        )
        features.require_all(errors, context.catalog.name)
        found.append(vectors)
        watch(min(start + _AT_ONCE, len(items)), len(items))
    return np.concatenate(found).astype(np.float32, copy=False)


def climb(
    context: StepContext, judges: Jury, rung: HeadRung, watch: Watch
) -> tuple[Reached, NDArray[np.float32]]:
    """Fit the rung's head; return what it reached, and its features of the jury's rows."""
    parts, together = features_of(context, judges, rung, watch)
    fitted = fit(context, judges, together)
    assert fitted.out_of_fold is not None
    told = np.concatenate([fitted.out_of_fold, fitted.probabilities(together[judges.own :])])
    net = compose(parts, context.settings.cache_dir / FOLDER)
    return Reached(rung.name, "head", net, fitted, told), together


def features_of(
    context: StepContext, judges: Jury, rung: HeadRung, watch: Watch
) -> tuple[list[Part], NDArray[np.float32]]:
    """The rung's networks, and their features (n + m, D) of the jury's rows side by side."""
    folder = context.settings.cache_dir / FOLDER
    parts, vectors = [], []
    for source in rung.sources:
        net = network(context, source.network, rung.size)
        if source.stages:
            net = staged(context, net, judges)
        part = Part(net, mirror=source.mirror, upside=source.upside)
        seen = looked(context, judges.rows, compose([part], folder), watch)
        scale = 1.0 if len(rung.sources) == 1 else scale_of(seen[: judges.own])
        parts.append(replace(part, scale=scale))
        vectors.append(seen * np.float32(scale))
    return parts, vectors[0] if len(vectors) == 1 else np.concatenate(vectors, axis=1)


def staged(context: StepContext, net: Backbone, judges: Jury) -> Backbone:
    """`net` with its last stages' features too; itself where it has no such stages."""
    found = stages.taps(net)
    if not found:
        return net
    folder = context.settings.cache_dir / FOLDER
    plain = stages.widened(net, [1.0] * len(found), folder)
    some = judges.rows[: judges.own : max(1, judges.own // _SAMPLE)]
    vectors = looked(context, some, plain, lambda *_: None)
    scales = stages.scales_of(vectors, [tap.dim for tap in found])
    return stages.widened(net, scales, folder)


def fit(context: StepContext, judges: Jury, vectors: NDArray[np.float32]) -> head.Head:
    """A head on the training rows of `vectors` (n + m, D), with out-of-fold answers."""
    asked, own = context.recipe.train, judges.own
    return head.fit(
        vectors[:own],
        judges.y[:own],
        n_classes=judges.classes,
        seed=context.recipe.seed,
        C=asked.C,
        class_weight=asked.class_weight,
        groups=judges.groups[:own],
    )


def known(rung: HeadRung, done: Sequence[HeadRung]) -> set[Source]:
    """Whose features of pictures of this size are in the cache after the rungs `done`."""
    return {each for one in done if one.size == rung.size for each in one.sources}


def scale_of(vectors: NDArray[np.float32]) -> float:
    """What gives features a mean squared length of 1 about their centre: all networks count alike.

    Rounded to 3 digits, so that equal models have equal bytes in spite of an engine's noise.
    """
    away = vectors - vectors.mean(axis=0)
    length = float(np.sqrt(np.einsum("ij,ij->i", away, away).mean(dtype=np.float64)))
    return float(f"{1 / length:.3g}") if length > 0 else 1.0
