"""What a network or a table model learns from: all kept samples, with split and class.

One gathering for pictures of the catalog, picture data sets and rows, so that training,
evaluation and the proofs of the formats see the same numbers in the same order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tellapart.steps import StepContext

if TYPE_CHECKING:
    from tellapart.tables import Schema


@dataclass(frozen=True)
class Samples:
    """All samples of a project that have a split, in an order that its contents alone decide."""

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
    schema: Schema | None
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
    not been run, or where a picture's file has gone.
    """
    raise NotImplementedError
