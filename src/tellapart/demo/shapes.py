"""The things the demonstration can draw, in unit coordinates (0..1, y downwards)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from PIL import ImageDraw

Color = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Pen:
    """Draws in unit coordinates on a square canvas of `side` pixels, colors jittered by `rng`."""

    canvas: ImageDraw.ImageDraw
    side: int
    rng: Random

    def tint(self, *choices: Color) -> Color:
        """One of the colors, moved a little."""
        red, green, blue = (c + self.rng.randint(-22, 22) for c in self.rng.choice(choices))
        return _clip(red), _clip(green), _clip(blue)

    def dark(self, color: Color, by: float = 0.6) -> Color:
        return _clip(color[0] * by), _clip(color[1] * by), _clip(color[2] * by)

    def polygon(self, points: Sequence[Point], fill: Color) -> None:
        self.canvas.polygon([(x * self.side, y * self.side) for x, y in points], fill=fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Color) -> None:
        s = self.side
        self.canvas.ellipse(((x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s), fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Color) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def line(self, points: Sequence[Point], fill: Color, width: float = 0.03) -> None:
        self.canvas.line(
            [(x * self.side, y * self.side) for x, y in points],
            fill=fill,
            width=max(1, round(width * self.side)),
            joint="curve",
        )


def _clip(value: float) -> int:
    return max(0, min(255, round(value)))


def _ring(x: float, y: float, radii: Sequence[float], turn: float = -math.pi / 2) -> list[Point]:
    step = 2 * math.pi / len(radii)
    return [
        (x + r * math.cos(turn + i * step), y + r * math.sin(turn + i * step))
        for i, r in enumerate(radii)
    ]


def _arc(x: float, y: float, r: float, start: float, end: float, steps: int = 24) -> list[Point]:
    return [
        (x + r * math.cos(a), y + r * math.sin(a))
        for a in (math.radians(start + (end - start) * i / steps) for i in range(steps + 1))
    ]


def apple(pen: Pen) -> None:
    skin = pen.tint((200, 30, 35), (120, 180, 50), (225, 80, 45))
    pen.ellipse(0.4, 0.58, 0.25, 0.32, skin)
    pen.ellipse(0.6, 0.58, 0.25, 0.32, skin)
    pen.ellipse(0.34, 0.45, 0.06, 0.09, pen.dark(skin, 1.3))
    pen.line([(0.5, 0.33), (0.53, 0.12)], pen.tint((90, 60, 30)), 0.04)
    pen.ellipse(0.63, 0.17, 0.11, 0.05, pen.tint((60, 140, 50)))


def banana(pen: Pen) -> None:
    skin = pen.tint((240, 210, 50), (225, 195, 70), (200, 205, 70))
    outer = _arc(0.5, 0.3, 0.46, 10, 170)
    inner = _arc(0.5, 0.16, 0.44, 155, 25)
    pen.polygon([*outer, *inner], skin)
    pen.line(_arc(0.5, 0.26, 0.42, 25, 155), pen.dark(skin, 0.8), 0.02)
    pen.ellipse(0.94, 0.37, 0.035, 0.03, pen.tint((80, 60, 30)))
    pen.ellipse(0.06, 0.37, 0.03, 0.03, pen.tint((80, 60, 30)))


def star(pen: Pen) -> None:
    fill = pen.tint((245, 200, 40), (235, 235, 235), (220, 60, 60), (90, 120, 230))
    deep = pen.rng.uniform(0.17, 0.22)
    pen.polygon(_ring(0.5, 0.52, [0.47, deep] * 5), pen.dark(fill, 0.7))
    pen.polygon(_ring(0.5, 0.52, [0.42, deep * 0.9] * 5), fill)


def house(pen: Pen) -> None:
    wall = pen.tint((225, 215, 190), (200, 120, 90), (170, 190, 205), (235, 225, 120))
    pen.box(0.68, 0.12, 0.78, 0.4, pen.tint((120, 60, 50)))
    pen.box(0.16, 0.45, 0.84, 0.94, wall)
    pen.polygon([(0.06, 0.47), (0.5, 0.08), (0.94, 0.47)], pen.tint((150, 50, 40), (80, 80, 95)))
    pen.box(0.43, 0.64, 0.59, 0.94, pen.tint((95, 60, 35), (40, 80, 60)))
    for x in (0.22, 0.66):
        pen.box(x, 0.55, x + 0.13, 0.7, pen.tint((160, 210, 235)))
        pen.line([(x + 0.065, 0.55), (x + 0.065, 0.7)], pen.dark(wall), 0.015)


def fish(pen: Pen) -> None:
    skin = pen.tint((240, 130, 40), (90, 150, 210), (150, 160, 170), (210, 80, 120))
    pen.polygon([(0.7, 0.5), (0.98, 0.25), (0.92, 0.5), (0.98, 0.75)], pen.dark(skin, 0.8))
    pen.polygon([(0.35, 0.32), (0.55, 0.12), (0.62, 0.36)], pen.dark(skin, 0.75))
    pen.ellipse(0.42, 0.5, 0.38, 0.22, skin)
    for x in (0.42, 0.55, 0.67):
        pen.line(_arc(x - 0.12, 0.5, 0.14, -50, 50, 10), pen.dark(skin, 0.8), 0.015)
    pen.ellipse(0.2, 0.45, 0.05, 0.05, (250, 250, 250))
    pen.ellipse(0.19, 0.45, 0.022, 0.022, (10, 10, 10))


def tree(pen: Pen) -> None:
    green = pen.tint((45, 120, 45), (90, 150, 50), (180, 120, 40))
    pen.box(0.45, 0.55, 0.55, 0.97, pen.tint((100, 70, 40)))
    for x, y, r in ((0.35, 0.42, 0.2), (0.65, 0.42, 0.2), (0.5, 0.26, 0.22), (0.5, 0.5, 0.2)):
        jitter = pen.rng.uniform(-0.03, 0.03)
        pen.ellipse(x + jitter, y, r, r, pen.dark(green, pen.rng.uniform(0.85, 1.15)))


def sun(pen: Pen) -> None:
    fill = pen.tint((250, 205, 50), (250, 160, 40))
    rays = pen.rng.randint(9, 14)
    for i in range(rays):
        a = 2 * math.pi * i / rays
        tip = (0.5 + 0.48 * math.cos(a), 0.5 + 0.48 * math.sin(a))
        pen.line([(0.5, 0.5), tip], pen.dark(fill, 0.9), 0.035)
    pen.ellipse(0.5, 0.5, 0.33, 0.33, pen.dark(fill, 0.85))
    pen.ellipse(0.5, 0.5, 0.28, 0.28, fill)


def boat(pen: Pen) -> None:
    sail = pen.tint((245, 245, 240), (220, 70, 60), (240, 200, 80))
    pen.line([(0.5, 0.06), (0.5, 0.7)], pen.tint((90, 60, 35)), 0.03)
    pen.polygon([(0.53, 0.08), (0.53, 0.62), (0.88, 0.62)], sail)
    pen.polygon([(0.47, 0.16), (0.47, 0.62), (0.2, 0.62)], pen.dark(sail, 0.85))
    hull = [(0.05, 0.68), (0.95, 0.68), (0.78, 0.92), (0.22, 0.92)]
    pen.polygon(hull, pen.tint((120, 70, 40), (40, 70, 130), (160, 40, 40)))


def flower(pen: Pen) -> None:
    petal = pen.tint((230, 90, 150), (245, 245, 245), (150, 90, 210), (240, 120, 60))
    pen.line([(0.5, 0.4), (0.48, 0.98)], pen.tint((60, 130, 50)), 0.04)
    pen.ellipse(0.62, 0.8, 0.12, 0.045, pen.tint((70, 150, 60)))
    for x, y in _ring(0.5, 0.36, [0.2] * pen.rng.randint(5, 8)):
        pen.ellipse(x, y, 0.12, 0.12, petal)
    pen.ellipse(0.5, 0.36, 0.11, 0.11, pen.tint((240, 200, 40), (110, 70, 30)))


def car(pen: Pen) -> None:
    paint = pen.tint((200, 30, 40), (40, 90, 180), (240, 240, 240), (50, 130, 80))
    roof = [(0.2, 0.5), (0.32, 0.28), (0.68, 0.28), (0.82, 0.5)]
    pen.polygon(roof, pen.dark(paint, 0.85))
    pen.polygon([(0.27, 0.48), (0.35, 0.33), (0.49, 0.33), (0.49, 0.48)], (190, 220, 235))
    pen.polygon([(0.52, 0.48), (0.52, 0.33), (0.65, 0.33), (0.74, 0.48)], (190, 220, 235))
    pen.box(0.04, 0.48, 0.96, 0.7, paint)
    for x in (0.25, 0.75):
        pen.ellipse(x, 0.7, 0.12, 0.12, (25, 25, 28))
        pen.ellipse(x, 0.7, 0.055, 0.055, (170, 170, 175))


def cup(pen: Pen) -> None:
    glaze = pen.tint((240, 240, 235), (60, 110, 170), (190, 70, 60), (230, 190, 80))
    pen.ellipse(0.75, 0.52, 0.2, 0.2, pen.dark(glaze, 0.85))
    pen.ellipse(0.75, 0.52, 0.12, 0.12, pen.dark(glaze, 0.35))
    pen.polygon([(0.15, 0.25), (0.75, 0.25), (0.68, 0.86), (0.22, 0.86)], glaze)
    pen.ellipse(0.45, 0.86, 0.23, 0.06, glaze)
    pen.ellipse(0.45, 0.25, 0.3, 0.08, pen.dark(glaze, 0.8))
    pen.ellipse(0.45, 0.26, 0.26, 0.06, pen.tint((85, 50, 25), (150, 100, 50)))


def heart(pen: Pen) -> None:
    fill = pen.tint((215, 30, 60), (235, 110, 150), (160, 30, 90))
    curve = [
        (
            0.5 + 0.028 * 16 * math.sin(t) ** 3,
            0.46
            - 0.028
            * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
        )
        for t in (2 * math.pi * i / 60 for i in range(60))
    ]
    pen.polygon(curve, fill)
    pen.ellipse(0.3, 0.3, 0.06, 0.05, pen.dark(fill, 1.4))


def mushroom(pen: Pen) -> None:
    cap = pen.tint((205, 40, 35), (150, 95, 50), (225, 150, 60))
    pen.polygon([(0.4, 0.5), (0.6, 0.5), (0.66, 0.94), (0.34, 0.94)], pen.tint((235, 225, 205)))
    pen.polygon(_arc(0.5, 0.55, 0.42, 180, 360), cap)
    for _ in range(pen.rng.randint(4, 7)):
        x, y = pen.rng.uniform(0.25, 0.75), pen.rng.uniform(0.28, 0.48)
        pen.ellipse(x, y, 0.045, 0.04, (245, 240, 230))


def umbrella(pen: Pen) -> None:
    cloth = pen.tint((200, 40, 50), (50, 70, 160), (240, 190, 40), (60, 140, 110))
    pen.line([(0.5, 0.3), (0.5, 0.85)], (60, 50, 45), 0.03)
    pen.line(_arc(0.43, 0.85, 0.07, 0, 180, 12), (60, 50, 45), 0.03)
    pen.polygon(_arc(0.5, 0.52, 0.45, 180, 360), cloth)
    for i, x in enumerate((0.2, 0.5, 0.8)):
        pen.ellipse(x, 0.52, 0.15, 0.07, pen.dark(cloth, 0.7 if i % 2 else 0.8))


SHAPES: dict[str, Callable[[Pen], None]] = {
    shape.__name__: shape
    for shape in (
        apple,
        banana,
        star,
        house,
        fish,
        tree,
        sun,
        boat,
        flower,
        car,
        cup,
        heart,
        mushroom,
        umbrella,
    )
}
