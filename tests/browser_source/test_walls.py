"""Nothing of a page gets past the guard: each trick is tried, and the other side counts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Error, Route, async_playwright

from benchmarks.browser_site import Site
from tellapart.plugins.sources.browser.chromium import Chromium, _alone
from tellapart.settings import Settings
from tests.browser_source import tricks
from tests.browser_source.conftest import Bench

#: Tricks that in an ordinary browser ask nothing that can be told by its path.
_UNSEEN = {"preconnect", "dns", "rtc", "rtc-from-frame", "transport"}


@dataclass
class Ear:
    """A UDP port that hears whatever comes to it."""

    socket: socket.socket

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def heard(self) -> int:
        count = 0
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(2048):
                count += 1
        return count


@pytest.fixture
def ear() -> Iterator[Ear]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        yield Ear(udp)


@pytest.fixture
def trap(site: Site, forbidden: Site, ear: Ear) -> str:
    """The address of a page that tries everything."""
    site.page("/trap", tricks.page(forbidden.host, ear.host) + '<img class="hit" src="/1.jpg">')
    site.handlers["/redirect"] = lambda query: (302, {"Location": query["to"]}, b"")
    worker = tricks.WORKER.replace("F/", forbidden.url("/"))
    site.page("/worker.js", worker, headers={"Content-Type": "text/javascript"})
    return site.url("/trap?q={query}")


@pytest.mark.slow
def test_the_tricks_work_in_an_ordinary_browser(
    program: str, trap: str, forbidden: Site, ear: Ear
) -> None:
    """Else the tests below would prove nothing."""
    wanted = {*tricks.MARKUP, *tricks.SCRIPTS} - _UNSEEN

    async def go() -> set[str]:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-popup-blocking"]
            )
            page = await browser.new_page()
            await page.goto(trap, wait_until="commit")
            for _ in range(100):
                seen = {path.strip("/").partition("?")[0] for path in forbidden.requests}
                if wanted <= seen and ear.heard():
                    break
                await asyncio.sleep(0.1)
            await browser.close()
            return wanted - seen

    missing = asyncio.run(go())
    assert not missing


def test_nothing_slips_by_while_searching(
    bench: Bench, trap: str, site: Site, forbidden: Site, ear: Ear
) -> None:
    hits, error = bench.search(trap, allow=(site.host,), select="img.hit")
    assert error is None and [hit.file_url for hit in hits] == [site.url("/1.jpg")]
    assert forbidden.connections == 0 and ear.heard() == 0
    refused = bench.refused()
    assert refused["private_address"] >= 5 and refused["closed"] >= 5
    # What did come to the site came from us, in our name, without cookies.
    assert {one[2]["user-agent"][:10] for one in site.heard} == {"Tellapart/"}
    assert not any("cookie" in one[2] for one in site.heard)
    assert set(site.requests) <= {
        "/robots.txt",
        "/trap?q=apple",
        f"/redirect?to={forbidden.url('/redirected')}",
    }


@contextlib.asynccontextmanager
async def walled(wall: str, program: str, folder: Path) -> AsyncIterator[BrowserContext]:
    """A context behind one of the walls alone."""
    if wall == "proxy":
        chromium = Chromium(Settings(), "Tellapart/test", namespace=False)
        try:
            yield await chromium.context()
        finally:
            await chromium.aclose()
        return
    script = await _alone(Path(program), folder)
    if script is None:
        pytest.skip("the kernel makes no network namespaces for us")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=script, args=["--no-sandbox"])
        yield await browser.new_context()
        await browser.close()


@pytest.mark.slow
@pytest.mark.parametrize("wall", ["proxy", "namespace"])
def test_each_wall_stands_alone(
    wall: str,
    program: str,
    trap: str,
    site: Site,
    forbidden: Site,
    ear: Ear,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The door is left open on purpose: every request goes on to the browser's own network."""
    monkeypatch.setattr("tellapart.plugins.sources.browser.chromium._WITHOUT", "")
    tried: set[str] = set()

    async def door(route: Route) -> None:
        tried.add(route.request.url.removeprefix(forbidden.url("/")))
        if route.request.url.endswith("/trap?q=x"):
            body = site.handlers["/trap"]({})[2]
            await route.fulfill(body=body, content_type="text/html")
        else:
            await route.continue_()

    async def go() -> None:
        async with walled(wall, program, tmp_path) as context:
            await context.route("**/*", door)
            for page in (await context.new_page(), await context.new_page()):
                await page.goto(site.url("/trap?q=x"), wait_until="commit")
            await asyncio.sleep(1.5)
            with contextlib.suppress(Error):
                await page.goto(forbidden.url("/straight"), timeout=3000)

    asyncio.run(go())
    assert {"image", "script", "prefetch", "straight"} <= tried
    assert forbidden.connections == 0 and site.connections == 0 and ear.heard() == 0


def test_there_is_a_namespace_where_the_kernel_lets_us(
    bench: Bench, tmp_path: Path, program: str
) -> None:
    """Its only interface is a loopback of its own, which is down."""
    script = bench.do(_alone(Path("/bin/cat"), tmp_path))
    if script is None:
        pytest.skip("the kernel makes no network namespaces for us")

    async def devices() -> str:
        process = await asyncio.create_subprocess_exec(
            script, "/proc/net/dev", stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0].decode()

    lines = bench.do(devices()).splitlines()[2:]
    assert [line.split(":")[0].strip() for line in lines] == ["lo"]
