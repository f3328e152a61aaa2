"""The charts of the report, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from tellapart.report.svg import HEIGHT, LEFT, RIGHT, WIDTH, Frame, dot, label, path, pt, whole


def share_bar(accuracy: float, low: float, high: float, baseline: float | None) -> Markup:
    """A ruler from 0 to 100 %: the accuracy, its interval, and the baseline."""
    width, left, right, y = 640, 8, 8, 30

    def x(value: float) -> float:
        return left + value * (width - left - right)

    parts = [f'<line class="rule" x1="{left}" x2="{width - right}" y1="{y}" y2="{y}"/>']
    for step in range(0, 101, 25):
        at = pt(x(step / 100))
        parts.append(f'<line class="rule" x1="{at}" x2="{at}" y1="{y - 4}" y2="{y + 4}"/>')
        anchor = "tick" if step == 0 else "tick end" if step == 100 else "tick mid"
        parts.append(label(x(step / 100), y + 22, f"{step} %", anchor))
    parts.append(
        f'<rect class="span" x="{pt(x(low))}" y="{y - 8}" '
        f'width="{pt(max(x(high) - x(low), 2))}" height="16" rx="8"/>'
    )
    if baseline is not None:
        at = pt(x(baseline))
        parts.append(f'<line class="base" x1="{at}" x2="{at}" y1="{y - 13}" y2="{y + 13}"/>')
        anchor = "note end" if baseline > 0.8 else "note" if baseline < 0.2 else "note mid"
        parts.append(label(x(baseline), y - 17, "always the same answer", anchor))
    parts.append(f'<circle class="dot big" cx="{pt(x(accuracy))}" cy="{y}" r="6"/>')
    return whole(parts, width, 58, "Accuracy with its 95 % interval, and the baseline")


def reliability(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """How often the answers of one confidence were right; the diagonal is perfect."""
    frame = Frame(0, 1, 0, 1)
    ticks = [(step / 4, f"{step * 25}") for step in range(5)]
    parts = frame.axes(ticks, ticks, "how sure it was (%)", "how often it was right (%)")
    parts.append(path("ideal", [(frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))]))
    most = max((n for _, _, n in bins), default=1)
    for confidence, accuracy, n in bins:
        x, y, ideal = frame.x(confidence), frame.y(accuracy), frame.y(confidence)
        parts.append(f'<line class="gap" x1="{pt(x)}" x2="{pt(x)}" y1="{pt(y)}" y2="{pt(ideal)}"/>')
        title = f"{n} answers, {confidence:.0%} sure on average, {accuracy:.0%} right"
        parts.append(dot(x, y, 3 + 6 * (n / most) ** 0.5, "dot", title))
    return whole(parts, WIDTH, HEIGHT, "Reliability diagram")


def abstention(
    by_probability: Sequence[tuple[float, float]],
    by_familiarity: Sequence[tuple[float, float]],
    chosen: tuple[float, float] | None,
    thing: str = "picture",
) -> Markup:
    """Share of wrong answers against the share of pictures (or `thing`s) that get one."""
    risks = [1 - accuracy for _, accuracy in (*by_probability, *by_familiarity)]
    top = _ceiling(max([*risks, 1 - chosen[1] if chosen else 0, 0.02]))
    frame = Frame(0, 1, 0, top)
    xs = [(step / 4, f"{step * 25}") for step in range(5)]
    ys = [(top * step / 4, _percent(top * step / 4)) for step in range(5)]
    parts = frame.axes(xs, ys, f"{thing}s that get an answer (%)", "wrong answers among them (%)")
    for kind, curve in (("line second", by_familiarity), ("line", by_probability)):
        points = [(frame.x(share), frame.y(1 - accuracy)) for share, accuracy in curve]
        parts.append(path(kind, points))
    if chosen is not None:
        share, accuracy = chosen
        title = f"as shipped: {share:.1%} answered, {1 - accuracy:.1%} of them wrong"
        parts.append(dot(frame.x(share), frame.y(1 - accuracy), 6, "dot chosen", title))
    return whole(parts, WIDTH, HEIGHT, "Wrong answers by share of pictures answered")


def grouping(
    naive: tuple[float, float, float],
    ours: tuple[float, float, float],
    points: Sequence[tuple[float, float, float, float, float]],
) -> Markup:
    """Accuracy by how alike test and training pictures may be, with the naive one as a line."""
    lows = [naive[1], ours[1], *(point[2] for point in points)]
    bottom, step = _scale(min(lows))
    first = min([1.0, *(point[0] for point in points)]) - 0.01
    frame = Frame(1.0, min(first, 0.97), bottom, 1.0)
    xs = [(point[0], f"{point[0]:.2f}") for point in points[:: max(1, (len(points) + 5) // 6)]]
    ys = [(1 - step * k, _percent(1 - step * k)) for k in range(round((1 - bottom) / step) + 1)]
    parts = frame.axes(xs, ys, "alike enough to stay on one side (cosine)", "accuracy (%)")
    if points:
        band = [(frame.x(p[0]), frame.y(p[3])) for p in points]
        band += [(frame.x(p[0]), frame.y(p[2])) for p in reversed(points)]
        parts.append(path("band", band, close=True))
        parts.append(path("line", [(frame.x(p[0]), frame.y(p[1])) for p in points]))
    for cosine, accuracy, low, high, grouped in points:
        title = (
            f"cosine {cosine:.2f}: {accuracy:.1%} ({low:.1%} to {high:.1%}); "
            f"{grouped:.0%} of the pictures are grouped"
        )
        parts.append(dot(frame.x(cosine), frame.y(accuracy), 3.5, "dot", title))
    for kind, value in (("naive", naive[0]), ("ours", ours[0])):
        at = pt(frame.y(value))
        parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
    return whole(parts, WIDTH, HEIGHT, "Accuracy by grouping distance")


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """Rows are the truth, columns the answers; the shade is the share of the row."""
    n = len(classes)
    named = n <= 24
    cell = max(1.5, min(46.0, 440 / max(n, 1)))
    longest = max((len(name) for name in classes), default=0)
    margin = max(82, min(150, 16 + 7 * min(longest, 18))) if named else 24
    size = margin + n * cell + 2
    parts = []
    for i, row in enumerate(counts):
        total = sum(row)
        if named:
            parts.append(
                label(margin - 8, margin + (i + 0.5) * cell + 4, _cut(classes[i]), "tick end")
            )
            x = margin + (i + 0.5) * cell
            parts.append(
                f'<text class="tick" transform="translate({pt(x + 4)} {margin - 8}) rotate(-55)">'
                f"{escape(_cut(classes[i]))}</text>"
            )
        for j, count in enumerate(row):
            if not count and not (named or i == j):
                continue
            parts.append(_cell(margin + j * cell, margin + i * cell, cell, count, total, i == j))
            if count:
                parts[-1] = parts[-1].replace(
                    "/>",
                    f"><title>{escape(classes[i])} → {escape(classes[j])}: {count}</title></rect>",
                )
            if count and cell >= 20:
                strong = " strong" if total and count / total > 0.55 else ""
                x, y = margin + (j + 0.5) * cell, margin + (i + 0.5) * cell + 4
                parts.append(label(x, y, str(count), f"count mid{strong}"))
    if named:
        parts.append(label(margin - 8, margin - 24, "answered →", "axis end"))
        parts.append(label(margin - 8, margin - 8, "truth ↓", "axis end"))
    else:
        side = pt(n * cell)
        parts.append(
            f'<rect class="border" x="{margin}" y="{margin}" width="{side}" height="{side}"/>'
        )
        parts.append(label(margin, margin - 8, "answered →", "axis"))
        parts.append(
            f'<text class="axis end" transform="translate({margin - 8} {margin}) rotate(-90)">'
            "← truth</text>"
        )
    return whole(parts, size, size, "Confusion matrix", limit=True)


def _cell(x: float, y: float, cell: float, count: int, total: int, diagonal: bool) -> str:
    share = count / total if total else 0.0
    kind = "hit" if diagonal else "miss"
    opacity = 0.06 if not count else 0.16 + 0.84 * share
    if not count:
        kind = "none"
    gap = 1 if cell > 12 else 0
    return (
        f'<rect class="cell {kind}" x="{pt(x)}" y="{pt(y)}" width="{pt(cell - gap)}" '
        f'height="{pt(cell - gap)}" fill-opacity="{opacity:.2f}"/>'
    )


def _cut(name: str, most: int = 18) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _ceiling(value: float) -> float:
    return next(top for top in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8, 1.0) if value <= top + 1e-9)


def _scale(lowest: float) -> tuple[float, float]:
    """Where an axis that ends at 1 begins, and its step: round figures, at most 5 steps."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2):
        if 1 - 5 * step <= lowest:
            break
    steps = max(1, math.ceil((1 - lowest) / step - 1e-9))
    return max(0.0, 1 - step * steps), step


def _percent(value: float) -> str:
    return f"{100 * value:.1f}".rstrip("0").rstrip(".")
