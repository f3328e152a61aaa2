"""HTTP/1.x as it stands on the wire: a request's head in one look, and bodies that come in chunks.

Strict where being lenient is how requests are smuggled past a proxy: lines end in CRLF, a length
stands once, no line is folded, nothing but `chunked` encodes a transfer. llhttp takes no other
requests than these to mean something else (a test compares).
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

#: Bytes that a request's line and headers may have together.
MOST = 65_536
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_HEAD = re.compile(
    rb"([A-Z]{1,20}+) ([!-~]++) HTTP/1\.([01])\r\n"
    rb"((?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+)\r\n"
)
#: What a head may look like as long as its first line is not whole.
_BEGINNING = re.compile(rb"[A-Z]{0,20}+(?: (?:[!-~]++(?: [HTP/1.0]{0,8}+\r?)?)?)?")
_LINE = re.compile(rb"[A-Z]{1,20}+ [!-~]++ HTTP/1\.[01]\r\n")
_ABSOLUTE = re.compile(rb"https?://[^/?]*+", re.IGNORECASE)
#: A chunk's size, and whatever stands behind it.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8}+)[\t ]*+(?:;[\t\x20-\x7e\x80-\xff]*+)?\r\n")
_TRAILER = re.compile(_TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+")
_LONGEST_SIZE = 256
_MOST_TRAILERS = 8192


class Malformed(ValueError):  # noqa: N818 - what came, not what went wrong here
    """Bytes that are no request."""


class TooLong(ValueError):  # noqa: N818 - as above
    """A head, or trailers, beyond their bound."""


class Head(NamedTuple):
    """What stands before a request's body."""

    method: str
    path: str
    query: bytes
    #: By name in lower case; of equal names the last one stands.
    headers: dict[bytes, bytes]
    #: The body's length; None where it comes in chunks.
    length: int | None
    #: Whether the connection may stay open.
    keep: bool
    #: Bytes of the head.
    size: int


def read_head(data: bytes) -> Head | None:
    """The head that `data` begins with; None where the rest of it is still to come.

    Raises `Malformed`, `TooLong`.
    """
    match = _HEAD.match(data)
    if match is None:
        _check_beginning(data)
        return None
    method, target, minor, fields = match.groups()
    size = match.end()
    if size > MOST:
        raise TooLong
    headers: dict[bytes, bytes] = {}
    lines = fields.split(b"\r\n")
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    del headers[b""]  # behind the last line
    if len(headers) < len(lines) - 1:
        _no_twins(lines)
    if b"transfer-encoding" in headers:
        if (
            headers[b"transfer-encoding"].lower() != b"chunked"
            or b"content-length" in headers
            or minor == b"0"
        ):
            raise Malformed("a body whose length is not certain")
        length = None
    else:
        number = headers.get(b"content-length", b"0")
        if not number.isdigit() or len(number) > 18:
            raise Malformed("a length that is no number")
        length = int(number)
    keep = minor == b"1"
    if b"connection" in headers:
        words = headers[b"connection"].lower().replace(b" ", b"").split(b",")
        keep = b"close" not in words and (keep or b"keep-alive" in words)
    if target[:1] != b"/":
        target = _located(target)
    path, _, query = target.partition(b"?")
    text = path.decode("ascii")
    if "%" in text:
        text = unquote(text)
    return Head(method.decode("ascii"), text, query, headers, length, keep, size)


def _check_beginning(data: bytes) -> None:
    """Whether `data` may become a head yet."""
    if len(data) > MOST:
        raise TooLong
    if b"\r\n\r\n" in data or not (_LINE.match(data) or _BEGINNING.fullmatch(data)):
        raise Malformed("no request line, or a header that is none")


def _no_twins(lines: list[bytes]) -> None:
    names = [line.partition(b":")[0].lower() for line in lines]
    if names.count(b"content-length") > 1 or names.count(b"transfer-encoding") > 1:
        raise Malformed("two lengths")


def _located(target: bytes) -> bytes:
    """A target that is no path: `*`, or a whole address, of which the path counts."""
    if target == b"*":
        return target
    match = _ABSOLUTE.match(target)
    if match is None:
        raise Malformed("a target that is no path")
    rest = target[match.end() :]
    return rest if rest[:1] == b"/" else b"/" + rest


class Chunks:
    """A body in chunks (RFC 9112, 7.1), however its bytes arrive."""

    def __init__(self) -> None:
        self._kept = b""
        #: Bytes of the chunk at hand that are still to come; None: its size is.
        self._left: int | None = None
        #: Whether the last chunk has come, and only trailers may follow.
        self._trailing = False
        self._trailers = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """More bytes: those of the body, and once it is whole those behind it, else None.

        Raises `Malformed`, `TooLong`.
        """
        data = self._kept + data
        found = bytearray()
        at = 0
        while True:
            if self._trailing:
                rest = self._trailed(data[at:])
                return bytes(found), rest
            if self._left is None:
                match = _SIZE.match(data, at)
                if match is None:
                    self._kept = self._short(data[at:])
                    return bytes(found), None
                at = match.end()
                self._left = int(match[1], 16)
                if not self._left:
                    self._trailing = True
                    continue
            piece = data[at : at + self._left]
            found += piece
            at += len(piece)
            self._left -= len(piece)
            if self._left or len(data) - at < 2:
                self._kept = data[at:]
                if not self._left and not b"\r\n".startswith(self._kept):
                    raise Malformed("a chunk that is longer than it says")
                return bytes(found), None
            if data[at : at + 2] != b"\r\n":
                raise Malformed("a chunk that is longer than it says")
            at += 2
            self._left = None

    @staticmethod
    def _short(kept: bytes) -> bytes:
        if b"\n" in kept or len(kept) > _LONGEST_SIZE:
            raise Malformed("a chunk without a size")
        return kept

    def _trailed(self, data: bytes) -> bytes | None:
        """What stands behind the trailers, which count for nothing; None while they come."""
        while True:
            line, end, rest = data.partition(b"\r\n")
            if not end:
                self._kept = line
                if self._trailers + len(line) > _MOST_TRAILERS:
                    raise TooLong
                return None
            if not line:
                return rest
            if _TRAILER.fullmatch(line) is None:
                raise Malformed("a trailer that is none")
            self._trailers += len(line)
            if self._trailers > _MOST_TRAILERS:
                raise TooLong
            data = rest
