"""Training pictures varied a batch at a time: one resampling, one multiply-add.

Every draw comes from the batch's own seed, so that a batch is varied the same way whenever and
wherever it is trained on.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from tellapart.learn.deep.tuning.plan import Augmentation

#: Bounds of a random crop's change of aspect.
_ASPECT = math.log(4 / 3)
#: Pictures are kept at most so much larger than the network sees them, for crops.
_MARGIN = 1.15


def kept_side(how: Augmentation, size: int) -> int:
    """At which side training pictures are kept: a mean crop is then neither shrunk nor enlarged."""
    if how.crop >= 1:
        return size
    return round(size * min(_MARGIN, math.sqrt(2 / (1 + how.crop))))


class Augmenter:
    """uint8 pictures (b, h, w, 3) to what the network gets, float32 (b, 3, size, size)."""

    def __init__(
        self, how: Augmentation, size: int, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        self.how, self.size = how, size
        self._scale = torch.tensor([1 / (255 * s) for s in std]).view(1, 3, 1, 1)
        self._shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)]).view(
            1, 3, 1, 1
        )
        self._std = torch.tensor(std).view(1, 3, 1, 1)

    def to(self, device: torch.device) -> Augmenter:
        """Move the constants to where batches come to lie."""
        self._scale, self._shift = self._scale.to(device), self._shift.to(device)
        self._std = self._std.to(device)
        return self

    def plain(self, x: Tensor) -> Tensor:
        """Only normalized: what the finished model does."""
        return torch.addcmul(self._shift, x.permute(0, 3, 1, 2).float(), self._scale)

    def varied(
        self,
        x: Tensor,
        draws: np.random.Generator,
        whole: int | None = None,
        rows: slice = slice(None),
    ) -> Tensor:
        """Mirrored, moved and lit as `how` says, then normalized.

        `x` may be the `rows` of a batch of `whole`: they are varied as they would be in it.
        """
        how, count = self.how, len(x) if whole is None else whole
        mirrored = draws.random(count) < 0.5 if how.flip else np.zeros(count, bool)
        turned = draws.random(count) < 0.5 if how.flip == "hv" else np.zeros(count, bool)
        pixels = x.permute(0, 3, 1, 2).float()
        if how.moves or pixels.shape[-1] != self.size:
            grid = torch.from_numpy(transforms(how, mirrored, turned, draws)[rows]).to(x.device)
            places = F.affine_grid(grid, [len(x), 3, self.size, self.size], align_corners=False)
            pixels = F.grid_sample(pixels, places, padding_mode="reflection", align_corners=False)
        else:
            for flipped, axis in ((mirrored, 3), (turned, 2)):
                which = torch.from_numpy(flipped[rows]).to(x.device)
                pixels[which] = pixels[which].flip(axis)
        if how.lighting:
            pixels = self._lit(pixels, draws, count, rows)
        return torch.addcmul(self._shift, pixels, self._scale)

    def _lit(self, pixels: Tensor, draws: np.random.Generator, count: int, rows: slice) -> Tensor:
        """Contrast about the picture's own mean, then brightness; kept within 0 … 255."""
        most = self.how.lighting
        contrast = np.exp(draws.uniform(-1, 1, count) * math.log1p(most)).astype(np.float32)[rows]
        bright = (draws.uniform(-most, most, count) * 255).astype(np.float32)[rows]
        by = torch.from_numpy(contrast).to(pixels.device).view(-1, 1, 1, 1)
        mean = pixels.mean((1, 2, 3), keepdim=True)
        plus = mean * (1 - by) + torch.from_numpy(bright).to(pixels.device).view(-1, 1, 1, 1)
        return torch.addcmul(plus, pixels, by).clamp_(0, 255)


def transforms(
    how: Augmentation,
    mirrored: NDArray[np.bool_],
    turned: NDArray[np.bool_],
    draws: np.random.Generator,
) -> NDArray[np.float32]:
    """(b, 2, 3): from places in the output to places in the picture, both −1 … 1.

    The output shows the part of the picture around a center, `wide` × `high` of it, rotated;
    `mirrored` and `turned` (upside down) say which pictures are.
    """
    count = len(mirrored)
    zoom = draws.uniform(1, how.zoom, count) if how.zoom > 1 else np.ones(count)
    wide, high = 1 / zoom, 1 / zoom
    across, down = np.zeros(count), np.zeros(count)
    if how.crop < 1:
        area = draws.uniform(how.crop, 1, count)
        aspect = np.exp(draws.uniform(-_ASPECT, _ASPECT, count))
        crop_wide = np.minimum(1, np.sqrt(area * aspect))
        crop_high = np.minimum(1, np.sqrt(area / aspect))
        across = draws.uniform(-1, 1, count) * (1 - crop_wide)
        down = draws.uniform(-1, 1, count) * (1 - crop_high)
        wide, high = wide * crop_wide, high * crop_high
    angle = np.zeros(count)
    if how.rotate:
        angle = draws.uniform(-how.rotate, how.rotate, count) * math.pi / 180
    wide, high = np.where(mirrored, -wide, wide), np.where(turned, -high, high)
    cosine, sine = np.cos(angle), np.sin(angle)
    rows = [
        np.stack([cosine * wide, -sine * high, across], 1),
        np.stack([sine * wide, cosine * high, down], 1),
    ]
    return np.stack(rows, 1).astype(np.float32)


def mixed(
    x: Tensor, targets: Tensor, how: Augmentation, draws: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Each picture mixed with another of its batch, and their targets in the same shares.

    Sources: Zhang et al. 2018, "mixup"; Yun et al. 2019, "CutMix" (the box's share of the area is
    1 − λ, cut at the border).
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(how, kind)]
    if not kinds or len(x) < 2:
        return x, targets
    kind = kinds[int(draws.integers(len(kinds)))]
    share = float(draws.beta(getattr(how, kind), getattr(how, kind)))
    order = torch.from_numpy(draws.permutation(len(x))).to(x.device)
    if kind == "mixup":
        x = torch.lerp(x[order], x, share)
    else:
        high, wide = x.shape[2:]
        cut = math.sqrt(1 - share)
        middle_y, middle_x = draws.integers(high), draws.integers(wide)
        top, bottom = _span(int(middle_y), cut * high, high)
        left, right = _span(int(middle_x), cut * wide, wide)
        x = x.clone()
        x[:, :, top:bottom, left:right] = x[order][:, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (high * wide)
    return x, torch.lerp(targets[order], targets, share)


def _span(middle: int, length: float, whole: int) -> tuple[int, int]:
    half = round(length / 2)
    return max(0, middle - half), min(whole, middle + half)
