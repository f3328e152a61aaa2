"""The charts of a network's or table model's report as PNG files, and the network as SVG."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tellapart.report import mosaics, plots
from tellapart.report.curves import COLUMNS
from tellapart.report.learned import LearnedData
from tellapart.report.network import svg

#: File that the drawn network goes to.
NETWORK = "network.svg"


def write_plots(data: LearnedData, folder: Path, cache_dir: Path) -> list[Path]:
    """Write `learning_curves`, `confusion`, `reliability`, `first_filters`, `activations` and
    `importance` as PNG and the network as SVG, as far as known; remove those of earlier runs.

    The same data give the same bytes. matplotlib keeps its font list below `cache_dir`.
    """
    looks = data.looks
    wanted = {
        "learning_curves": (_curves, data.history),
        "confusion": (plots.confusion, data.metrics),
        "reliability": (plots.reliability, data.metrics and data.reliability),
        "first_filters": (_filters, looks is not None and looks.filters is not None),
        "activations": (_activations, looks is not None and looks.layers),
        "importance": (_importance, any(one.importance is not None for one in data.features)),
        # Of a head on frozen features only.
        "abstention": (plots.confusion, False),
        "grouping": (plots.confusion, False),
    }
    draws = {
        name: partial(draw, data=data) if known else None for name, (draw, known) in wanted.items()
    }
    written = plots.write(draws, folder, cache_dir)
    drawn = folder / NETWORK
    if data.network is None:
        drawn.unlink(missing_ok=True)
        return written
    drawn.write_text(svg(data.network), encoding="utf-8")
    return [*written, drawn]


def _curves(figure: Any, data: LearnedData) -> None:
    figure.set_size_inches(8.4, 3.6)
    left, right = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in data.history]
    marker = "o" if len(numbers) <= 30 else None
    for axes, training, validation in (
        (left, [e.loss for e in data.history], [e.validation_loss for e in data.history]),
        (right, [e.accuracy for e in data.history], [e.validation_accuracy for e in data.history]),
    ):
        for values, color, name in (
            (validation, plots.SECOND, "validation"),
            (training, plots.ACCENT, "training"),
        ):
            if any(value is not None for value in values):
                known = [float("nan") if value is None else value for value in values]
                axes.plot(numbers, known, color=color, label=name, marker=marker, markersize=3.5)
        if data.best_epoch is not None and len(numbers) > 1:
            axes.axvline(data.best_epoch, color=plots.WARM, linestyle=":", linewidth=1.2)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=True)
    left.set_ylim(bottom=0)
    left.set_title("Loss")
    left.legend()
    right.set_title("Accuracy")


def _filters(figure: Any, data: LearnedData) -> None:
    if data.looks is None or data.looks.filters is None:
        return
    sheet = mosaics.filters(data.looks.filters)
    figure.set_size_inches(6.4, 0.5 + 6.2 * sheet.shape[0] / sheet.shape[1])
    axes = figure.add_subplot()
    axes.imshow(sheet, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(f"What {data.looks.filters_layer} looks for")


def _activations(figure: Any, data: LearnedData) -> None:
    if data.looks is None:
        return
    sheets = [(layer, *mosaics.activation(layer.values)) for layer in data.looks.layers]
    heights = [max(sheet.shape[0] / sheet.shape[1], 0.06) for _, sheet, _ in sheets]
    first = 0.0 if data.looks.picture is None else 0.25
    figure.set_size_inches(6.4, min(6.2 * (first + sum(heights)) + 0.4 * (len(heights) + 1), 40))
    ratios = [first] * bool(first) + heights
    rows = list(figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0])
    if data.looks.picture is not None:
        axes = rows.pop(0)
        picture = data.looks.picture
        gray = picture.shape[2] == 1
        shown = picture[:, :, 0] if gray else picture
        axes.imshow(shown, cmap="gray" if gray else None, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title("the picture")
    for axes, (layer, sheet, shown_channels) in zip(rows, sheets, strict=True):
        axes.imshow(sheet, interpolation="nearest")
        axes.set_axis_off()
        total = layer.values.shape[-1]
        of = f", {shown_channels} of {total} channels" if shown_channels < total else ""
        axes.set_title(f"{layer.name}{of}")


def _importance(figure: Any, data: LearnedData) -> None:
    known = [(one, one.importance) for one in data.features if one.importance is not None]
    known.sort(key=lambda item: (-item[1], item[0].name))
    known = known[:COLUMNS][::-1]
    figure.set_size_inches(6.4, 1.2 + 0.28 * len(known))
    axes = figure.add_subplot()
    values = [100 * value for _, value in known]
    spreads = [100 * one.spread for one, _ in known]
    axes.barh([plots.plain(one.name) for one, _ in known], values, color=plots.ACCENT)
    axes.errorbar(values, range(len(known)), xerr=spreads, fmt="none", ecolor=plots.SOFT)
    axes.set_xlabel("points of accuracy lost where the column is shuffled")
    axes.set_title("What each column is worth")
