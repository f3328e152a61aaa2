"""The plot of a bundle's variants: how fast each is against how far it agrees."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from tellapart.report.plots import ACCENT, SOFT, WARM, write

#: A mark for each variant; they lie close together.
_MARKS = "osD^vPX*"


def plot(figures: Mapping[str, Any], path: Path, cache_dir: Path) -> None:
    """Write the PNG; `figures` as `Benchmark.to_dict` gives them. Raises `OSError`."""
    rows = [row for row in figures["variants"] if row["agreement"] and "best" in row]

    def draw(figure: Any) -> None:
        figure.set_size_inches(6.4, 4.6)
        axes = figure.add_subplot()
        for row, mark in zip(rows, cycle(_MARKS)):
            _point(axes, row, mark, chosen=row["name"] == figures["chosen"]["name"])
        axes.axhline(99, color=SOFT, linestyle=":", linewidth=1)
        low = min([98.0, *(100 * row["agreement"]["low"] for row in rows)])
        axes.set_ylim(low - 0.3, 100.3)
        axes.set_xlim(left=0, right=1.1 * max([1.0, *(row["spread"][1] for row in rows)]))
        axes.set(xlabel="pictures/s, all cores", ylabel="same class as the exact model, %")
        axes.set_title(f"{figures['name']}: variants on {figures['machine']['cores']} cores")
        axes.grid(visible=True)
        figure.legend(loc="outside lower center", ncols=2)

    write({path.stem: draw}, path.parent, cache_dir)


def _point(axes: Any, row: Mapping[str, Any], mark: str, *, chosen: bool) -> None:
    agreed, speed = row["agreement"], row["pictures_per_second"]
    share = 100 * agreed["top1"]
    across = [[speed - row["spread"][0]], [row["spread"][1] - speed]]
    along = [[max(0.0, share - 100 * agreed["low"])], [max(0.0, 100 * agreed["high"] - share)]]
    said = " (chosen)" if chosen else ", does not agree" if row["faults"] else ""
    axes.errorbar(
        speed,
        share,
        xerr=across,
        yerr=along,
        fmt=mark,
        markersize=9 if chosen else 6,
        color=WARM if row["faults"] else ACCENT if chosen else SOFT,
        capsize=3,
        linewidth=1,
        label=f"{row['name']}{said}",
    )
