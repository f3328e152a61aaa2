"""What a report tells of faces: what the model saw of them, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tellapart.bundle import card_people
from tellapart.images import View

#: The views that are compared, in words.
VIEWS: Mapping[View, str] = {
    "squash": "the whole picture",
    "face": "the largest face, upright",
    "both": "the whole picture and the face",
}


@dataclass(frozen=True)
class Viewed:
    """A head on what is seen in one view: right answers on the test pictures."""

    view: View
    correct: int
    n: int
    low: float
    high: float
    chosen: bool = False

    @property
    def name(self) -> str:
        return VIEWS[self.view]

    @property
    def accuracy(self) -> float:
        return self.correct / self.n


@dataclass(frozen=True)
class Faces:
    """How many pictures were looked through for faces, how many had one, and the views."""

    looked: int
    with_faces: int
    views: Sequence[Viewed] = ()

    @property
    def mostly(self) -> bool:
        """Whether most pictures show people."""
        return card_people.mostly({"looked": self.looked, "with_faces": self.with_faces})

    @property
    def verdict(self) -> str:
        """What the comparison of the views comes to."""
        chosen = next((one for one in self.views if one.chosen), None)
        best = max(self.views, key=lambda one: one.correct, default=None)
        if chosen is None or best is None:
            return ""
        if chosen.correct == best.correct:
            return "No other view was right more often on these test pictures."
        if best.low <= chosen.accuracy:
            return (
                f"More often right was a head that sees {best.name}, by no more than chance may "
                "make on so few pictures."
            )
        return (
            f"A head that sees {best.name} was right more often: write `train.view: {best.view}`."
        )
