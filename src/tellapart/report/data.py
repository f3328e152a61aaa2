"""What a report shows. Nothing in it may depend on the time, the machine or its paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tellapart.report.collecting import Collecting
from tellapart.report.ladder import Rung
from tellapart.report.outlook import Outlook
from tellapart.report.people import Faces
from tellapart.report.reasons import Reasons

if TYPE_CHECKING:
    from tellapart.report.tuning import Tuning


@dataclass(frozen=True)
class Shot:
    """One picture in the report."""

    id: str
    #: A `data:` URI; empty where the picture may not be passed on or cannot be decoded.
    uri: str
    label: str
    title: str = ""
    #: Where it came from; shown as a link if it is an http(s) address.
    page: str = ""
    #: Creator and licence, in one line.
    credit: str = ""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer on a test picture."""

    shot: Shot
    answer: str
    #: Probability of the wrong answer, and of the right one.
    probability: float
    truth_probability: float
    refused: bool = False


@dataclass(frozen=True)
class Aside:
    """A picture that was set aside, with the one it is a double of."""

    reason: str
    shot: Shot
    twin: Shot | None = None
    #: The figure that met the threshold, in words.
    why: str = ""


@dataclass(frozen=True)
class Refusal:
    """How the model says "none of these"."""

    #: Familiarity (mean cosine to the nearest known pictures) below which it refuses.
    threshold: float
    #: Share of own pictures that the threshold was set to refuse.
    wanted: float
    #: Accuracy (0..1) by share of pictures answered (1 down to 0.05), surest first …
    by_probability: Sequence[tuple[float, float]] = ()
    #: … and most familiar first: the order the threshold cuts.
    by_familiarity: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Grouping:
    """Cross-validated accuracy by how alike test and training pictures may be."""

    naive: tuple[float, float, float]
    #: With the groups of this project's own split: accuracy, low, high.
    ours: tuple[float, float, float]
    #: cosine, accuracy, low, high, share of pictures in groups; from alike to unlike.
    points: Sequence[tuple[float, float, float, float, float]] = ()
    n: int = 0


@dataclass(frozen=True)
class Choice:
    """One value of the recipe and why it is what it is."""

    key: str
    value: str
    reason: str


@dataclass(frozen=True)
class ReportData:
    """All a report shows."""

    name: str
    classes: Sequence[str]
    #: Counts as `catalog.count` gives them.
    counts: Mapping[str, Any]
    #: As `learn.metrics.evaluate` gives them; None where there was nothing to measure on.
    metrics: Mapping[str, Any] | None = None
    #: Mean confidence, accuracy and number of test pictures in each bin of confidence.
    reliability: Sequence[tuple[float, float, int]] = ()
    refusal: Refusal | None = None
    grouping: Grouping | None = None
    #: Why there is no `grouping`.
    grouping_note: str = ""
    mistakes: Sequence[Mistake] = ()
    asides: Sequence[Aside] = ()
    #: Licence code, name, number of kept pictures, what it asks for.
    licenses: Sequence[tuple[str, str, int, str]] = ()
    #: May I use this? What the licences come to: a lead and a sentence each.
    may_i: Sequence[tuple[str, str]] = ()
    choices: Sequence[Choice] = ()
    #: Name and value of what training chose, in words.
    training: Sequence[tuple[str, str]] = ()
    #: The models that were tried, with `good` and `best`.
    ladder: Sequence[Rung] = ()
    #: How a network was tuned in the recipe's own stages.
    tuning: Tuning | None = None
    #: How much more pictures would help; None where it cannot be told.
    outlook: Outlook | None = None
    #: How the pictures were collected; None where that was not done in rounds.
    collecting: Collecting | None = None
    #: What single answers rest on.
    because: Reasons | None = None
    #: Faces in the pictures; None where nobody looked for them.
    faces: Faces | None = None
    #: What a person should know, in plain words.
    notes: Sequence[str] = ()
    #: Words for the reasons that pictures are set aside for.
    reasons: Mapping[str, str] = field(default_factory=dict)


class Measured(Protocol):
    """What is read of any kind of report's data."""

    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def metrics(self) -> Mapping[str, Any] | None: ...
    @property
    def reliability(self) -> Sequence[tuple[float, float, int]]: ...
    @property
    def mistakes(self) -> Sequence[Mistake]: ...
    @property
    def asides(self) -> Sequence[Aside]: ...
