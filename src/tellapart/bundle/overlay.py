"""Show why: a class activation map laid over its picture as warm light."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tellapart.bundle import faces
from tellapart.bundle.face import MARGIN
from tellapart.images import FACE_VIEWS

#: Dark, red, orange, yellow: read as heat, and still told apart without colour vision.
_STOPS = np.array([[0, 0, 0], [200, 20, 30], [255, 150, 0], [255, 250, 140]], np.float32)
#: Share of the shorter side that the `crop` view looks at, as in `images.prepare`.
_CROP = 0.875
_LARGEST = 2048


def why_overlay(
    image: Image.Image, map: np.ndarray, label: str = "", view: str = "squash"
) -> Image.Image:
    """`image` with what speaks for a class glowing and the rest dimmed, RGB.

    `map`: float (h, w), the activation of one class (`Prediction.heat`); what speaks against it
    stays dark. `label` is written into the corner. `view` is how the model saw the picture.
    The result has the picture's size, but no side above 2,048 pixels.
    """
    base = image.convert("RGB")
    base.thumbnail((_LARGEST, _LARGEST))
    heat = np.nan_to_num(np.maximum(np.asarray(map, np.float32), 0))
    peak = float(heat.max()) if heat.size else 0.0
    if peak > 0:
        heat = heat / peak
    strength = _laid(heat, base, view)[..., None]
    place = strength[..., 0] * (len(_STOPS) - 1)
    low = np.minimum(place.astype(np.int64), len(_STOPS) - 2)
    part = (place - low)[..., None]
    color = _STOPS[low] * (1 - part) + _STOPS[low + 1] * part
    share = 0.6 * strength
    mixed = np.asarray(base, np.float32) * (0.55 + 0.45 * strength) * (1 - share) + color * share
    out = Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))
    if label:
        _write(out, label)
    return out


def _laid(heat: np.ndarray, image: Image.Image, view: str) -> np.ndarray:
    """`heat` in 0..1 where the model saw it: over the picture, over its largest face, or both."""
    if view not in FACE_VIEWS:
        return _stretched(heat, image.size, view)
    half = len(heat) // 2 if view == "both" else 0
    face = faces.largest(image)
    if face is None:
        on_face = _stretched(heat[half:], image.size, view)
    else:
        side = max(1, round(max(face.width, face.height) * (1 + 2 * MARGIN)))
        part = Image.fromarray(np.ascontiguousarray(heat[half:]), mode="F")
        part = part.resize((side, side), Image.Resampling.BICUBIC)
        part = part.rotate(-face.angle, Image.Resampling.BILINEAR, expand=True)
        x, y = face.center
        canvas = Image.new("F", image.size, 0.0)
        canvas.paste(part, (round(x - part.width / 2), round(y - part.height / 2)))
        on_face = np.clip(np.asarray(canvas), 0, 1)
    return np.maximum(on_face, _stretched(heat[:half], image.size, view)) if half else on_face


def _stretched(heat: np.ndarray, size: tuple[int, int], view: str) -> np.ndarray:
    """`heat` (h, w) in 0..1 brought over a picture of `size`, as the model saw that picture."""
    width, height = size
    if view == "crop":
        side_x = side_y = _CROP * min(size)
    elif view == "pad":
        side_x = side_y = float(max(size))
    else:
        side_x, side_y = float(width), float(height)
    box = (max(1, round(side_x)), max(1, round(side_y)))
    part = Image.fromarray(np.ascontiguousarray(heat), mode="F")
    part = part.resize(box, Image.Resampling.BICUBIC)
    canvas = Image.new("F", size, 0.0)
    canvas.paste(part, (round((width - side_x) / 2), round((height - side_y) / 2)))
    stretched: np.ndarray = np.clip(np.asarray(canvas), 0, 1)
    return stretched


def _write(image: Image.Image, label: str) -> None:
    draw = ImageDraw.Draw(image)
    text = label[:60].encode("latin-1", "replace").decode("latin-1")
    left, top, right, bottom = draw.textbbox((4, 3), text)
    draw.rectangle((left - 4, top - 3, right + 4, bottom + 3), fill=(0, 0, 0))
    draw.text((4, 3), text, fill=(255, 255, 255))
