"""Simulated people: a stream of candidates made of real photographs, and a taste for each person.

A candidate is one to three pictures of one class. A person likes the candidates of some classes,
drawn with a seed, and no others. Features are extracted once and kept in benchmarks/work.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import WORK
from benchmarks.beside import photographs
from tellapart.learn.taste import Labelled, Pool, Taste

SETS = ("caltech101_10", "trashnet_100", "grocery_10")
#: How many classes of each stream a person likes.
LIKED = {"caltech101_10": 3, "trashnet_100": 2, "grocery_10": 2, "mixed": 6}
THRESHOLD = 0.4


@dataclass(frozen=True)
class Stream:
    """Pictures as features (n, D), and each one's class number."""

    features: NDArray[np.float32]
    y: NDArray[np.int64]


@dataclass(frozen=True)
class Person:
    """One stream as one person sees it: rows by candidate, and what is liked."""

    features: NDArray[np.float32]
    rows: tuple[NDArray[np.int64], ...]
    likes: NDArray[np.bool_]

    def labelled(
        self,
        candidates: NDArray[np.int64],
        said: NDArray[np.bool_] | None = None,
        by_chance: NDArray[np.bool_] | None = None,
    ) -> Labelled:
        """Candidates by number, in this order, as the person (or `said`) judges them."""
        likes = self.likes if said is None else said
        rows = np.concatenate([self.rows[at] for at in candidates])
        sizes = [len(self.rows[at]) for at in candidates]
        drawn = None if by_chance is None else np.repeat(by_chance, sizes)
        names = np.repeat(candidates.astype(str), sizes)
        return Labelled.of(self.features[rows], np.repeat(likes[candidates], sizes), names, drawn)

    def pool(self, candidates: NDArray[np.int64]) -> Pool:
        """The same without what is said of them."""
        return self.labelled(candidates).pool

    def right(self, taste: Taste | None, candidates: NDArray[np.int64]) -> float:
        """Share of candidates that a head decides as the person; without one nobody is liked."""
        if taste is None:
            return float((~self.likes[candidates]).mean())
        scores = taste.judge(self.pool(candidates))[1]
        return float(((scores >= THRESHOLD) == self.likes[candidates]).mean())


@cache
def stream(data: Path, name: str, each: int | None = None) -> Stream:
    """One set's pictures, or with `mixed` those of all three, at most `each` a class."""
    if name == "mixed":
        parts = [stream(data, one, each) for one in SETS]
        first = np.cumsum([0, *(int(part.y.max()) + 1 for part in parts[:-1])])
        return Stream(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.y + at for part, at in zip(parts, first, strict=True)]),
        )
    kept = WORK / "tastes" / f"{name}.npz"
    if each is None and kept.exists():
        with np.load(kept) as tables:
            return Stream(tables["features"], tables["y"])
    photos = photographs.load(data / name, each)
    if each is None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part.npz")
        np.savez(part, features=photos.features, y=photos.y)
        part.rename(kept)
    return Stream(photos.features, photos.y)


def person(shown: Stream, name: str, seed: int) -> Person:
    """Candidates in an order drawn with `seed`, and a taste for some of their classes."""
    rng = np.random.default_rng(seed)
    classes = np.unique(shown.y)
    liked = rng.choice(classes, LIKED[name], replace=False)
    made: list[NDArray[np.int64]] = []
    for one in classes:
        rows = rng.permutation(np.flatnonzero(shown.y == one))
        at = 0
        while at < len(rows):
            count = int(rng.integers(1, 4))
            made.append(rows[at : at + count])
            at += count
    order = rng.permutation(len(made))
    candidates = tuple(made[at] for at in order)
    likes = np.isin([shown.y[rows[0]] for rows in candidates], liked)
    return Person(shown.features, candidates, likes)
