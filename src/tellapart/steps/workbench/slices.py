"""Accuracy on dark, blurred, small, … pictures and by source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.learn import backbone, features, measuring, trained
from tellapart.learn.metrics import wilson
from tellapart.learn.workbench.shapes import Basis, Slices
from tellapart.learn.workbench.slicing import Cut, Told, measure
from tellapart.steps.workbench.seen import Seen
from tellapart.store.files import FileStore


def slices(seen: Seen, basis: Basis = "held_out") -> Slices:
    """Slices of the kept pictures. Raises `DataError` without features, `NotFoundError`."""
    seen.need_features()
    places, right = _held_out(seen) if basis == "held_out" else _tested(seen)
    if not places:
        why = (
            "Nothing is known of these pictures: classes of at least 8 pictures, and features, are "
            "needed."
            if basis == "held_out"
            else "The test split is empty."
        )
        return Slices(basis, 0, 0.0, 0.0, 1.0, (), (why,))
    rows = [seen.rows[i] for i in places]
    told = Told(
        [row.id for row in rows],
        [row.label for row in rows],
        right,
        [row.group or row.id for row in rows],
    )
    hits = int(right.sum())
    low, high = wilson(hits, len(right))
    found = measure(told, _cuts(seen, np.array(places, np.int64), rows))
    notes = () if all(one is not None for one in seen.around) else (_UNSEEN,)
    return Slices(basis, len(right), round(hits / len(right), 4), low, high, found, notes)


_UNSEEN = "Borders and grounds are left out: of so many pictures not all were looked at for them."


def _held_out(seen: Seen) -> tuple[list[int], NDArray[np.bool_]]:
    """Places of the kept pictures that were told while held out, and whether rightly."""
    found = [
        (place, bool(right))
        for place, row in enumerate(seen.rows)
        if row.kept and (right := seen.taken_right(row.id)) is not None
    ]
    return [place for place, _ in found], np.array([right for _, right in found], bool)


def _tested(seen: Seen) -> tuple[list[int], NDArray[np.bool_]]:
    """Places of the test pictures, and whether the trained model tells them rightly."""
    context = seen.context
    model = trained.load(context.work)
    places = [
        place
        for place, row in enumerate(seen.rows)
        if row.kept and row.split == "test" and row.label in model.classes
    ]
    if not places:
        return [], np.zeros(0, bool)
    net = backbone.of(context.work, model.facts, context.settings.cache_dir)
    files = FileStore(context.settings.files_dir)
    rows = [seen.rows[place] for place in places]
    items = [(row.sha256, measuring.reader(files, row.sha256, row.path)) for row in rows]
    vectors, errors = features.matrix(
        items, net, context.recipe.train.view, context.settings, lambda _: None
    )
    features.require_all(errors, context.catalog.name)
    answers = model.head.probabilities(vectors).argmax(axis=1)
    y = np.array([model.classes.index(row.label) for row in rows])
    return places, np.asarray(answers == y)


def _cuts(seen: Seen, places: NDArray[np.int64], rows: Sequence[PictureRow]) -> list[Cut]:
    found = [Cut("look", look.name, look.rule, look.mask[places]) for look in seen.looks]
    sources = np.array([row.source for row in rows])
    names = sorted(set(sources.tolist()))
    if len(names) > 1:
        found += [
            Cut("source", f"source {name}", f"found by {name}", sources == name) for name in names
        ]
    return found
