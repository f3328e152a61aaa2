"""Candidates of a deck: review, results, pictures, correcting, forgetting."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import StringConstraints

from tellapart.rest import headers
from tellapart.rest.auth import Reading, Writing
from tellapart.rest.decks import Name
from tellapart.rest.paging import After, Limit, listed
from tellapart.rest.shapes import Listed, Taken
from tellapart.runtime.desk.deck_shapes import (
    Action,
    CandidateView,
    Corrected,
    Forgotten,
    Label,
    Outcome,
    ProgressView,
    ReviewView,
)
from tellapart.runtime.desk.shapes import Thumbnail

router = APIRouter(prefix="/decks/{deck}", tags=["decks"])
_ID = r"^c_[0-9a-z]{1,40}$"
Id = Annotated[str, Path(pattern=_ID, description="A candidate's id.")]
Position = Annotated[int, Path(ge=0, le=9999, description="Which of its pictures, from 0.")]
_Word = Annotated[str | None, Query(max_length=200)]
#: Pictures of candidates go after a while, and when they are forgotten.
_ASK = "private, no-cache"
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {}}, "description": "The picture."},
    304: {"description": "It is still the same."},
}


class LabelIn(Taken):
    """A person's word; null takes it back."""

    label: Label | None


class CorrectIn(Taken):
    """What it should have been."""

    label: Label


@router.get("/review", response_model=ReviewView)
def review(
    desk: Reading,
    deck: Name,
    limit: Annotated[int, Query(ge=1, le=20, description="How many at most.")] = 3,
    skip: Annotated[
        list[Annotated[str, StringConstraints(pattern=_ID)]] | None, Query(max_length=200)
    ] = None,
) -> Any:
    """What to look at next, the one that helps most first; and how far it is."""
    return desk.deck_review(deck, limit=limit, skip=skip or ()).to_dict()


@router.get("/progress", response_model=ProgressView)
def progress(desk: Reading, deck: Name) -> Any:
    """Estimated accuracy, labels saved against random order, and whether to stop."""
    return desk.deck_progress(deck).to_dict()


@router.post("/undo", response_model=ReviewView)
def undo(desk: Writing, deck: Name) -> Any:
    """Take the last word back; its candidate comes first again."""
    return desk.deck_undo(deck).to_dict()


@router.get("/results", response_model=Listed[CandidateView])
def results(
    desk: Reading,
    deck: Name,
    action: Action | None = None,
    rule: _Word = None,
    outcome: Outcome | None = None,
    label: Literal["corrected", "confirmed", "none"] | None = None,
    match: bool | None = None,
    q: _Word = None,
    limit: Limit = 50,
    after: After = None,
) -> Any:
    """Everything decided and done, and why; newest first."""
    page = desk.deck_results(
        deck,
        action=action,
        rule=rule,
        outcome=outcome,
        label=label,
        match=match,
        q=q,
        limit=limit,
        after=after,
    )
    return listed([row.to_dict() for row in page.items], page.next, page.total)


@router.get("/candidates/{candidate}", response_model=CandidateView)
def show_candidate(desk: Reading, deck: Name, candidate: Id) -> Any:
    """One candidate with everything known of it."""
    return desk.deck_candidate(deck, candidate).to_dict()


@router.post("/candidates/{candidate}/label", response_model=ProgressView)
def label(desk: Writing, deck: Name, candidate: Id, given: LabelIn) -> Any:
    """A person's word on it; learned from in the background."""
    return desk.deck_answer(deck, candidate, given.label).to_dict()


@router.post("/candidates/{candidate}/correct", response_model=Corrected)
def correct(desk: Writing, deck: Name, candidate: Id, given: CorrectIn) -> Any:
    """Correct its verdict: learned from at once, look-alikes are scored anew."""
    return desk.deck_correct(deck, candidate, given.label).to_dict()


@router.delete("/candidates/{candidate}", response_model=Forgotten)
def forget(desk: Writing, deck: Name, candidate: Id) -> Any:
    """Remove it with all that came of it; the certificate says what was removed."""
    return desk.deck_forget(deck, candidate).to_dict()


@router.get(
    "/candidates/{candidate}/pictures/{position}", response_class=Response, responses=_PICTURE
)
def thumbnail(
    desk: Reading,
    deck: Name,
    candidate: Id,
    position: Position,
    request: Request,
    size: Annotated[int, Query(ge=16, le=512)] = 256,
    v: Annotated[str | None, Query(max_length=64, description="For caches only.")] = None,
) -> Response:
    """A small JPEG of one of its pictures. Browsers ask whether it is still there: it may have
    been forgotten."""
    known = request.headers.get("if-none-match", "")
    return _picture(desk.deck_thumbnail(deck, candidate, position, size, known=known), known)


@router.get(
    "/candidates/{candidate}/pictures/{position}/heat", response_class=Response, responses=_PICTURE
)
def heat(
    desk: Reading, deck: Name, candidate: Id, position: Position, request: Request
) -> Response:
    """The picture with what spoke for a like laid over it."""
    known = request.headers.get("if-none-match", "")
    return _picture(desk.deck_heat(deck, candidate, position), known)


@router.get(
    "/candidates/{candidate}/pictures/{position}/original",
    response_class=Response,
    responses=_PICTURE,
)
def original(desk: Reading, deck: Name, candidate: Id, position: Position) -> Response:
    """The picture as it came."""
    found = desk.deck_picture(deck, candidate, position)
    more = {
        "Cache-Control": _ASK,
        "Content-Security-Policy": headers.DATA,
        "Content-Disposition": f'inline; filename="{found.name}"',
    }
    return Response(found.data, media_type=found.media_type, headers=more)


def _picture(found: Thumbnail, known: str) -> Response:
    more = {"ETag": found.etag, "Cache-Control": _ASK, "Content-Security-Policy": headers.DATA}
    if found.etag in known:
        return Response(status_code=304, headers=more)
    return Response(found.data, media_type=found.media_type, headers=more)
