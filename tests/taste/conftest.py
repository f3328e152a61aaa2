"""Made tastes: candidates of a few looks, some of which a person likes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tellapart.learn.taste import Labelled, Pool

DIM = 24


@dataclass(frozen=True)
class Stream:
    """Candidates `c000`, `c001`, …, each of one to three pictures, and whether each is liked."""

    rows: np.ndarray
    numbers: np.ndarray
    likes: np.ndarray

    def labelled(
        self,
        ids: np.ndarray,
        likes: np.ndarray | None = None,
        by_chance: np.ndarray | None = None,
    ) -> Labelled:
        """The candidates of these places, in this order, as the person (or `likes`) judges them."""
        said = self.likes if likes is None else likes
        rows = np.concatenate([np.flatnonzero(self.numbers == at) for at in ids])
        drawn = None if by_chance is None else by_chance[self.numbers[rows]]
        return Labelled.of(
            self.rows[rows], said[self.numbers[rows]], names(self.numbers[rows]), drawn
        )

    def pool(self, ids: np.ndarray) -> Pool:
        return self.labelled(ids).pool

    def right(self, taste: object, ids: np.ndarray, threshold: float = 0.4) -> float:
        """Share of the candidates that a head decides as the person does."""
        scores = taste.judge(self.pool(ids))[1]  # type: ignore[attr-defined]
        return float(((scores >= threshold) == self.likes[ids]).mean())


def names(numbers: np.ndarray) -> np.ndarray:
    return np.array([f"c{number:03d}" for number in numbers])


def stream(n: int = 300, looks: int = 8, seed: int = 0, noise: float = 0.6) -> Stream:
    """`n` candidates of `looks` looks, some rarer than others; every third look is liked."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(looks, DIM)) + 3.0
    share = np.linspace(1, 3, looks)
    look = rng.choice(looks, n, p=share / share.sum())
    numbers = np.repeat(np.arange(n), rng.integers(1, 4, n))
    rows = centers[look[numbers]] + noise * rng.normal(size=(len(numbers), DIM))
    return Stream(rows.astype(np.float32), numbers, look % 3 == 0)


@pytest.fixture(scope="session")
def made() -> Stream:
    return stream()
