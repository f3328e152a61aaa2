"""The pieces that charts are made of, as inline SVG.

Colors come from the page's style, so that they follow light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 26, 42


@dataclass(frozen=True)
class Frame:
    """Maps figures to points of the drawing. `x1` may lie below `x0`: the axis then runs down."""

    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)

    def axes(
        self, xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, str]], x: str, y: str
    ) -> list[str]:
        """Grid lines, ticks and titles."""
        parts = []
        for value, text in ys:
            at = pt(self.y(value))
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
            )
            parts.append(label(LEFT - 7, self.y(value) + 3.5, text, "tick end"))
        for value, text in xs:
            parts.append(label(self.x(value), HEIGHT - BOTTOM + 16, text, "tick mid"))
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(label(middle, HEIGHT - 6, x, "axis mid"))
        parts.append(label(LEFT, TOP - 12, y, "axis"))
        return parts


def pt(value: float) -> str:
    """A coordinate, to a tenth of a point."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def label(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{pt(x)}" y="{pt(y)}">{escape(text)}</text>'


def dot(x: float, y: float, radius: float, kind: str, title: str) -> str:
    return (
        f'<circle class="{kind}" cx="{pt(x)}" cy="{pt(y)}" r="{pt(radius)}">'
        f"<title>{escape(title)}</title></circle>"
    )


def path(kind: str, points: Sequence[tuple[float, float]], *, close: bool = False) -> str:
    if not points:
        return ""
    steps = " L".join(f"{pt(x)} {pt(y)}" for x, y in points)
    return f'<path class="{kind}" d="M{steps}{"Z" if close else ""}"/>'


def whole(
    parts: Sequence[str], width: float, height: float, title: str, *, limit: bool = False
) -> Markup:
    style = f' style="max-width:{pt(width)}px"' if limit else ""
    inner = "".join(parts)
    return Markup(  # noqa: S704 - every text in it went through `escape`
        f'<svg viewBox="0 0 {pt(width)} {pt(height)}" role="img" aria-label="{escape(title)}"'
        f"{style}>{inner}</svg>"
    )
