"""Portraits turned by any angle: is the face found, and does what is cut out stand upright?

What is cut out is judged by the angle it was turned by, which is known here, and by a second look
at it: a face found in it as it stands, without turning.
"""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import main, need
from benchmarks.faces_count import PHOTOS, opened, reader
from tellapart.bundle.face import cut
from tellapart.bundle.faces import FaceReader

#: Random angles a portrait.
_ANGLES = 1
#: Degrees off which a face still counts as upright: people hold their heads by up to 15.
UPRIGHT = 20.0
#: How far the middle of the face may be from where it was, as a share of the face's side.
_NEAR = 0.5


def run(data: Path, small: bool) -> dict[str, Any]:
    look, draw = reader(data), random.Random(0)
    portraits = sorted(need(data / "congress_faces").glob("img/*.jpg"))
    rows = []
    for path in portraits[::60] if small else portraits:
        image = opened(path)
        (was, *_) = look.find(image)
        angles = [draw.uniform(0, 360) for _ in range(_ANGLES)]
        rows += [_one(look, image, was.center, angle) for angle in angles]
    off = [abs(row["off"]) for row in rows if row["found"]]
    found = sum(row["found"] for row in rows)
    return {
        "portraits_turned": {
            "copies": len(rows),
            "found": found,
            "found_share": round(found / len(rows), 4),
            "exactly_one": sum(row["faces"] == 1 for row in rows),
            "upright": sum(value <= UPRIGHT for value in off),
            "upright_share": round(sum(value <= UPRIGHT for value in off) / len(rows), 4),
            "degrees_off": {
                "median": round(statistics.median(off), 2),
                "p95": round(float(np.quantile(off, 0.95)), 2),
                "most": round(max(off), 2),
            },
            "found_again_as_cut_out": sum(row["again"] for row in rows),
        },
        "photographs_turned": _photographs(look, data, small),
    }


def _one(
    look: FaceReader, image: Image.Image, middle: tuple[float, float], angle: float
) -> dict[str, Any]:
    turned = image.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    faces = look.find(turned)
    if not faces:
        return {"found": False, "faces": 0, "again": False}
    face = faces[0]
    # Where the middle of the face is after turning.
    turn = np.deg2rad(angle)
    x, y = middle[0] - image.width / 2, middle[1] - image.height / 2
    there = (
        x * np.cos(turn) + y * np.sin(turn) + turned.width / 2,
        y * np.cos(turn) - x * np.sin(turn) + turned.height / 2,
    )
    away = np.hypot(face.center[0] - there[0], face.center[1] - there[1])
    return {
        "found": bool(away < _NEAR * max(face.width, face.height)),
        "faces": len(faces),
        "off": (face.angle + angle + 180) % 360 - 180,
        "again": bool(look.look(cut(turned, face, 160, 0.4))),
    }


def _photographs(look: FaceReader, data: Path, small: bool) -> dict[str, Any]:
    """The photographs with faces in them, turned all around: do all faces stay?"""
    angles = range(0, 360, 90 if small else 10)
    right, many = 0, 0
    for name, count in PHOTOS.items():
        if count:
            image = opened(data / "photos_misc" / name)
            for angle in angles:
                turned = image.rotate(angle + 3, Image.Resampling.BICUBIC, expand=True)
                right += len(look.find(turned)) == count
                many += 1
    return {"copies": many, "exact": right, "share": round(right / many, 4)}


if __name__ == "__main__":
    main(run)
