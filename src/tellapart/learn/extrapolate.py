"""Errors at a few numbers of training pictures, carried on to others, with what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Exponents and floors (as shares of the error at the last point) that are weighed.
_EXPONENTS = np.linspace(0.05, 1.2, 24)
_FLOORS = np.linspace(0.0, 0.95, 20)
#: Before the curve is seen: exponents about .5, give or take a factor of e; floors small.
_USUAL_EXPONENT, _EXPONENT_SPREAD, _FLOOR_POWER = 0.5, 1.0, 4
#: Standard deviation by which log errors stray from any law, for each doubling of the number of
#: pictures (a random walk that starts at the last point, both ways) …
_ASTRAY = 0.15
#: … and by chance at each point, for the parts are drawn.
_ROUGHNESS = 0.06
#: As if so many errors and right answers more had been seen: none in n pictures is not none ever.
_UNSEEN = 0.3
_Z90 = 1.6449
#: Points of a normal distribution that stand for all.
_NODES = 15


@dataclass(frozen=True)
class Law:
    """A mixture of power laws with floors, as `fit` weighs them."""

    #: Training pictures (s,), ascending, and log errors measured with them.
    sizes: NDArray[np.float64]
    log_errors: NDArray[np.float64]
    #: (s, s) covariance of the log errors.
    covariance: NDArray[np.float64]
    #: Of each law: exponent, floor, weight, and mean and variance of the log error at the last.
    exponents: NDArray[np.float64]
    floors: NDArray[np.float64]
    weights: NDArray[np.float64]
    levels: NDArray[np.float64]
    variances: NDArray[np.float64]

    @classmethod
    def fit(
        cls, sizes: NDArray[np.float64], wrong: NDArray[np.float64], groups: NDArray[np.int64]
    ) -> Law:
        """Weigh laws by errors `wrong` (n, s) of n rows at `sizes` (s,); rows of one of `groups`
        (n,) err together."""
        n = len(wrong)
        errors = (wrong.sum(axis=0) + _UNSEEN) / (n + 2 * _UNSEEN)
        deviations = np.zeros((int(groups.max()) + 1, len(sizes)))
        np.add.at(deviations, groups, wrong - wrong.mean(axis=0))
        several = len(np.unique(groups))
        # Pictures of a group count as one (cluster-robust; Liang and Zeger, Biometrika 73, 1986).
        spread = deviations.T @ deviations * (several / max(1, several - 1)) + 0.25
        covariance = spread / n**2 / np.outer(errors, errors)
        doublings = np.log2(sizes[-1] / sizes)
        strayed = _ASTRAY**2 * np.minimum.outer(doublings, doublings)
        rough = _ROUGHNESS**2 * np.eye(len(sizes))
        precision = np.linalg.inv(covariance + strayed + rough)
        b, c = (part.ravel() for part in np.meshgrid(_EXPONENTS, _FLOORS, indexing="ij"))
        shapes = _shape(sizes[:, None] / sizes[-1], b, c)
        rest = np.log(errors)[:, None] - shapes
        ones = precision.sum(axis=0)
        variance = 1 / ones.sum()
        levels = variance * (ones @ rest)
        rest -= levels
        fits = -0.5 * np.einsum("sm,st,tm->m", rest, precision, rest)
        weights = np.exp(fits - fits.max()) * _prior(b, c)
        return cls(
            sizes,
            np.log(errors),
            covariance,
            b,
            c,
            weights / weights.sum(),
            levels,
            np.full(len(b), variance),
        )

    def quantiles(
        self, n: float, shares: Sequence[float], tested: int | None = None
    ) -> list[float]:
        """Of the error with `n` training pictures, or of what a test on `tested` would say."""
        factor = n / float(self.sizes[-1])
        middles = self.levels + _shape(np.array(factor), self.exponents, self.floors)
        if factor < 1:  # between points that were measured
            there = np.log(np.maximum(n, self.sizes[0]))
            known = np.interp(there, np.log(self.sizes), np.diag(self.covariance))
            middles = np.full(len(middles), self.weights @ middles)
            variances = np.full(len(middles), known)
        else:
            variances = self.variances + _ASTRAY**2 * np.log2(factor)
        if tested is not None:
            errors = np.exp(middles)
            variances = variances + (1 - np.minimum(errors, 1)) / (tested * errors)
        return [self._quantile(share, middles, np.sqrt(variances)) for share in shares]

    def gain(self, n: float, more: float) -> tuple[float, float]:
        """By how much the error falls from `n` to `more` training pictures: mean and deviation."""
        at, then = (
            np.exp(self.levels + _shape(np.array(m / self.sizes[-1]), self.exponents, self.floors))
            for m in (n, more)
        )
        falls = at - then
        mean = float(self.weights @ falls)
        # The level's own doubt moves all laws alike.
        relative = float(self.weights @ self.variances)
        spread = float(self.weights @ (falls - mean) ** 2) + relative * mean**2
        return mean, float(np.sqrt(spread))

    def gain_below(self, n: float, more: float, share: float) -> float:
        """What that fall stays below with the probability `share`; also how far off laws may be."""
        from scipy.special import ndtr

        factors = (np.array(m / self.sizes[-1]) for m in (n, more))
        at, then = (np.exp(_shape(one, self.exponents, self.floors)) for one in factors)
        nodes, chances = np.polynomial.hermite_e.hermegauss(_NODES)
        strayed = np.exp(_ASTRAY * np.sqrt(np.log2(more / n)) * nodes)
        # (laws, nodes): the fall, as a share of the error at the last point.
        falls = at[:, None] - then[:, None] * strayed
        weights = self.weights[:, None] * (chances / chances.sum())
        deviations = np.sqrt(self.variances)[:, None]
        known = np.log(np.maximum(falls, 1e-12)) + self.levels[:, None]
        low, high = -30.0, 0.0
        for _ in range(60):
            middle = (low + high) / 2
            if float((weights * ndtr((middle - known) / deviations)).sum()) < share:
                low = middle
            else:
                high = middle
        return float(np.exp((low + high) / 2))

    def measured(self) -> list[tuple[float, float, float]]:
        """The errors measured, each with its 90 % interval."""
        spread = _Z90 * np.sqrt(np.diag(self.covariance))
        return [
            (float(np.exp(at)), float(np.exp(at - by)), min(1.0, float(np.exp(at + by))))
            for at, by in zip(self.log_errors, spread, strict=True)
        ]

    @property
    def exponent(self) -> float:
        """The laws' mean exponent of the part of the error that falls."""
        return float(self.weights @ self.exponents)

    def _quantile(
        self, share: float, middles: NDArray[np.float64], deviations: NDArray[np.float64]
    ) -> float:
        from scipy.special import ndtr

        low, high = -30.0, 0.0
        for _ in range(60):
            at = (low + high) / 2
            if float(self.weights @ ndtr((at - middles) / deviations)) < share:
                low = at
            else:
                high = at
        return float(np.exp((low + high) / 2))


def _shape(
    factor: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The log error relative to that at factor 1."""
    return np.asarray(np.log(c + (1 - c) * factor**-b))


def _prior(b: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
    apart = np.log(b / _USUAL_EXPONENT) / _EXPONENT_SPREAD
    return np.asarray(np.exp(-0.5 * apart**2) * (1 - c) ** _FLOOR_POWER)
