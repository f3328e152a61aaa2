"""Charts of a training: learning curves, candidates side by side, what columns are worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from tellapart.report.learned import Candidate, Epoch, Feature
from tellapart.report.svg import BOTTOM, HEIGHT, TOP, Frame, dot, label, path, pt, whole

#: Up to so many epochs each one gets a dot.
_DOTS = 30
#: Columns shown in the chart of importances.
COLUMNS = 20


def loss(history: Sequence[Epoch], best: int | None) -> Markup:
    """Training and validation loss by epoch; `best` marks the epoch whose weights were kept."""
    pairs = [(epoch.number, epoch.loss, epoch.validation_loss) for epoch in history]
    known = [value for _, *both in pairs for value in both if value is not None]
    top, step = _ticks(max(known, default=1.0))
    steps = [step * place for place in range(round(top / step) + 1)]
    ys = [(value, f"{value:g}") for value in (round(one, 10) for one in steps)]
    frame = Frame(*_span(pairs), 0, top)
    return _curves(frame, pairs, ys, "loss", best, "{:.4f}".format)


def accuracy(history: Sequence[Epoch], best: int | None) -> Markup:
    """Training and validation accuracy by epoch."""
    pairs = [(epoch.number, epoch.accuracy, epoch.validation_accuracy) for epoch in history]
    lowest = min((value for _, *both in pairs for value in both if value is not None), default=0)
    step = next(
        s for s in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if s == 0.2 or 1 - 5 * s <= lowest
    )
    bottom = max(0.0, 1 - step * math.ceil((1 - lowest) / step - 1e-9)) if lowest < 1 else 1 - step
    count = round((1 - bottom) / step)
    ys = [
        (1 - step * k, f"{100 * (1 - step * k):.1f}".removesuffix(".0")) for k in range(count + 1)
    ]
    frame = Frame(*_span(pairs), bottom, 1)
    return _curves(frame, pairs, ys, "accuracy (%)", best, "{:.2%}".format)


_Pairs = Sequence[tuple[int, float | None, float | None]]


def _span(pairs: _Pairs) -> tuple[float, float]:
    numbers = [number for number, *_ in pairs] or [1]
    first, last = min(numbers), max(numbers)
    return (first - 0.5, last + 0.5) if first == last else (float(first), float(last))


def _curves(
    frame: Frame,
    pairs: _Pairs,
    ys: Sequence[tuple[float, str]],
    title: str,
    best: int | None,
    form: Callable[[float], str],
) -> Markup:
    parts = frame.axes(_epochs(pairs), ys, "epoch", title)
    if best is not None and any(number == best for number, *_ in pairs) and len(pairs) > 1:
        at = frame.x(best)
        side = "note end" if at > (frame.x(frame.x0) + frame.x(frame.x1)) / 2 else "note"
        shift = -5 if side == "note end" else 5
        parts.append(
            f'<line class="best" x1="{pt(at)}" x2="{pt(at)}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        # Losses fall and accuracies rise: the word stands in the corner that they leave free.
        y = TOP + 2 if title == "loss" else HEIGHT - BOTTOM - 6
        parts.append(label(at + shift, y, f"best: epoch {best}", side))
    for place, kind, dots in ((2, "line second", "dot second"), (1, "line", "dot")):
        line = [(row[0], row[place]) for row in pairs]
        points = [(frame.x(x), frame.y(float(y))) for x, y in line if y is not None]
        parts.append(path(kind, points) if len(points) > 1 else "")
        if len(points) <= _DOTS:
            parts += [
                f'<circle class="{dots}" cx="{pt(x)}" cy="{pt(y)}" r="3"/>' for x, y in points
            ]
    parts += _hovers(frame, pairs, form)
    return whole(parts, 420, 300, f"{title.partition(' ')[0]} by epoch, training and validation")


def _hovers(frame: Frame, pairs: _Pairs, form: Callable[[float], str]) -> list[str]:
    """A strip over each epoch that tells its figures when pointed at."""
    wide = (frame.x(frame.x1) - frame.x(frame.x0)) / max(len(pairs), 1)
    parts = []
    for number, training, validation in pairs:
        told = [f"epoch {number}"]
        told += [f"training {form(training)}"] if training is not None else []
        told += [f"validation {form(validation)}"] if validation is not None else []
        parts.append(
            f'<rect class="hover" x="{pt(frame.x(number) - wide / 2)}" y="{TOP}" '
            f'width="{pt(wide)}" height="{HEIGHT - TOP - BOTTOM}">'
            f"<title>{escape(': '.join([told[0], ', '.join(told[1:])]))}</title></rect>"
        )
    return parts


def _epochs(pairs: _Pairs) -> list[tuple[float, str]]:
    numbers = [number for number, *_ in pairs] or [1]
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if len(numbers) / s <= 8)
    ticks = [number for number in numbers if number % step == 0 or number == numbers[0]]
    if step > 1 and len(ticks) > 1 and ticks[1] - ticks[0] < step / 2:
        del ticks[1]
    return [(float(number), str(number)) for number in ticks]


def _ticks(highest: float) -> tuple[float, float]:
    """Where an axis from 0 ends, and its step: round figures, at most 5 steps."""
    if not math.isfinite(highest) or highest <= 0:
        return 1.0, 0.25
    power = 10 ** math.floor(math.log10(highest))
    step = next(power * s for s in (0.2, 0.25, 0.5, 1, 2) if 5 * power * s >= highest * (1 - 1e-9))
    return step * math.ceil(highest / step - 1e-9), step


def candidates(found: Sequence[Candidate]) -> Markup:
    """The accuracy of each candidate with its 95 % interval, one line each."""
    width, left, right, row, top = 460, 142, 54, 30, 8
    lowest = min((one.low for one in found), default=0.0)
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if s == 0.2 or 1 - 5 * s <= lowest)
    bottom = max(0.0, 1 - step * math.ceil((1 - lowest) / step - 1e-9)) if lowest < 1 else 1 - step
    height = top + row * len(found) + 26

    def x(value: float) -> float:
        return left + (value - bottom) / (1 - bottom) * (width - left - right)

    parts = []
    for k in range(round((1 - bottom) / step) + 1):
        value = 1 - step * k
        at = pt(x(value))
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{top}" y2="{height - 22}"/>')
        parts.append(label(x(value), height - 7, f"{100 * value:.0f} %", "tick mid"))
    for place, one in enumerate(found):
        y = top + row * (place + 0.5)
        kind = " chosen" if one.chosen else ""
        parts.append(label(left - 12, y + 4, _cut(one.name), f"name end{kind}"))
        parts.append(
            f'<rect class="span{kind}" x="{pt(x(one.low))}" y="{pt(y - 6)}" '
            f'width="{pt(max(x(one.high) - x(one.low), 2))}" height="12" rx="6"/>'
        )
        told = f"{one.name}: {one.accuracy:.2%}, 95 % interval {one.low:.2%} to {one.high:.2%}"
        parts.append(dot(x(one.accuracy), y, 5, f"dot big{kind}", told))
        parts.append(label(width - right + 12, y + 4, f"{100 * one.accuracy:.1f} %", "count"))
    return whole(parts, width, height, "Accuracy of the candidates")


def importance(features: Sequence[Feature]) -> Markup:
    """What shuffling each column costs, in points of accuracy, the dearest first."""
    known = [one for one in features if one.importance is not None]
    known.sort(key=lambda one: (-(one.importance or 0), one.name))
    known = known[:COLUMNS]
    width, left, right, row = 460, 142, 54, 24
    most = max((max(one.importance or 0, 0) + one.spread for one in known), default=0) or 0.01
    parts = []

    def x(value: float) -> float:
        return left + max(value, 0) / most * (width - left - right)

    for place, one in enumerate(known):
        value, y = one.importance or 0.0, row * (place + 0.5) + 4
        told = (
            f"{one.name}: {_signed(100 * value)} points lost, give or take {100 * one.spread:.1f}"
        )
        parts.append(label(left - 12, y + 4, _cut(one.name), "name end"))
        parts.append(
            f'<rect class="bar" x="{left}" y="{pt(y - 6)}" width="{pt(max(x(value) - left, 1))}" '
            f'height="12" rx="2"><title>{escape(told)}</title></rect>'
        )
        if one.spread and value > 0:
            parts.append(
                f'<line class="whisker" x1="{pt(x(value - one.spread))}" '
                f'x2="{pt(x(value + one.spread))}" y1="{pt(y)}" y2="{pt(y)}"/>'
            )
        parts.append(label(width - right + 12, y + 4, _signed(100 * value), "count"))
    parts.append(f'<line class="rule" x1="{left}" x2="{left}" y1="2" y2="{row * len(known) + 6}"/>')
    return whole(parts, width, row * len(known) + 8, "What each column is worth")


def _cut(name: str, most: int = 22) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _signed(value: float) -> str:
    return f"{value:.1f}".replace("-", "−").replace("−0.0", "0.0")
