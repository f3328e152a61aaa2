"""Arrays as small pictures: single pixels enlarged without blur, weights and activations tiled."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from numpy.typing import NDArray

#: Least side, in pixels, that a small picture is enlarged to.
_SIDE = 112
#: Tiles of one mosaic: of more channels, the most active ones are shown.
TILES = 32
#: Weights: below 0, 0, above 0. Activations: least, middle, most. Both readable without color.
_DIVERGING = ((178, 90, 28), (250, 250, 247), (14, 124, 134))
_SEQUENTIAL = ((36, 52, 62), (14, 124, 134), (244, 233, 168))

Pixels = NDArray[np.uint8]


def uri(pixels: Pixels) -> str:
    """A PNG `data:` URI of uint8 (h, w, 1 | 3 | 4) pixels, without metadata."""
    from PIL import Image

    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def crisp(picture: Pixels, side: int = _SIDE) -> Pixels:
    """A picture (h, w, c) enlarged by a whole factor, each pixel a square, to about `side`."""
    factor = max(1, round(side / max(picture.shape[:2])))
    return enlarge(picture, factor)


def enlarge(pixels: Pixels, factor: int) -> Pixels:
    """Each pixel as a square of `factor` by `factor`."""
    return np.ascontiguousarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))


def filters(weights: NDArray[np.float32]) -> Pixels:
    """The filters (n, h, w, c) side by side: RGB as colors, else brown below 0, teal above.

    Each filter is scaled by its own largest weight: its pattern shows, not its strength. Of other
    than 3 channels, the mean over them.
    """
    tiles = []
    for one in weights.astype(np.float64):
        most = float(np.abs(one).max()) or 1.0
        if one.shape[2] == 3:
            tiles.append(np.rint(127.5 + 127.5 * one / most).astype(np.uint8))
        else:
            values = one.mean(axis=2)
            tiles.append(_shade(values / (float(np.abs(values).max()) or 1.0), _DIVERGING, -1, 1))
    return tile(tiles)


def activation(values: NDArray[np.float32]) -> tuple[Pixels, int]:
    """A layer's output as pixels, and the number of channels shown.

    Maps (h, w, c) become tiles, each scaled from its own least to its own greatest value; of more
    than `TILES` channels those that vary most. Vectors (n,) become cells in a grid.
    """
    found = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    if found.ndim == 1:
        columns = math.ceil(math.sqrt(found.size * 4)) if found.size > 16 else found.size
        rows = math.ceil(found.size / columns)
        low, high = float(found.min()), float(found.max())
        cells = [
            _shade(np.full((1, 1), one), _SEQUENTIAL, low, high) for one in found[: rows * columns]
        ]
        return tile(cells, columns=columns), found.size
    channels = found.shape[2]
    spread = found.reshape(-1, channels).std(axis=0)
    shown = sorted(np.lexsort((np.arange(channels), -spread))[:TILES].tolist())
    tiles = []
    for channel in shown:
        one = found[:, :, channel]
        tiles.append(_shade(one, _SEQUENTIAL, float(one.min()), float(one.max())))
    return tile(tiles), len(shown)


def tile(tiles: list[Pixels], *, columns: int = 0, width: int = 640) -> Pixels:
    """RGB tiles (h, w, 3) of one size in a grid, enlarged to about `width`, gaps transparent."""
    high, wide = tiles[0].shape[:2]
    columns = columns or min(len(tiles), 8 if len(tiles) <= 32 else 16)
    rows = math.ceil(len(tiles) / columns)
    factor = max(1, min(24, round((width / columns) / (wide + 1))))
    gap = max(1, min(4, factor))
    high, wide = high * factor, wide * factor
    sheet = np.zeros((rows * (high + gap) - gap, columns * (wide + gap) - gap, 4), np.uint8)
    for place, pixels in enumerate(tiles):
        row, column = divmod(place, columns)
        top, left = row * (high + gap), column * (wide + gap)
        sheet[top : top + high, left : left + wide, :3] = enlarge(pixels, factor)
        sheet[top : top + high, left : left + wide, 3] = 255
    return sheet


def _shade(
    values: NDArray[np.float64], stops: tuple[tuple[int, int, int], ...], low: float, high: float
) -> Pixels:
    """Values (h, w) as colors (h, w, 3) between three stops; one value alone is the first."""
    at = (values - low) / (high - low) if high > low else np.zeros_like(values)
    places = np.linspace(0, 1, len(stops))
    parts = [np.interp(at, places, [stop[part] for stop in stops]) for part in range(3)]
    return np.rint(np.stack(parts, axis=-1)).astype(np.uint8)
