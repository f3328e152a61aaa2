"""`People`: who is to be seen in a picture, with the models that these settings name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image

from tellapart.bundle.face import cut
from tellapart.bundle.faces import FaceReader
from tellapart.learn.faces import models
from tellapart.learn.faces.age_sex import KNOWN, MARGIN, SIDE, UNKNOWN, AgeSex, SexEstimate
from tellapart.learn.faces.estimate import AgeEstimate
from tellapart.settings import Settings

#: Raise it whenever the same picture would give other figures: stored ones are then measured anew.
VERSION = 1
#: Pictures are decoded for their faces with this hint: see `images.decode`.
HINT = 640


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

    `look` may be called from many threads at once. Nothing of what it says is kept here.
    """

    def __init__(self, settings: Settings) -> None:
        """Load the models.

        Raises `NotFoundError` where there are no weights of a face detector, `InputError` where
        the settings name a model of ages whose license nobody was shown, and `VerificationError`
        for files that are no such models.
        """
        self._detector = models.detector(settings)
        self._ages = models.age_sex(settings)
        self._reader = FaceReader(self._detector.read())
        errors = KNOWN.get(self._ages.sha256, UNKNOWN) if self._ages else UNKNOWN
        self._age_sex = AgeSex(self._ages.read(), errors) if self._ages else None

    @property
    def estimates(self) -> bool:
        """Whether ages and sexes are estimated."""
        return self._age_sex is not None

    @cached_property
    def key(self) -> str:
        """Names what the figures depend on beside the picture: the models, and this code."""
        ages = self._ages.sha256[:16] if self._ages else "none"
        return f"v{VERSION}-{self._detector.sha256[:16]}-{ages}"

    def look(self, pixels: np.ndarray | Image.Image) -> list[Face]:
        """The faces in a picture (H×W×3, uint8 RGB, upright), the largest first.

        One in which no face stands upright is looked at again turned, in steps of 10°.
        """
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        found = self._reader.find(image)
        faces = [Face(one.box, one.landmarks, one.confidence, one.angle) for one in found]
        if self._age_sex is None or not found:
            return faces
        crops = np.stack([cut(image, one, SIDE, MARGIN) for one in found])
        said = self._age_sex.estimate(crops)
        return [
            replace(face, age=age, sex=sex) for face, (age, sex) in zip(faces, said, strict=True)
        ]
