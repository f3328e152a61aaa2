"""The plot of a bundle's variants: how fast each is against how far it agrees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tellapart.report.plots import ACCENT, SOFT, WARM, write


def plot(figures: Mapping[str, Any], path: Path, cache_dir: Path) -> None:
    """Write the PNG; `figures` as `Benchmark.to_dict` gives them. Raises `OSError`."""
    rows = [row for row in figures["variants"] if row["agreement"] and "best" in row]

    def draw(figure: Any) -> None:
        figure.set_size_inches(6.4, 4.2)
        axes = figure.add_subplot()
        for row in rows:
            _point(axes, row, chosen=row["name"] == figures["chosen"]["name"])
        axes.axhline(99, color=SOFT, linestyle=":", linewidth=1)
        low = min([98.0, *(100 * row["agreement"]["low"] for row in rows)])
        axes.set_ylim(low - 0.3, 100.3)
        axes.set_xlim(left=0, right=1.15 * max([1.0, *(row["spread"][1] for row in rows)]))
        axes.set(xlabel="pictures/s, all cores", ylabel="same class as the exact model, %")
        axes.set_title(f"{figures['name']}: variants on {figures['machine']['cores']} cores")
        axes.grid(visible=True)

    write({path.stem: draw}, path.parent, cache_dir)


def _point(axes: Any, row: Mapping[str, Any], *, chosen: bool) -> None:
    agreed, speed = row["agreement"], row["pictures_per_second"]
    share = 100 * agreed["top1"]
    across = [[speed - row["spread"][0]], [row["spread"][1] - speed]]
    high = max(0.0, 100 * agreed["high"] - share)
    along = [[max(0.0, share - 100 * agreed["low"])], [high]]
    color = ACCENT if not row["faults"] else WARM
    marker = "o" if chosen else "s"
    axes.errorbar(
        speed, share, xerr=across, yerr=along, fmt=marker, color=color, capsize=3, linewidth=1
    )
    text = f"{row['name']} (chosen)" if chosen else row["name"]
    axes.annotate(text, (speed, share), (6, -12), textcoords="offset points", color=color)
