"""What the report shows of samples: wrong answers as pictures or rows, and a table's columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.report import Mistake, Shot
from tellapart.report.learned import Feature, WrongRow
from tellapart.report.mosaics import crisp, uri
from tellapart.steps.evaluate.showing import MISTAKES
from tellapart.steps.samples import Samples

#: Side, in pixels, of shown pictures: sharp squares at the 120 CSS pixels they are shown in.
_SIDE = 240
#: Words of one category listed, and rows shown.
_WORDS, _ROWS = 6, 14


def mistakes(
    samples: Samples,
    probabilities: NDArray[np.float32],
    places: Sequence[int],
    show: Callable[[str], Shot] | None,
) -> list[Mistake]:
    """The wrong answers on the pictures at `places`, by `show` or by the samples' own pixels."""
    return [
        Mistake(
            shot=_shot(samples, place) if show is None else show(samples.ids[place]),
            answer=samples.classes[int(probabilities[place].argmax())],
            probability=round(float(probabilities[place].max()), 6),
            truth_probability=round(float(probabilities[place, samples.y[place]]), 6),
        )
        for place in places[:MISTAKES]
    ]


def _shot(samples: Samples, place: int) -> Shot:
    pixels = np.asarray(samples.x[place], dtype=np.uint8)
    label = samples.classes[int(samples.y[place])]
    return Shot(id=samples.ids[place], uri=uri(crisp(pixels, _SIDE)), label=label)


def wrong_rows(
    samples: Samples, probabilities: NDArray[np.float32], places: Sequence[int]
) -> list[WrongRow]:
    """The wrong answers on the rows at `places`."""
    return [
        WrongRow(
            id=samples.ids[place],
            cells=cells(samples, place),
            truth=samples.classes[int(samples.y[place])],
            answer=samples.classes[int(probabilities[place].argmax())],
            probability=round(float(probabilities[place].max()), 6),
            truth_probability=round(float(probabilities[place, samples.y[place]]), 6),
        )
        for place in places[:_ROWS]
    ]


def cells(samples: Samples, place: int) -> list[str]:
    """A row's cells as words: numbers, words of categories, – where a value is missing."""
    if samples.schema is None:
        return []
    row = samples.x[place].tolist()
    return [
        "–"
        if value != value
        else column.categories[int(value)]
        if column.kind == "category"
        else f"{value:.7g}"
        for column, value in zip(samples.schema.columns, row, strict=True)
    ]


def features(samples: Samples, facts: Mapping[str, Any]) -> list[Feature]:
    """The table's columns, with what each is worth where that was measured."""
    if samples.schema is None:
        return []
    worth = {str(one["column"]): one for one in facts.get("importance") or ()}
    missing = np.isnan(samples.x).sum(axis=0).tolist()
    found = []
    for column, empty in zip(samples.schema.columns, missing, strict=True):
        one = worth.get(column.name, {})
        found.append(
            Feature(
                name=column.name,
                kind=column.kind,
                values=_values(column),
                missing=int(empty),
                importance=one.get("drop"),
                spread=float(one.get("spread") or 0.0),
            )
        )
    return found


def _values(column: Any) -> str:
    if column.kind == "category":
        words = list(column.categories)
        more = f" and {len(words) - _WORDS} more" if len(words) > _WORDS else ""
        return ", ".join(words[:_WORDS]) + more
    if column.low is None or column.high is None:
        return ""
    return f"{column.low:g} to {column.high:g}".replace("-", "−")
