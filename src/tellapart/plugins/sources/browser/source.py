"""The source `browser`: pictures of any search page that the user names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tellapart.doors import Hit, Source, SourceContext
from tellapart.errors import FetchError, RefusedError
from tellapart.plugins.sources.browser.chromium import Chromium
from tellapart.plugins.sources.browser.gathering import Gathering, explained
from tellapart.plugins.sources.browser.options import Options

#: Pages that work at once, and that are kept open for more.
_AT_ONCE, _OPEN = 2, 4
_PAGE = 50


class Browser(Source):
    """Opens `{browser: {url, select, …}}` in a headless Chromium and reads its pictures.

    The page's terms are the user's to keep. It names no license: each picture's is unknown, so
    none of them is passed on with a bundle.
    """

    name = "browser"
    page = _PAGE

    def __init__(self, context: SourceContext) -> None:
        """Raises `InputError` for options that cannot be used."""
        super().__init__(context)
        self.options = Options.read(context.options)
        self._chromium = Chromium(context.settings, context.fetcher.user_agent)
        self._gatherings: dict[str, Gathering] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def known_as(self) -> str:
        """The name its state is kept under: one a site."""
        return f"{self.name} {self.options.host}"

    async def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield hits; raises `FetchError` where the page cannot be shown or read."""
        if self.context.licenses:
            raise RefusedError(
                f"The recipe asks for {', '.join(self.context.licenses)}; pages name no license.",
                expected="a recipe without `licenses`",
                do="Leave `browser` out of the sources, or `licenses` out of the recipe.",
                reason="license",
            )
        if query not in self._gatherings:
            self._gatherings[query] = self._begin(query)
        gathering = self._gatherings[query]
        failure: FetchError | None = None
        async with gathering.lock:
            if len(gathering.found) < start + limit and not gathering.over:
                try:
                    async with self._turns:
                        await self._make_room(gathering)
                        await gathering.go_on(start + limit)
                except FetchError as error:
                    failure = explained(error, self.options.host)
        for hit in gathering.found[start : start + limit]:
            yield hit
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        """Close every page and end the browser."""
        for gathering in self._gatherings.values():
            await gathering.close()
        await self._chromium.aclose()

    def _begin(self, query: str) -> Gathering:
        context = self.context
        return Gathering(
            query,
            self.options,
            self._chromium,
            context.fetcher,
            context.settings.allow_hosts,
        )

    async def _make_room(self, wanted: Gathering) -> None:
        """Keep few pages open: of those that nobody works with, the oldest go."""
        resting = [
            one
            for one in self._gatherings.values()
            if one is not wanted and one.is_open and not one.lock.locked()
        ]
        for one in resting[: max(0, len(resting) - _OPEN + 1)]:
            await one.close()
