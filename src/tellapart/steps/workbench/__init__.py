"""The workbench: look at a set of pictures from six sides, and do something about it, reversibly.

Looking never changes a verdict. What is looked at is measured once and kept in the project's work
folder until pictures, verdicts or labels change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from tellapart.errors import InputError
from tellapart.learn.workbench.shapes import (
    Act,
    Basis,
    ClassClusters,
    Cluster,
    Copies,
    Diff,
    Doubtful,
    Outcome,
    Shortcuts,
    Slices,
    Value,
    Verb,
)

if TYPE_CHECKING:
    from tellapart.catalog import Catalog
    from tellapart.steps import StepContext
    from tellapart.steps.workbench.seen import Seen

#: Thresholds by name; those not named stay.
Settings = Mapping[str, Value]


class Workbench:
    """One project's workbench. Made by `Project.workbench`.

    What looks raises `DataError` where the pictures are not curated yet or are no pictures.
    """

    def __init__(self, catalog: Catalog, opened: Callable[[], StepContext]) -> None:
        """`opened` makes a context to look with; it is closed after each look."""
        self._catalog = catalog
        self._opened = opened

    def clusters(self, label: str | None = None) -> list[ClassClusters]:
        """What each class (or `label` alone) consists of. Raises `NotFoundError`: no such class."""
        from tellapart.steps.workbench.clusters import clusters

        with self._seen() as seen:
            return clusters(seen, label)

    def copies(self) -> list[Copies]:
        """Groups of near duplicates with the best picture of each, those not settled first."""
        from tellapart.steps.workbench.copies import copies

        with self._seen() as seen:
            return copies(seen)

    def doubtful(self, label: str | None = None, limit: int = 100) -> Doubtful:
        """The pictures (of `label`) whose labels are the most doubtful."""
        from tellapart.steps.workbench.doubts import doubtful

        with self._seen() as seen:
            return doubtful(seen, label, limit)

    def slices(self, basis: Basis = "held_out") -> Slices:
        """Accuracy on dark, blurred, small, … pictures and by source.

        Raises `NotFoundError` for `test` where nothing is trained yet.
        """
        from tellapart.steps.workbench.slices import slices

        with self._seen() as seen:
            return slices(seen, basis)

    def shortcuts(self) -> Shortcuts:
        """Classes that file size, picture size, border, background or source alone give away."""
        from tellapart.steps.workbench.shortcuts import shortcuts

        with self._seen() as seen:
            return shortcuts(seen)

    def diff(self, after: Settings, before: Settings | None = None) -> Diff:
        """What thresholds `after` would change against `before` (default: those in force).

        Raises `RecipeError` for an unknown threshold or a value out of range.
        """
        from tellapart.steps.workbench.differences import diff
        from tellapart.steps.workbench.seen import require

        with closing(self._opened()) as context:
            require(context)
            return diff(context, after, before)

    def act(
        self,
        verb: Verb,
        ids: Sequence[str] = (),
        *,
        cluster: str = "",
        copies: str = "",
        label: str = "",
        settings: Settings | None = None,
        note: str = "",
    ) -> Outcome:
        """Keep, drop, give back or relabel pictures: `ids`, a whole cluster or a group, by key.

        `keep` with `copies` keeps the best one and drops the others. `relabel` needs `label`,
        `settings` needs `settings`. One transaction; takes effect with the next `curate`.
        Raises `NotFoundError` for an id or key that is not there (any more), `InputError` for an
        unknown class or nothing named, `RecipeError`; nothing is changed then.
        """
        from tellapart.steps.workbench import acting

        if verb == "settings":
            return acting.set_thresholds(self._catalog, settings or {})
        if bool(ids) + bool(cluster) + bool(copies) != 1:
            raise InputError(
                "It is not said on which pictures to act.",
                expected="some ids, or one cluster, or one group of copies",
                do="Name one of them.",
            )
        if copies and verb == "keep":
            group = self._copies(copies)
            others = [one.id for one in group.pictures if one.id != group.best]
            words = note or f"the best of {len(group.pictures)} copies"
            return acting.best_of(self._catalog, group.best, others, words)
        better = None
        if cluster:
            part = self._cluster(cluster)
            ids, note = part.ids, note or part.sentence
            better = part.better if verb == "drop" else None
        elif copies:
            group = self._copies(copies)
            ids = [one.id for one in group.pictures]
            note = note or f"{len(ids)} copies"
        if verb == "relabel":
            return acting.relabel(self._catalog, ids, label, note)
        return acting.on_pictures(self._catalog, verb, ids, note, better)

    def acts(self, limit: int = 100, before: int | None = None) -> list[Act]:
        """What was done, the newest first; `before`: only acts of lower numbers."""
        from tellapart.steps.workbench import acting

        return acting.listed(self._catalog, limit, before)

    def undo(self, number: int | None = None) -> Outcome:
        """Undo an act (default: the newest that is in force), whatever was done after it.

        A picture that a later act decided on stays as that act wants it. Raises `NotFoundError`.
        """
        from tellapart.steps.workbench import acting

        return acting.undo(self._catalog, number)

    def redo(self, number: int | None = None) -> Outcome:
        """Do an undone act again (default: the one undone last). Raises `NotFoundError`."""
        from tellapart.steps.workbench import acting

        return acting.redo(self._catalog, number)

    def _cluster(self, key: str) -> Cluster:
        from tellapart.steps.workbench import acting

        parts = (part for one in self.clusters() for part in one.clusters)
        found = next((part for part in parts if part.key == key), None)
        if found is None:
            raise acting.no_key(self._catalog, "cluster", key)
        return found

    def _copies(self, key: str) -> Copies:
        from tellapart.steps.workbench import acting

        found = next((one for one in self.copies() if one.key == key), None)
        if found is None:
            raise acting.no_key(self._catalog, "group of copies", key)
        return found

    @contextmanager
    def _seen(self) -> Iterator[Seen]:
        from tellapart.steps.workbench.seen import Seen

        with closing(self._opened()) as context:
            yield Seen(context)
