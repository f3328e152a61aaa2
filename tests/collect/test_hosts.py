"""Hosts that hold up the others come last; without others nobody is put back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tellapart.demo.picture_web import PictureWeb
from tellapart.settings import Settings
from tellapart.steps.collect.hosts import Hosts, host_of

At = Callable[..., Any]


class Timed(Hosts):
    """With a clock that stands where it is put."""

    now = 0.0

    def _now(self) -> float:  # type: ignore[override]
        return self.now


@pytest.fixture
def hosts(tmp_path: Path) -> Timed:
    return Timed(Settings(home=tmp_path, max_per_host=2, max_connections=4))


def files(web: PictureWeb) -> list[str]:
    return [path for path in web.requests if path.startswith("/files")]


def deliver(hosts: Timed, host: str, number: int = 8, seconds: float = 0.1) -> None:
    for _ in range(number):
        hosts.delivered(host, seconds)


def test_a_host_that_fails_five_times_in_a_row_is_put_back(hosts: Timed) -> None:
    deliver(hosts, "good")
    for _ in range(4):
        hosts.failed("bad")
    hosts.delivered("bad", 0.1)
    for _ in range(4):
        hosts.failed("bad")
    assert not hosts.back()
    hosts.failed("bad")
    assert hosts.is_back("bad") and not hosts.is_back("good") and hosts.put_back == {"bad": 1}


def test_nobody_is_put_back_where_nobody_else_delivers(hosts: Timed) -> None:
    for _ in range(50):
        hosts.failed("bad")
    deliver(hosts, "bad", 20)
    for _ in range(50):
        hosts.failed("bad")
    assert not hosts.back()
    deliver(hosts, "good")
    hosts.now = 100.0  # that was long ago
    hosts.failed("bad")
    assert not hosts.back()


def test_a_slow_host_is_put_back_for_a_while_and_longer_each_time(hosts: Timed) -> None:
    async def one(last: float) -> tuple[bool, bool]:
        began = hosts.now
        async with hosts.slot("slow"):
            hosts.now = began + last
            deliver(hosts, "good")
            hosts.review()
            return hosts.is_back("slow"), bool(hosts.back())

    # Eight times as long as the others, and a second at least.
    assert asyncio.run(one(0.95)) == (False, False)
    assert asyncio.run(one(1.05)) == (True, True)
    hosts.now += 31
    assert not hosts.back()
    assert asyncio.run(one(2.0)) == (True, True)
    hosts.now += 31
    assert hosts.is_back("slow")
    hosts.now += 31
    assert not hosts.is_back("slow")


def test_what_is_usual_is_learned_from_the_others(hosts: Timed) -> None:
    async def one() -> bool:
        async with hosts.slot("slow"):
            hosts.now = 9.0
            deliver(hosts, "good", seconds=2.0)
            hosts.review()
            return hosts.is_back("slow")

    assert not asyncio.run(one())


def test_slots_hold_for_each_host_and_for_all(hosts: Timed) -> None:
    running: dict[str, int] = {"a": 0, "b": 0, "c": 0}
    most = {"host": 0, "all": 0}

    async def one(host: str) -> None:
        async with hosts.slot(host):
            running[host] += 1
            most["host"] = max(most["host"], running[host])
            most["all"] = max(most["all"], sum(running.values()))
            await asyncio.sleep(0)
            running[host] -= 1

    async def crowd() -> None:
        await asyncio.gather(*(one(host) for host in "abc" * 10))

    asyncio.run(crowd())
    assert most == {"host": 2, "all": 4}


def test_a_new_host_gets_two_slots_and_one_more_for_each_picture(tmp_path: Path) -> None:
    hosts = Timed(Settings(home=tmp_path, max_per_host=4))

    async def most(delivered: int) -> int:
        running, seen = 0, 0

        async def one() -> None:
            nonlocal running, seen
            async with hosts.slot("new"):
                running += 1
                seen = max(seen, running)
                await asyncio.sleep(0)
                running -= 1

        deliver(hosts, "new", delivered)
        await asyncio.gather(*(one() for _ in range(20)))
        return seen

    async def grow() -> list[int]:
        hosts.failed("new")
        return [await most(0), await most(1), await most(0), await most(9)]

    assert hosts.enough("new") == 4
    assert asyncio.run(grow()) == [2, 3, 3, 4]
    assert hosts.enough("new") == 8 and hosts.enough("another") == 4


@pytest.mark.parametrize(
    ("url", "host"),
    [("http://A.org:81/x", "a.org:81"), ("data:x", ""), ("http://[", ""), ("", "")],
)
def test_hosts_of_addresses(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.fixture
def slow_web() -> Iterator[PictureWeb]:
    with PictureWeb(["apple"], n=30, size=(64, 48), faults=False, seed=9, delay=20) as running:
        yield running


def test_a_slow_host_does_not_hold_up_a_class(
    web: PictureWeb, slow_web: PictureWeb, at: At, tmp_path: Path
) -> None:
    """Its pictures wait as surplus, and nothing of it is asked for again at once."""
    hosts = (web.host, slow_web.host)
    bench = at(web, allow_hosts=hosts, fetch_timeout=60, record=tmp_path / "tape")
    rows = ["url,label"]
    for word in ("apple", "boat"):
        for fast, slow in zip(web.openverse[word], slow_web.openverse["apple"], strict=False):
            rows += [f"{slow_web.url(slow)},{word}", f"{web.url(fast)},{word}"]
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    sources = [{"urls": {"file": str(tmp_path / "list.csv")}}]
    result = bench.collect(classes=["apple", "boat"], sources=sources, per_class=25)
    assert result["found"] == 50
    assert result["notes"] == [
        f"The host {slow_web.host} held up the others: its pictures came last."
    ]
    taken = bench.rows(status="ok")
    assert {host_of(row.file_url) for row in taken} == {web.host}
    assert len(files(slow_web)) <= 2  # it has delivered none
    waiting = [row for row in bench.rows() if host_of(row.file_url) == slow_web.host]
    assert {row.status for row in waiting} == {"surplus"}
    # Played again, where nothing is slow, the same is taken and the same is said.
    settings = replace(bench.settings, home=tmp_path / "b", record=None, replay=tmp_path / "tape")
    again = type(bench)(settings)
    asked = {"classes": ["apple", "boat"], "sources": sources, "per_class": 25}
    assert again.collect(**asked) == result and again.taken() == bench.taken()


def test_rows_of_one_slow_host_that_come_first_do_not_fill_all_places(
    at: At, tmp_path: Path
) -> None:
    """Others that may be wanted as well go on meanwhile, so that it is found to be slow."""
    with (
        PictureWeb(["apple"], n=90, size=(64, 48), faults=False) as fast,
        PictureWeb(["apple"], n=80, size=(64, 48), faults=False, seed=9, delay=20) as slow,
    ):
        bench = at(fast, allow_hosts=(fast.host, slow.host), fetch_timeout=60)
        urls = [slow.url(entry) for entry in slow.openverse["apple"]]
        urls += [fast.url(entry) for entry in fast.openverse["apple"]]
        listed = "".join(f"{url},{word}\n" for word in ("apple", "boat") for url in urls)
        (tmp_path / "list.csv").write_text(f"url,label\n{listed}")
        sources = [{"urls": {"file": str(tmp_path / "list.csv")}}]
        result = bench.collect(classes=["apple", "boat"], sources=sources, per_class=90)
        assert result["found"] == 180
        assert {host_of(row.file_url) for row in bench.rows(status="ok")} == {fast.host}
        assert len(files(slow)) <= 2
