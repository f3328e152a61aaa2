"""A page cannot keep the browser for ever, break it, or leave anything behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.browser_site import Site
from tellapart.errors import FetchError
from tellapart.plugins.sources.browser.chromium import Chromium, find
from tellapart.settings import Settings
from tests.browser_source.conftest import Bench

#: A page without an end: each look at its end brings ten more.
_ENDLESS = """<div id=list></div><div id=end>&nbsp;</div><script>let n = 0; const last = end;
new IntersectionObserver((e) => { if (e.at(-1).isIntersecting) more(); }).observe(end);
async function more() { await fetch('/api?' + n);
  for (let k = 0; k < 10; k += 1) list.insertAdjacentHTML('beforeend',
    `<img src=/${n++}.jpg style="display:block;height:300px">`);
  setTimeout(() => { last.remove(); document.body.append(last); }, 20); }</script>"""


def _left(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after a while; one that only waits to be buried does not."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        alive = []
        for one in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                if one.status() != psutil.STATUS_ZOMBIE:
                    alive.append(one)
        if not alive:
            return []
        time.sleep(0.1)
    return alive


@pytest.fixture
def brief() -> Iterator[Path]:
    """A folder with a short name: a browser's socket must fit into it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({"pictures": 37}, 37, 37),
        ({"scrolls": 3}, 20, 80),
        ({"requests": 4}, 30, 40),
        ({"megabytes": 0.0012}, 20, 80),
        ({"seconds": 3.0}, 1, 10_000),
    ],
)
def test_an_endless_page_ends_at_each_bound(
    bench: Bench, site: Site, options: dict[str, float], least: int, most: int
) -> None:
    site.page("/endless", _ENDLESS)
    site.page("/api", "x" * 100)
    hits, error = bench.search(site.url("/endless?{query}"), allow=(site.host,), **options)
    assert error is None and least <= len(hits) <= most
    assert len({hit.file_url for hit in hits}) == len(hits)
    (gathering,) = bench.source._gatherings.values()
    assert gathering.over and not gathering.is_open


@pytest.mark.slow
def test_pages_that_hang_or_hide(bench: Bench, site: Site) -> None:
    site.page("/busy", "<script>for (;;) {}</script>")
    site.page(
        "/alert", "<script>alert(1); confirm(2); onbeforeunload = () => 1</script><img src=/a>"
    )
    site.page("/none", "<p>nothing here</p><p class=none>no hits</p>")
    allow = (site.host,)
    assert bench.reason(site.url("/busy?{query}"), allow=allow, seconds=1.5) == "timeout"
    assert bench.found(site.url("/alert?{query}"), allow=allow) == [site.url("/a")]
    # A page that is built otherwise by now is told from one that found nothing.
    assert bench.reason(site.url("/none?{query}"), allow=allow, select="img.x") == "bad_answer"
    assert bench.found(site.url("/none?{query}"), allow=allow, none=".none") == []


@pytest.mark.slow
def test_a_page_that_breaks_its_browser_is_an_error_and_the_next_search_works(
    bench: Bench, site: Site
) -> None:
    site.page("/page", "<img src=/a>")

    async def kill() -> None:
        browser = bench.chromium._browser
        assert browser is not None
        await browser.close()

    bench.found(site.url("/page?{query}"), allow=(site.host,))
    bench.do(kill())
    assert bench.found(site.url("/page?{query}"), allow=(site.host,)) == [site.url("/a")]


@pytest.mark.parametrize(
    ("select", "part"), [("img[", "img["), ("p >> text=x", "p >>"), ("::what", "::what")]
)
def test_a_selector_that_is_none_is_the_users_error(
    bench: Bench, site: Site, select: str, part: str
) -> None:
    from tellapart.errors import InputError

    site.page("/page", "<img src=/a>")
    with pytest.raises(InputError, match="selector") as caught:
        bench.search(site.url("/page?{query}"), allow=(site.host,), select=select)
    assert part in caught.value.what


def test_a_long_data_uri_is_refused_and_a_blob_is_named(bench: Bench, site: Site) -> None:
    site.page(
        "/page",
        "<body><script>const a = new Image(); a.src = URL.createObjectURL(new Blob(['x']));"
        "document.body.append(a); const link = document.createElement('a');"
        "link.href = 'data:image/png;base64,' + 'A'.repeat(1000001); link.className = 'long';"
        "link.append(new Image()); document.body.append(link)</script>",
    )
    hits, error = bench.search(site.url("/page?{query}"), allow=(site.host,))
    assert error is None
    assert sorted(hit.problem for hit in hits) == ["blob", "too_large"]


@pytest.mark.slow
def test_it_leaves_nothing_behind_and_knows_no_secret(
    program: str, site: Site, brief: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No profile, no cache, no download; and of our environment only what it needs."""
    temporary, home = brief / "t", brief / "h"
    temporary.mkdir()
    home.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TELLAPART_SECRET_KEY", "a-secret-of-ours")
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = set(psutil.Process().children(recursive=True))
    own = Bench()
    try:
        site.page(
            "/page",
            "<img src=/a><script>document.cookie = 'a=b; max-age=99999'; localStorage.x = 'kept';"
            "</script>",
            headers={"Set-Cookie": "id=1; Max-Age=99999"},
        )
        for _ in range(2):
            own.found(site.url("/page?{query}"), allow=(site.host,))
        children = set(psutil.Process().children(recursive=True)) - before
        browsers = [one for one in children if one.status() != psutil.STATUS_ZOMBIE]
        browsers = [one for one in browsers if "--headless" in " ".join(one.cmdline())]
        assert browsers
        for one in browsers:
            assert b"a-secret-of-ours" not in Path(f"/proc/{one.pid}/environ").read_bytes()
    finally:
        own.close()
    assert not any("cookie" in heard[2] for heard in site.heard)
    assert list(temporary.iterdir()) == [] and list(home.iterdir()) == []
    assert _left(browsers) == []


@pytest.mark.slow
def test_a_killed_run_leaves_no_browser(program: str, brief: Path) -> None:
    code = """
import asyncio, sys
from tellapart.plugins.sources.browser.chromium import Chromium
from tellapart.settings import Settings
async def go():
    await Chromium(Settings(), "x").context()
    print("up", flush=True)
    await asyncio.sleep(600)
asyncio.run(go())
"""
    environment = {**os.environ, "TMPDIR": str(brief)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) > 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert _left(children) == []


def test_without_a_browser_the_user_is_told(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        find(Settings(chromium=tmp_path / "none"))
    assert caught.value.reason == "no_browser" and "TELLAPART_CHROMIUM" in caught.value.expected
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)

    async def go() -> None:
        chromium = Chromium(Settings(chromium=program), "x")
        try:
            await chromium.context()
        finally:
            await chromium.aclose()

    with pytest.raises(FetchError, match="does not start") as caught:
        asyncio.run(go())
    assert caught.value.reason == "no_browser"
