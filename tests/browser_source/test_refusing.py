"""What the guard, robots.txt and owners refuse, a browser does not get either."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpcore
import pytest

from benchmarks.browser_site import Site, serving
from tests.browser_source.conftest import Bench

_IMG = '<img class="hit" src="/1.jpg">'


class Detour(httpcore.AsyncNetworkBackend):
    """A network on which every public address leads to one local site."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._real = httpcore.AnyIOBackend()
        self.asked: list[str] = []

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        return await self._real.connect_tcp("127.0.0.1", self._port, timeout)


def names(**table: list[Sequence[str]]) -> object:
    """A resolver: `_` for a dot; each name's answers in turn, the last one for good."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        turns = table[host.replace(".", "_")]
        return turns.pop(0) if len(turns) > 1 else turns[0]

    return resolve


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/x?{{query}}",
        "http://localhost:{port}/{{query}}",
        "http://2130706433:{port}/{{query}}",
        "http://[::1]:{port}/{{query}}",
        "http://169.254.169.254/{{query}}",
        "http://10.0.0.1/{{query}}",
    ],
)
def test_private_pages_are_not_opened(bench: Bench, forbidden: Site, url: str) -> None:
    assert bench.reason(url.format(port=forbidden.port).replace("{{", "{")) == "private_address"
    assert forbidden.connections == 0


def test_a_name_that_answers_differently_a_moment_later(bench: Bench, site: Site) -> None:
    """DNS rebinding: the page is public, then its own name means this machine."""
    site.page(
        "/page",
        f"{_IMG}<script>fetch('/secret').then(() => {{ document.body.innerHTML += "
        "'<img class=hit src=/leak.jpg>' })</script>",
        headers={"Connection": "close"},
    )
    site.page("/secret", "secret")
    site.page("/robots.txt", "", 404, {"Connection": "close"})
    detour = Detour(site.port)
    public = ["93.184.216.34"]
    options = {
        "network": detour,
        "resolver": names(evil_example=[public, public, ["127.0.0.1"]]),
    }
    found = bench.found("http://evil.example/page?{query}", fetcher=options, select=".hit")
    assert found == ["http://evil.example/1.jpg"]
    assert site.asked("/secret") == 0 and set(detour.asked) == set(public)
    assert bench.refused() == {"private_address": 1}


def test_pages_of_the_web_do_not_see_what_is_open_to_the_user(
    bench: Bench, site: Site, forbidden: Site
) -> None:
    """A server of one's own, opened by TELLAPART_ALLOW_HOSTS, is for pages of such servers."""
    forbidden.page("/mine", "private")
    inner = forbidden.url("/mine")
    site.page(
        "/page",
        f"{_IMG}<script>fetch('{inner}', {{mode: 'no-cors'}}); fetch('/out'); "
        "</script><script src='/out'></script>",
    )
    site.page("/out", "", 302, {"Location": inner})
    options = {"network": Detour(site.port), "resolver": names(web_example=[["93.184.216.34"]])}
    bench.found(
        "http://web.example/page?{query}", fetcher=options, allow=(forbidden.host,), select=".hit"
    )
    assert forbidden.connections == 0
    assert bench.refused() == {"private_address": 3}


def test_an_answer_from_elsewhere_is_not_taken_for_the_sites_own(bench: Bench, site: Site) -> None:
    """A redirect to another origin needs that origin's leave, as in any browser."""
    with serving() as other:
        other.page("/closed", "closed")
        other.page("/open", "open", headers={"Access-Control-Allow-Origin": "*"})
        site.page(
            "/page",
            "<script>for (const name of ['closed', 'open']) fetch('/to/' + name).then((r) => "
            "r.text()).then((t) => { document.body.innerHTML += `<img src=/${t}.jpg>` })</script>",
        )
        for name in ("closed", "open"):
            site.page(f"/to/{name}", "", 307, {"Location": other.url(f"/{name}")})
        found = bench.found(site.url("/page?{query}"), allow=(site.host, other.host))
    assert found == [site.url("/open.jpg")]
    assert bench.refused() == {"closed": 1}


