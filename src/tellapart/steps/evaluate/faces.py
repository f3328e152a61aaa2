"""Faces in the pictures: how many have one, and what the other views would have been worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.bundle.faces import FaceReader
from tellapart.catalog import PictureRow
from tellapart.errors import PictureError, TellapartError
from tellapart.learn import head, measuring, trained
from tellapart.learn.faces import models
from tellapart.learn.faces.people import HINT
from tellapart.learn.metrics import wilson
from tellapart.report.people import VIEWS, Faces, Viewed
from tellapart.steps import StepContext
from tellapart.store.files import FileStore

#: Pictures that are looked at to tell whether most show people.
_LOOKED = 100


def detector(context: StepContext) -> models.ModelFile | None:
    """The detector at hand; None where there is none: then nobody looks."""
    try:
        return models.detector(context.settings)
    except TellapartError:
        return None


def told(
    context: StepContext,
    model: trained.Trained,
    kept: Sequence[PictureRow],
    vectors_in: Callable[[images.View], NDArray[np.float32]],
) -> Faces | None:
    """What the report says of faces; None without a detector, or without a picture.

    `vectors_in` gives the features of the `kept` pictures in another view.
    """
    counted = looked(context, kept)
    return None if counted is None else Faces(*counted, _views(context, model, kept, vectors_in))


def looked(context: StepContext, kept: Sequence[PictureRow]) -> tuple[int, int] | None:
    """How many of the `kept` pictures were looked at for faces, and how many had one.

    None without a detector, or without a picture. Nothing of a single picture is kept.
    """
    found = detector(context)
    if found is None or not kept:
        return None
    reader = FaceReader(found.read())
    files = FileStore(context.settings.files_dir)
    chosen = sorted(kept, key=lambda row: row.sha256)[:_LOOKED]

    def has_face(row: PictureRow) -> bool | None:
        try:
            data = measuring.reader(files, row.sha256, row.path)()
            return bool(reader.find(images.decode(data, hint=HINT), turned=False))
        except PictureError:
            return None

    with ThreadPoolExecutor(max(1, context.settings.worker_threads)) as pool:
        looks = [look for look in pool.map(has_face, chosen) if look is not None]
    return len(looks), sum(looks)


def _views(
    context: StepContext,
    model: trained.Trained,
    kept: Sequence[PictureRow],
    vectors_in: Callable[[images.View], NDArray[np.float32]],
) -> list[Viewed]:
    """Heads on the three views, compared on the test pictures, where the model sees faces."""
    own = context.recipe.train.view
    train = [place for place, row in enumerate(kept) if row.split == "train"]
    test = [place for place, row in enumerate(kept) if row.split == "test"]
    if own not in images.FACE_VIEWS or not train or not test:
        return []
    y = np.array([model.classes.index(row.label) for row in kept], dtype=np.int64)
    names = [row.group or row.id for row in kept]
    groups = np.unique(names, return_inverse=True)[1]
    seen = []
    for view in VIEWS:
        vectors = vectors_in(view)
        fitted = model.head
        if view != own:
            fitted = head.fit(
                vectors[train],
                y[train],
                n_classes=len(model.classes),
                seed=context.recipe.seed,
                C=model.head.C,
                class_weight=context.recipe.train.class_weight,
                groups=groups[train],
            )
        right = int((fitted.probabilities(vectors[test]).argmax(axis=1) == y[test]).sum())
        low, high = wilson(right, len(test))
        seen.append(Viewed(view, right, len(test), low, high, chosen=view == own))
    return seen
