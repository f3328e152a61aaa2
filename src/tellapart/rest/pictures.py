"""Pictures of a project: rows by page, thumbnails, overruling, duplicates, thresholds."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import FileResponse, JSONResponse

from tellapart.rest import headers
from tellapart.rest.auth import Reading, Writing
from tellapart.rest.paging import After, Limit, listed
from tellapart.rest.projects import Name
from tellapart.rest.shapes import (
    Changed,
    KeepIn,
    Listed,
    OverruleIn,
    PictureOut,
    RelabelIn,
    ThresholdsIn,
    picture,
)
from tellapart.runtime.desk import Desk, PictureFilter

router = APIRouter(prefix="/projects/{project}", tags=["pictures"])
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="A picture's id.")]
_Word = Annotated[str | None, Query(max_length=200)]
#: The address carries the content's hash: what lies there never changes.
_FOR_EVER = "private, max-age=31536000, immutable"
_WHILE = "private, max-age=3600"


@router.get("/pictures", response_model=Listed[PictureOut])
def list_pictures(
    desk: Reading,
    project: Name,
    label: _Word = None,
    kept: bool | None = None,
    reason: _Word = None,
    status: _Word = "ok",
    split: _Word = None,
    by_hand: bool | None = None,
    source: _Word = None,
    order: Literal["place", "newest"] = "place",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: After = None,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Any:
    """Pictures by page, filtered; `status=any`: also those whose bytes are not here."""
    shown = PictureFilter(
        label=label,
        kept=kept,
        reason=reason,
        status=None if status == "any" else status,
        split=split,
        by_hand=by_hand,
        source=source,
        order=order,
    )
    page = desk.pictures(project, shown, limit=limit, after=after, offset=offset)
    return JSONResponse(listed([picture(row) for row in page.items], page.next, page.total))


@router.post("/pictures/overrule", response_model=Changed)
def overrule(desk: Writing, project: Name, given: OverruleIn) -> Any:
    """Keep or drop pictures whatever the rules say; null gives them back to the rules."""
    return _changed(desk, project, desk.overrule(project, given.ids, given.keep))


@router.post("/pictures/relabel", response_model=Changed)
def relabel(desk: Writing, project: Name, given: RelabelIn) -> Any:
    """Move pictures to another class."""
    return _changed(desk, project, desk.relabel(project, given.ids, given.label))


@router.get("/pictures/{id}", response_model=PictureOut)
def show_picture(desk: Reading, project: Name, id: Id) -> Any:
    """One picture with everything known of it."""
    return JSONResponse(picture(desk.picture(project, id)))


_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {}}, "description": "The picture."},
    304: {"description": "It is still the same."},
}


@router.get("/pictures/{id}/thumbnail", response_class=Response, responses=_PICTURE)
def thumbnail(
    desk: Reading,
    project: Name,
    id: Id,
    request: Request,
    size: Annotated[int, Query(ge=16, le=512)] = 256,
    v: Annotated[str | None, Query(max_length=64, description="For caches only.")] = None,
) -> Response:
    """A small JPEG, its longest side at most `size`. With `v` browsers keep it for ever."""
    found = desk.thumbnail(project, id, size)
    more = {
        "ETag": found.etag,
        "Cache-Control": _FOR_EVER if v else _WHILE,
        "Content-Security-Policy": headers.DATA,
    }
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=more)
    return Response(found.data, media_type=found.media_type, headers=more)


@router.get("/pictures/{id}/original", response_class=Response, responses=_PICTURE)
async def original(desk: Reading, project: Name, id: Id) -> Response:
    """The picture as it was collected."""
    found = await asyncio.to_thread(desk.original, project, id)
    more = {"Cache-Control": _WHILE, "Content-Security-Policy": headers.DATA}
    return FileResponse(
        found.path,
        media_type=found.media_type,
        filename=found.name,
        content_disposition_type="inline",
        headers=more,
    )


@router.get("/counts")
def counts(desk: Reading, project: Name) -> dict[str, Any]:
    """How many pictures were found, kept and set aside, and why; in all and by class."""
    return desk.counts(project)


@router.get("/groups")
def groups(desk: Reading, project: Name, limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """Near duplicates: each group with the picture that stays first."""
    page = desk.groups(project, limit=limit, after=after)
    items = [
        {"id": group.id, "pictures": [picture(row) for row in group.pictures]}
        for group in page.items
    ]
    return listed(items, page.next, page.total)


@router.get("/groups/{id}")
def show_group(desk: Reading, project: Name, id: Id) -> dict[str, Any]:
    """The duplicates of one picture."""
    group = desk.group(project, id)
    return {"id": group.id, "pictures": [picture(row) for row in group.pictures]}


@router.post("/groups/{id}/overrule", response_model=Changed)
def overrule_group(desk: Writing, project: Name, id: Id, given: KeepIn) -> Any:
    """Keep, drop or give back to the rules a whole group."""
    return _changed(desk, project, desk.overrule_group(project, id, given.keep))


@router.get("/thresholds")
def thresholds(desk: Reading, project: Name) -> dict[str, Any]:
    """The thresholds of what is set aside: where they stand and how far they go."""
    return {"items": [one.to_dict() for one in desk.thresholds(project)]}


@router.post("/thresholds")
def decide(desk: Writing, project: Name, given: ThresholdsIn) -> dict[str, Any]:
    """What changed thresholds make of the pictures, at once; stored unless `store` is false."""
    return desk.decide(project, given.thresholds, store=given.store).to_dict()


def _changed(desk: Desk, project: str, number: int) -> dict[str, Any]:
    return {"changed": number, "counts": desk.counts(project)}
