"""What a picture is like at a glance: size, light, sharpness, how much there is to see."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from PIL import Image

from tellapart.doors import Analyzer, Picture

#: Side of the square gray picture on which sharpness is measured, so that a large sharp
#: photograph and its small copy get about the same figure.
_SIDE = 256
#: Gray levels to the powers of 0, 1 and 2 (256, 3): what a histogram's moments are made with.
_MOMENTS = np.arange(256.0)[:, None] ** np.arange(3)


class Basic(Analyzer):
    """Size, format, brightness, contrast, blur and entropy of one picture.

    - `width`, `height` (pixels, upright), `format` (Pillow's name), `bytes` (of the file);
    - `brightness`, `contrast`: mean and standard deviation of the luma (ITU-R 601, 0…255);
    - `sharpness`: variance of the Laplacian of the gray picture at 256 × 256 (Pech-Pacheco et
      al., "Diatom autofocusing in brightfield microscopy", ICPR 2000);
    - `blur`: 1 / (1 + sharpness / 100), from 0 (sharp) to 1 (nothing but haze);
    - `entropy`: Shannon entropy in bits (0…8) of the 256-bin histogram of the busiest of the
      three channels, so that two colors of equal lightness still count as a picture.
    """

    name = "basic"
    version = 1

    def measure(self, picture: Picture) -> Mapping[str, float | int | str]:
        image, gray = picture.image, picture.gray
        brightness, contrast = _light(gray)
        sharpness = _laplacian_variance(gray)
        return {
            "width": picture.width,
            "height": picture.height,
            "format": picture.format,
            "bytes": len(picture.data),
            "brightness": round(brightness, 3),
            "contrast": round(contrast, 3),
            "sharpness": round(sharpness, 3),
            "blur": round(1 / (1 + sharpness / 100), 4),
            "entropy": round(_entropy(image), 4),
        }


def _light(gray: Image.Image) -> tuple[float, float]:
    """Mean and standard deviation, by the histogram."""
    count, total, squares = (np.array(gray.histogram()) @ _MOMENTS).tolist()
    mean = total / count
    return mean, math.sqrt(max(0.0, squares / count - mean * mean))


def _laplacian_variance(gray: Image.Image) -> float:
    square = gray.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    # One row after the other, each end beside the next one's beginning: these are cut off below.
    g = np.asarray(square).astype(np.int16).reshape(-1)
    middle = g[_SIDE:-_SIDE]
    laplacian = g[: -2 * _SIDE] + g[2 * _SIDE :]
    laplacian += g[_SIDE - 1 : -_SIDE - 1]
    laplacian += g[_SIDE + 1 : 1 - _SIDE]
    laplacian -= middle << 2
    # In doubles both sums are exact, so that every machine gives the same.
    values = laplacian.reshape(-1, _SIDE)[:, 1:-1].astype(np.float64).reshape(-1)
    mean = float(values.sum()) / len(values)
    return max(0.0, float(np.einsum("i,i", values, values)) / len(values) - mean * mean)


def _entropy(image: Image.Image) -> float:
    counts = np.array(image.histogram(), dtype=np.float64).reshape(3, 256)
    total = float(counts[0].sum())
    surprise = np.einsum("ij,ij->i", counts, np.log2(np.maximum(counts, 1.0)))
    return max(0.0, math.log2(total) - float(surprise.min()) / total)
