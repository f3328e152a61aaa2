"""What a body is, told from its first bytes; what a server says it is counts for nothing."""

from __future__ import annotations

from typing import Literal

from tellapart.fetch.reasons import problem

Expect = Literal["picture", "json", "any"]

#: Kinds the project decodes. HEIC is told apart but not among them: Pillow cannot read it.
PICTURES = frozenset(
    f"image/{kind}" for kind in ("jpeg", "png", "gif", "webp", "bmp", "tiff", "avif", "jp2")
)
#: Bytes from the start that are enough to decide.
HEAD = 512

_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
}


def media_type(head: bytes) -> str:
    """Return the media type of a body from its first `HEAD` bytes (fewer where it is shorter).

    `application/octet-stream` where nothing fits.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    # Two letters alone would also fit prose: the reserved bytes and the header's size must too.
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and head[15:18] == b"\0\0\0":
        return "image/bmp"
    if head[4:8] == b"ftyp":
        return _brand(head)
    return _text(head)


def check(data: bytes, expect: Expect, url: str) -> str:
    """Return the media type of `data` (whole, or its first bytes) if it is what was expected.

    Raises `FetchError` (`empty`, `not_a_picture`, `not_json`).
    """
    kind = media_type(data[:HEAD])
    if expect == "any":
        return kind
    if not data:
        raise problem("empty", f"{url} is empty.")
    if expect == "picture" and kind not in PICTURES:
        raise problem("not_a_picture", f"{url} is {kind}, told from its bytes.")
    if expect == "json" and kind != "application/json":
        raise problem("not_json", f"{url} answered in {kind}.")
    return kind


def _brand(head: bytes) -> str:
    # The major brand may be the general `mif1`; a compatible brand then says which it is.
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
    kinds = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    if "image/avif" in kinds:
        return "image/avif"
    return kinds[0] if kinds else "video/mp4"


def _text(head: bytes) -> str:
    start = head[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not start or b"\0" in start:
        return "application/octet-stream"
    if start[:1] in b"{[":
        return "application/json"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "text/html"
    if start.startswith(b"<svg") or (start[:1] == b"<" and b"<svg" in start):
        return "image/svg+xml"
    if start.startswith(b"<?xml"):
        return "text/html" if b"<html" in start else "application/xml"
    if start[:1] == b"<":
        return "text/html"
    control = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in start)
    return "application/octet-stream" if control else "text/plain"
