"""The first page: say what to tell apart, press one button."""

from __future__ import annotations

from tellapart.web import shell, texts
from tellapart.web.elements import tag
from tellapart.web.visit import House, Visit


def register(house: House) -> None:
    """Make the pages of this module."""

    @house.page("/")
    async def start(visit: Visit) -> None:
        with shell.page(visit, texts.APP, here="start"):
            tag("h1", "What should be told apart?")
