"""What the report on a network or a table model shows; free of time and place, like `data`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tellapart.report.data import Aside, Choice, Mistake
from tellapart.report.people import Faces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tellapart.recipe.network import Network


@dataclass(frozen=True)
class Fit:
    """How the model does on one split, with its 95 % interval."""

    split: str
    n: int
    correct: int
    accuracy: float
    low: float
    high: float
    log_loss: float


@dataclass(frozen=True)
class Epoch:
    """One pass over the training samples. Losses are means a sample; None: not measured."""

    number: int
    loss: float | None
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float | None = None
    #: Whether it was cut off.
    partial: bool = False


@dataclass(frozen=True)
class Candidate:
    """One model that was tried on a table."""

    name: str
    #: On samples it was not fitted to: accuracy with its 95 % interval, and log loss.
    accuracy: float
    low: float
    high: float
    log_loss: float | None
    n: int
    chosen: bool
    why: str = ""


@dataclass(frozen=True)
class Feature:
    """One column of a table."""

    name: str
    kind: Literal["number", "category"]
    #: Its range or its categories, in words.
    values: str
    #: Cells without a value, among all rows.
    missing: int
    #: Drop of the accuracy where the column is shuffled, and its spread; None: not measured.
    importance: float | None = None
    spread: float = 0.0


@dataclass(frozen=True)
class WrongRow:
    """A wrong answer on a row of the test split."""

    id: str
    cells: Sequence[str]
    truth: str
    answer: str
    probability: float
    truth_probability: float


@dataclass(frozen=True)
class Layer:
    """What one layer makes of the picture looked at."""

    name: str
    kind: str
    #: (h, w, c), or (n,); float32.
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Looks:
    """A look inside: what the first layer looks for, and one picture on its way through."""

    #: (n, h, w, c) float32 weights of the first convolution; None: there is none.
    filters: NDArray[np.float32] | None = None
    filters_layer: str = ""
    #: uint8 (h, w, c); None where it may not be shown.
    picture: NDArray[np.uint8] | None = None
    #: In words: what it is, and what it was taken for.
    caption: str = ""
    #: Classes and their probabilities for it, in the order to show them.
    answers: Sequence[tuple[str, float]] = ()
    layers: Sequence[Layer] = ()


@dataclass(frozen=True)
class LearnedData:
    """All that a report on a network or a table model shows."""

    name: str
    title: str
    kind: Literal["network", "table"]
    samples: Literal["picture", "row"]
    classes: Sequence[str]
    #: Samples by class and split.
    counts: Mapping[str, Mapping[str, int]]
    finished: bool = True
    #: As `learn.metrics.evaluate` gives them; None where there was nothing to measure on.
    metrics: Mapping[str, Any] | None = None
    #: Mean confidence, accuracy and number of test samples in each bin of confidence.
    reliability: Sequence[tuple[float, float, int]] = ()
    fits: Sequence[Fit] = ()
    network: Network | None = None
    history: Sequence[Epoch] = ()
    best_epoch: int | None = None
    epochs_asked: int | None = None
    looks: Looks | None = None
    candidates: Sequence[Candidate] = ()
    #: Which candidate is better, and whether by more than chance.
    verdict: str = ""
    features: Sequence[Feature] = ()
    mistakes: Sequence[Mistake] = ()
    wrong_rows: Sequence[WrongRow] = ()
    #: Wrong answers that are known but not shown here, since they may not be passed on.
    withheld: int = 0
    asides: Sequence[Aside] = ()
    #: Reason and number of samples set aside.
    set_aside: Mapping[str, int] | None = None
    #: Where the samples come from, and what may be done with them: name and words.
    origin: Sequence[tuple[str, str]] = ()
    #: Name and value of what training was told and chose, in words.
    training: Sequence[tuple[str, str]] = ()
    choices: Sequence[Choice] = ()
    #: Faces in the pictures; None where nobody looked for them.
    faces: Faces | None = None
    #: May I use this? What the pictures' licences come to: a lead and a sentence each.
    may_i: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()

    @property
    def things(self) -> str:
        """What the samples are called: pictures or rows."""
        return f"{self.samples}s"

    @property
    def epochs(self) -> int:
        """Epochs that were trained."""
        return max((epoch.number for epoch in self.history), default=0)

    @property
    def partial(self) -> bool:
        """Whether the last epoch was cut off."""
        return bool(self.history) and self.history[-1].partial
