"""Services that answer in numbered pages of one size, asked no faster than they wish."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from asyncio import sleep
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tellapart.doors import Hit, Source, SourceContext
from tellapart.errors import CredentialError, FetchError

_MAX_TEXT = 2000


@dataclass(frozen=True)
class Page:
    """One answer: its results in their order, and whether it is the last one."""

    results: Sequence[Any]
    last: bool = False


class Paged(Source):
    """A hit's rank is its place over all pages, so that a search may be cut and gone on with
    anywhere. A page without any usable result is a shape that is not known, never "no hits".
    """

    #: The service's name as people write it, and the setting that leads to it.
    title: ClassVar[str]
    setting: ClassVar[str]
    #: Pages that the service gives out.
    deepest: ClassVar[int]
    #: Seconds between the starts of two requests, as the service's documentation asks for.
    pause: ClassVar[float] = 0.0

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self._pace = asyncio.Lock()
        self._next = 0.0
        #: Time of day before which the service has said that it will not answer.
        self._closed_until = 0.0
        #: The rank at which a query has no more hits, where that is known.
        self._ends: dict[str, int] = {}

    async def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield hits; raises `FetchError` where the service does not answer or refuses."""
        end = start + limit
        number = start // self.page
        while number < self.deepest and number * self.page < end:
            first = number * self.page
            if max(first, start) >= self._ends.get(query, end):
                return
            page = await self._page(query, number + 1)
            hits = [
                self._hit(rank, item if isinstance(item, dict) else {})
                for rank, item in enumerate(page.results[: self.page], first)
            ]
            if hits and all(hit.problem == "no_url" for hit in hits):
                raise self._odd(f"{len(hits)} results without a picture's address")
            for hit in hits:
                if start <= hit.rank < end:
                    yield hit
            if page.last or not hits:
                self._ends[query] = first + len(hits)
                return
            number += 1

    @abstractmethod
    async def _page(self, query: str, number: int) -> Page:
        """The page `number`, from 1 up."""

    @abstractmethod
    def _hit(self, rank: int, result: Mapping[str, Any]) -> Hit:
        """One result as a hit; `no_url` where it has no address."""

    async def _ask(
        self,
        url: str,
        params: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """(JSON object, headers) of one request, in its turn. Raises `FetchError`."""
        left = self._closed_until - time.time()
        if left > 0:
            raise self._limited(f"{self.title} allows no more requests for {left:,.0f} s.")
        async with self._pace:
            loop = asyncio.get_running_loop()
            await sleep(max(0.0, self._next - loop.time()))
            self._next = loop.time() + self.pause
        try:
            # An API is made for programs; its robots.txt speaks to crawlers of pages.
            answer = await self.context.fetcher.get(
                url, expect="json", params=params, headers=headers, robots=False
            )
            value = answer.json()
        except FetchError as error:
            if error.reason == "not_json":
                raise self._odd("with no JSON") from None
            raise
        if not isinstance(value, dict):
            raise self._odd("with no JSON object")
        return value, answer.headers

    async def _ask_with_key(
        self,
        url: str,
        params: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        *,
        variable: str,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """As `_ask`; no error quotes the address or the answer, where the key may stand."""
        try:
            return await self._ask(url, params, headers)
        except FetchError as error:
            reason, expected, do = error.reason, error.expected, error.do
            if reason == "bad_answer":
                raise
            if reason in ("http_401", "http_403"):
                what, expected = f"{self.title} refused the key in {variable}.", "a valid key"
                do = f"Correct {variable}, or leave `{self.name}` out of the sources."
            elif time.time() < self._closed_until:
                raise
            else:
                what = f"{self.title} did not answer the search ({reason})."
            raise type(error)(what, expected=expected, do=do, reason=reason) from None

    def _licensed(self, code: str) -> str:
        """The problem of a hit of the licence `code`; empty: none."""
        if not code:
            return "no_license"
        wanted = self.context.licenses
        return "license" if wanted and code not in wanted else ""

    def _odd(self, what: str) -> FetchError:
        return FetchError(
            f"{self.title} answered {what}.",
            expected="search results in the documented shape",
            do=f"Check {self.setting}; where it is right the service has changed: leave "
            f"`{self.name}` out of the sources until a newer version of this program knows it.",
            reason="bad_answer",
        )

    def _limited(self, what: str) -> FetchError:
        return FetchError(
            what,
            expected="fewer searches",
            do="Run the same command later: it goes on where it stopped.",
            reason="rate_limited",
        )

    def _no_key(self, variable: str, where: str) -> CredentialError:
        return CredentialError(
            f"The source `{self.name}` has no key: {variable} is not set.",
            expected=f"a key of your own from {where}",
            do=f"Set {variable} to it, or leave `{self.name}` out of the sources.",
            reason="no_key",
        )


def text(result: Mapping[str, Any], key: str) -> str:
    """A text on one line; empty where there is none."""
    value = result.get(key)
    return " ".join(value.split())[:_MAX_TEXT] if isinstance(value, str) else ""


def mapping(value: object) -> dict[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """`value` where it is a JSON list, else an empty one."""
    return value if isinstance(value, list) else []


def number(value: object) -> int | None:
    """A whole number above 0, also where a service writes it as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
