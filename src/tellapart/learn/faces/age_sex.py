"""Ages and sexes of faces by a model in ONNX Runtime, each with its error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tellapart.bundle.session import Session
from tellapart.errors import VerificationError
from tellapart.learn.faces.estimate import AgeEstimate

Sex = Literal["male", "female"]
#: The side in pixels of a face as such models see it.
SIDE = 112
#: Around the square of a face nothing is added: so the known model erred least.
MARGIN = 0.0


@dataclass(frozen=True)
class SexEstimate:
    """What a model takes a face's sex for, and its probability of it (0.5 to 1)."""

    sex: Sex
    probability: float


@dataclass(frozen=True)
class Errors:
    """How far a model's ages were off where it was checked."""

    #: People's likely age is `bias` + `slope` × what was said, with this standard deviation.
    bias: float
    error: float
    #: On what.
    checked: str
    slope: float = 1.0

    def estimate(self, years: float) -> AgeEstimate:
        """What is made of the model's saying."""
        return AgeEstimate(years, self.error, self.bias + (self.slope - 1) * years)


#: SHA-256 of a model → how it erred (benchmarks/faces_sex_age.py).
KNOWN = {
    "6032a48b0f7ab249a66f4dc2c304aaec20cb76ed43125621ab182147cac318f8": Errors(
        8.0,
        7.2,
        "627 official portraits of people of 30 to 90; some years of the bias are the age of the "
        "portraits. On nobody under 30",
    )
}
#: Of a model that nobody here has checked.
UNKNOWN = Errors(0.0, 15.0, "nothing: a cautious guess")


class AgeSex:
    """A model of ages and sexes; `estimate` may be called from many threads at once."""

    def __init__(self, model: bytes, errors: Errors = UNKNOWN) -> None:
        """Load it and ask it once. Raises `VerificationError` for what is no such model."""
        self.errors = errors
        try:
            self._session = Session(model, threads=1)
            self._run(np.zeros((2, SIDE, SIDE, 3), np.uint8))
        except VerificationError as error:
            raise VerificationError(
                f"The model of ages and sexes cannot be used: {error.what}",
                expected="ONNX with the input `image` (float32 N×3×112×112, RGB, 0 to 255) and the "
                "outputs `age` (N×1, years) and `sex` (N×2: male, female)",
                do="Name another file in TELLAPART_AGE_SEX.",
            ) from None

    def estimate(self, faces: np.ndarray) -> list[tuple[AgeEstimate, SexEstimate | None]]:
        """Of faces (N×112×112×3, uint8 RGB, upright): the mean of each and its mirror image."""
        if not len(faces):
            return []
        ages, sexes = self._run(np.concatenate([faces, faces[:, :, ::-1]]))
        years = ages.reshape(2, -1).mean(0)
        male = sexes.reshape(2, -1, 2).mean(0)[:, 0]
        return [
            (
                self.errors.estimate(float(year)),
                _sex(float(share)),
            )
            for year, share in zip(years, male, strict=True)
        ]

    def _run(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        batch = faces.astype(np.float32).transpose(0, 3, 1, 2)
        found = self._session.run(batch, ["age", "sex"])
        age, sex = found["age"], found["sex"]
        if age.size != len(faces) or sex.size != 2 * len(faces):
            raise VerificationError(
                f"it gives {age.shape} ages and {sex.shape} sexes for {len(faces)} faces.",
                expected="N×1 and N×2",
                do="",
            )
        return age.reshape(-1).astype(float), sex.reshape(-1, 2).astype(float)


def _sex(male: float) -> SexEstimate | None:
    """None where the model says no number."""
    if not math.isfinite(male):
        return None
    male = min(max(male, 0.0), 1.0)
    return SexEstimate("male", male) if male >= 0.5 else SexEstimate("female", 1 - male)
