"""Openverse: openly licensed pictures of many collections, no key needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from tellapart.doors import Hit, Source, SourceContext
from tellapart.errors import FetchError

_ANONYMOUS_PAGE = 20
_TOKEN_PAGE = 100
#: The service refuses deeper pages.
_MAX_PAGE = 20


class Openverse(Source):
    """Searches https://api.openverse.org (or `TELLAPART_OPENVERSE_URL`), 20 hits a request.

    With `TELLAPART_OPENVERSE_TOKEN` 100 hits a request. Hits marked mature, or of another
    licence than asked for, are refused here too, whatever the service lets through.
    """

    name = "openverse"
    negates = True
    terms = "https://docs.openverse.org/terms_of_service.html"

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self._token = context.settings.openverse_token
        self.page = _TOKEN_PAGE if self._token else _ANONYMOUS_PAGE
        #: The rank at which a query has no more hits, where that is known.
        self._ends: dict[str, int] = {}

    async def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield hits; raises `FetchError` where Openverse does not answer or refuses."""
        end = start + limit
        page = start // self.page + 1
        while page <= _MAX_PAGE and (page - 1) * self.page < end:
            if start >= self._ends.get(query, end):
                return
            answer = await self._ask(query, page)
            results = answer["results"]
            if not results:
                return
            first = (page - 1) * self.page
            for rank, result in enumerate(results[: self.page], first):
                if start <= rank < end:
                    yield self._hit(rank, result if isinstance(result, dict) else {})
            pages = answer.get("page_count")
            if isinstance(pages, int) and page >= pages:
                self._ends[query] = first + len(results)
                return
            page += 1

    async def _ask(self, query: str, page: int) -> Mapping[str, Any]:
        context = self.context
        params = {"q": query[:200], "page": str(page), "page_size": str(self.page)}
        if context.licenses:
            params["license"] = ",".join(context.licenses)
        params["mature"] = "true" if context.mature else "false"
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        url = f"{context.settings.openverse_url.rstrip('/')}/images/"
        try:
            # An API is made for programs; its robots.txt speaks to crawlers of pages.
            answer = await context.fetcher.get(
                url, expect="json", params=params, headers=headers, robots=False
            )
        except FetchError as error:
            raise self._explained(error) from error
        value = answer.json()
        if not isinstance(value, dict) or not isinstance(value.get("results"), list):
            raise FetchError(
                f"Openverse answered {str(value)[:80]!r} to the search for {query!r}.",
                expected="a JSON object with `results`",
                do="Check TELLAPART_OPENVERSE_URL.",
                reason="bad_answer",
            )
        return value

    def _explained(self, error: FetchError) -> FetchError:
        if error.reason == "http_401" and self._token:
            return FetchError(
                "Openverse refused the token in TELLAPART_OPENVERSE_TOKEN (HTTP 401).",
                expected="a valid, unexpired bearer token",
                do="Get a new token, or unset the variable to search anonymously.",
                reason=error.reason,
            )
        if error.reason == "rate_limited" and not self._token:
            return FetchError(
                f"Openverse asks to wait: {error.what}",
                expected="fewer searches (anonymously some 20 a minute and 200 a day)",
                do="Run the same command later: it goes on where it stopped. A free token in "
                "TELLAPART_OPENVERSE_TOKEN raises the limit.",
                reason=error.reason,
            )
        return error

    def _hit(self, rank: int, result: Mapping[str, Any]) -> Hit:
        url = _text(result, "url")
        if not url:
            return Hit(rank=rank, problem="no_url")
        license_code = _text(result, "license").lower()
        mature = bool(result.get("mature"))
        problem = "mature" if mature and not self.context.mature else ""
        if self.context.licenses and license_code not in self.context.licenses:
            problem = "license"
        return Hit(
            rank=rank,
            file_url=url,
            page_url=_text(result, "foreign_landing_url"),
            title=_text(result, "title"),
            creator=_text(result, "creator"),
            license=license_code,
            license_version=_text(result, "license_version"),
            license_url=_text(result, "license_url"),
            attribution=_text(result, "attribution"),
            width=_number(result.get("width")),
            height=_number(result.get("height")),
            mature=mature,
            problem=problem,
        )


def _text(result: Mapping[str, Any], key: str) -> str:
    value = result.get(key)
    return " ".join(value.split())[:2000] if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
