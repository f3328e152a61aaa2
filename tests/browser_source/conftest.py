"""One Chromium for a whole module, driven as the source drives it; sites on loopback that count."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import pytest

from benchmarks.browser_site import Site, serving
from tellapart.doors import Hit, SourceContext
from tellapart.errors import FetchError
from tellapart.fetch import Fetcher, Limits
from tellapart.plugins.sources.browser.chromium import Chromium, find
from tellapart.plugins.sources.browser.source import Browser
from tellapart.settings import Settings

T = TypeVar("T")

LIMITS = Limits(seconds=5, max_bytes=3_000_000, attempts=1)


class Bench:
    """An event loop in a thread of its own, with one browser in it."""

    def __init__(self, namespace: bool = True) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.chromium = Chromium(Settings(), "Tellapart/test", namespace=namespace)
        #: The source of the latest search, for a look at what it counted.
        self.source: Browser

    def do(self, work: Coroutine[Any, Any, T], seconds: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def search(
        self,
        url: str,
        *,
        query: str = "apple",
        limit: int = 1000,
        allow: tuple[str, ...] = (),
        fetcher: dict[str, Any] | None = None,
        licenses: tuple[str, ...] = (),
        **options: Any,
    ) -> tuple[list[Hit], FetchError | None]:
        """What a search of the page finds, and the error that ended it."""
        settings = Settings(allow_hosts=allow)
        options = {"url": url, "patience": 0.4, **options}

        async def work() -> tuple[list[Hit], FetchError | None]:
            async with Fetcher(settings, **{"limits": LIMITS, **(fetcher or {})}) as asks:
                source = Browser(
                    SourceContext(
                        settings=settings, fetcher=asks, options=options, licenses=licenses
                    )
                )
                source._chromium, own = self.chromium, source._chromium
                self.source = source
                hits: list[Hit] = []
                try:
                    async for hit in source.search(query, limit=limit):
                        hits.append(hit)  # noqa: PERF401 - those before a failure count
                except FetchError as error:
                    return hits, error
                finally:
                    for gathering in source._gatherings.values():
                        await gathering.close()
                    source._chromium = own
                return hits, None

        return self.do(work())

    def search_all(
        self, url: str, queries: Sequence[str], *, allow: tuple[str, ...], **options: Any
    ) -> dict[str, list[str]]:
        """The addresses that one source finds for many queries at once."""
        settings = Settings(allow_hosts=allow)

        async def one(source: Browser, query: str) -> list[str]:
            return [hit.file_url async for hit in source.search(query, limit=1000)]

        async def work() -> dict[str, list[str]]:
            async with Fetcher(settings, limits=LIMITS) as fetcher:
                given = {"url": url, "patience": 0.4, **options}
                context = SourceContext(settings=settings, fetcher=fetcher, options=given)
                source = self.source = Browser(context)
                source._chromium = self.chromium
                found = await asyncio.gather(*(one(source, query) for query in queries))
                return dict(zip(queries, found, strict=True))

        return self.do(work(), 120)

    def found(self, url: str, **options: Any) -> list[str]:
        """The addresses that a search finds; it must not fail."""
        hits, error = self.search(url, **options)
        assert error is None, error
        return [hit.file_url for hit in hits]

    def reason(self, url: str, **options: Any) -> str:
        """Why a search fails."""
        hits, error = self.search(url, **options)
        assert not hits and error is not None, hits
        assert error.what and error.expected and error.do
        return error.reason

    def refused(self) -> dict[str, int]:
        """What the page asked for in vain, by reason."""
        (gathering,) = self.source._gatherings.values()
        assert gathering._passage is not None
        return dict(gathering._passage.refused)

    def close(self) -> None:
        self.do(self.chromium.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="session")
def program() -> str:
    """The system's Chromium, or a skip that says why there is none."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    try:
        return str(find(Settings()))
    except FetchError as error:
        pytest.skip(error.what)


@pytest.fixture(scope="module")
def bench(program: str) -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def site() -> Iterator[Site]:
    """A site whose pages may be read."""
    with serving() as running:
        yield running


@pytest.fixture
def forbidden() -> Iterator[Site]:
    """A site of this machine that nobody opened: not one connection may come to it."""
    with serving() as running:
        yield running


@pytest.fixture
def read(bench: Bench, site: Site) -> Callable[..., list[str]]:
    """Search a page of `site`, for which the guard is open."""

    def search(path: str, **options: Any) -> list[str]:
        return bench.found(site.url(f"{path}?q={{query}}"), allow=(site.host,), **options)

    return search
