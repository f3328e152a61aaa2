"""What a picture is like at a glance: size, light, sharpness, how much there is to see."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from tellapart.doors import Analyzer, Picture

#: Side of the square gray picture on which sharpness is measured, so that a large sharp
#: photograph and its small copy get about the same figure.
_SIDE = 256


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
    counts, levels = np.asarray(gray.histogram(), dtype=np.float64), np.arange(256)
    mean = float((counts @ levels) / counts.sum())
    return mean, float(np.sqrt((counts @ (levels - mean) ** 2) / counts.sum()))


def _laplacian_variance(gray: Image.Image) -> float:
    square = gray.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    g = np.asarray(square, dtype=np.int16)
    center = g[1:-1, 1:-1]
    laplacian = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:] - 4 * center
    return float(laplacian.astype(np.float32).var())


def _entropy(image: Image.Image) -> float:
    counts = np.asarray(image.histogram(), dtype=np.float64).reshape(3, 256)
    shares = counts / max(1.0, float(counts[0].sum()))
    logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    return float(max(0.0, (-(shares * logs).sum(axis=1)).max()))
