"""The next page is asked for while pictures are fetched, and what it may bring keeps its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tellapart.demo.picture_web import Answer, PictureWeb

At = Callable[..., Any]


class Late(PictureWeb):
    """Gives a later page of a search only once so many pictures have been asked for."""

    page, pictures = 2, 0

    async def _answer(self, target: str) -> Answer:
        parts = urlsplit(target)
        asked = int(parse_qs(parts.query).get("page", ["0"])[0])
        if parts.path == "/v1/images/" and asked == self.page:
            async with asyncio.timeout(20):
                while len(self.files()) < self.pictures:
                    await asyncio.sleep(0.01)
        return await super()._answer(target)

    def files(self) -> set[str]:
        return {path for path in self.requests if path.startswith("/files")}


def test_fetching_goes_on_while_a_page_is_awaited(at: At) -> None:
    with Late(["apple", "boat"], n=110, size=(64, 48), faults=False) as web:
        # Of 80 that each class knows by then, more than the 64 that it has under way at once.
        web.page, web.pictures = 5, 140
        result = at(web).collect(classes=["apple", "boat"], sources=["openverse"], per_class=100)
    assert result["found"] == 200 and not result["unfinished"]
    assert max(web.requests[path] for path in web.files()) == 1


def test_rows_of_a_later_source_wait_for_the_pages_of_an_earlier_one(at: At) -> None:
    """Else what is fetched would depend on how fast pages come."""
    with Late(["apple", "boat"], n=110, size=(64, 48), faults=False) as web:
        bench = at(web)
        classes = ["apple", "boat"]
        bench.collect(classes=classes, sources=["commons"], per_class=5)
        assert len(web.files()) == 10
        result = bench.collect(classes=classes, sources=["openverse", "commons"], per_class=80)
        assert result["found"] == 160
        taken = [row.source for row in bench.rows(label="apple", status="ok")]
        # 50 of Commons were known: two pages of 20 make enough.
        assert taken.count("commons") == taken.count("openverse") == 40
        assert len(web.files()) == 160
