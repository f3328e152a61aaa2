"""The browser source on pages that show their pictures in every way pages do, in a real Chromium.

Galleries on loopback that load by scrolling, by a button, page by page, lazily (`data-src`, and by
being seen alone), from `data:` URIs, in a box of their own, and in all these ways together. Each
page also tries to reach a second server that is not open, which counts who knocks.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from benchmarks import Skipped, main
from benchmarks.browser_site import KINDS, Site, serving
from tellapart.doors import SourceContext
from tellapart.errors import FetchError
from tellapart.fetch import Fetcher
from tellapart.plugins.sources.browser import Browser
from tellapart.plugins.sources.browser.chromium import find
from tellapart.settings import Settings

_NOSY = """<img src="{other}"><link rel="prefetch" href="{other}"><link rel="preconnect"
href="{other}"><script>fetch("{other}", {{mode: "no-cors"}}).catch(() => 0);
navigator.sendBeacon("{other}", "x"); new WebSocket("{other}".replace("http", "ws"));
window.open("{other}");</script>"""


def run(data: Path, small: bool) -> dict[str, Any]:
    """Pictures found of each gallery's; `data` is not needed."""
    try:
        find(Settings())
        import playwright  # noqa: F401
    except (FetchError, ImportError) as error:
        raise Skipped(str(error)) from None
    n, kinds = (24, ("lazy", "data", "mixed")) if small else (240, KINDS)
    with serving() as site, serving() as other:
        site.beside = _NOSY.format(other=other.url("/secret"))
        each = asyncio.run(_all(site, kinds, n))
        strangers = sum(not one[2]["user-agent"].startswith("Tellapart/") for one in site.heard)
        return {
            "pictures": n * len(kinds),
            "found": sum(one["found"] for one in each.values()),
            "wrong": sum(one["wrong"] for one in each.values()),
            "all_found_in_order": all(one["in_order"] for one in each.values()),
            "connections_to_what_is_closed": other.connections,
            "requests_not_made_by_us": strangers,
            "pictures_fetched_by_the_page": sum(
                count for path, count in site.requests.items() if path.startswith("/pictures/")
            ),
            "each": each,
        }


async def _all(site: Site, kinds: tuple[str, ...], n: int) -> dict[str, dict[str, Any]]:
    settings = Settings(allow_hosts=(site.host,))
    found: dict[str, dict[str, Any]] = {}
    async with Fetcher(settings) as fetcher:
        options: dict[str, Any] = {
            "url": site.url("/{query}"),
            "select": "img.result",
            "more": "#more",
        }
        # What is counted must not depend on what else the machine does.
        options["seconds"] = 600
        source = Browser(SourceContext(settings=settings, fetcher=fetcher, options=options))
        try:
            for kind in kinds:
                truth = site.gallery(kind, n)
                before, start = site.requests.total(), time.perf_counter()
                seen = [hit.file_url async for hit in source.search(kind, limit=10 * n)]
                found[kind] = {
                    "pictures": n,
                    "found": len(set(seen) & set(truth)),
                    "wrong": len(set(seen) - set(truth)),
                    "in_order": seen == truth,
                    "requests": site.requests.total() - before,
                    "seconds": round(time.perf_counter() - start, 1),
                }
        finally:
            await source.aclose()
    return found


if __name__ == "__main__":
    main(run)
