"""The report's section on more pictures: a learning curve, carried on with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tellapart.report.svg import HEIGHT, WIDTH, Frame, dot, label, path, pt, whole

#: A class stands out where its pictures are worth so many times those of the average class …
_STANDS_OUT = 1.25
#: … and gain more than this, as a share.
_WORTH_SAYING = 0.0005
#: Classes listed.
_CLASSES = 12


@dataclass(frozen=True)
class Reach:
    """The accuracy with a number of training pictures, with its 90 % interval."""

    n: int
    accuracy: float
    low: float
    high: float
    #: Times the training pictures there are; None for what was measured.
    factor: float | None = None


@dataclass(frozen=True)
class Gain:
    """What more pictures of one class are worth: points over all classes, as a share."""

    name: str
    n: int
    more: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """How much more pictures would help."""

    measured: Sequence[Reach]
    now: Reach
    ahead: Sequence[Reach]
    #: The curve and its band, from the fewest pictures measured to the furthest forecast.
    line: Sequence[Reach]
    #: Most worth first.
    classes: Sequence[Gain]
    #: Pictures that the curve was measured on.
    pictures: int
    #: How, in words.
    how: str

    @property
    def shown(self) -> Sequence[Gain]:
        """The classes listed."""
        return self.classes[:_CLASSES]

    @property
    def best(self) -> Gain | None:
        """The class whose pictures are worth most, where one stands out."""
        if len(self.classes) < 2:
            return None
        first = self.classes[0]
        mean = sum(one.gain for one in self.classes) / len(self.classes)
        return first if first.gain >= max(_STANDS_OUT * mean, _WORTH_SAYING) else None


def chart(found: Outlook) -> Markup:
    """Accuracy by the number of training pictures (logarithmic), measured and foretold."""
    bottom, step = _scale(min(one.low for one in (*found.measured, *found.line)))
    steps = round((1 - bottom) / step)
    ys = [(1 - step * k, _percent(1 - step * k)) for k in range(steps + 1)]
    first, last = found.line[0].n, found.line[-1].n
    frame = Frame(math.log(first), math.log(last), bottom, 1.0)

    def at(one: Reach, value: float) -> tuple[float, float]:
        return frame.x(math.log(one.n)), frame.y(value)

    named = [one for one in (found.now, *found.ahead) if first <= one.n <= last]
    ticks = [(math.log(one.n), f"{one.n:,}") for one in named]
    if found.line[0].n < 0.6 * found.now.n:
        ticks.insert(0, (math.log(first), f"{first:,}"))
    parts = frame.axes(ticks, ys, "training pictures", "accuracy on new pictures (%)")
    band = [at(one, one.high) for one in found.line]
    band += [at(one, one.low) for one in reversed(found.line)]
    parts.append(path("band", band, close=True))
    now = math.log(found.now.n)
    top, low = frame.y(1.0), frame.y(bottom)
    parts.append(
        f'<line class="rule" x1="{pt(frame.x(now))}" x2="{pt(frame.x(now))}" '
        f'y1="{pt(top)}" y2="{pt(low)}"/>'
    )
    parts.append(label(frame.x(now) - 5, low - 6, "now", "tick end"))
    parts.append(path("line", [at(one, one.accuracy) for one in found.line]))
    for one in found.measured:
        told = f"measured with {one.n:,}: {one.accuracy:.1%} ({one.low:.1%} to {one.high:.1%})"
        parts.append(dot(*at(one, one.accuracy), 3.5, "dot", told))
    for one in found.ahead:
        told = f"with {one.n:,}: {one.accuracy:.1%} ({one.low:.1%} to {one.high:.1%})"
        parts.append(dot(*at(one, one.accuracy), 5, "dot chosen", told))
    return whole(parts, WIDTH, HEIGHT, "Accuracy by number of training pictures")


def plot(figure: Any, found: Outlook) -> None:
    """The same for a PNG."""
    axes = figure.add_subplot()
    n = [one.n for one in found.line]
    low, high = [one.low for one in found.line], [one.high for one in found.line]
    axes.fill_between(n, low, high, color="#0e7c86", alpha=0.15, linewidth=0, label="90 % interval")
    axes.plot(n, [one.accuracy for one in found.line], color="#0e7c86")
    measured = [one.n for one in found.measured], [one.accuracy for one in found.measured]
    axes.plot(*measured, "o", color="#0e7c86", markersize=5, label="measured")
    ahead = [one.n for one in found.ahead], [one.accuracy for one in found.ahead]
    axes.plot(*ahead, "o", color="#c2501c", markersize=7, label="foretold")
    axes.axvline(found.now.n, color="#5b666e", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    ticks = [found.line[0].n, found.now.n, *(one.n for one in found.ahead)]
    axes.set_xticks(ticks, [f"{value:,}" for value in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="training pictures", ylabel="accuracy on new pictures")
    axes.set_ylim(top=1.0)
    axes.legend(loc="lower right")
    axes.grid(visible=True)
    axes.set_title("How much more would help")


def _scale(lowest: float) -> tuple[float, float]:
    """Where an axis that ends at 1 begins, and its step: round figures, at most 6 steps."""
    for step in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2):
        if 1 - 6 * step <= lowest:
            break
    steps = max(1, math.ceil((1 - lowest) / step - 1e-9))
    return max(0.0, 1 - step * steps), step


def _percent(value: float) -> str:
    return f"{100 * value:.1f}".rstrip("0").rstrip(".")
