"""Two small gray pictures laid over each other: how alike they are where both show something.

One is shifted and stretched until it fits the other best, by Gauss-Newton steps on the gray
levels, with brightness and contrast left free (Lucas and Kanade, IJCAI 1981; Baker and Matthews,
"Lucas-Kanade 20 Years On", IJCV 2004). An even ground proves nothing: cells count where one
of the two has something to show. The tenth of them that fits worst is left out: a logo does not
make another picture. Colors are a witness of their own, on the fit that the grays have found.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.hashing import SIDE, Part

Grays = NDArray[np.float32]
#: Of each pair: shift and stretch downwards, then across, about the middle, in cells.
Fits = NDArray[np.float32]

#: Grays of a sketch, and the least contrast (standard deviation of 256 gray levels) of one.
_GRAYS, _LEAST_CONTRAST = 15, 2.0
_STEPS = 5
#: Cells left out as the worst, and the share that both pictures must show.
_WORST, _SHARED = 0.1, 0.6
#: Fewer cells that both show tell nothing; and the variance that rounding to 16 grays makes.
_LEAST_CELLS, _NOISE = 64, 0.05
#: A cell shows something if the grays around it are further apart than this.
_EVEN = 1.5
#: Side of the grid of colors, and its cells left out as the worst.
COLOR_SIDE, _WORST_COLORS = 16, 0.05
#: Beyond these from where it began, a fit is forced: shift in cells, stretch as a factor.
_FARTHEST, _MOST_STRETCH, _AS_IT_IS = 2.5, 0.09, 0.3
#: A cell between two, laid, shows the picture and no frame.
_INSIDE = 0.99
#: A pair below this at the start is not worth fitting; one above fits as it is.
_HOPELESS, _FITS = 0.45, 0.99
#: Pairs at once: some 40 MB.
_AT_ONCE = 256
_DECIMALS = 4
_MIDDLE = (SIDE - 1) / 2


def packed(gray: NDArray[np.uint8]) -> str:
    """A sketch (32, 32) as text: its grays stretched to 16, two in a byte; empty where even."""
    levels = gray.astype(np.float64).reshape(-1)
    mean = float(levels.sum()) / len(levels)
    if np.einsum("i,i", levels, levels) / len(levels) - mean * mean < _LEAST_CONTRAST**2:
        return ""
    low, high = float(levels.min()), float(levels.max())
    grays = np.rint((levels - low) * (_GRAYS / (high - low))).astype(np.uint8)
    return base64.b64encode((grays[::2] << 4 | grays[1::2]).tobytes()).decode()


def unpacked(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Sketches (n, 32, 32), 0 to 15; all 0 for an empty text and for one that is no sketch."""
    pairs = _decoded(texts, SIDE * SIDE // 2)
    return np.stack([pairs >> 4, pairs & 15], axis=2).reshape(-1, SIDE, SIDE)


def entropy(grays: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Bits (n,) that a cell's gray tells, on average, of sketches (n, 32, 32)."""
    out = np.zeros(len(grays))
    for gray in range(_GRAYS + 1):
        share = (grays == gray).mean(axis=(1, 2))
        out -= share * np.log2(np.where(share > 0, share, 1.0))
    return out


def packed_colors(chroma: NDArray[np.uint8]) -> str:
    """Cb and Cr (2, 16, 16) of a picture as text."""
    return base64.b64encode(chroma.tobytes()).decode()


def unpacked_colors(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Cb and Cr (n, 2, 16, 16); all 0, which no picture has, for what cannot be read."""
    return _decoded(texts, 2 * COLOR_SIDE * COLOR_SIDE).reshape(-1, 2, COLOR_SIDE, COLOR_SIDE)


def _decoded(texts: Sequence[str], size: int) -> NDArray[np.uint8]:
    """Bytes (n, size) behind base64; all 0 for a text that is not `size` bytes in base64."""
    out = np.zeros((len(texts), size), dtype=np.uint8)
    for i, text in enumerate(texts):
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(data) == size:
            out[i] = np.frombuffer(data, np.uint8)
    return out


def busy(grays: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Which cells of sketches (n, 32, 32) show something: 1, where those around differ, else 0."""
    edged = np.pad(grays, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.stack([edged[:, y : y + SIDE, x : x + SIDE] for y in range(3) for x in range(3)])
    return np.asarray(around.max(axis=0) - around.min(axis=0) > _EVEN, dtype=np.float32)


def inside(parts: NDArray[np.float64]) -> NDArray[np.float32]:
    """Which cells (n, 32, 32) lie within the `parts` (n, 4) of their pictures: 1, else 0."""
    cells = (np.arange(SIDE) + 0.5) / SIDE
    margin = 0.5 / SIDE
    lines = []
    for low, high in (parts[:, :2].T, parts[:, 2:].T):
        # The cell on the line is half frame: its edge alone would make any two frames alike.
        low, high = np.where(low > 0, low + margin, 0), np.where(high < 1, high - margin, 1)
        lines.append((cells >= low[:, None]) & (cells <= high[:, None]))
    return (lines[0][:, :, None] & lines[1][:, None, :]).astype(np.float32)


def start(ours: Part, theirs: Part) -> list[float]:
    """The fit that lays the part `theirs` of one picture upon the part `ours` of the other."""
    out = []
    for low, high, there, until in ((*ours[:2], *theirs[:2]), (*ours[2:], *theirs[2:])):
        stretch = (high - low) / (until - there)
        shift = (low + high) / 2 - 0.5 - stretch * ((there + until) / 2 - 0.5)
        out += [shift * SIDE, stretch]
    return out


@dataclass(frozen=True)
class Side:
    """One side of m pairs: the sketches, which of their cells are not frame, which are `busy`."""

    grays: Grays
    shown: Grays
    busy: Grays

    def at(self, rows: NDArray[np.int64] | slice) -> Side:
        """The pairs `rows`."""
        return Side(self.grays[rows], self.shown[rows], self.busy[rows])

    def turned(self, chosen: NDArray[np.bool_]) -> Side:
        """The same, left and right exchanged in the `chosen` (m,)."""
        turn = chosen[:, None, None]
        layers = (self.grays, self.shown, self.busy)
        return Side(*(np.where(turn, cells[:, :, ::-1], cells) for cells in layers))


def likeness(ours: Side, theirs: Side, starts: Fits) -> tuple[NDArray[np.float64], Fits]:
    """Correlation (m,) of `theirs` with `ours`, laid upon them from `starts` (m, 4); the fits.

    Cells that are frame on both sides do not count, nor those that are even ground on both. 0
    where a sketch is empty or too little is shared.
    """
    out, fits = np.zeros(len(starts)), starts.copy()
    for at in range(0, len(out), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        out[part], fits[part] = _fitted(ours.at(part), theirs.at(part), starts[part])
    return np.asarray(np.round(np.maximum(out, 0.0), _DECIMALS), dtype=np.float64), fits


def colors_apart(
    ours: NDArray[np.uint8], theirs: NDArray[np.uint8], shown: tuple[Grays, Grays], fits: Fits
) -> NDArray[np.float64]:
    """How far the colors (m, 2, 16, 16) are apart, laid by `fits`: the root mean square distance.

    `shown` (m, 32, 32): which cells of each side are not frame. The worst twentieth is left out.
    """
    out = np.zeros(len(fits))
    for at in range(0, len(out), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        a, b = (_ENLARGED @ side[part].astype(np.float32) @ _ENLARGED.T for side in (ours, theirs))
        (blue, red, seen), within = _laid((a[:, 0], a[:, 1], shown[0][part]), fits[part])
        # The grid is coarse: next to the edge of what both show, colors are half the frame's.
        both = _inner(within & (seen > _INSIDE) & (shown[1][part] > 0))
        off = np.where(both, (blue - b[:, 0]) ** 2 + (red - b[:, 1]) ** 2, 0.0)
        count = both.sum(axis=(1, 2))
        order = np.cumsum(np.sort(off.reshape(len(off), -1), axis=1), axis=1)
        last = off[0].size - 1 - (_WORST_COLORS * count).astype(np.int64)
        total = np.take_along_axis(order, last[:, None], axis=1)[:, 0]
        out[part] = np.sqrt(total / np.maximum(count, 1))
    return out


def _inner(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cells (m, 32, 32) whose neighbors are all there; beyond the edge of the grid all are."""
    edged = np.pad(cells, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    around = [edged[:, y : y + SIDE, x : x + SIDE] for y in range(3) for x in range(3)]
    return np.asarray(np.logical_and.reduce(around))


def _enlarging() -> NDArray[np.float32]:
    """The matrix (32, 16) that stretches a line of the color grid over a sketch's cells."""
    places = (np.arange(SIDE) + 0.5) * COLOR_SIDE / SIDE - 0.5
    places = np.clip(places, 0, COLOR_SIDE - 1)
    between = np.maximum(0.0, 1 - np.abs(places[:, None] - np.arange(COLOR_SIDE)))
    return np.asarray(between, dtype=np.float32)


_ENLARGED = _enlarging()


def _fitted(a: Side, b: Side, starts: Fits) -> tuple[NDArray[np.float64], Fits]:
    best, weights, laid = _compared(a, b, starts)
    chosen = starts.copy()
    todo = np.flatnonzero((best > _HOPELESS) & (best < _FITS))
    a, b, starts = a.at(todo), b.at(todo), starts[todo]
    fits, weights, laid = starts, weights[todo], laid[todo]
    slopes = np.gradient(a.grays, axis=1), np.gradient(a.grays, axis=2)
    reach = np.tile(np.array([_FARTHEST, _MOST_STRETCH] * 2, dtype=np.float32), (len(todo), 1))
    # Whole upon whole is to fit as it is: a crop or a frame has a start of its own.
    reach[(starts == np.array([0, 1, 0, 1])).all(axis=1)] *= _AS_IT_IS
    for _ in range(_STEPS if len(todo) else 0):
        moved = fits + _step(slopes, b.grays, fits, laid, weights)
        fits = np.clip(moved, starts - reach, starts + reach)
        now, weights, laid = _compared(a, b, fits)
        better = now > best[todo]
        best[todo[better]], chosen[todo[better]] = now[better], fits[better]
    return best, chosen


def _step(
    slopes: tuple[Grays, Grays], b: Grays, fits: Fits, laid: Grays, weights: Grays
) -> NDArray[np.float32]:
    """One Gauss-Newton step (m, 4) towards `b`; contrast and brightness are solved for too."""
    cells = (np.arange(SIDE) - _MIDDLE).astype(np.float32)
    (down, across), _ = _laid(slopes, fits)
    parts = [down, down * cells[:, None], across, across * cells, laid, np.ones_like(laid)]
    moves = np.stack(parts, axis=1).reshape(len(b), 6, -1)
    weighed = moves * weights.reshape(len(b), 1, -1)
    square = weighed @ moves.transpose(0, 2, 1)
    square += np.diag([0.1, SIDE / 10, 0.1, SIDE / 10, 1e-3, 1e-3]).astype(np.float32)
    wanted = np.linalg.solve(square, weighed @ b.reshape(len(b), -1, 1))[:, :, 0]
    contrast = np.where(np.abs(wanted[:, 4:5]) < 0.1, 0.1, wanted[:, 4:5])
    most = np.array([1.5, 0.1, 1.5, 0.1], dtype=np.float32)
    return np.asarray(np.clip(wanted[:, :4] / contrast, -most, most), dtype=np.float32)


def _laid(layers: Sequence[Grays], fits: Fits) -> tuple[list[Grays], NDArray[np.bool_]]:
    """`layers` (m, 32, 32) as seen through `fits`, and which cells lie within them."""
    cells = (np.arange(SIDE) - _MIDDLE).astype(np.float32)
    within, low, rest = [], [], []
    for shift, stretch in ((fits[:, 0], fits[:, 1]), (fits[:, 2], fits[:, 3])):
        places = _MIDDLE + shift[:, None] + stretch[:, None] * cells
        within.append((places >= -0.5) & (places <= SIDE - 0.5))
        places = np.clip(places, 0, SIDE - 1.001)
        low.append(places.astype(np.int64))
        rest.append((places - low[-1]).astype(np.float32))
    corner = (low[0][:, :, None] * SIDE + low[1][:, None, :]).reshape(len(fits), -1)
    fy, fx = rest[0][:, :, None], rest[1][:, None, :]
    out = []
    for layer in layers:
        flat = layer.reshape(len(fits), -1)
        nw, ne, sw, se = (
            np.take_along_axis(flat, corner + step, axis=1).reshape(layer.shape)
            for step in (0, 1, SIDE, SIDE + 1)
        )
        top, bottom = nw + (ne - nw) * fx, sw + (se - sw) * fx
        out.append(top + (bottom - top) * fy)
    return out, within[0][:, :, None] & within[1][:, None, :]


def _compared(a: Side, b: Side, fits: Fits) -> tuple[NDArray[np.float64], Grays, Grays]:
    """Correlation (m,), the weights of the cells it counts, and the grays of `a` as laid."""
    (laid, shown, lively), within = _laid((a.grays, a.shown, a.busy), fits)
    either = within & ((shown > 0.5) | (b.shown > 0))
    shared, wanted = either.sum(axis=(1, 2)), b.shown.sum(axis=(1, 2))
    weights = (either & ((lively > 0.5) | (b.busy > 0))).astype(np.float32)
    off, _ = _correlated(laid, b.grays, weights)
    counted = weights.sum(axis=(1, 2))
    # Of the cells that count, the tenth that fits worst goes.
    order = np.sort(off.reshape(len(off), -1), axis=1)
    last = off[0].size - 1 - (_WORST * counted).astype(np.int64)
    weights *= off <= np.take_along_axis(order, last[:, None], axis=1)[:, :, None]
    _, found = _correlated(laid, b.grays, weights)
    enough = (shared >= _SHARED * wanted) & (counted >= _LEAST_CELLS)
    return np.where(enough, found, -1.0), weights, laid


def _correlated(a: Grays, b: Grays, weights: Grays) -> tuple[Grays, NDArray[np.float64]]:
    """How far each cell is from the line that tells `b` by `a`, and their correlation."""
    count = weights.sum(axis=(1, 2), keepdims=True) + 1e-6
    da = a - (weights * a).sum(axis=(1, 2), keepdims=True) / count
    db = b - (weights * b).sum(axis=(1, 2), keepdims=True) / count
    across = (weights * da * db).sum(axis=(1, 2), keepdims=True) / count
    mine = (weights * da * da).sum(axis=(1, 2), keepdims=True) / count
    theirs = (weights * db * db).sum(axis=(1, 2), keepdims=True) / count
    off = np.where(weights > 0, np.abs(db - across / (mine + 1e-3) * da), -1.0)
    # What hardly varies where both show something is not alike by chance.
    found = across / np.sqrt((mine + _NOISE) * (theirs + _NOISE))
    return off.astype(np.float32), found[:, 0, 0].astype(np.float64)
