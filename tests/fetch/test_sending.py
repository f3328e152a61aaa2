"""A request that does something: once, at once, and one knows whether it may have arrived."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tellapart.errors import FetchError, InputError
from tellapart.fetch import Fetcher, Sent

TOKEN = "t-0123456789abcdef"


def send(web: Any, path: str = "/act", **options: Any) -> Sent | FetchError:
    url = options.pop("url", None) or web.url(path)
    more = {n: options.pop(n) for n in ("resolver", "network") if n in options}

    async def work() -> Sent:
        async with Fetcher(web.settings(), limits=web.quick, **more) as fetcher:
            return await fetcher.send(url, headers={"x-token": TOKEN}, **options)

    try:
        return asyncio.run(work())
    except FetchError as error:
        return error


def test_a_status_is_an_answer_whatever_it_is(web: Any) -> None:
    for status in (200, 201, 302, 401, 404, 429, 500, 503):
        web.page("/act", b'{"a": 1}', status, Retry_After="1", Location="/elsewhere")
        sent = send(web)
        assert isinstance(sent, Sent) and sent.status == status and sent.error is None
        assert sent.json() == {"a": 1} and sent.headers["retry-after"] == "1"
    # Neither a second try nor a redirect.
    assert web.paths == ["/act"] * 8


def test_a_body_goes_along(web: Any) -> None:
    sent = send(web, method="POST", json={"key": "ä"})
    assert isinstance(sent, Sent) and sent.status == 200
    request = web.requests[0]
    assert request.method == "POST" and request.headers["content-type"] == "application/json"
    assert request.headers["x-token"] == TOKEN and int(request.headers["content-length"]) == 16


@pytest.mark.parametrize("bytes_first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_what_was_sent_and_not_answered_leaves_a_doubt(web: Any, bytes_first: bytes) -> None:
    async def cut(request: Any) -> None:
        await request.write(bytes_first)
        request.writer.close()

    web.on("/act", cut)
    sent = send(web)
    assert isinstance(sent, Sent) and sent.error is not None and sent.error.reason == "connection"
    assert len(web.requests) == 1


def test_a_service_that_hangs_is_left(web: Any) -> None:
    async def hang(request: Any) -> None:
        await request.writer.drain()
        await asyncio.sleep(30)

    web.on("/act", hang)
    sent = send(web, seconds=0.2)
    assert isinstance(sent, Sent) and sent.status == 0
    assert sent.error is not None and sent.error.reason == "timeout"


def test_what_is_raised_was_never_sent(web: Any, names: Any) -> None:
    for url, reason in (
        ("http://10.0.0.1/like/1", "private_address"),
        ("http://localhost/like/1", "private_address"),
        ("file:///etc/passwd", "scheme"),
        ("http://nowhere.example/like/1", "dns"),
    ):
        found = send(web, url=url, resolver=names())
        assert isinstance(found, FetchError) and found.reason == reason
    dead = send(
        web,
        url="http://a.example/",
        resolver=names(a_example=("93.184.216.34",)),
        network=web.detour("93.184.216.34"),
    )
    assert isinstance(dead, FetchError) and dead.reason == "connection"
    assert not web.requests


def test_an_answer_without_end_is_cut(web: Any) -> None:
    web.page("/act", b"x" * 5000)
    sent = send(web, max_bytes=100)
    assert isinstance(sent, Sent) and sent.status == 200
    assert sent.error is not None and sent.error.reason == "too_large"


def test_no_header_gets_into_a_message_or_a_log(web: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def garbage(request: Any) -> None:
        await request.write(f"HTTP/9 {TOKEN}\r\n\r\n".encode())
        request.writer.close()

    web.on("/act", garbage)
    sent = send(web)
    assert isinstance(sent, Sent) and TOKEN not in f"{sent!r} {sent.error}"

    async def bad_header() -> Sent:
        async with Fetcher(web.settings()) as fetcher:
            return await fetcher.send(web.url("/b"), headers={"x-token": f"{TOKEN}\r\nx: y"})

    with pytest.raises(InputError) as caught:
        asyncio.run(bad_header())
    assert TOKEN not in f"{caught.value}" and "/b" not in web.paths
    assert TOKEN not in caplog.text.replace(f"HTTP/9 {TOKEN}", "")


def test_a_host_that_asked_for_rest_is_not_waited_for(web: Any) -> None:
    async def work() -> None:
        async with Fetcher(web.settings(), limits=web.quick) as fetcher:
            fetcher._host(fetcher._guard.check(web.url())).pause(30)
            with pytest.raises(FetchError) as caught:
                await fetcher.send(web.url("/act"))
            assert caught.value.reason == "rate_limited"

    asyncio.run(work())
    assert not web.requests


def test_opt_outs_are_left_aside_only_on_request(web: Any) -> None:
    web.page("/own.jpg", web.jpeg, X_Robots_Tag="noai")
    assert web.reasons("/own.jpg") == ["opted_out"]
    assert web.reasons("/own.jpg", opt_out=False) == ["ok"]
