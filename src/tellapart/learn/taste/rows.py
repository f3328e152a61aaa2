"""Pictures as rows of features, and the candidates they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import InputError


@dataclass(frozen=True)
class Pool:
    """Pictures of candidates: one row of raw features each, and the id of its candidate."""

    #: (n, D) float32.
    features: NDArray[np.float32]
    #: (n,) candidates' ids, a candidate's rows in the order of its pictures.
    groups: NDArray[np.str_]

    @classmethod
    def of(cls, features: ArrayLike, groups: ArrayLike) -> Pool:
        """Check and convert. Raises `InputError` where shapes do not fit."""
        rows, ids = _checked(features, groups)
        return cls(rows, ids)

    def __len__(self) -> int:
        """Rows, not candidates."""
        return len(self.groups)

    @property
    def candidates(self) -> NDArray[np.str_]:
        """Ids, each once, in the order in which they first come."""
        return self.ids_and_numbers()[0]

    def ids_and_numbers(self) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
        """The candidates' ids in the order in which they first come, and each row's place there."""
        return numbered(self.groups)


@dataclass(frozen=True)
class Labelled:
    """Judged pictures: every row of a candidate carries what the person said of the candidate."""

    #: (n, D) float32.
    features: NDArray[np.float32]
    #: (n,) bool: liked (or super-liked).
    likes: NDArray[np.bool_]
    #: (n,) candidates' ids, in the order in which they were labelled.
    groups: NDArray[np.str_]
    #: (n,) bool: drawn by chance (`Pick.by_chance`), not chosen to learn from.
    by_chance: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        features: ArrayLike,
        likes: ArrayLike,
        groups: ArrayLike,
        by_chance: ArrayLike | None = None,
    ) -> Labelled:
        """Check and convert; `by_chance` None: none was.

        Raises `InputError` where shapes do not fit or a candidate is liked and passed at once.
        """
        rows, ids = _checked(features, groups)
        liked = np.asarray(likes, dtype=bool)
        drawn = np.zeros(len(ids), bool) if by_chance is None else np.asarray(by_chance, bool)
        if liked.shape != ids.shape or drawn.shape != ids.shape:
            raise InputError(
                f"{len(liked)} labels for {len(ids)} pictures.",
                expected="one label a row",
                do="Repeat a candidate's label for each of its pictures.",
            )
        names, numbers = numbered(ids)
        share = np.bincount(numbers, liked, len(names)) / np.bincount(numbers, minlength=len(names))
        torn = (share > 0) & (share < 1)
        if torn.any():
            raise InputError(
                f"The candidate {str(names[torn][0])!r} is liked and passed at once.",
                expected="one label a candidate",
                do="Pass its latest label with every one of its pictures.",
            )
        return cls(rows, liked, ids, drawn)

    def __len__(self) -> int:
        """Rows, not candidates."""
        return len(self.groups)

    @property
    def pool(self) -> Pool:
        """The same pictures without what was said of them."""
        return Pool(self.features, self.groups)

    @property
    def candidates(self) -> NDArray[np.str_]:
        """Ids, each once, in the order in which they first come."""
        return numbered(self.groups)[0]

    def answers(self) -> NDArray[np.bool_]:
        """(candidates,) bool: liked, in the order of `candidates`."""
        names, numbers = numbered(self.groups)
        found = np.zeros(len(names), bool)
        found[numbers] = self.likes
        return found

    def counts(self) -> tuple[int, int]:
        """Liked and passed candidates."""
        answers = self.answers()
        return int(answers.sum()), int((~answers).sum())

    def only(self, rows: NDArray[np.bool_]) -> Labelled:
        """The chosen rows."""
        return Labelled(
            self.features[rows], self.likes[rows], self.groups[rows], self.by_chance[rows]
        )


def numbered(groups: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Ids in the order in which they first come, and each row's place among them."""
    names, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return names[order], place[numbers]


def _checked(
    features: ArrayLike, groups: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    rows, ids = np.asarray(features, dtype=np.float32), np.asarray(groups, dtype=np.str_)
    if rows.ndim != 2 or ids.shape != rows.shape[:1] or not np.isfinite(rows).all():
        raise InputError(
            f"Features of shape {rows.shape} for {len(ids)} candidates' ids.",
            expected="one row of finite numbers a picture, and its candidate's id",
            do="Leave out pictures without features.",
        )
    return rows, ids
