"""What a network or a table model learns from: all kept samples, with split and class.

One gathering for pictures of the catalog, picture data sets and rows, so that training,
evaluation and the proofs of the formats see the same numbers in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tellapart import datasets, tables
from tellapart.errors import DataError
from tellapart.steps import StepContext, dealing, fingerprint, pixels

#: Raise it whenever the same contents would give other samples.
VERSION = 1
#: What a network sees of a folder's pictures where the recipe says nothing: height, width, RGB.
FOLDER_SHAPE = (64, 64, 3)


@dataclass(frozen=True)
class Samples:
    """All samples of a project that have a split: pictures by content, rows as in their table."""

    kind: Literal["picture", "row"]
    #: Pictures: uint8 (n, height, width, channels), maybe mapped from a file and read-only.
    #: Rows: float32 (n, features), NaN where a value is missing.
    x: NDArray[Any]
    #: int64 (n,): places in `classes`.
    y: NDArray[np.int64]
    #: (n,): `train`, `validation`, `test` or `aside`.
    split: NDArray[np.str_]
    ids: tuple[str, ...]
    #: int64 (n,): samples of one group are not torn apart by folds either.
    groups: NDArray[np.int64]
    classes: tuple[str, ...]
    #: What the columns are; None for pictures.
    schema: tables.Schema | None
    #: SHA-256 (hex) over everything above: the same samples, the same word.
    fingerprint: str
    #: How pictures were brought to size (`squash`, `crop`, `pad`); empty for rows.
    view: str

    def rows_of(self, split: str) -> NDArray[np.int64]:
        """Places of the samples in one split, ascending."""
        return np.flatnonzero(self.split == split).astype(np.int64)

    def counts(self) -> dict[str, dict[str, int]]:
        """Samples by class and split, JSON-able; classes in their order."""
        found = Counter(zip(self.y.tolist(), self.split.tolist(), strict=True))
        return {
            label: {split: found[i, split] for split in ("train", "validation", "test", "aside")}
            for i, label in enumerate(self.classes)
        }


def gather(context: StepContext) -> Samples:
    """The project's samples, as `recipe.data_kind` says.

    Pictures are decoded and brought to `recipe.input` once, into a file in `work` that is mapped
    into memory; a run that was cut off goes on. Raises `DataError` where the steps before have
    not been run, or where a picture's file has gone or has changed.
    """
    kind = context.recipe.data_kind
    if kind == "table":
        return _of_rows(context)
    return _of_arrays(context) if kind == "arrays" else _of_pictures(context)


def shape_of(context: StepContext) -> tuple[int, int, int]:
    """(height, width, channels) of the pictures that a network of this project sees."""
    recipe = context.recipe
    asked = recipe.input
    if asked is not None and len(asked) == 3 and all(asked):
        height, width, channels = (int(size) for size in asked)
        return height, width, channels
    if recipe.dataset is not None:
        height, width, channels = datasets.FACTS[recipe.dataset].shape
        return height, width, channels
    return FOLDER_SHAPE


def _of_rows(context: StepContext) -> Samples:
    known = context.catalog.finished("collect") or {}
    rows = [row for row in context.catalog.rows(kept=True) if row.split]
    if not rows or "schema" not in known:
        raise _too_early("row")
    schema = tables.Schema.from_dict(known["schema"])
    labels = {row.label for row in rows}
    classes = tuple(label for label in schema.classes if label in labels)
    schema = replace(schema, classes=classes)
    table = tables.Table(tuple(known["columns"]), [row.cells for row in rows])
    return _made(
        kind="row",
        x=schema.encode_table(table),
        labels=[row.label for row in rows],
        split=np.array([row.split for row in rows]),
        ids=[row.id for row in rows],
        groups=_numbered([row.group for row in rows]),
        classes=classes,
        schema=schema,
        content=[row.sha256 for row in rows],
    )


def _of_arrays(context: StepContext) -> Samples:
    name = context.recipe.dataset
    assert name is not None  # that makes a recipe's data arrays
    arrays = datasets.load_arrays(name, context.settings)
    split, groups = dealing.load(context.work, arrays.sha256)
    return _made(
        kind="picture",
        x=arrays.x,
        labels=[arrays.classes[place] for place in arrays.y.tolist()],
        split=split,
        ids=[str(i) for i in range(len(arrays.x))],
        groups=groups,
        classes=arrays.classes,
        view=context.recipe.train.view,
        content=[arrays.sha256],
    )


def _of_pictures(context: StepContext) -> Samples:
    """Pictures by content, so that paths and the order of arrival change nothing."""
    rows = [row for row in context.catalog.pictures(status="ok", kept=True) if row.split]
    if not rows:
        raise _too_early("picture")
    rows.sort(key=lambda row: (row.sha256, row.label, row.id))
    view = context.recipe.train.view
    return _made(
        kind="picture",
        x=pixels.of_pictures(context, rows, shape_of(context), view),
        labels=[row.label for row in rows],
        split=np.array([row.split for row in rows]),
        ids=[row.id for row in rows],
        groups=_numbered([row.group for row in rows]),
        classes=tuple(sorted({row.label for row in rows})),
        view=view,
        content=[row.sha256 for row in rows],
    )


def _made(
    *,
    kind: Literal["picture", "row"],
    x: NDArray[Any],
    labels: Sequence[str],
    split: NDArray[np.str_],
    ids: Sequence[str],
    groups: NDArray[np.int64],
    classes: tuple[str, ...],
    content: Sequence[str],
    schema: tables.Schema | None = None,
    view: str = "",
) -> Samples:
    places = {label: i for i, label in enumerate(classes)}
    described = [
        [VERSION, kind, view, list(x.shape), list(classes)],
        None if schema is None else schema.to_dict(),
        [list(content), list(labels), split.tolist(), groups.tolist()],
    ]
    return Samples(
        kind=kind,
        x=x,
        y=np.array([places[label] for label in labels], dtype=np.int64),
        split=split,
        ids=tuple(ids),
        groups=groups,
        classes=classes,
        schema=schema,
        fingerprint=fingerprint(described),
        view=view,
    )


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """Groups as numbers; equal names get equal numbers."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _too_early(thing: str) -> DataError:
    return DataError(
        f"No {thing} has a split yet.",
        expected="the steps collect, curate and split done before",
        do="Run the whole chain: the same command again.",
    )
