"""Thresholds as sliders: what they are, what they would make of the pictures, setting them."""

from __future__ import annotations

from collections.abc import Mapping

from tellapart.runtime.desk.base import Base
from tellapart.runtime.desk.shapes import Decided, Threshold


class Thresholds(Base):
    """Verdicts follow from measurements and thresholds alone, so that a change decides at once."""

    def thresholds(self, project: str) -> list[Threshold]:
        """The sliders of a project, in the order of the recipe's documentation."""
        raise NotImplementedError

    def decide(
        self, project: str, thresholds: Mapping[str, float | int | None], *, store: bool = True
    ) -> Decided:
        """What `thresholds` (only those named change) make of the pictures.

        `store`: write them into the recipe and the verdicts into the ledger; else nothing is
        changed. Raises `RecipeError` for a value out of range, `BusyError` while a run works on
        the project, `DataError` where nothing is measured yet.
        """
        raise NotImplementedError
