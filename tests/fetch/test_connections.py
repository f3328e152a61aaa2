"""Kept connections: used again where that can be, few of them, and none that is dead."""

from __future__ import annotations

import asyncio
from typing import Any

from tellapart.fetch import Fetcher
from tellapart.settings import Settings


def fetch_in_turn(web: Any, names: Any, *urls: str, **settings: Any) -> list[tuple[str, int]]:
    """Fetch one URL after another; return the addresses that connections were opened to."""
    detour = web.detour()
    resolver = names(a_example=("93.184.216.34",), b_example=("93.184.216.35",))

    async def work() -> None:
        async with Fetcher(
            Settings(**settings), limits=web.quick, resolver=resolver, network=detour
        ) as fetcher:
            for url in urls:
                await fetcher.get(url)
                await asyncio.sleep(0.02)  # for the other side to close, where it does

    asyncio.run(work())
    return [address for address in detour.asked if address[1] == 80]


def test_hosts_in_turn_keep_a_connection_each(web: Any, names: Any) -> None:
    urls = [f"http://{host}.example/{number}.jpg" for number in range(5) for host in "ab"]
    assert len(fetch_in_turn(web, names, *urls, max_connections=2)) == 2


def test_no_more_are_kept_than_may_be_in_use(web: Any, names: Any) -> None:
    urls = [f"http://{host}.example/1.jpg" for host in "abab"]
    # robots.txt and the picture of one host share a connection; the other host's takes its place.
    assert len(fetch_in_turn(web, names, *urls, max_connections=1)) == 4


def test_one_that_the_other_side_has_closed_is_not_used(web: Any, names: Any) -> None:
    async def last(request: Any) -> None:
        await request.send()
        request.writer.close()

    web.on("/last.jpg", last)
    urls = ["http://a.example/last.jpg", "http://a.example/1.jpg", "http://a.example/2.jpg"]
    assert len(fetch_in_turn(web, names, *urls)) == 2
    assert web.seen("/1.jpg") == web.seen("/2.jpg") == 1


def test_an_answer_left_early_gives_no_connection_back(web: Any) -> None:
    """What is still in the pipe would be taken for the next answer."""
    page = b"<!doctype html><html>" + b"x" * 150_000
    web.page("/page.jpg", page)
    found = web.reasons(*["/page.jpg", "/a.jpg"] * 6, settings=web.settings(max_per_host=1))
    assert found == ["not_a_picture", "ok"] * 6


def test_what_is_cut_off_leaves_the_fetcher_usable(web: Any) -> None:
    async def never(request: Any) -> None:
        await asyncio.sleep(30)

    web.on("/never.jpg", never)

    async def work() -> bytes:
        async with Fetcher(web.settings(max_per_host=1), limits=web.quick) as fetcher:
            for _ in range(3):
                task = asyncio.create_task(fetcher.get(web.url("/never.jpg")))
                await asyncio.sleep(0.1)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            return (await fetcher.get(web.url())).data

    assert asyncio.run(work()) == web.jpeg
