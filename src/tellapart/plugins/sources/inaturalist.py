"""iNaturalist: animals, plants and fungi, named by people who know them; no key needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tellapart.doors import Hit, SourceContext
from tellapart.errors import InputError
from tellapart.plugins.sources.paged import Page, Paged, listed, mapping, text

_PAGE = 50
#: The service gives out the first 10,000 observations of a search.
_DEEPEST = 10_000 // _PAGE
_QUALITIES = ("research", "needs_id", "any")
_CREATIVE = re.compile(r"cc-(by(?:-nc)?(?:-(?:sa|nd))?)")
#: Ours → theirs; the rest is `cc-` and our word.
_THEIRS = {"cc0": "cc0", "pdm": "pd"}
_OPEN = ("cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")


class INaturalist(Paged):
    """Searches https://api.inaturalist.org (or `TELLAPART_INATURALIST_URL`), one request a second.

    A query is the name of a living thing, common or scientific, and must be its whole name: what
    merely begins so is another thing. One picture an observation, for the others show the same
    animal once more. `{inaturalist: {quality: any}}` also takes what nobody has confirmed.
    """

    name = "inaturalist"
    title = "iNaturalist"
    setting = "TELLAPART_INATURALIST_URL"
    terms = "https://www.inaturalist.org/pages/terms"
    deepest = _DEEPEST
    pause = 1.0
    probe = "red fox"

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.page = _PAGE
        self._base = context.settings.inaturalist_url.rstrip("/")
        self._taxa: dict[str, int | None] = {}
        self._quality = str(context.options.get("quality", "research"))
        if self._quality not in _QUALITIES:
            raise InputError(
                f"The source `inaturalist` has the quality {self._quality!r}.",
                expected=f"one of {', '.join(_QUALITIES)}",
                do="Correct `quality`, or leave it out for observations that others confirmed.",
            )

    async def _page(self, query: str, number: int) -> Page:
        taxon = await self._taxon(query)
        if taxon is None:
            return Page((), last=True)
        licenses = self.context.licenses or _OPEN
        params = {
            "taxon_id": str(taxon),
            "photos": "true",
            "photo_license": ",".join(_THEIRS.get(code, f"cc-{code}") for code in licenses),
            "order_by": "id",
            "order": "asc",
            "per_page": str(self.page),
            "page": str(number),
        }
        if self._quality != "any":
            params["quality_grade"] = self._quality
        value, _ = await self._ask(f"{self._base}/observations", params)
        results = value.get("results")
        if not isinstance(results, list):
            raise self._odd("no list of observations")
        total = value.get("total_results")
        last = isinstance(total, int) and number * self.page >= total
        return Page(results, last=last or len(results) < self.page)

    async def _taxon(self, query: str) -> int | None:
        """The id of the living thing that has this very name; None: there is none."""
        if query not in self._taxa:
            value, _ = await self._ask(
                f"{self._base}/taxa/autocomplete", {"q": query, "per_page": "30"}
            )
            results = value.get("results")
            if not isinstance(results, list):
                raise self._odd("no list of names")
            named = (mapping(item) for item in results)
            exact = (item.get("id") for item in named if _plain(query) in _names(item))
            self._taxa[query] = next((id for id in exact if isinstance(id, int)), None)
        return self._taxa[query]

    def _hit(self, rank: int, result: Mapping[str, Any]) -> Hit:
        photos = [p for p in map(mapping, listed(result.get("photos"))) if text(p, "url")]
        if not photos:
            return Hit(rank=rank, problem="no_url")
        codes = [_ours(text(photo, "license_code")) for photo in photos]
        problems = [self._licensed(code) for code in codes]
        chosen = problems.index("") if "" in problems else 0
        photo, code = photos[chosen], codes[chosen]
        taxon, user = mapping(result.get("taxon")), mapping(result.get("user"))
        version = "" if not code else "1.0" if code in ("cc0", "pdm") else "4.0"
        return Hit(
            rank=rank,
            file_url=re.sub(r"/square\.(?=[a-z]+(\?|$))", "/medium.", text(photo, "url")),
            page_url=text(result, "uri")
            or f"https://www.inaturalist.org/observations/{result.get('id')}",
            title=text(taxon, "preferred_common_name") or text(taxon, "name"),
            creator=text(user, "name") or text(user, "login"),
            license=code,
            license_version=version,
            license_url=_deed(code, version),
            attribution=text(photo, "attribution"),
            problem=problems[chosen],
        )


def _ours(code: str) -> str:
    """`cc-by-nc` → `by-nc`; empty where all rights are reserved."""
    code = code.lower()
    for ours, theirs in _THEIRS.items():
        if code == theirs:
            return ours
    match = _CREATIVE.fullmatch(code)
    return match[1] if match else ""


def _deed(code: str, version: str) -> str:
    if code in ("cc0", "pdm"):
        return (
            f"https://creativecommons.org/publicdomain/{'zero' if code == 'cc0' else 'mark'}/1.0/"
        )
    return f"https://creativecommons.org/licenses/{code}/{version}/" if code else ""


def _names(taxon: Mapping[str, Any]) -> set[str]:
    keys = ("name", "preferred_common_name", "english_common_name", "matched_term")
    return {_plain(text(taxon, key)) for key in keys}


def _plain(name: str) -> str:
    return " ".join(re.findall(r"\w+", name.casefold()))
