"""The ladder of a report: which models were tried, what each brought, and in what time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tellapart.report.svg import HEIGHT, WIDTH, Frame, dot, label, path, whole


@dataclass(frozen=True)
class Rung:
    """One rung, as it was judged on pictures that it had not seen."""

    name: str
    accuracy: float
    log_loss: float
    #: Pictures that judged it.
    n: int
    #: Points of accuracy over the rung that stood before, as a share.
    gain: float
    #: Chance of such a gain in log loss, were both alike; None for the first.
    p: float | None
    kept: bool
    #: Its verdict in words.
    why: str
    #: Seconds it took, and seconds since the start; None in what is passed on: those are the
    #: machine's.
    seconds: float | None = None
    reached_at: float | None = None
    #: Kept for being as good as a model that costs more.
    equal: bool = False


def rungs(facts: Mapping[str, Any], *, private: bool) -> list[Rung]:
    """The rungs of a trained model's facts; with times only for whoever made it (`private`)."""
    return [
        Rung(
            name=str(row["rung"]),
            accuracy=float(row["accuracy"]),
            log_loss=float(row["log_loss"]),
            n=int(row["n"]),
            gain=float(row["gain"]),
            p=row["p"],
            kept=bool(row["kept"]),
            why=str(row["why"]),
            seconds=row["seconds"] if private else None,
            reached_at=row["reached_at"] if private else None,
            equal=bool(row.get("equal_to")),
        )
        for row in facts.get("ladder") or ()
        if row["accuracy"] is not None
    ]


def chart(found: Sequence[Rung]) -> Markup:
    """Accuracy of each rung by the time at which it was reached, and of the model that stood.

    Without times by its place on the ladder.
    """
    timed = all(one.reached_at is not None for one in found)
    xs = [one.reached_at or 0.0 if timed else float(n + 1) for n, one in enumerate(found)]
    end = max(xs, default=1.0) * 1.03
    low = min((one.accuracy for one in found), default=0.0)
    high = max((one.accuracy for one in found), default=1.0)
    step = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 1.0) if (high - low) / s <= 6 or s == 1)
    bottom, top = step * math.floor(low / step - 0.5), step * math.ceil(high / step + 0.5)
    bottom, top = max(0.0, bottom), min(1.0, top) if high < 1 else 1.0
    frame = Frame(0, end or 1.0, bottom, top if top > bottom else bottom + step)
    ticks = [bottom + step * k for k in range(round((frame.y1 - bottom) / step) + 1)]
    ys = [(value, f"{100 * value:.1f}".removesuffix(".0")) for value in ticks]
    title = "time since the start" if timed else "rung"
    parts = frame.axes(_times(end) if timed else _places(len(found)), ys, title, "accuracy (%)")
    stood: list[tuple[float, float]] = []
    for x, one in zip(xs, found, strict=True):
        if one.kept:
            if stood:
                stood.append((frame.x(x), stood[-1][1]))
            stood.append((frame.x(x), frame.y(one.accuracy)))
    if stood:
        stood.append((frame.x(end), stood[-1][1]))
    parts.append(path("line", stood))
    for x, one in zip(xs, found, strict=True):
        told = f"{one.name}: {one.accuracy:.1%}; {one.why}"
        parts.append(
            dot(frame.x(x), frame.y(one.accuracy), 5 if one.kept else 3.5, _kind(one), told)
        )
    if found:
        best = [one for one in found if one.kept][-1:]
        parts += [
            label(frame.x(end) - 4, frame.y(one.accuracy) - 8, f"{one.accuracy:.1%}", "note end")
            for one in best
        ]
    return whole(parts, WIDTH, HEIGHT, "Accuracy of each rung of the ladder")


def plot(figure: Any, found: Sequence[Rung]) -> None:
    """The same on a matplotlib figure."""
    from tellapart.report.plots import ACCENT, SOFT

    axes = figure.add_subplot()
    timed = all(one.reached_at is not None for one in found)
    xs = [one.reached_at if timed else n + 1 for n, one in enumerate(found)]
    kept = [(x, one.accuracy) for x, one in zip(xs, found, strict=True) if one.kept]
    other = [(x, one.accuracy) for x, one in zip(xs, found, strict=True) if not one.kept]
    axes.step(*zip(*kept, strict=True), where="post", color=ACCENT)
    axes.plot(*zip(*kept, strict=True), "o", color=ACCENT, label="kept")
    if other:
        axes.plot(*zip(*other, strict=True), "o", color=SOFT, alpha=0.6, label="not kept")
    axes.set(xlabel="seconds spent" if timed else "rung", ylabel="accuracy (held out)")
    axes.legend(loc="lower right")
    axes.grid(visible=True)
    axes.set_title("The ladder")


def duration(seconds: float | None) -> str:
    """Seconds as people read them."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _kind(one: Rung) -> str:
    return "dot" if one.kept else "dot second"


def _places(count: int) -> list[tuple[float, str]]:
    every = max(1, math.ceil(count / 8))
    return [(float(n), str(n)) for n in range(1, count + 1, every)]


def _times(end: float) -> list[tuple[float, str]]:
    """Round times, at most six."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 86400)
    step = next((s for s in steps if end / s <= 6), steps[-1])
    word = (1, "s") if end < 180 else (60, "min") if end < 10_800 else (3600, "h")
    values = [step * k for k in range(int(end // step) + 1)]
    return [(float(v), f"{v / word[0]:g} {word[1]}") for v in values]
