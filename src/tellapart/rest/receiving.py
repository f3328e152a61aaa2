"""Bodies on their way in: written to the disk as they come, within bounds, never held in memory.

A body is one file, or a form whose files come one after the other. What was written is removed
unless somebody moved it away.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from tellapart.errors import Interrupted, RequestError, StorageError

#: Bytes gathered before the disk is written to.
_PIECE = 256 * 1024
#: Seconds for which a client may send nothing.
STALL = 60.0
_MOST_FILES = 1000
_MOST_FIELD = 64 * 1024
_MOST_FIELDS = 100


@dataclass(frozen=True)
class Received:
    """One file that has come whole."""

    path: Path
    #: As the client calls it; empty where it says nothing.
    name: str
    #: Media type as declared, in lower case, without parameters.
    kind: str
    bytes: int


@dataclass
class Body:
    """What a request brought."""

    files: list[Received]
    #: Fields of a form that are no files.
    fields: dict[str, str]


@asynccontextmanager
async def received(
    request: Request,
    incoming: Callable[[], Path],
    most: int,
    *,
    name: str = "",
    grown: Callable[[int], None] = lambda size: None,
) -> AsyncIterator[Body]:
    """The files of a request's body, at most `most` bytes in all, each at a path `incoming()`.

    `grown` is called with the size of each piece that comes, and may raise. The files are removed
    at the end where they still lie there. Raises `RequestError` (400, 408, 413, 415) and
    `StorageError`.
    """
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise RequestError(
            f"The body is encoded as {coding!r:.80}.",
            expected="a body without Content-Encoding",
            do="Send it as it is.",
            status=415,
        )
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise too_large(most)
    declared = request.headers.get("content-type", "")
    kind = declared.partition(";")[0].strip().lower()
    writer = (
        _Form(incoming, declared) if kind == "multipart/form-data" else _One(incoming, name, kind)
    )
    try:
        await _drain(request, writer, most, grown)
        yield Body(writer.files, writer.fields)
    finally:
        await asyncio.to_thread(writer.discard)


def too_large(most: int) -> RequestError:
    """The error for a body of more than `most` bytes."""
    return RequestError(
        f"The body is larger than {most / 1e6:,.1f} MB.",
        expected=f"at most {most:,} bytes: the largest upload, or the room that is left",
        do="Send less at once, or delete a project or an upload that is no longer needed.",
        status=413,
    )


async def _drain(
    request: Request, writer: _Writer, most: int, grown: Callable[[int], None]
) -> None:
    stream = request.stream().__aiter__()
    held, size = bytearray(), 0
    try:
        while True:
            async with asyncio.timeout(STALL):
                piece = await anext(stream, None)
            if piece is None:
                break
            size += len(piece)
            if size > most:
                raise too_large(most)
            grown(len(piece))
            held += piece
            if len(held) >= _PIECE:
                await asyncio.to_thread(_write, writer, bytes(held))
                held.clear()
        await asyncio.to_thread(_write, writer, bytes(held), last=True)
    except TimeoutError:
        raise RequestError(
            f"Nothing of the body came for {STALL:g} s.",
            expected="a body that comes without such pauses",
            do="Send it again over a better connection.",
            status=408,
        ) from None
    except ClientDisconnect:
        raise Interrupted(
            "The client has gone before the end of its body.",
            expected="the whole body",
            do="Send it again.",
        ) from None


def _write(writer: _Writer, data: bytes, *, last: bool = False) -> None:
    try:
        writer.write(data)
        if last:
            writer.close()
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StorageError(
            f"The upload cannot be stored: {error.strerror or error}.",
            expected="room on the server's disk" if full else "a disk that can be written to",
            do="Tell the server's keeper; then send it again.",
        ) from error


class _Writer:
    """Where the pieces of a body go. Lives in threads, one call at a time."""

    def __init__(self, incoming: Callable[[], Path]) -> None:
        self._incoming = incoming
        self.files: list[Received] = []
        self.fields: dict[str, str] = {}
        self._paths: list[Path] = []
        self._open: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def discard(self) -> None:
        """Remove what was written and lies where it was written."""
        if self._open is not None:
            self._open.close()
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _begin(self) -> IO[bytes]:
        path = self._incoming()
        self._paths.append(path)
        self._open = path.open("xb")
        return self._open

    def _end(self, name: str, kind: str) -> None:
        if self._open is not None:
            size = self._open.tell()
            self._open.close()
            self._open = None
            self.files.append(Received(self._paths[-1], name, kind, size))


class _One(_Writer):
    """A body that is one file."""

    def __init__(self, incoming: Callable[[], Path], name: str, kind: str) -> None:
        super().__init__(incoming)
        self._name, self._kind = name, kind

    def write(self, data: bytes) -> None:
        if data:
            (self._open or self._begin()).write(data)

    def close(self) -> None:
        self._end(self._name, self._kind)


class _Form(_Writer):
    """A form: each part with a file name is a file, the others are fields."""

    def __init__(self, incoming: Callable[[], Path], declared: str) -> None:
        super().__init__(incoming)
        _, options = parse_options_header(declared)
        boundary = options.get(b"boundary", b"")
        if not 0 < len(boundary) <= 70:
            raise broken("its Content-Type names no boundary")
        self._part: dict[bytes, bytes] = {}
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._field: bytearray | None = None
        self._ended = False
        calls: Any = {
            name[1:]: getattr(self, name) for name in dir(self) if name.startswith("_on_")
        }
        self._parser = MultipartParser(boundary, calls)

    def write(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise broken(str(error)) from None

    def close(self) -> None:
        if not self._ended:
            raise broken("its end is missing")

    def _on_part_begin(self) -> None:
        self._part, self._field = {}, None
        if len(self.files) >= _MOST_FILES or len(self.fields) >= _MOST_FIELDS:
            raise RequestError(
                f"The form has more than {_MOST_FILES:,} files or {_MOST_FIELDS} fields.",
                expected="fewer",
                do="Send them in several requests, or as one zip.",
                status=413,
            )

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        self._part[bytes(self._header[0]).strip().lower()] = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.get(b"content-disposition", b""))
        self._options = options
        if b"filename" in options or b"filename*" in options:
            self._begin()
        else:
            self._field = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._open is not None:
            self._open.write(memoryview(data)[start:end])
        elif self._field is not None:
            self._field += data[start:end]
            if len(self._field) > _MOST_FIELD:
                raise RequestError(
                    f"A field of the form has more than {_MOST_FIELD:,} bytes.",
                    expected="files with a file name, and short fields",
                    do="Give the part a file name.",
                    status=413,
                )

    def _on_part_end(self) -> None:
        if self._open is not None:
            declared = self._part.get(b"content-type", b"").decode("latin-1")
            kind = declared.partition(";")[0].strip().lower()
            self._end(_file_name(self._options), kind)
        elif self._field is not None:
            name = self._options.get(b"name", b"").decode("utf-8", "replace")
            self.fields[name] = self._field.decode("utf-8", "replace")

    def _on_end(self) -> None:
        self._ended = True


def _file_name(options: dict[bytes, bytes]) -> str:
    starred = options.get(b"filename*", b"")
    if starred.lower().startswith(b"utf-8''"):
        with contextlib.suppress(UnicodeDecodeError):
            return unquote_to_bytes(starred[7:]).decode()
    return options.get(b"filename", b"").decode("utf-8", "replace")


def broken(why: str) -> RequestError:
    """The error for a form that cannot be read."""
    return RequestError(
        f"The multipart form cannot be read: {why}.",
        expected="multipart/form-data, as `curl -F file=@pictures.zip` sends it",
        do="Send such a form, or the file's bytes as the body.",
        status=400,
    )
