"""What a desk hands out: plain frozen values, JSON-able by `to_dict` where a face needs that."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from tellapart.runtime.slices import Sliced

T = TypeVar("T")

#: Files of one version that a person downloads.
FileKind = Literal["bundle", "onnx", "coreml", "dataset", "report", "card", "metrics"]


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a longer list."""

    items: list[T]
    #: Where the next page begins; None: this is the last one.
    next: str | None = None
    #: How many there are in all; None where that is not counted.
    total: int | None = None


@dataclass(frozen=True)
class ProjectCard:
    """One project in a list."""

    name: str
    #: As people see it.
    title: str
    #: UTC, ISO 8601 with Z.
    created: str
    #: `pictures`, `arrays` or `table`.
    data_kind: str
    #: `head`, `network` or `table`.
    model_kind: str
    classes: list[str]
    #: Number of the newest version; None: none yet.
    version: int | None
    #: Headline figures of that version: `accuracy`, `low`, `high`, `baseline`, `n`, …
    metrics: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ProjectView(ProjectCard):
    """One project with what it was asked and how far it is."""

    #: What was asked, as a recipe is written.
    recipe: dict[str, Any] = field(default_factory=dict)
    #: As `Project.counts`: `found kept set_aside reasons statuses failures splits classes`.
    counts: dict[str, Any] = field(default_factory=dict)
    #: Thresholds in force by name, see `Desk.thresholds`.
    thresholds: dict[str, float | int | None] = field(default_factory=dict)
    #: Whether pictures or thresholds changed since the newest version was trained.
    changed: bool = False


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, made once and kept by content."""

    data: bytes
    media_type: str
    #: Quoted, for `ETag`: depends on content and size alone.
    etag: str


@dataclass(frozen=True)
class Original:
    """A picture's own bytes, as a file."""

    path: Path
    media_type: str
    #: SHA-256, hex.
    sha256: str
    #: A name to save it under.
    name: str
    #: Whether its licence lets it be passed on.
    shareable: bool


@dataclass(frozen=True)
class Group:
    """Near duplicates: the one that stays first."""

    #: Id of the picture that the others are near to.
    id: str
    #: Ledger rows (`tellapart.catalog.PictureRow`), the one that stays first.
    pictures: list[Any]


@dataclass(frozen=True)
class Threshold:
    """One slider: what it means, where it stands, how far it goes."""

    name: str
    #: None: switched off (only where `optional`).
    value: float | int | None
    default: float | int | None
    low: float
    high: float
    step: float
    optional: bool
    whole: bool
    #: One sentence from the recipe's own documentation.
    description: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Decided:
    """What thresholds make of the pictures."""

    thresholds: dict[str, float | int | None]
    #: As `Desk.counts`.
    counts: dict[str, Any]
    #: How many pictures changed sides against what was stored before.
    changed: int
    notes: list[str] = field(default_factory=list)
    #: Ids of pictures that changed sides, at most 200: `kept` now, `set_aside` now.
    moved: dict[str, list[str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class VersionView:
    """One packaged version."""

    project: str
    version: int
    created: str
    #: Headline figures.
    metrics: dict[str, Any]
    #: Size of the bundle; 0 where its file is gone.
    bytes: int
    #: What can be downloaded of it: `bundle`, `onnx`, `coreml`, `dataset`, `report`, …
    files: list[str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Download:
    """A file on this machine to be streamed."""

    path: Path
    #: A safe file name for `Content-Disposition`.
    name: str
    media_type: str
    bytes: int
    #: SHA-256, hex.
    sha256: str
    #: Where it is no file of its own but slices of `path`; its length counts then.
    content: Sliced | None = None


@dataclass(frozen=True)
class Usage:
    """What an account uses, beside its quota."""

    projects: int
    pictures: int
    runs_active: int
    runs_today: int
    disk_mb: float
    decks: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Health:
    """Whether the house stands: what a banner shows and `/health` says."""

    #: `ok`, or `warning` where something below needs a person.
    state: Literal["ok", "warning"]
    #: Plain sentences for people; empty: all is well.
    warnings: list[str]
    disk_free_mb: float
    #: Workers with a fresh heartbeat.
    workers: int
    queued: int
    running: int
    #: What `mail.Outbox.state` says; empty where no mail is set up.
    mail: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
