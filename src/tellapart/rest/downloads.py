"""Files on their way to clients, however slow these are, and from where they were cut off.

`Sent` is one answer: a range or the whole (RFC 9110), with an `ETag`, the SHA-256 as `Repr-Digest`
(RFC 9530), and never more than a piece of it in memory: the next one is read when the last one
has gone out. A client that goes away, or takes nothing for a minute, is let go.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter
from fastapi import Path as PathParameter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tellapart.errors import NotFoundError, RequestError
from tellapart.rest.auth import Reading
from tellapart.rest.projects import Name
from tellapart.runtime.desk import Download, FileKind
from tellapart.runtime.slices import Reader, Sliced

router = APIRouter(tags=["versions"])
#: What is read at once: larger pieces took 1 MB a connection, smaller ones cost processor time.
PIECE = 32 * 1024
#: Seconds for which a client may take no piece.
STALL = 60.0
_RANGE = re.compile(
    r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{1,18})?|-\s*(\d{1,18}))\s*", re.IGNORECASE
)
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True)
class File:
    """What is sent: where its bytes are, and what is said of it."""

    content: Sliced
    #: Under which it is saved.
    name: str
    media_type: str
    #: SHA-256 of the whole, hex; empty where nobody knows it yet.
    sha256: str = ""
    #: Shown rather than saved.
    inline: bool = False

    @classmethod
    def of(cls, download: Download) -> File:
        """A file that the desk hands out."""
        content = download.content or Sliced.whole(download.path, download.bytes, download.sha256)
        return cls(content, download.name, download.media_type, download.sha256)


async def answer(request: Request, file: File) -> Response:
    """The answer to a GET or HEAD for `file`: 200, 206, 304, or why not.

    416 comes with the size as `Content-Range`. Raises `NotFoundError` where its bytes are gone or
    others, `RequestError` (412).
    """
    reader = await asyncio.to_thread(file.content.open)
    try:
        if reader.size != file.content.file_size:
            raise NotFoundError(
                f"The file {file.name!r} is no longer as it was.",
                expected=f"{file.content.file_size:,} bytes; there are {reader.size:,}",
                do="Ask for it again in a moment.",
            )
        etag, changed = f'"{file.content.etag}"', int(reader.changed)
        headers = _headers(file, etag, changed)
        status = _precondition(request.headers, etag, changed)
        if status == 304:
            reader.close()
            kept = ("etag", "last-modified", "cache-control", "repr-digest")
            return Response(status_code=304, headers={k: headers[k] for k in kept if k in headers})
        try:
            # Ranges are defined for GET alone.
            asked = request.headers if request.method == "GET" else {}
            part = _part(asked, etag, changed, file.content.bytes)
        except _BeyondError as error:
            reader.close()
            beyond = {"content-range": f"bytes */{file.content.bytes}"}
            return JSONResponse(error.to_dict(), error.http_status, headers=beyond)
    except BaseException:
        reader.close()
        raise
    total = file.content.bytes
    start, stop = part or (0, total)
    if part is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{total}"
    headers["content-length"] = str(stop - start)
    if request.method == "HEAD":
        reader.close()
        return Response(headers=headers)
    return Sent(reader, start, stop, 206 if part else 200, headers)


class Sent(Response):
    """A part of a file, sent piece by piece."""

    def __init__(
        self, reader: Reader, start: int, stop: int, status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        self._reader = reader
        self._start, self._stop = start, stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await self._send(send, gone)
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await gone
            self._reader.close()
        if self.background is not None:
            await self.background()

    async def _send(self, send: Send, gone: asyncio.Future[None]) -> None:
        head = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(head)
        at = self._start
        while at < self._stop and not gone.done():
            size = min(PIECE, self._stop - at)
            piece = await asyncio.to_thread(self._reader.read, at, size)
            at += len(piece)
            try:
                async with asyncio.timeout(STALL):
                    await send(
                        {"type": "http.response.body", "body": piece, "more_body": at < self._stop}
                    )
            except (TimeoutError, OSError):
                return  # the server closes what is not complete
        if at == self._start:  # an empty file
            await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def disposition(name: str, *, inline: bool = False) -> str:
    """`Content-Disposition` for a name in any letters (RFC 6266)."""
    kind = "inline" if inline else "attachment"
    plain = re.sub(r'[^\x20-\x7e]|["\\/%]', "_", name)
    if plain == name:
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _headers(file: File, etag: str, changed: int) -> dict[str, str]:
    headers = {
        "content-type": file.media_type,
        "content-disposition": disposition(file.name, inline=file.inline),
        "accept-ranges": "bytes",
        "etag": etag,
        "last-modified": formatdate(changed, usegmt=True),
        "cache-control": "private, no-cache",
        "x-content-type-options": "nosniff",
    }
    if file.sha256:
        digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
        headers["repr-digest"] = f"sha-256=:{digest}:"
        headers["digest"] = f"sha-256={digest}"  # as RFC 3230 had it
    return headers


def _precondition(headers: Mapping[str, str], etag: str, changed: int) -> int:
    """304 where the client has it, 0 where it is to be sent. Raises `RequestError` (412)."""
    wanted, known = headers.get("if-match"), headers.get("if-none-match")
    since = _moment(headers.get("if-unmodified-since"))
    if wanted is not None:
        if not _matches(wanted, etag, weak=False):
            raise _changed(etag)
    elif since is not None and changed > since:
        raise _changed(etag)
    if known is not None:
        return 304 if _matches(known, etag, weak=True) else 0
    since = _moment(headers.get("if-modified-since"))
    return 304 if since is not None and changed <= since else 0


def _part(headers: Mapping[str, str], etag: str, changed: int, size: int) -> tuple[int, int] | None:
    """First byte and end of the range asked for; None: the whole. Raises `RequestError` (416).

    Several ranges, other units and what cannot be read are answered by the whole, as RFC 9110
    allows; so is a range of what has changed since (`If-Range`).
    """
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    held = headers.get("if-range")
    if match is None or (held is not None and not _same(held.strip(), etag, changed)):
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(0, size - int(suffix)), size
        wrong = not int(suffix) or not size
    else:
        start = int(first)
        if last is not None and int(last) < start:
            return None
        stop = min(size, int(last) + 1) if last is not None else size
        wrong = start >= size
    if wrong:
        raise _BeyondError(size)
    return start, stop


class _BeyondError(RequestError):
    """A range that lies beyond the end."""

    def __init__(self, size: int) -> None:
        super().__init__(
            "The range lies beyond the end of the file.",
            expected=f"a range within {size:,} bytes",
            do="Leave the range out, or ask from the end of what you have.",
            status=416,
        )


def _same(held: str, etag: str, changed: int) -> bool:
    if held.startswith('"'):
        return held == etag
    return _moment(held) == changed


def _matches(listed: str, etag: str, *, weak: bool) -> bool:
    if listed.strip() == "*":
        return True
    tags = _TAG.findall(listed)
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)


def _moment(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _changed(etag: str) -> RequestError:
    return RequestError(
        "The file is not the one that the request is about.",
        expected=f"If-Match: {etag}",
        do="Ask for it without a condition, from its beginning.",
        status=412,
    )


@router.head("/projects/{project}/versions/{version}/files/{kind}", include_in_schema=False)
@router.get(
    "/projects/{project}/versions/{version}/files/{kind}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The whole file"},
        206: {"content": {"application/octet-stream": {}}, "description": "The range asked for"},
        304: {"description": "The client has it"},
        404: {"description": "No such project, version or file"},
        412: {"description": "It is another file than the condition says"},
        416: {"description": "The range lies beyond its end"},
    },
)
async def download(
    request: Request,
    project: Name,
    version: Annotated[str, PathParameter(pattern=r"^(latest|[0-9]{1,9})$")],
    kind: FileKind,
    desk: Reading,
) -> Response:
    """A version's file: `Range`, `If-Range`, `ETag` and `Repr-Digest` as RFC 9110 and 9530."""
    number = None if version == "latest" else int(version)
    found = await asyncio.to_thread(desk.file, project, kind, number)
    return await answer(request, File.of(found))
