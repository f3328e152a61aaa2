"""Slots, pauses, second tries; proxies only where asked for."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from tellapart.errors import FetchError, InputError
from tellapart.fetch.politeness import backoff, retry_after
from tellapart.settings import Settings


def flaky(*answers: tuple[int, dict[str, str]]) -> Any:
    """A handler that gives these answers in turn, then a picture."""
    left = list(answers)

    async def answer(request: Any) -> None:
        if left:
            status, headers = left.pop(0)
            await request.send(b"busy", status, headers)
        else:
            await request.send()

    return answer


def test_retry_after_then_ok(web: Any) -> None:
    web.on("/busy", flaky((429, {"Retry-After": "1"})))
    start = time.perf_counter()
    assert web.reasons("/busy") == ["ok"]
    assert time.perf_counter() - start >= 1
    assert web.seen("/busy") == 2


def test_retry_after_as_a_date(web: Any) -> None:
    web.on("/busy", flaky((503, {"Retry-After": formatdate(time.time() + 2, usegmt=True)})))
    start = time.perf_counter()
    assert web.reasons("/busy") == ["ok"]
    assert time.perf_counter() - start > 0.9


def test_a_pause_holds_for_the_whole_host(web: Any) -> None:
    started: list[float] = []

    async def note(request: Any) -> None:
        started.append(time.perf_counter())
        await request.send()

    web.on("/busy", flaky((429, {"Retry-After": "1"})))
    web.on("/late", note)
    settings = web.settings(max_per_host=1)
    start = time.perf_counter()
    assert web.reasons("/busy", "/late", settings=settings) == ["ok", "ok"]
    assert started[0] - start >= 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_tried_again_a_few_times(web: Any, status: int) -> None:
    web.page("/busy", b"busy", status)
    web.on("/once", flaky((status, {})))
    word = "rate_limited" if status == 429 else f"http_{status}"
    assert web.reasons("/busy", "/once") == [word, "ok"]
    assert web.seen("/busy") == web.quick.attempts
    assert web.seen("/once") == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 500, 501])
def test_what_stays_is_not_tried_again(web: Any, status: int) -> None:
    web.page("/gone", b"gone", status)
    assert web.reasons("/gone") == [f"http_{status}"]
    assert web.seen("/gone") == 1


def test_a_pause_longer_than_we_wait_fails_that_picture_at_once(web: Any) -> None:
    web.page("/day", b"", 429, Retry_After="86400")
    assert web.reasons("/day", "/a.jpg") == ["rate_limited", "ok"]
    assert web.seen("/day") == 1


def test_a_host_that_gives_nothing_out_is_left_alone(web: Any) -> None:
    urls = [f"/{number}.jpg" for number in range(40)]
    for url in urls:
        web.page(url, b"", 429, Retry_After="86400")
    settings = web.settings(max_per_host=1)
    assert set(web.reasons(*urls, settings=settings)) == {"rate_limited"}
    assert len(web.requests) <= 1 + 8


def test_connection_errors_are_tried_again(web: Any) -> None:
    tries = 0

    async def drop(request: Any) -> None:
        nonlocal tries
        tries += 1
        if tries > 2:
            await request.send()
        else:
            request.writer.close()

    web.on("/drop", drop)
    assert web.reasons("/drop") == ["ok"]
    assert tries == 3


def test_nobody_listens(web: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings = Settings(allow_hosts=(f"127.0.0.1:{port}",))
        url = f"http://127.0.0.1:{port}/a.jpg"
        assert web.reasons(*[url] * 20, settings=settings) == ["connection"] * 20


def test_slots_of_one_host(web: Any) -> None:
    async def slow(request: Any) -> None:
        await asyncio.sleep(0.03)
        await request.send()

    urls = [f"/{number}.jpg" for number in range(20)]
    for url in urls:
        web.on(url, slow)
    settings = web.settings(max_per_host=3, max_connections=10)
    assert web.reasons(*urls, settings=settings) == ["ok"] * 20
    assert web.most_at_once == 3


def test_slots_of_all_hosts(web: Any, names: Any) -> None:
    async def slow(request: Any) -> None:
        await asyncio.sleep(0.03)
        await request.send()

    table = {f"h{n}_example": ("93.184.216.34",) for n in range(10)}
    web.on("/slow.jpg", slow)
    found = web.reasons(
        *[f"http://h{n}.example/slow.jpg" for n in range(10) for _ in range(2)],
        settings=Settings(max_per_host=3, max_connections=5),
        resolver=names(**table),
        network=web.detour(),
    )
    assert found == ["ok"] * 20
    assert web.most_at_once == 5


def test_waiting_for_a_slot_takes_no_time_of_the_request(web: Any, names: Any) -> None:
    async def slow(request: Any) -> None:
        await asyncio.sleep(0.1)
        await request.send()

    web.on("/slow.jpg", slow)
    found = web.reasons(
        *[f"http://h{n}.example/slow.jpg" for n in range(10)],
        settings=Settings(max_connections=1),
        resolver=names(**{f"h{n}_example": ("93.184.216.34",) for n in range(10)}),
        network=web.detour(),
        limits=replace(web.quick, seconds=0.6),
    )
    assert found == ["ok"] * 10


def test_connections_are_kept(web: Any, names: Any) -> None:
    detour = web.detour()
    resolver = names(kept_example=("93.184.216.34",))
    urls = [f"http://kept.example/{number}.jpg" for number in range(30)]
    settings = Settings(max_per_host=2)
    found = web.reasons(*urls, settings=settings, resolver=resolver, network=detour)
    assert found == ["ok"] * 30
    assert len(detour.asked) <= 2
    assert len(resolver.calls) <= 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 7 ", 7),
        ("9" * 500, 999999999999),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", None),
        ("²", None),
    ],
)
def test_reading_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_backoff_grows_and_is_the_same_each_time() -> None:
    waits = [backoff("http://example.org/a", attempt, 1.0) for attempt in (1, 2, 3)]
    assert waits == [backoff("http://example.org/a", attempt, 1.0) for attempt in (1, 2, 3)]
    for attempt, wait in enumerate(waits):
        assert 0.5 * 2**attempt <= wait <= 1.5 * 2**attempt
    assert len({backoff(f"http://example.org/{n}", 1, 1.0) for n in range(50)}) > 30


def test_proxies_are_ignored(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{dead.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert web.reasons("/a.jpg") == ["ok"]
        # The setting turns them on: now nothing gets through the dead one.
        limits = replace(web.quick, attempts=1)
        settings = web.settings(trust_proxies=True)
        assert web.reasons("/a.jpg", settings=settings, limits=limits) == ["connection"]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert web.reasons("/a.jpg", settings=settings) == ["ok"]


def test_a_trusted_proxy_carries_the_request(
    web: Any, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        settings = Settings(trust_proxies=True)
        # The guard still judges what the URL says itself.
        urls = ("http://pictures.example/a.jpg", "http://10.0.0.1/a.jpg", "http://x.internal/")
        found = web.reasons(*urls, settings=settings)
        assert found == ["ok", "private_address", "private_address"]
        asked = proxy.requests[-1]
        assert asked.path == "http://pictures.example/a.jpg"
        assert asked.headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize(
    "proxy", ["socks5://me:secret@127.0.0.1:1", "http://me:secret@host:port", "me:secret@host"]
)
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(
    web: Any, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(InputError, match="environment names") as caught:
        web.one("/a.jpg", settings=web.settings(trust_proxies=True))
    assert "secret" not in str(caught.value) and "TELLAPART_TRUST_PROXIES" in caught.value.do


def test_errors_survive_pickling(web: Any) -> None:
    import pickle

    with pytest.raises(FetchError) as caught:
        web.one("/a.jpg", max_bytes=1)
    assert pickle.loads(pickle.dumps(caught.value)).reason == "too_large"
