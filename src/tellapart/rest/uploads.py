"""What people bring: data, recipes, pictures. Streamed to the disk, told from its bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from tellapart.errors import InputError, RequestError
from tellapart.rest.auth import Reading, Writing
from tellapart.rest.projects import Name
from tellapart.rest.receiving import Body, Received, received, too_large
from tellapart.runtime.adding import Recent, add_pictures, room
from tellapart.runtime.desk import Desk
from tellapart.runtime.uploads import Uploads

router = APIRouter(tags=["uploads"])

#: Largest body of one upload, whatever room there is.
MOST = 8 * 2**30
RECENT = Recent()
#: Uploads that one account may hold beside its projects.
MOST_UPLOADS = 100
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


@router.post("/uploads", status_code=201, openapi_extra=_BODY)
async def upload(
    request: Request,
    desk: Writing,
    name: Annotated[str, Query(max_length=200)] = "",
    kind: Literal["", "folder"] = "",
) -> dict[str, Any]:
    """Upload a zip of class folders, a CSV, a table, a recipe or a picture: the body, or a form.

    What it is, is told from its bytes. `data` of the answer goes into a recipe under `data`. With
    `kind=folder` and without a body a folder is begun, into which files come one by one.
    """
    uploads = Uploads(desk.uploads)
    await asyncio.to_thread(_check_count, uploads)
    if kind == "folder":
        return (await asyncio.to_thread(uploads.begin, name)).to_dict()
    async with _incoming(request, desk, uploads, name) as (body, left):
        file = _one(body)
        made = await asyncio.to_thread(
            uploads.take, file.path, file.name or name, file.kind, room=left()
        )
        if made.kind == "folder":
            RECENT.add(desk.account.id, made.bytes)
    return made.to_dict()


@router.put("/uploads/{id}/files/{path:path}", status_code=201, openapi_extra=_BODY)
async def put_file(request: Request, id: str, path: str, desk: Writing) -> dict[str, Any]:
    """Bring one file into a folder that was begun, such as `apple/1.jpg`."""
    uploads = Uploads(desk.uploads)
    await asyncio.to_thread(uploads.get, id)
    async with _incoming(request, desk, uploads, path) as (body, _):
        file = _one(body)
        await asyncio.to_thread(uploads.put, id, path, file.path)
    return {"path": path, "bytes": file.bytes}


@router.post("/uploads/{id}/done")
async def done(id: str, desk: Writing) -> dict[str, Any]:
    """Say that all files of a folder have come; what is in it."""
    return (await asyncio.to_thread(Uploads(desk.uploads).finish, id)).to_dict()


@router.get("/uploads/{id}")
async def look(id: str, desk: Reading) -> dict[str, Any]:
    """What an upload holds."""
    return (await asyncio.to_thread(Uploads(desk.uploads).get, id)).to_dict()


@router.delete("/uploads/{id}", status_code=204, response_class=Response)
async def remove(id: str, desk: Writing) -> Response:
    """Remove an upload; a project that names it can then not be run again."""
    await asyncio.to_thread(Uploads(desk.uploads).delete, id)
    return Response(status_code=204)


@router.post("/projects/{project}/pictures", openapi_extra=_BODY)
async def add(
    request: Request,
    project: Name,
    label: Annotated[str, Query(min_length=1, max_length=200)],
    desk: Writing,
    name: Annotated[str, Query(max_length=200)] = "",
) -> dict[str, Any]:
    """Bring pictures into the class `label` of a project: one as the body, or several in a form.

    Each is `added`, `known` already, or `refused` with its error. The next run learns from them.
    """
    uploads = Uploads(desk.uploads)
    await asyncio.to_thread(desk.project, project)
    async with _incoming(request, desk, uploads, name) as (body, _):
        files = [(one.path, one.name) for one in body.files]
        if not files:
            raise _nothing()
        made = await asyncio.to_thread(add_pictures, desk, project, label, files)
    return made.to_dict()


@asynccontextmanager
async def _incoming(
    request: Request, desk: Desk, uploads: Uploads, name: str
) -> AsyncIterator[tuple[Body, Callable[[], int]]]:
    """A body that has come whole, and the bytes that there is still room for, by the quota.

    Several at once share that room.
    """
    owner, there = desk.account.id, await asyncio.to_thread(room, desk)

    def left() -> int:
        return max(0, min(MOST, there - RECENT.of(owner)))

    def grown(size: int) -> None:
        if size > left():
            raise too_large(there)
        RECENT.add(owner, size)

    async with received(request, uploads.incoming, left(), name=name, grown=grown) as body:
        yield body, left


def _one(body: Body) -> Received:
    if len(body.files) == 1:
        return body.files[0]
    if not body.files:
        raise _nothing()
    raise InputError(
        f"The form has {len(body.files)} files.",
        expected="one file: a zip, a CSV, a recipe or a picture",
        do="Pack them as a zip, or begin a folder: POST /api/v1/uploads?kind=folder",
    )


def _nothing() -> InputError:
    return InputError(
        "The request has no body.",
        expected="a file as the body, or a form with a part that has a file name",
        do="Send it: curl --data-binary @pictures.zip …",
    )


def _check_count(uploads: Uploads) -> None:
    there = sum(1 for _ in uploads.root.iterdir()) if uploads.root.is_dir() else 0
    if there > MOST_UPLOADS:
        raise RequestError(
            f"This account holds {there} uploads.",
            expected=f"at most {MOST_UPLOADS}",
            do="Delete those that no project uses: DELETE /api/v1/uploads/ID",
            status=429,
        )
