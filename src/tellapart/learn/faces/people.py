"""`People`: who is to be seen in a picture, with the models that these settings name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tellapart.errors import NotFoundError
from tellapart.learn.faces.estimate import AgeEstimate
from tellapart.settings import Settings

Sex = Literal["male", "female"]


@dataclass(frozen=True)
class SexEstimate:
    """What a model takes a face's sex for, and its probability of it (0.5 to 1)."""

    sex: Sex
    probability: float


@dataclass(frozen=True)
class Face:
    """One face found in a picture. Its measures are pixels of the picture as it was given."""

    #: Left, top, width, height of the upright rectangle around it.
    box: tuple[float, float, float, float]
    #: Both eyes, nose, both corners of the mouth: (x, y) each.
    landmarks: tuple[tuple[float, float], ...]
    confidence: float
    #: Degrees by which the picture must be turned counter-clockwise for the face to stand upright.
    angle: float = 0.0
    #: None where no model of ages and sexes is given.
    age: AgeEstimate | None = None
    sex: SexEstimate | None = None


class People:
    """Finds faces and, where such a model is given, estimates their ages and sexes.

    `look` may be called from many threads at once.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises `NotFoundError` where there are no weights of a face detector."""
        self.settings = settings

    @property
    def estimates(self) -> bool:
        """Whether ages and sexes are estimated."""
        return False

    def look(self, pixels: np.ndarray) -> list[Face]:
        """The faces in a picture (H×W×3, uint8 RGB, upright), the largest first."""
        raise NotFoundError(
            "There are no weights of a face detector.",
            expected="YuNet's weights",
            do="Run: tellapart weights get yunet",
        )
