"""Whether a faster variant of a model still says what the exact one says, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The share of pictures whose likeliest class must be the exact model's.
TOP1 = 0.99
#: Points of accuracy that may be lost; one picture, where it is more, of so many with a class.
POINTS = 0.5
_ONE_OF = 100
#: How much the expected calibration error may grow: about its own noise on 500 pictures.
ECE = 0.01
#: How much the log loss may grow, in nats and as a share of itself; the greater one counts.
LOG_LOSS, LOG_LOSS_SHARE = 0.01, 0.02
#: With fewer pictures the interval says more than the share.
ENOUGH = 500
#: Two-sided 95 % quantile of the normal distribution.
_Z = 1.959963984540054
_BINS = 15
_LEAST = 1e-7
#: Below what rounding of binary fractions may do.
_FINE = 1e-9


@dataclass(frozen=True)
class Agreement:
    """What a variant answers beside the exact model, on the same pictures."""

    pictures: int
    #: Share with the same likeliest class, and its 95 % interval (Wilson 1927).
    top1: float
    low: float
    high: float
    #: Largest difference of a probability.
    largest: float
    #: Pictures whose right class is known; the figures below are of them, else None.
    labelled: int
    accuracy: float | None
    #: Points of accuracy lost beside the exact model; below 0: won.
    points: float | None
    #: Change of the log loss (nats) and of the expected calibration error; above 0: worse.
    log_loss: float | None
    ece: float | None
    #: What the log loss may grow by.
    log_loss_room: float = LOG_LOSS

    @property
    def faults(self) -> list[str]:
        """Why it may not stand for the exact model; empty: it may."""
        found = []
        if self.top1 < TOP1 - _FINE:
            found.append(f"agrees on {self.share}")
        if self.points is not None and self.points > self._points_room + _FINE:
            found.append(f"loses {self.points:.1f} points of accuracy")
        if self.log_loss is not None and self.log_loss > self.log_loss_room:
            found.append(f"its log loss is {self.log_loss:.3f} higher")
        if self.ece is not None and self.ece > ECE:
            found.append(f"its calibration error is {self.ece:.3f} higher")
        return found

    @property
    def share(self) -> str:
        """The share for people; of few pictures with its interval, for they prove little."""
        share = f"{100 * self.top1:.1f} % of {self.pictures} pictures"
        if not self.few:
            return share
        return f"{share} (few: it may be {100 * self.low:.1f} % to {100 * self.high:.1f} %)"

    @property
    def _points_room(self) -> float:
        """One picture is the least that can be lost: of 185 it is 0.54 points. Of fewer than a
        hundred it is a share that nobody would give away."""
        return max(POINTS, 100 / self.labelled) if self.labelled >= _ONE_OF else POINTS

    @property
    def few(self) -> bool:
        """Whether the pictures are too few for the share alone."""
        return self.pictures < ENOUGH

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        found = asdict(self)
        del found["log_loss_room"]
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in found.items()}


def compare(
    reference: NDArray[Any], variant: NDArray[Any], right: NDArray[np.int64] | None = None
) -> Agreement:
    """Compare probabilities N×C of the exact model with those of a variant.

    `right`: index of the right class, -1 where it is not known. Raises `ValueError` for shapes
    that do not fit.
    """
    if reference.shape != variant.shape or reference.ndim != 2 or not len(reference):
        raise ValueError(f"shapes {reference.shape} and {variant.shape}, expected N×C twice")
    count = len(reference)
    same = int((reference.argmax(axis=1) == variant.argmax(axis=1)).sum())
    low, high = wilson(same, count)
    known = np.flatnonzero(right >= 0) if right is not None else np.zeros(0, np.int64)
    accuracy = points = log_loss = error = None
    room = LOG_LOSS
    if right is not None and len(known):
        ours, theirs, y = variant[known], reference[known], right[known]
        hits, exact = (float((p.argmax(axis=1) == y).mean()) for p in (ours, theirs))
        accuracy, points = round(hits, 6), 100 * (exact - hits)
        before = _log_loss(theirs, y)
        log_loss = round(_log_loss(ours, y) - before, 6)
        error = round(_ece(ours, y) - _ece(theirs, y), 6)
        room = max(LOG_LOSS, LOG_LOSS_SHARE * before)
    largest = round(float(np.abs(reference - variant).max()), 6)
    share = same / count
    return Agreement(
        count, share, low, high, largest, len(known), accuracy, points, log_loss, error, room
    )


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927), rounded to 6 decimals; (0, 1) without tries."""
    if tries <= 0:
        return 0.0, 1.0
    share, square = hits / tries, _Z * _Z
    middle = (share + square / (2 * tries)) / (1 + square / tries)
    spread = share * (1 - share) / tries + square / (4 * tries * tries)
    half = _Z / (1 + square / tries) * math.sqrt(spread)
    low = 0.0 if hits <= 0 else max(0.0, middle - half)
    high = 1.0 if hits >= tries else min(1.0, middle + half)
    return round(low, 6), round(high, 6)


def _log_loss(odds: NDArray[Any], y: NDArray[np.int64]) -> float:
    taken = np.clip(odds[np.arange(len(y)), y].astype(np.float64), _LEAST, 1.0)
    return float(-np.log(taken).mean())


def _ece(odds: NDArray[Any], y: NDArray[np.int64]) -> float:
    """Expected calibration error in 15 bins of equal width (Guo et al. 2017)."""
    sure = odds.max(axis=1).astype(np.float64)
    hit = odds.argmax(axis=1) == y
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(hit[bins == k].mean()) - float(sure[bins == k].mean())) * int((bins == k).sum())
        for k in np.unique(bins)
    ]
    return sum(gaps) / len(y)
