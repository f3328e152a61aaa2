"""What a round brought: the noise of each picture, and the learning curve of all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.errors import DataError
from tellapart.learn import backbone, curve, features, measuring, nearness, similarity
from tellapart.learn.collecting import Looked, Worth, contradicted, weigh
from tellapart.steps import StepContext
from tellapart.store.files import FileStore

#: Verdicts that a picture does not show its class, with how sure that is of each.
_NOISE = {"mislabelled": 1.0, "off_topic": 1.0, "conflicting_label": 0.5}
#: Verdicts that say nothing of that: nobody could look.
_UNSEEN = frozenset(("unreadable", "too_small", "low_information", "blurred"))
_NAMES = ("mislabelled", "suggested", "suggested_chance")


def looked(context: StepContext, rows: Sequence[PictureRow]) -> list[Looked]:
    """The pictures of `rows` that were looked at, each with its noise.

    A person's word counts before all; then the verdict; then whether the others contradict the
    label. A picture of a class too small to be scored counts as not looked at.
    """
    here = [row for row in rows if row.status == "ok" and row.kept is not None]
    doubted = _doubted(context, here)
    found = []
    for row in here:
        noise = _noise(row, doubted)
        if noise is not None:
            found.append(Looked(row.label, row.source, row.query, row.rank, noise))
    return found


def _noise(row: PictureRow, doubted: dict[str, bool]) -> float | None:
    if row.verdict in _UNSEEN:
        return None
    if row.overruled is not None:
        return float(not row.overruled)
    if row.verdict in _NOISE:
        return _NOISE[row.verdict]
    return float(doubted[row.id]) if row.id in doubted else None


def _doubted(context: StepContext, here: Sequence[PictureRow]) -> dict[str, bool]:
    """By id: whether the others contradict the label, for all pictures that curation scored."""
    quality, suggested, chance = (context.catalog.scores(name) for name in _NAMES)
    # Numbers of classes as curation counts them.
    classes = sorted({row.label for row in here})
    scored = [row for row in here if row.id in quality and row.id in suggested]
    flags = contradicted(
        [classes.index(row.label) for row in scored],
        [quality[row.id] for row in scored],
        [int(suggested[row.id]) for row in scored],
        [chance[row.id] for row in scored],
    )
    return {row.id: bool(flag) for row, flag in zip(scored, flags, strict=True)}


def worth_of(context: StepContext, rows: Sequence[PictureRow]) -> Worth | None:
    """What more pictures than those kept are worth; None where there are too few to tell.

    Pictures whose label the others contradict have no part in the curve: a wrong label is an error
    that no number of pictures ends. With 3 % of them among MNIST's digits, four times the pictures
    were foretold to bring .8 points too much with them, and .4 too little without.
    """
    here = [row for row in rows if row.status == "ok" and row.kept is not None]
    doubted = _doubted(context, here)
    all_kept = [row for row in here if row.kept]
    kept = sorted(
        (row for row in all_kept if row.overruled or not doubted.get(row.id, False)),
        key=lambda row: (row.sha256, row.id),
    )
    least = context.recipe.enough
    classes = sorted({row.label for row in kept})
    if least is None or len(classes) < len(context.recipe.labels):
        return None
    vectors = _vectors(context, kept)
    try:
        found = curve.fit(
            vectors,
            [classes.index(row.label) for row in kept],
            _groups(context, kept, vectors),
            classes,
            seed=context.recipe.seed,
            now=max(1, round(context.recipe.split.train * len(all_kept))),
            class_weight=context.recipe.train.class_weight,
        )
    except DataError:
        return None
    return weigh(found, len(all_kept), least)


def _vectors(context: StepContext, kept: Sequence[PictureRow]) -> NDArray[np.float32]:
    """Features (n, D), mostly from the cache that curation has filled."""
    files = FileStore(context.settings.files_dir)
    items = [(row.sha256, measuring.reader(files, row.sha256, row.path)) for row in kept]
    net = backbone.embedded(context.settings.cache_dir)
    found, _ = features.matrix(items, net, context.recipe.train.view, context.settings)
    return np.asarray(np.nan_to_num(found), dtype=np.float32)


def _groups(
    context: StepContext, kept: Sequence[PictureRow], vectors: NDArray[np.float32]
) -> NDArray[np.int64]:
    """What must not vouch for each other: pictures of one page, and of one scene."""
    first: dict[str, int] = {}
    pages = [(first.setdefault(row.page_url, i), i) for i, row in enumerate(kept) if row.page_url]
    close = np.array([pair for pair in pages if pair[0] != pair[1]], np.int64).reshape(-1, 2)
    cosine = context.recipe.split.scene_cosine
    labels = [row.label for row in kept]
    scenes, _ = nearness.scenes_apart(nearness.scenes(vectors, cosine), close, labels, cosine)
    return np.asarray(similarity.groups(len(kept), np.concatenate([close, scenes])), np.int64)
