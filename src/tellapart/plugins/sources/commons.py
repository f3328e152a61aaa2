"""Wikimedia Commons: free media, described by people; values come as HTML."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from html.parser import HTMLParser
from typing import Any

from tellapart.doors import Hit, Source, SourceContext
from tellapart.errors import FetchError

_PAGE = 50
_WIDTH = 640
#: Attempts while the service is busy, and the longest wait between two, in seconds.
_TRIES, _MAX_WAIT = 3, 30.0
_BUSY = frozenset(("maxlag", "ratelimited"))
_MAX_TEXT = 500
#: One of these is in every answer to a search.
_PARTS = ("batchcomplete", "continue", "query")

_CC = re.compile(
    r"(?:creative commons |cc)[ -]?(by(?:[ -]nc)?(?:[ -](?:sa|nd))?)(?:[ -]v?(\d(?:\.\d)?))?", re.I
)
_ZERO = re.compile(r"\bcc[ -]?(?:0|zero)\b(?:[ -](\d(?:\.\d)?))?", re.I)
_PUBLIC = re.compile(r"public domain|\bpdm?\b|no (?:known )?(?:copyright )?restrictions", re.I)


class Commons(Source):
    """Searches Wikimedia Commons (or `TELLAPART_COMMONS_URL`), 50 hits a request.

    Takes the rendering 640 pixels wide, asks one thing at a time, and waits when the service
    says that it is busy. Commons marks nothing as mature, so there is nothing to filter by.
    """

    name = "commons"
    negates = True
    terms = "https://foundation.wikimedia.org/wiki/Policy:User-Agent_policy"

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.page = _PAGE
        self._one_at_a_time = asyncio.Lock()
        #: The rank at which a query has no more hits, where that is known.
        self._ends: dict[str, int] = {}

    async def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield hits; raises `FetchError` where Commons does not answer or stays busy."""
        rank, end = start, start + limit
        while rank < end and rank < self._ends.get(query, end):
            pages, more = await self._batch(query, rank)
            if not pages or not more:
                self._ends[query] = rank + len(pages)
            for page in pages[: end - rank]:
                yield self._hit(rank, page)
                rank += 1

    async def _batch(self, query: str, offset: int) -> tuple[list[dict[str, Any]], bool]:
        """One page of results by rank, and whether there is another."""
        params = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "maxlag": "5",
            "generator": "search",
            "gsrnamespace": "6",
            "gsrsearch": f"filetype:bitmap {query[:250]}",
            "gsrlimit": str(_PAGE),
            "gsroffset": str(offset),
            "prop": "imageinfo",
            "iiprop": "url|size|mime|sha1|extmetadata",
            "iiurlwidth": str(_WIDTH),
        }
        found: dict[Any, dict[str, Any]] = {}
        following: dict[str, str] = {}
        # An answer may come in parts (`batchcomplete` is missing then): the parts are one page.
        for _ in range(_PAGE):
            answer = await self._ask({**params, **following})
            for page in _dict(answer.get("query")).get("pages") or []:
                if isinstance(page, dict):
                    found.setdefault(page.get("pageid"), {}).update(page)
            following = {k: str(v) for k, v in _dict(answer.get("continue")).items()}
            if not following or answer.get("batchcomplete"):
                break
        ordered = sorted(found.values(), key=lambda p: _number(p.get("index")) or 0)
        return ordered, "gsroffset" in following

    async def _ask(self, params: Mapping[str, str]) -> dict[str, Any]:
        context = self.context
        code, info = "", ""
        for _ in range(_TRIES):
            async with self._one_at_a_time:
                # The API is made for programs; robots.txt closes /w/ to crawlers of pages.
                answer = await context.fetcher.get(
                    context.settings.commons_url, expect="json", params=params, robots=False
                )
            value = _dict(answer.json())
            error = _dict(value.get("error"))
            if not error and _is_known(value):
                return value
            if not error:
                code, info = "an answer of another shape", ", ".join(map(str, value))
                break
            code, info = str(error.get("code")), str(error.get("info", ""))
            if code not in _BUSY:
                break
            await asyncio.sleep(_wait(answer.headers.get("retry-after")))
        busy = code in _BUSY
        raise FetchError(
            f"Wikimedia Commons answered {code!r}: {info[:200]}",
            expected="search results",
            do="Run the same command later: it goes on where it stopped."
            if busy
            else "Check TELLAPART_COMMONS_URL, or leave `commons` out of the sources.",
            reason="rate_limited" if busy else "bad_answer",
        )

    def _hit(self, rank: int, page: Mapping[str, Any]) -> Hit:
        infos = page.get("imageinfo")
        info = _dict(infos[0]) if isinstance(infos, list) and infos else {}
        url = str(info.get("thumburl") or info.get("url") or "")
        if not url:
            return Hit(rank=rank, problem="no_url")
        about = {
            key: plain(str(_dict(value).get("value", "")))
            for key, value in _dict(info.get("extmetadata")).items()
        }
        code, version = license_code(about.get("LicenseShortName") or about.get("License", ""))
        title = str(page.get("title", "")).removeprefix("File:")
        creator = about.get("Artist", "")
        short = about.get("LicenseShortName") or code
        allowed = not self.context.licenses or code in self.context.licenses
        return Hit(
            rank=rank,
            file_url=url,
            page_url=str(info.get("descriptionurl", "")),
            title=title,
            creator=creator,
            license=code,
            license_version=version,
            license_url=about.get("LicenseUrl", ""),
            attribution=f'"{title}" by {creator or "unknown"} ({short}), via Wikimedia Commons',
            width=_number(info.get("width")),
            height=_number(info.get("height")),
            problem="" if allowed else "license",
        )


def _is_known(answer: Mapping[str, Any]) -> bool:
    """Whether an answer has the shape of one, be it without any result."""
    pages = _dict(answer.get("query")).get("pages", [])
    return isinstance(pages, list) and not answer.keys().isdisjoint(_PARTS)


def license_code(name: str) -> tuple[str, str]:
    """(code, version) of a licence's name on Commons: `CC BY-SA 4.0` -> (`by-sa`, `4.0`).

    Any other licence (GFDL, FAL …) keeps its own name in lower case; no name gives ("", "").
    """
    if match := _ZERO.search(name):
        return "cc0", match[1] or "1.0"
    if match := _CC.search(name):
        return match[1].lower().replace(" ", "-"), match[2] or ""
    if _PUBLIC.search(name):
        return "pdm", "1.0"
    return "-".join(name.lower().split())[:40], ""


def plain(html: str) -> str:
    """The text of a piece of HTML on one line, at most 500 characters."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    return " ".join("".join(reader.parts).split())[:_MAX_TEXT]


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style"}:
            self._hidden += 1
        elif tag in {"br", "p", "div", "li", "td"}:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"} and self._hidden:
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _wait(header: str | None) -> float:
    try:
        seconds = float(header or 5)
    except ValueError:
        seconds = 5.0
    return min(max(seconds, 0.0), _MAX_WAIT) if seconds == seconds else 5.0


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
