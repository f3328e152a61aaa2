"""The workbench of a project: looks from several sides, and acts that can be undone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field, StringConstraints
from starlette.responses import JSONResponse

from tellapart.learn.workbench.shapes import Basis, Outcome
from tellapart.rest.auth import Reading, Writing
from tellapart.rest.paging import After, Limit, listed
from tellapart.rest.projects import Name
from tellapart.rest.shapes import PictureId, Taken
from tellapart.runtime.desk import Desk

router = APIRouter(prefix="/projects/{project}/curation", tags=["curation"])
_KEY = r"^[0-9a-f]{12}$"
Key = Annotated[str, Path(pattern=_KEY, description="A cluster's key.")]
_Key = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{12})?$")]
_Label = Annotated[str | None, Query(max_length=200, description="Of this class alone.")]
_Threshold = Annotated[str, StringConstraints(max_length=64)]
_Thresholds = dict[_Threshold, float | int | None]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DiffIn(Taken):
    """Thresholds as they would be; `before`: instead of those in force."""

    after: _Thresholds
    before: _Thresholds | None = None


class ActIn(Taken):
    """What to do, and to which pictures: some ids, or one cluster, or one group of copies."""

    #: `keep` with `copies` keeps the best one and drops the others.
    verb: Literal["keep", "drop", "give_back", "relabel", "settings"]
    ids: Annotated[list[PictureId], Field(max_length=5000, default_factory=list)]
    cluster: _Key = ""
    copies: _Key = ""
    #: Of `relabel`.
    label: Annotated[str, StringConstraints(max_length=200)] = ""
    #: Of `settings`.
    settings: _Thresholds | None = None
    #: In the log, instead of what it is called by itself.
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class NumberIn(Taken):
    """An act by its number; null: the newest."""

    number: Annotated[int, Field(ge=1)] | None = None


class QueryIn(Taken):
    """What to search for as well, and words that its hits must not hold."""

    label: _Word
    query: _Word
    without: Annotated[list[_Word], Field(max_length=20, default_factory=list)]


@router.get("/clusters")
def clusters(desk: Reading, project: Name, label: _Label = None) -> Any:
    """What each class consists of: parts that stand apart, with typical pictures."""
    found = desk.clusters(project, label)
    return JSONResponse({"items": [{**one, "clusters": _short(one["clusters"])} for one in found]})


@router.get("/clusters/{key}")
def cluster(desk: Reading, project: Name, key: Key) -> Any:
    """One cluster with the ids of all its pictures."""
    return JSONResponse(desk.cluster(project, key))


@router.get("/copies")
def copies(desk: Reading, project: Name, limit: Limit = 50, after: After = None) -> Any:
    """Near duplicates in groups, the best picture of each first, and why it is that."""
    page = desk.copies(project, limit=limit, after=after)
    return JSONResponse(listed(page.items, page.next, page.total))


@router.get("/doubtful")
def doubtful(
    desk: Reading,
    project: Name,
    label: _Label = None,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at most.")] = 60,
) -> Any:
    """The pictures whose labels are the most doubtful, as a head says that had not seen them."""
    return JSONResponse(desk.doubtful(project, label, limit))


@router.get("/slices")
def slices(desk: Reading, project: Name, basis: Basis = "held_out") -> Any:
    """Accuracy on dark, blurred, small, … pictures and by source, with 95 % intervals."""
    return JSONResponse(desk.slices(project, basis))


@router.get("/shortcuts")
def shortcuts(desk: Reading, project: Name) -> Any:
    """Classes that file size, picture size, border, background or source alone give away."""
    return JSONResponse(desk.shortcuts(project))


@router.post("/diff")
def diff(desk: Reading, project: Name, given: DiffIn) -> Any:
    """What other thresholds would change, with examples; nothing is changed."""
    return JSONResponse(desk.diff(project, given.after, given.before))


@router.get("/acts")
def acts(desk: Reading, project: Name, limit: Limit = 50, after: After = None) -> Any:
    """What was done by hand, the newest first."""
    page = desk.acts(project, limit=limit, after=after)
    return JSONResponse(listed([one.to_dict() for one in page.items], page.next))


@router.post("/acts")
def act(desk: Writing, project: Name, given: ActIn) -> Any:
    """Keep, drop, give back to the rules or relabel pictures; or set thresholds."""
    values = given.model_dump()
    return _done(desk, project, desk.act(project, values.pop("verb"), values.pop("ids"), **values))


@router.post("/acts/undo")
def undo(desk: Writing, project: Name, given: NumberIn) -> Any:
    """Take an act back, whatever was done after it."""
    return _done(desk, project, desk.undo(project, given.number))


@router.post("/acts/redo")
def redo(desk: Writing, project: Name, given: NumberIn) -> Any:
    """Do an act again that was taken back."""
    return _done(desk, project, desk.redo(project, given.number))


@router.post("/queries")
def search_for(desk: Writing, project: Name, given: QueryIn) -> Any:
    """Put a better query of a class into the recipe; the next run searches for it."""
    entry = desk.search_for(project, given.label, given.query, given.without)
    return {"label": given.label, **entry}


@router.get("/collecting")
def collecting(desk: Reading, project: Name) -> Any:
    """Which source gave what, how noisy it is, why collecting stopped, and the licenses."""
    return JSONResponse(desk.collecting(project))


def _short(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in part.items() if name != "ids"} for part in parts]


def _done(desk: Desk, project: str, done: Outcome) -> Any:
    return JSONResponse({**done.to_dict(), "counts": desk.counts(project)})
