"""What goes to a worker and what comes back. Holds no arrays: the front knows no numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tellapart.errors import TellapartError
from tellapart.serving.models import ModelInfo

Kind = Literal["picture", "row", "tensor"]


@dataclass(slots=True, eq=False)
class Job:
    """One picture or row to answer.

    `payload` by `kind`: `picture`, a file's bytes; `row`, JSON text of an object by column or of
    a list of cells; `tensor`, one item as the model sees it: uint8 height×width×channels, or
    float32 (little-endian) of the columns.
    """

    payload: bytes
    #: Absolute, of `time.monotonic`.
    deadline: float
    #: Empty: the default model; None: its highest version.
    model: str = ""
    version: int | None = None
    kind: Kind = "picture"
    why: bool = False
    #: Raw outputs wanted beside the answer, by the model's names.
    outputs: tuple[str, ...] = ()
    #: The request it belongs to, for the log.
    id: str = ""
    #: Whether the worker is to write the JSON of `POST /predict` itself: `Told`.
    told: bool = False


class Tensor(NamedTuple):
    """One raw output of one item, row-major, little-endian."""

    dtype: str
    #: Without the batch's axis.
    shape: tuple[int, ...]
    data: bytes


class Seconds(NamedTuple):
    """Where a job's time went; decoding is its own, inference its batch's."""

    queue: float = 0.0
    decode: float = 0.0
    infer: float = 0.0


NO_TIME = Seconds()


class Told(NamedTuple):
    """An answer as a worker writes it for a client: JSON that the front passes on unread."""

    status: int
    body: bytes
    abstained: bool
    batch: int
    decode: float
    infer: float


@dataclass(slots=True, eq=False)
class Answer:
    """What the model says of one job, or its `error`. `probabilities` are in label order."""

    model: str
    version: int
    label: str | None = None
    best: str | None = None
    probabilities: Sequence[float] = ()
    abstained: bool = False
    familiarity: float | None = None
    #: float32 (classes, h, w): what speaks for each class; where `why` was asked for.
    map: Tensor | None = None
    #: `cam` or `occlusion`, as `bundle.Prediction.map_kind`.
    map_kind: str | None = None
    #: A PNG of the picture with the map of `best` laid over, no side above 768 pixels.
    overlay: bytes | None = None
    outputs: dict[str, Tensor] = field(default_factory=dict)
    #: The inner object of `TellapartError.to_dict`; None where all went well.
    error: dict[str, Any] | None = None
    http_status: int = 200
    seconds: Seconds = NO_TIME
    #: How many were answered together.
    batch: int = 1
    #: The model that answered, as it was loaded then; set by the pool.
    info: ModelInfo | None = None


#: What becomes of a job.
Outcome = Answer | Told | TellapartError
