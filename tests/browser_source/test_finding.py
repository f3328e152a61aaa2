"""All pictures of a page are found, however it shows them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from benchmarks.browser_site import KINDS, Site, drawn
from tellapart.doors import SourceContext
from tellapart.fetch import Fetcher
from tellapart.plugins.sources.browser import Browser
from tellapart.settings import Settings
from tests.browser_source.conftest import Bench

Read = Callable[..., list[str]]
_IMG = '<img class="result" src="{}" alt="an apple">'


def test_all_pictures_are_found_in_their_order(bench: Bench, site: Site) -> None:
    truth = {kind: site.gallery(kind, 30, step=8) for kind in KINDS}
    found = bench.search_all(
        site.url("/{query}"), KINDS, allow=(site.host,), select="img.result", more="#more"
    )
    assert found == truth
    # The page shows blanks: only whoever collects fetches the pictures, each once.
    assert not [path for path in site.requests if path.startswith("/pictures/")]
    assert {request[2]["user-agent"][:10] for request in site.heard} == {"Tellapart/"}
    # Nine pages, of which few are kept open.
    assert sum(one.is_open for one in bench.source._gatherings.values()) == 0


def test_it_goes_on_where_it_stopped_and_asks_only_for_what_is_wanted(
    bench: Bench, site: Site
) -> None:
    truth = site.gallery("scroll", 60, step=10)
    hits, error = bench.search(
        site.url("/scroll?q={query}"), allow=(site.host,), limit=15, select="img.result"
    )
    assert error is None and [hit.file_url for hit in hits] == truth[:15]
    assert [hit.rank for hit in hits] == list(range(15))
    assert site.asked("/scroll/more") < 5 and site.asked("/scroll") == 1
    assert not bench.source._gatherings["apple"].over


def test_a_search_can_be_cut_anywhere_and_resumed_by_another_process(
    bench: Bench, site: Site
) -> None:
    truth = site.gallery("button", 30, step=8)
    settings = Settings(allow_hosts=(site.host,))
    options = {"url": site.url("/{query}"), "select": "img.result", "more": "#more"}

    async def work() -> tuple[list[str], list[str]]:
        async with Fetcher(settings) as fetcher:
            first, second = (
                Browser(SourceContext(settings, fetcher, {**options, "patience": 0.4}))
                for _ in range(2)
            )
            first._chromium = second._chromium = bench.chromium
            pieces = []
            for start, limit in ((0, 7), (7, 18), (25, 20), (30, 20)):
                found = [hit async for hit in first.search("button", limit=limit, start=start)]
                assert [hit.rank for hit in found] == list(range(start, start + len(found)))
                pieces += [hit.file_url for hit in found]
            late = [hit.file_url async for hit in second.search("button", limit=5, start=20)]
            await second._gatherings["button"].close()
            return pieces, late

    assert bench.do(work()) == (truth, truth[20:25])


def test_what_is_known_of_each_picture(bench: Bench, site: Site) -> None:
    site.page(
        "/list",
        '<figure><a href="/works/1"><img src="/1.jpg"></a><figcaption> A red\n apple</figcaption>'
        '</figure><a href="/2-full.jpg"><img src="/2.jpg" alt="Another" width=9></a>',
    )
    hits, _ = bench.search(site.url("/list?q={query}"), allow=(site.host,), query="red & ripe/ä")
    assert [(hit.file_url, hit.page_url, hit.title) for hit in hits] == [
        (site.url("/1.jpg"), site.url("/works/1"), "A red apple"),
        (site.url("/2-full.jpg"), site.url("/list?q=red%20%26%20ripe%2F%C3%A4"), "Another"),
    ]
    assert {(hit.license, hit.creator, hit.problem) for hit in hits} == {("", "", "")}
    assert site.requests["/list?q=red%20%26%20ripe%2F%C3%A4"] == 1


_FULL = [
    # What it links to, if that is a picture by its name; else the largest that it offers.
    ('<a href="/1f.jpg"><img src="/1.jpg"></a>', "/1f.jpg"),
    ('<a href="/page.html"><img src="/2.jpg"></a>', "/2.jpg"),
    ('<img src="/s.jpg" srcset="/m.jpg 400w, /3l.jpg 1200w, /s.jpg 100w">', "/3l.jpg"),
    ('<img src="/s.jpg" srcset="/x,1.jpg, /x,2.jpg 2x">', "/x,2.jpg"),
    ('<picture><source srcset="/5.webp 2000w"><img src="/s.jpg"></picture>', "/5.webp"),
    ('<img src="/blank.gif" data-src="/6.jpg">', "/6.jpg"),
    ('<img src="/s.jpg" data-original="/7.jpg">', "/7.jpg"),
    ("<img style=\"background-image: url('/8.jpg')\">", "/8.jpg"),
]
_THUMBNAIL = [
    ('<a href="/1f.jpg"><img src="/1.jpg"></a>', "/1.jpg"),
    ('<img src="/blank.gif" data-src="/2.jpg">', "/2.jpg"),
    ('<img src="/3.jpg" data-original="/whole.jpg">', "/3.jpg"),
]
_NAMED = [
    ('<b data-pic="/1.jpg"><img src="/no.jpg"></b>', "/1.jpg"),
    ('<b data-pic="deep.jpg"></b>', "/deep.jpg"),
]
_JSON = [(f"<b m='{json.dumps({'murl': '/1.jpg', 't': 'x'})}'>x</b><b m='{{'>y</b>", "/1.jpg")]


@pytest.mark.parametrize(
    ("cases", "options"),
    [
        (_FULL, {}),
        (_THUMBNAIL, {"size": "thumbnail"}),
        (_NAMED, {"select": "b", "attribute": "data-pic"}),
        (_JSON, {"select": "b", "attribute": "m", "key": "murl"}),
        ([('<base href="/deep/er/"><img src="rel.jpg">', "/deep/er/rel.jpg")], {}),
    ],
)
def test_which_address_is_taken(
    cases: list[tuple[str, str]], options: dict[str, str], read: Read, site: Site
) -> None:
    site.page("/one", "<!doctype html>" + "\n".join(markup for markup, _ in cases))
    expected = [site.url(path) for _, path in cases]
    assert read("/one", pictures=len(cases), **options) == expected


def test_stand_ins_are_no_pictures(read: Read, site: Site) -> None:
    site.page(
        "/page",
        '<img src="data:image/svg+xml,<svg/>"><img src="data:image/gif;base64,R0lGODlhAQABAIAAAA'
        'AAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"><img><img src=""><img src="/real.jpg">'
        '<img src="/real.jpg">',
    )
    assert read("/page") == [site.url("/real.jpg")]


def test_pictures_that_come_by_a_clock_are_waited_for(read: Read, site: Site) -> None:
    site.page(
        "/slow",
        f"{_IMG.format('/1.jpg')}<script>setTimeout(() => document.body"
        f".insertAdjacentHTML('beforeend', `{_IMG.format('/2.jpg')}`), 700)</script>",
    )
    assert read("/slow", patience=2) == [site.url("/1.jpg"), site.url("/2.jpg")]


def test_a_banner_is_dismissed_and_a_covered_button_pressed(read: Read, site: Site) -> None:
    site.page(
        "/banner",
        '<div id=b style="position:fixed;inset:0;z-index:9;background:#fff"><button id=no '
        'onclick="document.body.dataset.no=1">reject all</button></div>'
        '<button id=more onclick="if (document.body.dataset.no) '
        f"this.outerHTML='{_IMG.format('/2.jpg').replace(chr(34), '')}'\">more</button>"
        + _IMG.format("/1.jpg"),
    )
    found = read("/banner", dismiss="#no", more="#more")
    assert sorted(found) == [site.url("/1.jpg"), site.url("/2.jpg")]


def test_redirects_lead_to_the_right_base(read: Read, site: Site) -> None:
    site.page("/old", "", 302, {"Location": "/new/place"})
    site.page("/new/place", '<img src="rel.jpg"><a id=more href="/older">next</a>')
    site.page("/older", "", 301, {"Location": "/new/er/next"})
    site.page("/new/er/next", '<img src="rel.jpg">')
    assert read("/old", more="#more") == [site.url("/new/rel.jpg"), site.url("/new/er/rel.jpg")]
    # Each address was asked for once, although the browser was told where it ended.
    assert set(site.requests.values()) == {1}


def test_the_page_may_load_its_pictures_where_that_is_asked_for(read: Read, site: Site) -> None:
    site.handlers["/1.jpg"] = lambda _: (200, {"Content-Type": "image/jpeg"}, drawn("", 1, "JPEG"))
    site.page(
        "/sized",
        "<img src=/1.jpg onload=\"if (naturalWidth === 64) this.className = 'right'\">",
    )
    assert read("/sized", select="img.right", load_pictures=True) == [site.url("/1.jpg")]
    assert site.requests["/1.jpg"] == 1


def test_posts_of_a_page_are_passed_on(read: Read, site: Site) -> None:
    site.page(
        "/posts",
        "<script>fetch('/api', {method: 'POST', body: '{}', headers: {'X-Token': 'of the page'}})"
        ".then((r) => r.text()).then((t) => { document.body.innerHTML = t; })</script>",
    )
    site.page("/api", _IMG.format("/1.jpg"))
    assert read("/posts") == [site.url("/1.jpg")]
    (heard,) = [one for one in site.heard if one[1] == "/api"]
    assert heard[0] == "POST" and heard[2]["x-token"] == "of the page"
    assert heard[2]["content-length"] == "2"
