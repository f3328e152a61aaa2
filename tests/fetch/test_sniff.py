"""Kinds of bodies told from their bytes; data: URIs."""

from __future__ import annotations

import base64
import io
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tellapart.errors import FetchError
from tellapart.fetch import REASONS
from tellapart.fetch.datauri import decode
from tellapart.fetch.reasons import problem, shorten
from tellapart.fetch.sniff import HEAD, PICTURES, media_type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("AVIF", "image/avif"),
        ("JPEG2000", "image/jp2"),
    ],
)
def test_what_pillow_writes(name: str, kind: str) -> None:
    Image.init()
    if name not in Image.SAVE:
        pytest.skip(f"this Pillow cannot write {name}")
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 90)).save(buffer, name)
    assert media_type(buffer.getvalue()[:HEAD]) == kind
    assert kind in PICTURES


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"<!DOCTYPE html><html>", "text/html"),
        (b"\n  <HTML><body>", "text/html"),
        (b"\xef\xbb\xbf<html>", "text/html"),
        (b"<!-- x --><p>", "text/html"),
        (b"<?xml version='1.0'?><html xmlns='x'>", "text/html"),
        (b"<?xml version='1.0'?><Error><Code>", "application/xml"),
        (b"<?xml version='1.0'?><svg xmlns='x'>", "image/svg+xml"),
        (b'{"error": 1}', "application/json"),
        (b" [1]", "application/json"),
        (b"%PDF-1.7", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b\x08", "application/gzip"),
        (b"BMW builds cars and other things", "text/plain"),
        (b"RIFF\x00\x00\x00\x00WAVE", "application/octet-stream"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "image/heic"),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf", "image/avif"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomavc1", "video/mp4"),
        (b"", "application/octet-stream"),
        (b"\x00" * 600, "application/octet-stream"),
        (b"GIF88a", "text/plain"),
        (b"\xff\xd8", "text/plain"),
    ],
)
def test_what_is_no_picture_of_ours(head: bytes, kind: str) -> None:
    assert media_type(head) == kind


@given(st.binary(max_size=600))
def test_any_bytes_have_a_kind(head: bytes) -> None:
    assert "/" in media_type(head)


@given(st.binary(max_size=300))
def test_data_uris_give_their_bytes_back(data: bytes) -> None:
    packed = base64.b64encode(data).decode()
    for uri in (
        f"data:image/png;base64,{packed}",
        f"data:;base64,{packed.rstrip('=')}",
        f"DATA:image/png;charset=x;BASE64,{quote(packed)}",
        f"data:,{quote(data)}",
        f"data:image/png;base64,{packed[:7]}\n {packed[7:]}",
    ):
        assert decode(uri, 1000) == data


@given(st.text(max_size=200))
def test_any_data_uri_is_bytes_or_an_error(text: str) -> None:
    try:
        assert len(decode("data:" + text, 150)) <= 150
    except FetchError as error:
        assert error.reason in ("bad_url", "too_large")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("data:image/png;base64", "bad_url"),
        ("data:image/png;base64,####", "bad_url"),
        ("data:image/png;base64,A", "bad_url"),
        ("data:," + "a" * 101, "too_large"),
        ("data:," + "%61" * 5000, "too_large"),
        ("data:;base64," + "A" * 200, "too_large"),
    ],
)
def test_unusable_data_uris(uri: str, reason: str) -> None:
    with pytest.raises(FetchError) as caught:
        decode(uri, 100)
    assert caught.value.reason == reason


def test_data_uris_go_through_the_fetcher(web: Any) -> None:
    uri = "data:text/html;base64," + base64.b64encode(web.jpeg).decode()
    answer = web.one(uri)
    assert (answer.data, answer.media_type, answer.status) == (web.jpeg, "image/jpeg", 200)
    assert len(answer.url) < 200
    found = web.reasons("data:image/jpeg,<html>", "data:image/png;base64,", " data:,x")
    assert found == ["not_a_picture", "empty", "not_a_picture"]
    assert web.reasons(uri, max_bytes=10) == ["too_large"]
    assert web.requests == []


def test_every_reason_speaks_in_three_parts() -> None:
    for reason in [*REASONS, "http_404"]:
        error = problem(reason, "It happened.")
        assert error.reason == reason
        assert error.what and error.expected and error.do.endswith(".")
    assert shorten("a\nb\x1b") == "a\\nb\\x1b"
    assert len(shorten("x" * 10_000)) <= 160
