"""The report's charts as PNG files, for papers and slides."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tellapart.report import ladder, outlook, tuning
from tellapart.report.data import Measured, ReportData

ACCENT, WARM, SECOND, SOFT = "#0e7c86", "#c2501c", "#9a6b00", "#5b666e"
_DPI = 150
#: Above so many classes the confusion matrix goes without names and numbers.
_NAMED = 24
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": "#1d2327",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "grid.color": "#e2e4e1",
    "legend.frameon": False,
}


def write_plots(data: ReportData, folder: Path, cache_dir: Path) -> list[Path]:
    """Write the PNGs of whatever is known: reliability, confusion, abstention, grouping, ladder,
    learning curve, tuning and its learning rate.

    Plots of an earlier evaluation that have no figures now are removed. matplotlib keeps its
    font list below `cache_dir`. The same data give the same bytes: no time, no version inside.
    """
    wanted = {
        "reliability": (reliability, data.metrics and data.reliability),
        "confusion": (confusion, data.metrics),
        "abstention": (_abstention, data.metrics and data.refusal),
        "grouping": (_grouping, data.grouping),
        "ladder": (_ladder, data.ladder),
        "tuning": (_tuning, data.tuning and data.tuning.history),
        "learning_rate": (_finder, data.tuning and data.tuning.searches),
        "learning_curve": (_outlook, data.outlook),
    }
    draws = {
        name: partial(draw, data=data) if known else None for name, (draw, known) in wanted.items()
    }
    return write(draws, folder, cache_dir)


def write(
    draws: Mapping[str, Callable[[Any], None] | None], folder: Path, cache_dir: Path
) -> list[Path]:
    """Draw each named figure to a PNG in `folder`; where there is nothing to draw, remove it."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in draws.items():
        path = folder / f"{name}.png"
        if draw is None:
            path.unlink(missing_ok=True)
        else:
            _write(draw, path, cache_dir)
            written.append(path)
    return written


def _write(draw: Callable[[Any], None], path: Path, cache_dir: Path) -> None:
    # Before the first import: matplotlib would write into the user's own folders.
    os.environ.setdefault("MPLCONFIGDIR", str(cache_dir / "matplotlib"))
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A class name in a script that the font lacks is drawn as boxes; that is no failure.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(5.2, 4.0), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        partial = path.with_name(f".{path.name}.partial")
        try:
            figure.savefig(partial, format="png", dpi=_DPI, metadata={"Software": None})
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def reliability(figure: Any, data: Measured) -> None:
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":", linewidth=1)
    sure, right, numbers = zip(*data.reliability, strict=True)
    axes.vlines(sure, sure, right, color=WARM, alpha=0.6)
    most = max(numbers)
    sizes = [20 + 140 * n / most for n in numbers]
    axes.scatter(sure, right, s=sizes, color=ACCENT, zorder=3)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
    axes.set_title(f"Reliability (ECE {(data.metrics or {})['ece']:.3f})")
    axes.grid(visible=True)


def confusion(figure: Any, data: Measured) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    counts = (data.metrics or {})["confusion"]
    n = len(counts)
    if n > 6:
        figure.set_size_inches(min(2.5 + 0.42 * n, 12), min(2 + 0.42 * n, 11.5))
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    axes = figure.add_subplot()
    shades = LinearSegmentedColormap.from_list("shares", ["#f6f6f3", ACCENT])
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1, interpolation="nearest")
    if n <= _NAMED:
        names = [plain(name) for name in data.classes]
        axes.set_xticks(range(n), names, rotation=45, ha="right")
        axes.set_yticks(range(n), names)
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                if count:
                    color = "white" if shares[i][j] > 0.55 else "#1d2327"
                    axes.text(j, i, str(count), ha="center", va="center", color=color)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="answer", ylabel="truth")
    axes.set_title("Confusion matrix")


def _abstention(figure: Any, data: ReportData) -> None:
    if data.refusal is None or data.metrics is None:
        return
    axes = figure.add_subplot()
    for points, color, label in (
        (data.refusal.by_familiarity, SECOND, "least familiar left out first"),
        (data.refusal.by_probability, ACCENT, "least sure left out first"),
    ):
        share, accuracy = zip(*points, strict=True)
        axes.plot(share, [1 - a for a in accuracy], color=color, label=label)
    told = data.metrics["abstained"]
    if told["accuracy_answered"] is not None:
        chosen = (1 - told["share"], 1 - told["accuracy_answered"])
        axes.plot(*chosen, "o", color=WARM, markersize=8, label="as shipped")
    axes.set(xlim=(0, 1.02), xlabel="coverage (share answered)", ylabel="risk (share wrong)")
    axes.set_ylim(bottom=0)
    axes.legend()
    axes.grid(visible=True)
    axes.set_title("Risk and coverage")


def _grouping(figure: Any, data: ReportData) -> None:
    if data.grouping is None:
        return
    axes = figure.add_subplot()
    if data.grouping.points:
        cosine, accuracy, low, high, _ = zip(*data.grouping.points, strict=True)
        axes.fill_between(cosine, low, high, color=ACCENT, alpha=0.15, linewidth=0)
        axes.plot(cosine, accuracy, "o-", color=ACCENT, label="grouped by cosine")
    axes.axhline(data.grouping.naive[0], color=WARM, linestyle="--", label="naive split")
    axes.axhline(data.grouping.ours[0], color=SECOND, linestyle=":", label="this project's groups")
    axes.invert_xaxis()
    axes.set(xlabel="cosine from which pictures stay together", ylabel="accuracy (5-fold)")
    axes.legend()
    axes.grid(visible=True)
    axes.set_title("Accuracy by grouping distance")


def _tuning(figure: Any, data: ReportData) -> None:
    if data.tuning is not None:
        tuning.plot_history(figure, data.tuning)


def _finder(figure: Any, data: ReportData) -> None:
    if data.tuning is not None:
        tuning.plot_finder(figure, data.tuning)


def _ladder(figure: Any, data: ReportData) -> None:
    # By rung, not by seconds: plots go into the bundle, whose bytes no clock may change.
    ladder.plot(figure, [replace(one, reached_at=None) for one in data.ladder])


def _outlook(figure: Any, data: ReportData) -> None:
    if data.outlook is not None:
        outlook.plot(figure, data.outlook)


def plain(name: str) -> str:
    """`$` would start a formula."""
    return (name if len(name) <= _NAMED else name[: _NAMED - 1] + "…").replace("$", r"\$")
