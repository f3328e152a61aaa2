"""What the routes take and give, as the document describes it."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tellapart.catalog import PictureRow
from tellapart.runtime import Run

T = TypeVar("T")

#: A picture's id.
PictureId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
_PRIVATE = frozenset(("path", "mtime_ns", "position"))
_SHOWN = tuple(name for name in PictureRow.__slots__ if name not in _PRIVATE)


class Taken(BaseModel):
    """What a request brings: nothing that is not known."""

    model_config = ConfigDict(extra="forbid")


class Listed(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    #: Cursor of the next page; null: this is the last one.
    next: str | None = None
    #: How many there are in all, where that is counted.
    total: int | None = None


class ErrorFacts(BaseModel):
    """What happened, what was expected, what to do next."""

    model_config = ConfigDict(extra="allow")

    code: str
    what: str
    expected: str
    do: str


class Error(BaseModel):
    """The one shape of all errors."""

    error: ErrorFacts


class PictureOut(BaseModel):
    """One picture with everything known of it."""

    model_config = ConfigDict(extra="allow")

    id: str
    label: str
    source: str
    page_url: str
    file_url: str
    creator: str
    title: str
    license: str
    attribution: str
    status: str
    reason: str
    sha256: str
    width: int | None
    height: int | None
    #: Null: not curated yet.
    kept: bool | None
    #: Why it is set aside, one word.
    verdict: str
    #: A person's word; null: none.
    overruled: bool | None
    split: str
    group: str
    detail: dict[str, Any]


class ProjectOut(BaseModel):
    """One project in a list."""

    name: str
    title: str
    created: str
    data_kind: str
    model_kind: str
    classes: list[str]
    version: int | None
    metrics: dict[str, Any]


class ProjectWhole(ProjectOut):
    """One project with its recipe and counts."""

    recipe: dict[str, Any]
    counts: dict[str, Any]
    thresholds: dict[str, float | int | None]
    changed: bool


class RunOut(BaseModel):
    """One run as it stands."""

    model_config = ConfigDict(extra="allow")

    id: str
    project: str
    kind: str
    upto: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    ahead: int
    steps: list[dict[str, Any]]
    created: str
    started: str
    ended: str
    left_s: float | None
    error: dict[str, Any] | None
    result: dict[str, Any] | None
    verdict: dict[str, Any] | None
    mail: str


class VersionOut(BaseModel):
    """One packaged version."""

    project: str
    version: int
    created: str
    metrics: dict[str, Any]
    bytes: int
    files: list[str]


class Changed(BaseModel):
    """How many pictures changed, and the project's counts after it."""

    changed: int
    counts: dict[str, Any]


class RecipeIn(Taken):
    """A recipe or an old spec: as an object, or as YAML or JSON text."""

    recipe: dict[str, Any] | Annotated[str, StringConstraints(max_length=1_000_000)]


class RunIn(Taken):
    """What is to be made: of a recipe or spec, of words, or once more of a project."""

    recipe: dict[str, Any] | Annotated[str, StringConstraints(max_length=1_000_000)] | None = None
    #: A project there is; `recipe` then holds changes, if any.
    project: Annotated[str, StringConstraints(max_length=64)] | None = None
    #: The last step.
    upto: Annotated[str, StringConstraints(max_length=32)] = "package"
    #: Where the mail goes.
    email: Annotated[str, StringConstraints(max_length=320)] = ""
    #: Where a signed message goes.
    webhook: Annotated[str, StringConstraints(max_length=4096)] = ""
    #: A picture to be judged: its URL, a `data:` URI, or `upload:ID`.
    test_picture: Annotated[str, StringConstraints(max_length=30_000_000)] | None = None


class PicturesIn(Taken):
    """Pictures by their ids."""

    ids: Annotated[list[PictureId], Field(max_length=5000)]


class OverruleIn(PicturesIn):
    """Keep (true), drop (false), or give back to the rules (null)."""

    keep: bool | None


class KeepIn(Taken):
    """Keep (true), drop (false), or give back to the rules (null)."""

    keep: bool | None


class RelabelIn(PicturesIn):
    """Another class for them."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ThresholdsIn(Taken):
    """Thresholds to change; `store` false: only look what they would make."""

    thresholds: dict[Annotated[str, StringConstraints(max_length=64)], float | int | None]
    store: bool = True


def picture(row: PictureRow) -> dict[str, Any]:
    """A ledger row as JSON: without the paths of the server."""
    shape = {name: getattr(row, name) for name in _SHOWN}
    return {**shape, "file": row.path.rpartition("/")[2]}


def run(found: Run) -> dict[str, Any]:
    """A run as JSON: without what is the server's own."""
    shape = found.to_dict()
    for name in ("owner", "worker"):
        shape.pop(name, None)
    return shape
