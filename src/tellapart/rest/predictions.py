"""Answers of a project's model: the bodies and the JSON of `tellapart serve`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from tellapart.errors import OverloadedError, RequestError
from tellapart.rest.auth import Predicting
from tellapart.rest.projects import Name

router = APIRouter(tags=["predictions"])

#: Largest body, as `serve` has it.
MOST = 25_000_000
#: Bytes of bodies that may be held at once, by all requests together.
MOST_HELD = 200_000_000
#: Seconds for which a client may send nothing.
_STALL = 30.0
_PICTURES = ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif")
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {
                            "type": "object",
                            "properties": {
                                "image": {"type": "string", "description": "base64 or data: URI"},
                                "url": {"type": "string"},
                                "row": {"type": ["object", "array"]},
                                "images": {"type": "array"},
                                "urls": {"type": "array"},
                                "rows": {"type": "array"},
                                "instances": {"type": "array"},
                            },
                        },
                        {"type": "array"},
                    ]
                }
            },
            "multipart/form-data": {"schema": {"type": "object"}},
            **{
                f"image/{kind}": {"schema": {"type": "string", "format": "binary"}}
                for kind in _PICTURES
            },
        },
    }
}


class Held:
    """Bytes of bodies under way; announcing costs nothing, what has come is counted."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self.most = most
        self.bytes = 0

    @asynccontextmanager
    async def body(self, request: Request, most: int = MOST) -> AsyncIterator[bytes]:
        """A request's whole body, counted until the block ends.

        Raises `RequestError` (408, 413), `OverloadedError` where all together are too large.
        """
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length) > most:
            raise _too_large(most)
        data, mine = bytearray(), 0
        try:
            stream = request.stream().__aiter__()
            while (piece := await _next(stream)) is not None:
                if len(data) + len(piece) > most:
                    raise _too_large(most)
                if self.bytes + len(piece) > self.most:
                    raise _full()
                self.bytes += len(piece)
                mine += len(piece)
                data += piece
            yield bytes(data)
        finally:
            self.bytes -= mine


HELD = Held()


@router.post(
    "/projects/{project}/predict",
    response_class=Response,
    openapi_extra=BODY,
    responses={
        200: {"content": {"application/json": {}}, "description": "The answer, or a list of them"},
        404: {"description": "No such project, or nothing trained yet"},
        422: {"description": "No picture or row that can be used"},
        503: {"description": "Enough to do: `Retry-After`"},
    },
)
async def predict(
    request: Request,
    project: Name,
    desk: Predicting,
    version: Annotated[int | None, Query(ge=1, le=10**9)] = None,
    why: Annotated[bool, Query()] = False,
) -> Response:
    """What the newest version, or another one, says of pictures or rows.

    A picture's bytes, a form with files, or JSON such as `{"url": …}`, `{"image": base64}`,
    `{"row": {…}}` and lists of these; with `why=1` a heat map too.
    """
    async with HELD.body(request) as data:
        status, answer = await desk.predict(
            project,
            data,
            request.headers.get("content-type", ""),
            version=version,
            query={"why": "1"} if why else None,
        )
    return Response(answer, status, media_type="application/json")


async def _next(stream: AsyncIterator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(_STALL):
            return await anext(stream, None)
    except TimeoutError:
        raise RequestError(
            f"Nothing of the body came for {_STALL:g} s.",
            expected="a body that comes without such pauses",
            do="Send it again over a better connection.",
            status=408,
        ) from None


def _too_large(most: int) -> RequestError:
    return RequestError(
        f"The request's body is larger than {most / 1e6:g} MB.",
        expected=f"at most {most:,} bytes",
        do="Send a smaller picture, or fewer at once.",
        status=413,
    )


def _full() -> OverloadedError:
    return OverloadedError(
        "The server holds as many pictures as it can.",
        expected="fewer requests at once",
        do="Ask again in a second.",
        retry_after=1.0,
    )
