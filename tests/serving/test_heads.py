"""Heads and chunks as another parser reads them, or not at all; however the bytes are cut."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tellapart.serving.heads import MOST, Chunks, Head, Malformed, TooLong, read_head

HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n"


class Other:
    """What llhttp makes of a request."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.begun = self.whole = False
        self.parser = httptools.HttpRequestParser(self)
        # Of a second request nothing is wanted.
        with contextlib.suppress(httptools.HttpParserUpgrade):
            self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url if not self.whole else b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.begun:
            self.headers.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        self.begun = True
        self.method = self.parser.get_method().decode()
        self.keep = self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.body += body if not self.whole else b""

    def on_message_complete(self) -> None:
        self.whole = True


METHODS = st.sampled_from(("GET", "POST", "HEAD", "OPTIONS", "PUT", "get", "G T", ""))
TARGETS = st.sampled_from(("/", "/predict", "/a%20b?x=1&y", "*", "http://h/x?y", "", "/ü", "h:1"))
NAMES = st.sampled_from(
    (
        *("Content-Length", "content-length", "Transfer-Encoding", "Connection", "Host", "X-A"),
        *("Content-Length ", " Host", "a b", "", "Expect", "Upgrade"),
    )
)
VALUES = st.sampled_from(
    (
        "5",
        "0",
        "+5",
        "5, 5",
        "",
        "chunked",
        "gzip, chunked",
        "close",
        "keep-alive",
        "x\ty",
        "a\x00b",
    )
) | st.text(st.characters(max_codepoint=255), max_size=8)
ENDS = st.sampled_from(("\r\n",) * 8 + ("\n", "\r", "\r\n ", ""))


@st.composite
def requests(draw: Any) -> bytes:
    version = draw(st.sampled_from(("HTTP/1.1",) * 4 + ("HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", "")))
    text = f"{draw(METHODS)} {draw(TARGETS)} {version}{draw(ENDS)}"
    for _ in range(draw(st.integers(0, 4))):
        colon = draw(st.sampled_from((": ", ":", " :", "")))
        text += f"{draw(NAMES)}{colon}{draw(VALUES)}{draw(ENDS)}"
    return (text + draw(ENDS)).encode("latin-1", "replace")


@settings(max_examples=600, deadline=None)
@given(requests() | st.binary(max_size=60))
@example(HEAD)
@example(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nConnection: Close , upgrade\r\n\r\n")
def test_a_head_says_what_it_says_to_another_parser(data: bytes) -> None:
    try:
        head = read_head(data)
    except (Malformed, TooLong):
        return
    if head is None:
        assert b"\r\n\r\n" not in data
        return
    try:
        other = Other(data[: head.size])
    except httptools.HttpParserError:
        # Methods that llhttp does not know, and addresses: no route takes them here either.
        assert head.method not in ("GET", "POST", "HEAD", "OPTIONS") or head.path == "*"
        return
    assert other.begun and other.method == head.method
    assert dict(other.headers) == head.headers
    assert other.keep == head.keep
    assert other.whole == (head.length == 0)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(HEAD) - 1))
def test_the_beginning_of_a_head_is_waited_for(size: int) -> None:
    assert read_head(HEAD[:size]) is None


def test_what_a_head_may_be() -> None:
    plain = read_head(HEAD + b"12345")
    assert plain == Head(
        "POST", "/predict", b"", {b"host": b"x", b"content-length": b"5"}, 5, True, len(HEAD)
    )
    odd = read_head(b"GET http://example.com/%C3%BC?q=%41 HTTP/1.0\r\n\r\n")
    assert odd is not None and (odd.path, odd.query, odd.keep) == ("/ü", b"q=%41", False)
    bare = read_head(b"GET http://example.com?x HTTP/1.1\r\n\r\n")
    assert bare is not None and (bare.path, bare.query) == ("/", b"x")
    for beginning in (
        *(b"\x16\x03\x01", b"get / HTTP/1.1\r\n", b"GET / HTTP/1.1\n", b"GET / HTTP/3", b"POST  /"),
        *(b"GET / HTTP/1.1\r\na b: c\r\n\r\n", b"GET / HTTP/1.1\r\na: b\r\n c: d\r\n\r\n"),
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
    ):
        with pytest.raises(Malformed):
            read_head(beginning)
    for long in (b"x: y\r\n" * 20_000, b"x" * MOST):
        with pytest.raises(TooLong):
            read_head(b"GET / HTTP/1.1\r\n" + long)


def fed(data: bytes, cuts: list[int]) -> tuple[bytes, bytes | None]:
    chunks, body, rest = Chunks(), b"", None
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        if rest is not None:
            rest += data[start:end]
            continue
        more, rest = chunks.feed(data[start:end])
        body += more
    return body, rest


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.lists(st.integers(0, 10_000), max_size=30),
    st.sampled_from((b"", b"a: b\r\n", b"a: b\r\nc: d\r\n")),
    st.sampled_from((b"", b";x=y", b" ")),
    st.binary(max_size=10),
)
def test_chunks_survive_any_cut(
    pieces: list[bytes], cuts: list[int], trailers: bytes, behind: bytes, next_: bytes
) -> None:
    data = b"".join(b"%X%b\r\n%b\r\n" % (len(piece), behind, piece) for piece in pieces)
    data += b"0\r\n" + trailers + b"\r\n" + next_
    assert fed(data, cuts) == (b"".join(pieces), next_)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from((b"0", b"1", b"5", b"\r\n", b"\r", b"\n", b"abcde", b";", b" ", b"x: y"))
        | st.binary(max_size=6),
        max_size=12,
    ).map(b"".join),
    st.lists(st.integers(0, 100), max_size=4),
)
def test_broken_chunks_are_refused_or_mean_the_same(data: bytes, cuts: list[int]) -> None:
    try:
        body, rest = fed(data, cuts)
    except (Malformed, TooLong):
        return
    if rest is None:
        return
    head = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    other = Other(head + data[: len(data) - len(rest)])
    assert other.whole and other.body == body


def test_what_stands_beside_chunks_is_bounded() -> None:
    for line in (b"x: y\n", b"x: y\r", b" x: y", b"x : y", b"x", b"x: y\0"):
        with pytest.raises(Malformed):
            Chunks().feed(b"0\r\n" + line + b"\r\n\r\n")
    for data in (b"1" * 300, b"5;" + b"x" * 300, b"5\r\nabcdefg", b"g\r\n", b"5\nabcde"):
        with pytest.raises(Malformed):
            Chunks().feed(data)
    with pytest.raises(TooLong):
        Chunks().feed(b"0\r\nx: " + b"y" * 10_000)
    chunks = Chunks()
    with pytest.raises(TooLong):
        for _ in range(2000):
            chunks.feed(b"0\r\n" if _ == 0 else b"x: y1\r\n")
