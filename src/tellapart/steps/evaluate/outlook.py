"""How much more pictures would help, for the report and `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.errors import DataError
from tellapart.learn import curve
from tellapart.learn.trained import Trained
from tellapart.report.outlook import Gain, Outlook, Reach
from tellapart.steps import StepContext

_HOW = (
    "Linear heads were fitted to ever larger parts of {part} and asked about pictures that they "
    "had not seen{held}; the error is taken to fall as a power of their number, and the band "
    "counts how far such a law may be off.{frozen}"
)
_FROZEN = (
    " The features are those of the network before it was tuned: on those it was tuned on, it says "
    "little how others would be told."
)
#: A tuned network's head has no strength of its own: the middle of those that frozen ones try.
_TUNED_C = 30.0


def of(
    context: StepContext,
    model: Trained,
    kept: Sequence[PictureRow],
    vectors: NDArray[np.float32],
    *,
    frozen: bool = False,
) -> Outlook | None:
    """The outlook of the pictures `kept`, raw features `vectors` (n, D); None for too few.

    `frozen`: the features are those of another network than the model's own, which was tuned.
    """
    official = bool((context.catalog.finished("split") or {}).get("official"))
    tested = np.array([row.split == "test" for row in kept], dtype=bool)
    used = np.array([bool(row.split) for row in kept], dtype=bool)
    fixed = official and bool(tested.any())
    if fixed:  # what is checked on validation alone belongs to neither side
        used &= tested | np.array([row.split == "train" for row in kept], dtype=bool)
    rows = [row for row, wanted in zip(kept, used, strict=True) if wanted]
    try:
        found = curve.fit(
            vectors[used],
            [model.classes.index(row.label) for row in rows],
            [row.group or row.id for row in rows],
            model.classes,
            seed=context.recipe.seed,
            now=sum(row.split == "train" for row in rows),
            tested=tested[used] if fixed else None,
            C=model.facts["C"] or _TUNED_C,
            class_weight=context.recipe.train.class_weight,
        )
    except DataError:
        return None
    held = ", those of the official test" if fixed else ", alike ones never on both sides"
    how = _HOW.format(
        part="the training pictures" if fixed else "all kept pictures",
        held=held,
        frozen=_FROZEN if frozen else "",
    )
    return Outlook(
        measured=[Reach(one.n, one.accuracy, one.low, one.high) for one in found.points],
        now=_reach(found.now),
        ahead=[_reach(one) for one in found.ahead],
        line=[_reach(one) for one in found.line()],
        classes=[
            Gain(one.name, one.n, one.more, one.gain, one.low, one.high) for one in found.classes
        ],
        pictures=found.pictures,
        how=how,
    )


def _reach(one: curve.Forecast) -> Reach:
    return Reach(one.n, one.accuracy, one.low, one.high, round(one.factor, 6))
