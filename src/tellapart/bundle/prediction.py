"""What a model says of one picture or row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from tellapart.errors import InputError, TellapartError

#: How a map was made: read off the network's last features (class activation mapping; Zhou et
#: al. 2016), or by covering the picture bit by bit (occlusion; Zeiler and Fergus 2014).
MapKind = Literal["cam", "occlusion"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says of one picture.

    `label` is None where it abstains ("none of these") or where the picture is unusable: read
    it before acting on it. `best` names the likeliest class all the same.
    """

    label: str | None
    #: Calibrated probability by class, in the order of the bundle's labels; empty on an error.
    probabilities: dict[str, float]
    #: True: too unlike the training pictures (or too unsure) to be any of the classes.
    abstained: bool
    #: Mean cosine to the nearest stored training features, -1 to 1: higher is more familiar.
    #: None where the model stores none.
    familiarity: float | None
    #: float32 of shape (classes, h, w): what speaks for each class, and where. Only with `why`.
    map: np.ndarray | None = None
    #: Why this picture gave no answer; only in batches, a single one raises it.
    error: TellapartError | None = None
    #: How `map` was made; None without one.
    map_kind: MapKind | None = None

    @property
    def best(self) -> str | None:
        """The likeliest class, even where the model abstains; None on an error."""
        return max(self.probabilities, key=self.probabilities.__getitem__, default=None)

    def heat(self, label: str | None = None) -> np.ndarray:
        """Where (h, w) the picture speaks for one class rather than the others.

        The class's map above the mean of all maps (probabilities know only differences);
        `label`: by default the likeliest. Raises `InputError`.
        """
        wanted = label or self.best
        if self.map is None or wanted not in self.probabilities:
            raise InputError(
                f"There is no map of {wanted!r} in this prediction.",
                expected="a prediction made with `why=True`, and one of its classes",
                do="Call `predict(picture, why=True)`.",
            )
        own = self.map[list(self.probabilities).index(wanted)]
        return cast(np.ndarray, own - self.map.mean(axis=0))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; without the map."""
        if self.error is not None:
            return self.error.to_dict()
        return {
            "label": self.label,
            "best": self.best,
            "abstained": self.abstained,
            "familiarity": None if self.familiarity is None else round(self.familiarity, 6),
            "probabilities": {k: round(v, 6) for k, v in self.probabilities.items()},
        }
