"""Pexels: stock photographs under a licence of its own, with a key of the user's own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tellapart.doors import Hit, SourceContext
from tellapart.plugins.sources.paged import Page, Paged, mapping, number, text

_PAGE = 80
#: Further down nothing fits any more.
_DEEPEST = 100
_KEY = "TELLAPART_PEXELS_KEY"
LICENSE = "pexels"
_LICENSE_URL = "https://www.pexels.com/license/"
_SIZES = ("large", "medium", "large2x", "original")
#: The limit is by the hour; a later end of it is a month's, and another run's matter.
_LONGEST = 31 * 86_400.0


class Pexels(Paged):
    """Searches https://api.pexels.com (or `TELLAPART_PEXELS_URL`): 200 requests an hour.

    Needs `TELLAPART_PEXELS_KEY`. Its licence is no Creative Commons one: pictures may be learned
    from, and a bundle holds their addresses alone. A recipe that asks for licences gets none.
    """

    name = "pexels"
    title = "Pexels"
    setting = "TELLAPART_PEXELS_URL"
    terms = "https://www.pexels.com/terms-of-service/"
    deepest = _DEEPEST

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.page = _PAGE

    async def _page(self, query: str, number: int) -> Page:
        key = self.context.settings.pexels_key
        if not key:
            raise self._no_key(_KEY, "https://www.pexels.com/api/")
        if self._licensed(LICENSE):
            return Page((), last=True)
        params = {"query": query, "per_page": str(self.page), "page": str(number)}
        url = f"{self.context.settings.pexels_url.rstrip('/')}/search"
        value, headers = await self._ask_with_key(
            url, params, {"Authorization": key}, variable=_KEY
        )
        self._heed(headers)
        photos = value.get("photos")
        if not isinstance(photos, list):
            raise self._odd("no list of photos")
        return Page(photos, last=not value.get("next_page"))

    def _heed(self, headers: Mapping[str, str]) -> None:
        """Ask no more once the service has said that nothing is left, until it says there is."""
        left, end = headers.get("x-ratelimit-remaining", ""), headers.get("x-ratelimit-reset", "")
        if left.strip() == "0" and end.strip().isdecimal():
            self._closed_until = min(float(end.strip()[:12]), time.time() + _LONGEST)

    def _hit(self, rank: int, result: Mapping[str, Any]) -> Hit:
        sizes = mapping(result.get("src"))
        url = next((text(sizes, size) for size in _SIZES if text(sizes, size)), "")
        if not url:
            return Hit(rank=rank, problem="no_url")
        creator = text(result, "photographer")
        return Hit(
            rank=rank,
            file_url=url,
            page_url=text(result, "url"),
            title=text(result, "alt"),
            creator=creator,
            license=LICENSE,
            license_url=_LICENSE_URL,
            attribution=f"Photo by {creator or 'unknown'} on Pexels",
            width=number(result.get("width")),
            height=number(result.get("height")),
        )
