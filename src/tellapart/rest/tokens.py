"""API tokens of an account: for programs, each for some things only."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field, StringConstraints

from tellapart.rest.accounts import in_person
from tellapart.rest.auth import Reading, Writing, desks_of
from tellapart.rest.shapes import Taken

router = APIRouter(prefix="/tokens", tags=["tokens"])
Id = Annotated[str, Path(pattern=r"^t_[0-9a-z]{1,40}$", description="A token's id.")]
Scope = Annotated[str, StringConstraints(pattern="^(read|write|predict|admin)$")]


class NewToken(Taken):
    """What a token is for, and how long it is good."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    #: Days until it ends; null: never.
    days: Annotated[float, Field(gt=0, le=3650)] | None = None


@router.get("")
def list_tokens(desk: Reading, request: Request) -> dict[str, Any]:
    """The account's tokens: not what they are, but what for and when last used."""
    return {"items": [one.to_dict() for one in desks_of(request).accounts.tokens.of(desk.account)]}


@router.post("", status_code=201)
def create_token(desk: Writing, given: NewToken, request: Request) -> dict[str, str]:
    """Make a token. It is told in this answer and never again."""
    in_person(request)
    seconds = None if given.days is None else given.days * 86_400
    tokens = desks_of(request).accounts.tokens
    return {"token": tokens.create(desk.account, given.name, given.scopes, seconds)}


@router.delete("/{id}", status_code=204)
def revoke_token(desk: Writing, id: Id, request: Request) -> None:
    """End a token, at once."""
    in_person(request)
    desks_of(request).accounts.tokens.revoke(desk.account, id)
