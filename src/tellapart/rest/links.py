"""Links out of mails: a file without a log-in, until the link expires."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from tellapart.errors import NotFoundError
from tellapart.rest.downloads import File, answer
from tellapart.runtime.desk import Download
from tellapart.runtime.entrance import Desks
from tellapart.runtime.links import read_link

router = APIRouter(tags=["links"])

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "The file"},
    206: {"content": {"application/octet-stream": {}}, "description": "The range asked for"},
    403: {"description": "Not a link of this server"},
    404: {"description": "The file is gone"},
    410: {"description": "The link has expired"},
}


@router.head("/d/{link}", include_in_schema=False)
@router.get("/d/{link}", response_class=Response, responses=_RESPONSES)
async def linked(request: Request, link: str) -> Response:
    """The file that a signed link leads to."""
    desks: Desks = request.app.state.desks
    found = await asyncio.to_thread(_found, desks, link)
    answered = await answer(request, File.of(found))
    # Nobody is to learn the link from where it leads, nor a search engine to keep it.
    answered.headers["referrer-policy"] = "no-referrer"
    answered.headers["x-robots-tag"] = "noindex"
    return answered


def _found(desks: Desks, signed: str) -> Download:
    link = read_link(desks.settings, signed)
    account = desks.accounts.get(link.owner)
    if account.closed:
        raise NotFoundError(
            "The account whose file this was is closed.",
            expected="a link of an open account",
            do="Ask the server's keeper.",
        )
    return desks.of(account).file(link.project, link.kind, link.version)
