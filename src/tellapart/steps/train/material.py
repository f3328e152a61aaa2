"""What there is to learn from: pictures, their features, and what belongs together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.errors import DataError
from tellapart.learn import features, measuring, nearness, similarity
from tellapart.learn.backbone import FOLDER, NAME, Backbone, Part, embedded
from tellapart.steps import Progress, StepContext
from tellapart.store.files import FileStore

TRAIN, VALIDATION = "train", "validation"
#: With fewer pictures than this a class is mentioned in the notes.
_FEW = 10


@dataclass(frozen=True)
class Material:
    """The pictures to learn from and to check on, in an order that depends on content alone."""

    train: list[PictureRow]
    validation: list[PictureRow]
    classes: list[str]
    #: Whether the split is the data set's own.
    official: bool

    def numbers(self, rows: Sequence[PictureRow]) -> NDArray[np.int64]:
        return np.array([self.classes.index(row.label) for row in rows], dtype=np.int64)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Pictures by class and split."""
        train = Counter(row.label for row in self.train)
        validation = Counter(row.label for row in self.validation)
        return {
            label: {TRAIN: train[label], VALIDATION: validation[label]} for label in self.classes
        }

    @property
    def groups(self) -> NDArray[np.int64]:
        """Numbers (n,) of what the split holds together among the pictures to learn from."""
        names = [row.group or row.sha256 for row in self.train]
        return np.asarray(np.unique(np.array(names), return_inverse=True)[1], dtype=np.int64)


def gather(context: StepContext) -> Material:
    """The kept pictures of the splits `train` and `validation`.

    Raises `DataError` for fewer than two classes or a class without a picture to learn from.
    """
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
    return Material(train, validation, wanted, bool(split.get("official")))


def network(context: StepContext) -> Backbone:
    """The frozen network that the recipe names, with its mirror image where that is asked for.

    Raises what `weights.backbone` raises for another one than the embedded.
    """
    asked, settings = context.recipe.train, context.settings
    size = None if asked.size == "auto" else asked.size
    net = pretrained(context, NAME if asked.backbone == "auto" else asked.backbone, size)
    if asked.mirror is not True:
        return net
    from tellapart.learn.composing import compose

    return compose([Part(net, mirror=True)], settings.cache_dir / FOLDER)


def pretrained(context: StepContext, name: str, size: int | None) -> Backbone:
    """The network `name`, frozen, for pictures of `size` pixels (None: its own).

    Of the file that the recipe names where that is this network's, else of what is at hand.
    Raises what `weights.backbone` raises for another one than the embedded.
    """
    file = weights_file(context, name)
    if name == NAME and file is None:
        return embedded(context.settings.cache_dir, size or 224)
    from tellapart.learn import weights

    return weights.backbone(name, size, context.settings, file)


def weights_file(context: StepContext, name: str) -> Path | None:
    """The file of weights that the recipe names, where it is the network `name` that it is of."""
    asked = context.recipe.train
    own = NAME if asked.backbone == "auto" else asked.backbone
    return asked.weights if isinstance(asked.weights, Path) and name == own else None


def weights_key(context: StepContext, name: str) -> str:
    """Names the weights that `pretrained` takes: other ones, another key.

    Raises what `weights.find` raises where only the model hub is left.
    """
    from tellapart.learn import weights

    return weights.key(name, context.settings, weights_file(context, name))


def vectors_of(
    context: StepContext, rows: Sequence[PictureRow], net: Backbone
) -> NDArray[np.float32]:
    """Raw features (n, D) of `rows`, from the cache where they are there.

    Raises `DataError` where a file is gone and its features are too.
    """
    files = FileStore(context.settings.files_dir)
    items = [(row.sha256, measuring.reader(files, row.sha256, row.path)) for row in rows]
    total = len({row.sha256 for row in rows})
    vectors, errors = features.matrix(
        items,
        net,
        context.recipe.train.view,
        context.settings,
        lambda done: context.progress(Progress("train", done, total, "features")),
    )
    features.require_all(errors, context.catalog.name)
    return np.asarray(vectors, dtype=np.float32)


def scenes(context: StepContext, material: Material, own: NDArray[np.float32]) -> NDArray[np.int64]:
    """The groups of the pictures to learn from, features `own` (n, D), with scenes joined in.

    An official split leaves scenes ungrouped. Twins on both sides of a fold would make the
    strongest head look best.
    """
    groups, cosine = material.groups, context.recipe.split.scene_cosine
    first = np.unique(groups, return_index=True)[1][groups]
    given = np.stack([first, np.arange(len(groups))], axis=1)
    pairs = nearness.scenes(own, cosine)
    links, _ = nearness.scenes_apart(pairs, given, [row.label for row in material.train], cosine)
    return similarity.groups(len(groups), np.concatenate([given, links]))


def notes(material: Material) -> list[str]:
    """What a person should know of classes with few pictures."""
    counts = Counter(row.label for row in material.train)
    few = [label for label in material.classes if counts[label] < _FEW]
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
