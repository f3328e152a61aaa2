"""The report on a network or a table model as one HTML page: no script, no request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from tellapart.bundle import card_people
from tellapart.report import charts, curves, mosaics
from tellapart.report.layers import shape
from tellapart.report.learned import LearnedData, Looks
from tellapart.report.network import svg, table
from tellapart.report.page import REASONS, by_reason, confusions, credits, environment, shots

#: Columns shown of wrong rows, and listed at all.
_SHOWN, _LISTED = 8, 60
#: What each split is, in words.
_WORDS = {
    "train": "to learn from",
    "validation": "to check on while learning",
    "test": "to measure on",
    "aside": "left aside",
}
_REASONS = {**REASONS, "no_label": "without a class", "unlabelled": "without a class"}


def render(data: LearnedData) -> str:
    """The page. A pure function: the same data give the same text."""
    kinds = [layer.kind for layer in data.network.layers] if data.network else []
    totals = {split: sum(row.get(split, 0) for row in data.counts.values()) for split in _WORDS}
    splits = {split: n for split, n in totals.items() if n}
    measured = [one for one in data.features if one.importance is not None]
    return (
        environment()
        .get_template("learned.html.j2")
        .render(
            data=data,
            not_for=card_people,
            metrics=data.metrics,
            thing=data.samples,
            charts=charts,
            curves=curves,
            confusions=confusions(data),
            by_probability=_by_share(data),
            # The drawing escapes every word that it is given.
            drawing=Markup(svg(data.network)) if data.network else "",  # noqa: S704
            listing=table(data.network) if data.network else "",
            heaviest=_heaviest(data),
            has_add="add" in kinds,
            has_boxes=data.network is not None and len(data.network.input) == 3,
            has_pills=bool({"activation", "add", "batch_norm", "dropout"} & set(kinds)),
            has_dropout="dropout" in kinds,
            looks=looks(data.looks) if data.looks else None,
            measured_columns=len(measured),
            most_columns=curves.COLUMNS,
            most_listed=_LISTED,
            shown_columns=_shown(data),
            splits=splits,
            total=sum(splits.values()),
            words=_WORDS,
            reasons=_REASONS,
            asides=by_reason(data.asides),
            credits=credits(shots(data)),
            withheld=sum(not shot.uri for shot in shots(data)),
        )
    )


def _by_share(data: LearnedData) -> list[tuple[float, float]]:
    curve = data.metrics["abstention"]["curve"] if data.metrics else ()
    return [(point["coverage"], point["accuracy"]) for point in curve]


def _heaviest(data: LearnedData) -> tuple[str, float] | None:
    """The layer with the most parameters, and its share of them."""
    if data.network is None or not data.network.parameters:
        return None
    layer = max(data.network.layers, key=lambda one: one.parameters)
    return layer.name, layer.parameters / data.network.parameters


def _shown(data: LearnedData) -> Sequence[int]:
    """Places of the columns that wrong rows are shown with: the dearest, in the table's order."""
    places = range(len(data.features))
    best = sorted(places, key=lambda at: (-(data.features[at].importance or 0), at))
    return sorted(best[:_SHOWN])


def looks(found: Looks) -> dict[str, Any]:
    """A look inside as pages show it: mosaics as PNG `data:` URIs, with their words."""
    layers = []
    for layer in found.layers:
        pixels, shown = mosaics.activation(layer.values)
        layers.append(
            {
                "name": layer.name,
                "shape": shape(layer.values.shape) + (" values" if layer.values.ndim == 1 else ""),
                "uri": mosaics.uri(pixels),
                "shown": shown,
                "channels": layer.values.shape[-1],
                "flat": layer.values.ndim == 1,
            }
        )
    filters = found.filters
    return {
        "filters": "" if filters is None else mosaics.uri(mosaics.filters(filters)),
        "filters_layer": found.filters_layer,
        "filters_count": 0 if filters is None else len(filters),
        "colored": filters is not None and filters.shape[3] == 3,
        "picture": "" if found.picture is None else mosaics.uri(mosaics.crisp(found.picture)),
        "caption": found.caption,
        "answers": found.answers,
        "layers": layers,
    }
