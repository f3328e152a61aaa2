"""Golden pictures: what a bundle proves itself on. Drawn here, so that anyone may have them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from tellapart import images
from tellapart.bundle.predictor import Session

#: Golden pictures in all: the drawn ones first, then some of the test pictures.
MOST = 12
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


def answers(
    session: Session, pictures: Mapping[str, bytes], size: int, view: images.View
) -> list[dict[str, Any]]:
    """What the model says of each picture, one at a time, as the manifest holds it.

    Each dict has `file` (its name in `pictures`), `probabilities` and `familiarity`. Raises
    `PictureError`.
    """
    found = []
    for name in sorted(pictures):
        batch = images.load(pictures[name], size, view)[None]
        out = session.run(batch, ("probabilities", "familiarity"))
        found.append(
            {
                "file": name,
                "probabilities": [round(float(p), _DIGITS) for p in out["probabilities"][0]],
                "familiarity": round(float(out["familiarity"].reshape(-1)[0]), _DIGITS),
            }
        )
    return found
