"""Requests forged from the outside: every way to a private address is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import FetchError, RefusedError
from tellapart.fetch import Limits
from tellapart.fetch.guard import Guard
from tellapart.settings import Settings

_PRIVATE = """
127.0.0.1 127.0.0.1. 10.1.2.3 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 [::1]
[::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [fe80::1]
[fe80::1%25eth0] [fd00:ec2::254] [64:ff9b::7f00:1] [2002:7f00:1::] [2001:0:7f00:1::] 2130706433
0x7f000001 017700000001 0177.0.0.1 0x7f.0.0.1 127.1 127.0.1 0 0x7f.1. 0177.1 localhost LOCALHOST
localhost. a.localhost printer.local metadata.google.internal router.home.arpa
"""


@pytest.mark.parametrize("host", _PRIVATE.split())
def test_private_hosts_are_refused_by_name(host: str) -> None:
    with pytest.raises(RefusedError) as caught:
        Guard().check(f"http://{host}/latest/meta-data/")
    assert caught.value.reason == "private_address"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "scheme"),
        ("ftp://example.org/a", "scheme"),
        ("gopher://example.org/a", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("http://example.org:22/a", "port"),
        ("http://example.org:0/a", "port"),
        ("https://example.org:6379/a", "port"),
        ("http://example.org:25/a", "port"),
        ("http://example.org:65536/a", "port"),
        ("http://example.org:x/a", "bad_url"),
        ("", "bad_url"),
        ("/a.jpg", "bad_url"),
        ("a.jpg", "bad_url"),
        ("//example.org/a", "bad_url"),
        ("http://", "bad_url"),
        ("http:///a", "bad_url"),
        ("http://example.org@127.0.0.1/", "bad_url"),
        ("http://user:secret@example.org/", "bad_url"),
        ("http://exa mple.org/", "bad_url"),
        ("http://example..org/", "bad_url"),
        ("http://example.org../", "bad_url"),
        ("http://%31%32%37.0.0.1/", "bad_url"),
        ("http://127。0。0。1/", "private_address"),
        ("http://１２７.0.0.1/", "bad_url"),
        ("http://①②⑦.0.0.1/", "bad_url"),
        ("http://1.2.3.4.5/", "bad_url"),
        ("http://8.8.2056/", "bad_url"),
        ("http://[::1/", "bad_url"),
        ("http://[2606:4700::1%25eth0]/", "private_address"),
        ("http://example.org/\r\nHost: x", "bad_url"),
        ("http://example.org/\x00", "bad_url"),
        ("http://example.org/\ud800", "bad_url"),
        ("http://example.org/" + "a" * 9000, "bad_url"),
        ("http://" + "a" * 300 + ".org/", "bad_url"),
        ("http://example.org\\@127.0.0.1/", "bad_url"),
    ],
)
def test_unusable_urls(url: str, reason: str) -> None:
    with pytest.raises(FetchError) as caught:
        Guard().check(url)
    assert caught.value.reason == reason
    assert caught.value.do
    assert str(caught.value).isprintable() or "\n" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("http://example.org.:80/a?b=c#part", "http://example.org/a?b=c"),
        ("https://example.org:443/ä b", "https://example.org/%C3%A4%20b"),
        ("http://example.org:8080/%2F", "http://example.org:8080/%2F"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://[2606:4700:0::1111]:8080/", "http://[2606:4700::1111]:8080/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("  http://example.org/a  ", "http://example.org/a"),
    ],
)
def test_usable_urls_come_in_one_spelling(url: str, normal: str) -> None:
    guard = Guard()
    assert guard.check(url).url == normal
    assert guard.check(normal).url == normal


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "http://[", "http://1."]))
def test_any_text_is_either_a_public_target_or_an_error(text: str, start: str) -> None:
    try:
        target = Guard().check(start + text)
    except FetchError as error:
        assert error.what
        return
    assert target.scheme in ("http", "https")
    assert Guard().check(target.url) == target


def test_allowed_hosts_open_exactly_one_door(web: Any) -> None:
    guard = Guard(("127.0.0.1:9000", "localhost:8000", "[::1]:7000", "Example.internal."))
    for url in ("127.0.0.1:9000", "localhost:8000", "localhost.:8000", "[::1]:7000"):
        assert guard.check(f"http://{url}/").host
    for url in ("example.internal", "example.internal:80"):
        assert guard.check(f"http://{url}/").port == 80
    for url in (
        "127.0.0.1:9001",
        "localhost:9000",
        "127.0.0.2:9000",
        "2130706433:9000",
        "127.1:9000",
        "[::ffff:127.0.0.1]:9000",
        "example.internal:8080",
        "x.localhost:8000",
    ):
        with pytest.raises(RefusedError):
            guard.check(f"http://{url}/")
    # And in truth: the server is reached by the open name only.
    assert web.reasons("/a.jpg", f"http://localhost:{web.port}/a.jpg") == ["ok", "private_address"]


def test_names_are_judged_by_every_address(web: Any, names: Any) -> None:
    resolver = names(
        inside_example=["10.0.0.7"],
        mixed_example=("93.184.216.34", "127.0.0.1"),
        six_example=("2606:4700::1", "::ffff:169.254.169.254"),
        zone_example=("fe80::1%2",),
        odd_example=("127.1",),
        empty_example=(),
        open_example=("93.184.216.34",),
    )
    detour = web.detour()
    hosts = ("inside", "mixed", "six", "zone", "odd", "empty", "missing", "open")
    urls = [f"http://{host}.example/a.jpg" for host in hosts]
    found = web.reasons(*urls, settings=Settings(), resolver=resolver, network=detour)
    assert found == ["private_address"] * 5 + ["dns", "dns", "ok"]
    assert {host for host, _ in detour.asked} == {"93.184.216.34"}


def test_connects_to_the_address_that_was_checked(web: Any, names: Any) -> None:
    """The name answers differently the second time: nobody asks a second time."""
    resolver = names(rebinding_example=[("93.184.216.34",), ("127.0.0.1",)])
    detour = web.detour()
    url = "http://rebinding.example:8080/a.jpg"
    assert web.reasons(url, settings=Settings(), resolver=resolver, network=detour) == ["ok"]
    # One look for robots.txt and picture together, and the connection went where it said.
    assert resolver.calls == ["rebinding.example"]
    assert detour.asked == [("93.184.216.34", 8080)]
    assert {request.headers["host"] for request in web.requests} == {"rebinding.example:8080"}


def test_rebinding_between_connections_is_refused(web: Any, names: Any) -> None:
    async def close(request: Any) -> None:
        await request.send(headers={"Connection": "close"})
        request.writer.close()

    web.on("/robots.txt", close)
    resolver = names(rebinding_example=[("93.184.216.34",), ("127.0.0.1",)])
    detour = web.detour()
    url = "http://rebinding.example/a.jpg"
    found = web.reasons(url, settings=Settings(), resolver=resolver, network=detour)
    assert found == ["private_address"]
    assert detour.asked == [("93.184.216.34", 80)]
    assert web.paths == ["/robots.txt"]


def test_the_next_address_is_tried_where_one_is_dead(web: Any, names: Any) -> None:
    resolver = names(two_example=("2606:4700::1", "93.184.216.34"))
    detour = web.detour("2606:4700::1")
    found = web.reasons(
        "http://two.example/a.jpg", settings=Settings(), resolver=resolver, network=detour
    )
    assert found == ["ok"]
    assert [host for host, _ in detour.asked] == ["2606:4700::1", "93.184.216.34"]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1:1/secret", "private_address"),
        ("http://169.254.169.254/latest/meta-data/", "private_address"),
        ("http://[::1]/", "private_address"),
        ("//10.0.0.1/a", "private_address"),
        ("http://2130706433/", "private_address"),
        ("http://inside.example/", "private_address"),
        ("file:///etc/passwd", "scheme"),
        ("data:image/jpeg;base64,/9j/", "scheme"),
        ("gopher://127.0.0.1:6379/_INFO", "scheme"),
        ("http://example.org:22/", "port"),
        ("http://user@example.org/", "bad_url"),
    ],
)
def test_redirects_are_judged_anew(web: Any, names: Any, location: str, reason: str) -> None:
    web.page("/away", b"", 302, Location=location)
    resolver = names(inside_example=("10.0.0.7",))
    assert web.reasons("/away", resolver=resolver) == [reason]


def test_redirects_end_somewhere(web: Any) -> None:
    web.page("/loop", b"", 302, Location="/loop")
    for step in range(7):
        web.page(f"/{step}", b"", (301, 302, 303, 307, 308)[step % 5], Location=f"/{step + 1}")
    web.page("/nowhere", b"", 302)
    web.page("/same", b"", 304)
    found = web.reasons("/loop", "/0", "/1", "/2", "/nowhere", "/same")
    assert found == ["redirects", "redirects", "redirects", "ok", "http_302", "http_304"]
    assert web.seen("/loop") == 6
    assert web.one("/2").url == web.url("/7")


def test_redirects_carry_no_token_elsewhere(web: Any, serving: Any) -> None:
    with serving() as other:
        web.page("/away", b"", 302, Location=other.url("/b.jpg"))
        web.page("/here", b"", 302, Location="/b.jpg")
        settings = Settings(allow_hosts=(f"127.0.0.1:{web.port}", f"127.0.0.1:{other.port}"))
        answers = web.reasons(
            "/away", "/here", settings=settings, headers={"Authorization": "Bearer secret"}
        )
        assert answers == ["ok", "ok"]
        assert all("authorization" not in request.headers for request in other.requests)
    kept = [r for r in web.requests if r.path == "/b.jpg"]
    assert [r.headers.get("authorization") for r in kept] == ["Bearer secret"]


def test_robots_may_not_lead_inside_either(web: Any) -> None:
    web.page("/robots.txt", b"", 302, Location="http://127.0.0.1:1/")
    assert web.reasons("/a.jpg") == ["private_address"]


def test_slow_names_count_as_time(web: Any) -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    found = web.reasons(
        "http://slow.example/a.jpg", resolver=never, limits=Limits(seconds=0.2), robots=False
    )
    assert found == ["timeout"]
