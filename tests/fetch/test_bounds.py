"""Bodies that never end, drip, explode, lie or break off."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest

from tellapart.errors import FetchError
from tellapart.fetch import Limits, fetch_one

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: image/jpeg\r\n\r\n"


def test_a_picture_arrives_whole(web: Any) -> None:
    answer = web.one("/a.jpg")
    assert (answer.status, answer.data, answer.media_type) == (200, web.jpeg, "image/jpeg")
    assert answer.url == web.url("/a.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert len(answer.sha256) == 64
    agent = web.requests[-1].headers["user-agent"]
    assert agent.startswith("Tellapart/") and agent.endswith(
        "(+https://github.com/tellapart/tellapart)"
    )


def test_endless_body(web: Any) -> None:
    sent = 0

    async def endless(request: Any) -> None:
        nonlocal sent
        await request.write(CHUNKED)
        piece = web.jpeg * 16
        while True:
            await request.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            sent += len(piece)

    web.on("/endless", endless)
    assert web.reasons("/endless", "/a.jpg") == ["too_large", "ok"]
    assert sent < 10_000_000


def test_a_length_that_says_too_much_is_not_read(web: Any) -> None:
    web.on("/big", lambda request: request.send(length=10**9))
    assert web.reasons("/big") == ["too_large"]


def test_a_length_that_says_too_little_gives_that_much(web: Any) -> None:
    web.on("/less", lambda request: request.send(length=600))
    web.on("/robots.txt", lambda request: request.send(b"", 404))
    answers = web.get("/less", "/a.jpg", "/b.jpg")
    assert answers[0].data == web.jpeg[:600]
    assert answers[1].data == answers[2].data == web.jpeg


def test_a_body_that_breaks_off(web: Any) -> None:
    async def break_off(request: Any) -> None:
        await request.send(length=5000)
        request.writer.close()

    web.on("/part", break_off)
    assert web.reasons("/part", limits=replace(web.quick, attempts=2)) == ["connection"]
    assert web.seen("/part") == 2


@pytest.mark.parametrize("pause", [0.01, 60.0])
def test_slow_drip(web: Any, pause: float) -> None:
    async def drip(request: Any) -> None:
        await request.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await request.write(b"\xff")
            await asyncio.sleep(pause)

    web.on("/drip", drip)
    assert web.reasons("/drip") == ["too_slow"]


def test_total_time(web: Any) -> None:
    async def steady(request: Any) -> None:
        await request.write(b"HTTP/1.1 200 OK\r\nContent-Length: 150000\r\n\r\n")
        while True:
            await request.write(web.jpeg)
            await asyncio.sleep(0.02)

    async def silent(request: Any) -> None:
        await asyncio.sleep(60)

    web.on("/steady", steady)
    web.on("/silent", silent)
    limits = replace(web.quick, seconds=0.5)
    assert web.reasons("/steady", "/silent", limits=limits) == ["timeout", "timeout"]
    assert web.seen("/silent") == 1


def test_time_is_one_purse_for_all_redirects(web: Any) -> None:
    async def slow(request: Any) -> None:
        await asyncio.sleep(0.2)
        await request.send(b"", 302, {"Location": request.path + "x"})

    for step in range(6):
        web.on("/" + "x" * (step + 1), slow)
    assert web.reasons("/x", limits=replace(web.quick, seconds=0.7)) == ["timeout"]


def test_slow_clients_leave_the_fetcher_usable(web: Any) -> None:
    """Cut-off requests give their slots and connections back."""

    async def silent(request: Any) -> None:
        await asyncio.sleep(60)

    for number in range(12):
        web.on(f"/silent{number}", silent)
    urls = [f"/silent{number}" for number in range(12)] + [f"/{n}.jpg" for n in range(12)]
    settings = web.settings(max_connections=3, max_per_host=2)
    found = web.reasons(*urls, settings=settings, limits=replace(web.quick, seconds=0.1))
    assert found == ["timeout"] * 12 + ["ok"] * 12


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b"\xff\xd8\xff")
    zeros = bytes(1_000_000)
    body = b"".join(packer.compress(zeros) for _ in range(size // len(zeros)))
    return start + body + packer.flush()


def test_decompression_bomb(web: Any) -> None:
    body = bomb(100_000_000)
    assert len(body) < 200_000
    web.page("/bomb", body, Content_Encoding="gzip")
    limits = Limits(max_bytes=1_000_000)
    tracemalloc.start()
    try:
        assert web.reasons("/bomb", limits=limits) == ["too_large"]
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_bomb_of_empty_members(web: Any) -> None:
    """Nothing comes out, so only what goes in can be counted."""
    sent = 0

    async def empty(request: Any) -> None:
        nonlocal sent
        await request.write(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))
        piece = gzip.compress(b"") * 1000
        while True:
            await request.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            sent += len(piece)

    web.on("/empty", empty)
    assert web.reasons("/empty", "/a.jpg") == ["too_large", "ok"]
    assert sent < 20_000_000


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:])),
        ("gzip", lambda data: gzip.compress(data) + b"\0\0rubbish"),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_encodings(web: Any, encoding: str, pack: Any) -> None:
    web.page("/packed", pack(web.jpeg), Content_Encoding=encoding)
    assert web.one("/packed").data == web.jpeg


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"\x8b\x02\x80"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"\xff\xd8\xff"))),
        ("gzip", b"no gzip at all"),
        ("gzip", gzip.compress(b"\xff\xd8\xff" * 100)[:-12]),
        ("deflate", b"\xff\xff\xff\xff"),
    ],
    ids=["unknown", "twice", "rubbish", "cut off", "broken"],
)
def test_bodies_that_cannot_be_decoded(web: Any, encoding: str, body: bytes) -> None:
    web.page("/packed", body, Content_Encoding=encoding)
    assert web.reasons("/packed", "/a.jpg") == ["encoding", "ok"]


def test_pictures_are_asked_for_plain_and_answers_packed(web: Any) -> None:
    web.page("/api", gzip.compress(b'{"a": [1]}'), Content_Encoding="gzip")
    assert web.one("/api", expect="json").json() == {"a": [1]}
    web.one("/a.jpg")
    asked = {r.path: r.headers["accept-encoding"] for r in web.requests}
    assert asked["/api"] == "gzip, deflate"
    assert asked["/a.jpg"] == "identity"


def test_content_is_told_from_itself(web: Any) -> None:
    page = b"<!DOCTYPE html><title>Sign in</title>" + b" " * 2000
    web.page("/html.jpg", page)
    web.page("/svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    web.page("/empty", b"")
    web.page("/none", b"", 204)
    web.page("/lies", web.jpeg, Content_Type="text/html")
    web.page("/text", b"hello")
    found = web.reasons("/html.jpg", "/svg", "/empty", "/none", "/lies", "/text")
    assert found == ["not_a_picture", "not_a_picture", "empty", "empty", "ok", "not_a_picture"]
    assert web.one("/html.jpg", expect="any").media_type == "text/html"


def test_a_page_that_poses_as_a_picture_is_left_early(web: Any) -> None:
    sent = 0

    async def page(request: Any) -> None:
        nonlocal sent
        await request.write(CHUNKED)
        for _ in range(20_000):
            await request.write(b"400\r\n" + b"<html>".ljust(1024) + b"\r\n")
            sent += 1024

    web.on("/page", page)
    limits = Limits(max_bytes=50_000_000)
    assert web.reasons("/page", limits=limits) == ["not_a_picture"]
    assert sent < 10_000 * 1024


def test_json(web: Any) -> None:
    web.page("/ok", b' {"results": []}', Content_Type="application/json", X_Robots_Tag="noai")
    web.page("/html", b"<html>busy</html>", Content_Type="application/json")
    web.page("/broken", b'{"results": [')
    web.page("/deep", b"[" * 100_000)
    web.page("/error", b'{"detail": "page_size may not exceed 20"}', 401)
    assert web.one("/ok", expect="json").json() == {"results": []}
    assert web.reasons("/html", expect="json") == ["not_json"]
    for path in ("/broken", "/deep"):
        with pytest.raises(FetchError) as caught:
            web.one(path, expect="json").json()
        assert caught.value.reason == "not_json"
    with pytest.raises(FetchError, match="page_size may not exceed 20") as caught:
        web.one("/error", expect="json")
    assert caught.value.reason == "http_401"


def test_params_are_added_to_the_query(web: Any) -> None:
    web.one("/a.jpg?size=1&page=1", params={"q": "ä b&c", "page": 2})
    assert web.paths[-1] == "/a.jpg?size=1&page=2&q=%C3%A4+b%26c"
    assert web.reasons("http://[", params={"q": "x"}) == ["bad_url"]


def test_a_smaller_bound_for_one_call(web: Any) -> None:
    assert web.reasons("/a.jpg", max_bytes=500) == ["too_large"]
    assert web.reasons("/a.jpg", max_bytes=len(web.jpeg)) == ["ok"]


@pytest.mark.parametrize(
    "answer",
    [
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 300_000 + b"\r\n\r\n",
        b"",
    ],
)
def test_broken_http(web: Any, answer: bytes) -> None:
    async def broken(request: Any) -> None:
        await request.write(answer)
        request.writer.close()

    web.on("/broken", broken)
    limits = replace(web.quick, attempts=2)
    assert web.reasons("/broken", "/a.jpg", limits=limits) == ["connection", "ok"]


def test_fetch_one(web: Any) -> None:
    assert fetch_one(web.url(), web.settings()).data == web.jpeg

    async def inside() -> bytes:
        return fetch_one(web.url("/b.jpg"), web.settings()).data

    assert asyncio.run(inside()) == web.jpeg
    with pytest.raises(FetchError) as caught:
        fetch_one(web.url("/c.jpg"), web.settings(), max_bytes=10)
    assert caught.value.reason == "too_large"
