"""Answers in the shapes of two search services, from lists of drawn pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tellapart.demo.listing import Entry

#: What anonymous users may ask for.
_PAGE_SIZE, _PAGES = 20, 20
_ARTIST = '<a href="{host}/artist" title="the project">Drawn by <b>Tellapart</b></a>'


def openverse_answer(
    offers: Mapping[str, list[Entry]], query: Mapping[str, str], host: str
) -> tuple[int, dict[str, Any]]:
    """(status, JSON) of `GET /v1/images/` with these query parameters."""
    words = query.get("q", "")
    if not words or len(words) > 200:
        return 400, {"error": "InputError", "detail": "q is not valid.", "fields": ["q"]}
    size, page = int(query.get("page_size", _PAGE_SIZE)), int(query.get("page", 1))
    if size > _PAGE_SIZE or page > _PAGES:
        return 401, {"detail": "Anonymous requests are limited to 20 pages of 20 results."}
    licenses = [code for code in query.get("license", "").split(",") if code]
    found = [e for e in _offered(offers, words) if not licenses or e.license in licenses]
    results = [_openverse_result(entry, host) for entry in found[(page - 1) * size : page * size]]
    return 200, {
        "result_count": len(found),
        "page_count": math.ceil(len(found) / size),
        "page_size": size,
        "page": page,
        "results": results,
    }


def commons_answer(
    offers: Mapping[str, list[Entry]], query: Mapping[str, str], host: str
) -> dict[str, Any]:
    """JSON of `GET /w/api.php` with these query parameters."""
    if query.get("action") != "query" or query.get("generator") != "search":
        return {"error": {"code": "badvalue", "info": "Unrecognized value for action."}}
    found = _offered(offers, query.get("gsrsearch", ""))
    limit, offset = min(int(query.get("gsrlimit", 10)), 50), int(query.get("gsroffset", 0))
    shown = list(enumerate(found[offset : offset + limit], offset + 1))
    # As the real service does: ordered by page id, not by rank.
    pages = sorted((_commons_page(i, e, host) for i, e in shown), key=lambda p: p["pageid"])
    answer: dict[str, Any] = {"batchcomplete": True}
    if offset + limit < len(found):
        answer["continue"] = {"gsroffset": offset + limit, "continue": "gsroffset||"}
    if pages:
        answer["query"] = {"pages": pages}
    return answer


def _offered(offers: Mapping[str, list[Entry]], words: str) -> list[Entry]:
    known = [word for word in words.lower().split() if word in offers]
    return offers[known[0]] if known else []


def _openverse_result(entry: Entry, host: str) -> dict[str, Any]:
    name = entry.path.rsplit("/", 1)[1].removesuffix(".jpg")
    code = f"CC {entry.license.upper()} {entry.license_version}"
    return {
        "id": f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8000-{name[:12]}",
        "title": f"A drawn {entry.word}",
        "indexed_on": "2026-01-01T00:00:00Z",
        "foreign_landing_url": f"{host}/pages/{name}",
        "url": f"{host}{entry.path}",
        "creator": "Tellapart",
        "creator_url": f"{host}/artist",
        "license": entry.license,
        "license_version": entry.license_version,
        "license_url": f"https://creativecommons.org/licenses/{entry.license}/",
        "provider": "drawn",
        "source": "drawn",
        "category": "illustration",
        "filesize": None,
        "filetype": "jpg",
        "tags": [{"name": entry.word, "accuracy": None}],
        "attribution": f'"A drawn {entry.word}" by Tellapart is licensed under {code}.',
        "mature": entry.kind == "mature",
        "height": 240,
        "width": 320,
        "thumbnail": f"{host}/v1/images/{name}/thumb/",
        "detail_url": f"{host}/v1/images/{name}/",
        "related_url": f"{host}/v1/images/{name}/related/",
        "fields_matched": ["title"],
    }


def _commons_page(index: int, entry: Entry, host: str) -> dict[str, Any]:
    name = entry.path.rsplit("/", 1)[1]
    short = {"cc0": "CC0", "pdm": "Public domain"}.get(
        entry.license, f"CC {entry.license.upper()} {entry.license_version}"
    )
    metadata = {
        "LicenseShortName": short,
        "License": short.lower().replace(" ", "-"),
        "LicenseUrl": f"https://creativecommons.org/licenses/{entry.license}/",
        "UsageTerms": short,
        "Artist": _ARTIST.format(host=host),
        "Credit": '<span class="int-own-work" lang="en">Own work</span>',
        "AttributionRequired": "true",
        "Restrictions": "",
    }
    return {
        "pageid": int(name[:7], 16),
        "ns": 6,
        "title": f"File:A drawn {entry.word} {name}",
        "index": index,
        "imagerepository": "local",
        "imageinfo": [
            {
                "size": 20_000,
                "width": 320,
                "height": 240,
                "thumburl": f"{host}{entry.path}",
                "thumbwidth": 320,
                "thumbheight": 240,
                "url": f"{host}/original/{name}",
                "descriptionurl": f"{host}/wiki/File:{name}",
                "mime": "image/jpeg",
                "sha1": name[:16],
                "extmetadata": {
                    key: {"value": value, "source": "commons-desc-page"}
                    for key, value in metadata.items()
                },
            }
        ],
    }
