"""Flickr: photographs under open licences, with a key of the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tellapart.doors import Hit, SourceContext
from tellapart.errors import FetchError
from tellapart.plugins.sources.paged import Page, Paged, mapping, number, text

_PAGE = 100
#: Flickr repeats itself after the first 4,000 results of a search.
_DEEPEST = 4_000 // _PAGE
_KEY = "TELLAPART_FLICKR_KEY"
#: Sizes in the order of preference: 640, 800, 1024 pixels, and the file itself.
_SIZES = ("z", "c", "l", "o")
_DEED = re.compile(r"//creativecommons\.org/licenses/(by(?:-nc)?(?:-(?:sa|nd))?)/(\d\.\d)\b")
_PUBLIC = re.compile(r"//creativecommons\.org/publicdomain/(zero|mark)/(\d\.\d)\b")
_COMMONS = re.compile(r"//(?:www\.)?flickr\.com/commons/usage")
#: Codes of Flickr's own errors.
_BAD_KEY, _AWAY = 100, frozenset((0, 10, 105, 106))

#: Flickr's number of a licence → (our code, its version, its page).
Licenses = dict[str, tuple[str, str, str]]


class Flickr(Paged):
    """Searches https://api.flickr.com (or `TELLAPART_FLICKR_URL`), at most 3,600 times an hour.

    Needs `TELLAPART_FLICKR_KEY`. Flickr wants the key in the address it is asked at, so that no
    error of this source quotes an address.
    """

    name = "flickr"
    title = "Flickr"
    setting = "TELLAPART_FLICKR_URL"
    negates = True
    terms = "https://www.flickr.com/help/terms/api"
    deepest = _DEEPEST
    pause = 1.0

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.page = _PAGE
        self._known: Licenses | None = None

    async def _page(self, query: str, number: int) -> Page:
        known = await self._licenses()
        wanted = self.context.licenses
        ids = [id for id, (code, _, _) in known.items() if not wanted or code in wanted]
        if not ids:
            return Page((), last=True)
        value = await self._call(
            "flickr.photos.search",
            {
                "text": query,
                "license": ",".join(ids),
                "safe_search": "3" if self.context.mature else "1",
                "content_type": "1",
                "media": "photos",
                "sort": "relevance",
                "extras": "license,owner_name," + ",".join(f"url_{size}" for size in _SIZES),
                "per_page": str(self.page),
                "page": str(number),
            },
        )
        found = mapping(value.get("photos"))
        photos, pages = found.get("photo"), found.get("pages")
        if not isinstance(photos, list):
            raise self._odd("no list of photos")
        return Page(photos, last=isinstance(pages, int) and number >= pages)

    async def _licenses(self) -> Licenses:
        """Flickr's licences that are open ones, as Flickr itself lists them; asked once."""
        if self._known is None:
            value = await self._call("flickr.photos.licenses.getInfo", {})
            entries = mapping(value.get("licenses")).get("license")
            if not isinstance(entries, list):
                raise self._odd("no list of licences")
            named = ((str(item.get("id", "")), _read(item)) for item in map(mapping, entries))
            self._known = {id: found for id, found in named if id and found is not None}
        return self._known

    async def _call(self, method: str, params: Mapping[str, str]) -> dict[str, Any]:
        key = self.context.settings.flickr_key
        if not key:
            raise self._no_key(_KEY, "https://www.flickr.com/services/apps/create/")
        asked = {
            "method": method,
            "api_key": key,
            "format": "json",
            "nojsoncallback": "1",
            **params,
        }
        value, _ = await self._ask_with_key(self.context.settings.flickr_url, asked, variable=_KEY)
        if value.get("stat") == "ok":
            return value
        code = value.get("code")
        if code == _BAD_KEY:
            raise FetchError(
                f"Flickr refused the key in {_KEY}.",
                expected="a valid key",
                do=f"Correct {_KEY}, or leave `flickr` out of the sources.",
                reason="http_401",
            )
        if code in _AWAY:
            raise FetchError(
                f"Flickr says that it cannot search now (its error {code}).",
                expected="search results",
                do="Run the same command later: it goes on where it stopped.",
                reason="http_503",
            )
        told = text(value, "message").replace(key, "…")[:200]
        raise self._odd(f"the error {code!r}: {told!r}")

    def _hit(self, rank: int, result: Mapping[str, Any]) -> Hit:
        size = next((size for size in _SIZES if text(result, f"url_{size}")), "")
        if not size:
            return Hit(rank=rank, problem="no_url")
        known = (self._known or {}).get(str(result.get("license")), ("", "", ""))
        code, version, deed = known
        title, creator = text(result, "title"), text(result, "ownername")
        short = _short(code, version)
        return Hit(
            rank=rank,
            file_url=text(result, f"url_{size}"),
            page_url=f"https://www.flickr.com/photos/{result.get('owner')}/{result.get('id')}",
            title=title,
            creator=creator or text(result, "owner"),
            license=code,
            license_version=version,
            license_url=deed,
            attribution=f'"{title}" by {creator or "unknown"} ({short}), via Flickr',
            width=number(result.get(f"width_{size}")),
            height=number(result.get(f"height_{size}")),
            problem=self._licensed(code),
        )


def _read(entry: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """(our code, version, page) of a licence that Flickr lists; None: not an open one.

    The works of the government of the United States are not free in other countries.
    """
    url = text(entry, "url")
    if match := _DEED.search(url):
        return match[1], match[2], url
    if match := _PUBLIC.search(url):
        return ("cc0" if match[1] == "zero" else "pdm"), match[2], url
    return ("pdm", "", url) if _COMMONS.search(url) else None


def _short(code: str, version: str) -> str:
    if code == "cc0":
        return "CC0"
    if code == "pdm":
        return "public domain" if version else "no known copyright restrictions"
    return f"CC {code.upper()} {version}" if code else "licence unknown"
