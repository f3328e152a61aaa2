"""Golden examples: what a bundle proves itself on. Drawn here, so that anyone may have them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from tellapart import images
from tellapart.bundle.session import Session
from tellapart.tables import Column, Schema

#: Golden pictures in all: the drawn ones first, then some of the test pictures.
MOST = 12
#: Golden rows in all, and how many of them lack cells.
_ROWS, _LACKING = 8, 2
#: Digits kept of expected figures: far finer than the tolerance, coarser than a thread's order.
_DIGITS = 6
_EXIF_ORIENTATION = 0x0112


def drawn() -> dict[str, bytes]:
    """Six small patterns by name, between them JPEG and PNG, color, gray, alpha and a turn.

    The same bytes wherever the same Pillow and zlib draw them.
    """
    y, x = np.mgrid[0:72, 0:96].astype(np.float64)
    gradient = np.stack([x * 2.6, y * 3.5, 255 - x * 2.6], axis=-1)
    checker = np.where(((x // 12 + y // 12) % 2)[..., None] > 0, (230, 180, 40), (30, 60, 150))
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.float64)
    distance = np.hypot(x - 48, y - 36)
    rings = np.stack([127 + 120 * np.cos(distance / k) for k in (2.5, 4, 7)], axis=-1)
    stripes = np.stack([127 + 120 * np.sin((x + 2 * y) / k) for k in (3, 5, 8)], axis=-1)
    alpha = np.concatenate([gradient, np.clip(255 - 4 * distance, 0, 255)[..., None]], axis=-1)
    turned = Image.Exif()
    turned[_EXIF_ORIENTATION] = 6
    return {
        "golden/00-gradient.png": _bytes(gradient, "PNG"),
        "golden/01-checker.png": _bytes(checker[..., 0], "PNG"),
        "golden/02-noise.png": _bytes(noise, "PNG"),
        "golden/03-rings.jpg": _bytes(rings, "JPEG", quality=90),
        "golden/04-turned.jpg": _bytes(stripes, "JPEG", quality=90, exif=turned),
        "golden/05-alpha.png": _bytes(alpha, "PNG"),
    }


def _bytes(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    image.save(out, kind, **options)
    return out.getvalue()


def small(size: tuple[int, int], color: images.Color) -> dict[str, bytes]:
    """Six PNG by name, each of exactly (height, width) pixels: such a one is not resized.

    Light on dark, as digits are written, and patterns; the same bytes as long as Pillow and
    zlib stay.
    """
    high, wide = size
    y, x = np.mgrid[0:high, 0:wide].astype(np.float64)
    y, x = (y + 0.5) / high - 0.5, (x + 0.5) / wide - 0.5
    distance = np.hypot(x, y)
    shades = {
        "00-gradient": 255 * (x + 0.5),
        "01-checker": np.where((np.floor(4 * x) + np.floor(4 * y)) % 2 > 0, 220, 30),
        "02-noise": np.random.default_rng(0).integers(0, 256, size),
        "03-ring": 255 * np.exp(-(((distance - 0.28) / 0.07) ** 2)),
        "04-stroke": 255 * np.exp(-(((x + 0.3 * y) / 0.08) ** 2)) * (np.abs(y) < 0.38),
        "05-stripes": 127 + 120 * np.sin(14 * (x + 2 * y)),
    }
    pictures = {}
    for name, shade in shades.items():
        pixels = shade
        if color == "RGB":
            pixels = np.stack([shade, shade[::-1], 255 - shade], axis=-1)
        pictures[f"golden/{name}.png"] = _bytes(pixels, "PNG")
    return pictures


def answers(
    session: Session,
    pictures: Mapping[str, bytes],
    size: images.Size,
    view: images.View,
    color: images.Color = "RGB",
    *,
    familiar: bool = True,
) -> list[dict[str, Any]]:
    """What the model says of each picture, one at a time, as the manifest holds it.

    Each dict has `file` (its name in `pictures`), `probabilities` and, where the model gives it
    (`familiar`), `familiarity`. Raises `PictureError`.
    """
    found = []
    wanted = ("probabilities", "familiarity") if familiar else ("probabilities",)
    for name in sorted(pictures):
        batch = images.load(pictures[name], size, view, color)[None]
        out = session.run(batch, wanted)
        item: dict[str, Any] = {"file": name, "probabilities": _rounded(out["probabilities"][0])}
        if familiar:
            item["familiarity"] = round(float(out["familiarity"].reshape(-1)[0]), _DIGITS)
        found.append(item)
    return found


def rows(schema: Schema, session: Session) -> list[dict[str, Any]]:
    """Rows drawn within the columns' ranges, nobody's, and what the model says of each.

    Each dict has `row` (a cell by column, None where it is missing) and `probabilities`. The
    first is the middle of every range, the last ones lack some cells.
    """
    draw = np.random.default_rng(0)
    found = []
    for number in range(_ROWS):
        share = (
            np.full(len(schema.columns), 0.5) if number == 0 else draw.random(len(schema.columns))
        )
        row = {c.name: _cell(c, s) for c, s in zip(schema.columns, share.tolist(), strict=True)}
        if number >= _ROWS - _LACKING:
            # Every other cell, and at least one.
            for place in range(number % 2 % len(row), len(row), 2):
                row[schema.names[place]] = None
        out = session.run(schema.encode([row]), ("probabilities",))
        found.append({"row": row, "probabilities": _rounded(out["probabilities"][0])})
    return found


def _cell(column: Column, share: float) -> float | str | None:
    """The value at `share` (0 to 1) of what the column may hold."""
    if column.kind == "category":
        count = len(column.categories)
        return column.categories[min(count - 1, int(share * count))] if count else None
    low, high = column.low or 0.0, column.high or 0.0
    value = float(f"{low + share * (high - low):.6g}")
    return min(max(value, low), high)


def _rounded(odds: np.ndarray) -> list[float]:
    return [round(float(p), _DIGITS) for p in odds]
