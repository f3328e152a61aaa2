"""A face in a picture: where it is, how it stands, and how it is cut out upright."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

Box = tuple[float, float, float, float]
Points = tuple[tuple[float, float], ...]

#: A face whose eyes and mouth lean by more than this, in degrees, does not stand upright.
LEANING = 6.0
#: What a model that is to see faces sees around them: hair, ears and chin.
MARGIN = 0.2
_GRAY = (127, 127, 127)


@dataclass(frozen=True)
class Found:
    """A face in the pixels of the picture as it was given."""

    #: Its middle, and its width and height along its own axes.
    center: tuple[float, float]
    width: float
    height: float
    #: Both eyes, nose, both corners of the mouth: (x, y) each.
    landmarks: Points
    confidence: float
    #: Degrees by which the picture must be turned counter-clockwise for it to stand upright.
    angle: float = 0.0

    @property
    def box(self) -> Box:
        """Left, top, width, height of the upright rectangle around it."""
        turn = math.radians(self.angle)
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        wide = self.width * cos + self.height * sin
        high = self.width * sin + self.height * cos
        return self.center[0] - wide / 2, self.center[1] - high / 2, wide, high


def cut(image: Image.Image, face: Found, size: int, margin: float = MARGIN) -> np.ndarray:
    """The square around a face, upright, uint8 RGB, size×size: out of the picture turned by its
    angle. `margin`: what is added on each side, as a share of the face's longer side."""
    half = max(face.width, face.height) * (0.5 + margin)
    x, y = face.center
    if face.angle:
        # No more than what the turned face needs is turned.
        reach = half * math.sqrt(2) + 2
        part = _part(image, (x - reach, y - reach, x + reach, y + reach))
        image = part.rotate(face.angle, Image.Resampling.BICUBIC, fillcolor=_GRAY)
        x, y = image.width / 2, image.height / 2
    part = _part(image, (x - half, y - half, x + half, y + half))
    found = part.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.array(found, dtype=np.uint8)


def _part(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """A part of a picture; what lies outside of it is gray."""
    left, top, right, bottom = (round(side) for side in box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    inside = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    if inside == (left, top, right, bottom):
        return image.crop(inside)
    canvas = Image.new("RGB", (right - left, bottom - top), _GRAY)
    if inside[0] < inside[2] and inside[1] < inside[3]:
        canvas.paste(image.crop(inside), (inside[0] - left, inside[1] - top))
    return canvas


def lean(face: Found) -> float:
    """Degrees by which eyes and mouth lean: those that turn it upright, counter-clockwise."""
    (ax, ay), (bx, by), _, (cx, cy), (dx, dy) = face.landmarks
    # From eye to eye and corner to corner, and from the eyes down to the mouth, turned onto it.
    across = bx - ax + dx - cx, by - ay + dy - cy
    down = (cx + dx - ax - bx), (cy + dy - ay - by)
    return math.degrees(math.atan2(across[1] - down[0], across[0] + down[1]))


def turned_back(face: Found, angle: float, size: tuple[int, int]) -> Found:
    """Where a face of a picture turned by `angle` lies in the picture of `size` as it stood."""
    tilt = lean(face)
    own = angle + tilt if angle or abs(tilt) > LEANING else 0.0
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    wide, high = size
    middle = (_canvas(size, angle)[0] / 2, _canvas(size, angle)[1] / 2)

    def back(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point[0] - middle[0], point[1] - middle[1]
        return x * cos - y * sin + wide / 2, x * sin + y * cos + high / 2

    marks = tuple(back(point) for point in face.landmarks)
    return replace(face, center=back(face.center), landmarks=marks, angle=own % 360)


def _canvas(size: tuple[int, int], angle: float) -> tuple[int, int]:
    """(width, height) of a picture that was turned, as Pillow widens it."""
    if not angle:
        return size
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    corners = [
        (x * cos + y * sin, y * cos - x * sin)
        for x in (-size[0] / 2, size[0] / 2)
        for y in (-size[1] / 2, size[1] / 2)
    ]
    wide, high = (max(axis) - min(axis) for axis in zip(*corners, strict=True))
    return math.ceil(wide - 1e-6), math.ceil(high - 1e-6)


def scaled(face: Found, across: float, down: float) -> Found:
    return replace(
        face,
        center=(face.center[0] * across, face.center[1] * down),
        width=face.width * across,
        height=face.height * down,
        landmarks=tuple((x * across, y * down) for x, y in face.landmarks),
    )