def test_robots_txt_is_obeyed_for_all_that_a_page_asks(bench: Bench, site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /private/\n")
    site.page("/private/page", _IMG)
    site.page("/page", f'{_IMG}<script src="/private/x.js"></script><img src="/2.jpg">')
    options = {"allow": (site.host,), "select": ".hit"}
    hits, error = bench.search(site.url("/private/page?{query}"), **options)  # type: ignore[arg-type]
    assert not hits and error is not None and error.reason == "robots"
    assert f"--ignore-robots {site.host}" in error.do
    assert set(site.requests) == {"/robots.txt"}
    assert bench.found(site.url("/page?{query}"), **options) == [site.url("/1.jpg")]  # type: ignore[arg-type]
    assert site.asked("/private/x.js") == 0 and bench.refused() == {"robots": 1}
    # By the user's named act: only then, and for that host alone.
    for hosts, expected in (({"other.example"}, "robots"), ({"127.0.0.1"}, ""), ({site.host}, "")):
        hits, error = bench.search(
            site.url("/private/page?{query}"),
            fetcher={"ignore_robots": hosts},
            **options,  # type: ignore[arg-type]
        )
        assert (error.reason if error else "") == expected
        assert len(hits) == (not expected)


@pytest.mark.parametrize(
    ("headers", "head"),
    [
        ({"X-Robots-Tag": "noai"}, ""),
        ({"X-Robots-Tag": "otherbot: noai, tellapart: noimageai"}, ""),
        ({"TDM-Reservation": "1"}, ""),
        ({}, '<meta name="robots" content="index, noimageai">'),
        ({}, '<meta name="TDM-Reservation" content="1">'),
    ],
)
def test_owners_who_opt_out_are_heeded_also_where_robots_txt_is_not(
    bench: Bench, site: Site, headers: dict[str, str], head: str
) -> None:
    site.page("/page", head + _IMG, headers=headers)
    reason = bench.reason(
        site.url("/page?{query}"), allow=(site.host,), fetcher={"ignore_robots": {site.host}}
    )
    assert reason == "opted_out"


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (404, {}, "http_404"),
        (429, {"Retry-After": "0"}, "rate_limited"),
        (500, {}, "http_500"),
        (200, {"Content-Type": "application/pdf"}, "bad_answer"),
        (200, {"Content-Disposition": "attachment; filename=x.html"}, "bad_answer"),
        (302, {"Location": "file:///etc/passwd"}, "scheme"),
        (302, {"Location": "http://127.0.0.1:22/"}, "private_address"),
        (302, {"Location": "/page"}, "redirects"),
    ],
)
def test_answers_that_are_no_page(
    bench: Bench, site: Site, status: int, headers: dict[str, str], reason: str
) -> None:
    site.page("/page", _IMG, status, headers)
    assert bench.reason(site.url("/page?{query}"), allow=(site.host,)) == reason


def test_what_a_next_page_failed_with_is_told(bench: Bench, site: Site) -> None:
    site.page("/page", f'{_IMG}<a id="more" href="/next">next</a>')
    site.page("/next", "", 503)
    hits, error = bench.search(site.url("/page?{query}"), allow=(site.host,), more="#more")
    assert [hit.file_url for hit in hits] == [site.url("/1.jpg")]
    assert error is not None and error.reason == "http_503"
    assert site.asked("/next") == 1


def test_no_popup_no_frame_no_other_site_no_file_no_download(
    bench: Bench, site: Site, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.html"
    secret.write_text("<img class=hit src=http://secret.example/>")
    with serving() as other:
        other.page("/away", "<img class=hit src=/away.jpg>")
        site.page(
            "/page",
            f"""{_IMG}<iframe src="/frame"></iframe><iframe src="{secret.as_uri()}"></iframe>
            <img src="{secret.as_uri()}" onload="leak()"><a id=d download=x href="/saved"></a>
            <a id=b download=y></a><script>
            function leak() {{ document.body.innerHTML += '<img class=hit src=/leak.jpg>'; }}
            window.open('/popup'); d.click();
            b.href = URL.createObjectURL(new Blob(['x'.repeat(1000)])); b.click();
            fetch('{secret.as_uri()}').then(leak); window.open('{secret.as_uri()}');
            setTimeout(() => {{ location = '{other.url("/away")}'; }}, 100);
            setTimeout(() => {{ location = '{secret.as_uri()}'; }}, 200);
            setTimeout(() => {{ location = 'chrome://version'; }}, 300);</script>""",
        )
        found = bench.found(
            site.url("/page?{query}"), allow=(site.host, other.host), select=".hit", patience=1.5
        )
        assert found == [site.url("/1.jpg")]
        assert other.connections == 0
        assert set(site.requests) == {"/robots.txt", "/page?apple"}
    (gathering,) = bench.source._gatherings.values()
    assert not gathering.is_open


def test_pages_name_no_license(bench: Bench, site: Site) -> None:
    assert bench.reason(site.url("/?{query}"), licenses=("by",)) == "license"
    assert site.connections == 0
