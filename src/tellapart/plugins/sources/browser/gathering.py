"""One query's page: opened, scrolled, its button pressed, until enough pictures are seen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tellapart.doors import Hit
from tellapart.errors import FetchError, InputError, RefusedError
from tellapart.fetch import Fetcher
from tellapart.fetch.optout import opted_out
from tellapart.fetch.reasons import problem, shorten
from tellapart.plugins.sources.browser.chromium import Chromium
from tellapart.plugins.sources.browser.options import Options
from tellapart.plugins.sources.browser.passage import Passage

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

T = TypeVar("T")

_HERE = Path(__file__).parent
_PICK = (_HERE / "pick.js").read_text(encoding="utf-8")
_STEP = (_HERE / "step.js").read_text(encoding="utf-8")
#: Two frames drawn: what waits for being seen has been told.
_DRAWN = "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r())))"
#: Seconds without a request after which the page has its turn; the longest wait for that.
_QUIET, _LOUD = 0.15, 10.0
#: Waits, as shares of the patience, for pages that go on by a clock of their own.
_WAITS = (0.1, 0.3, 0.6)
#: Of one look at the page: most pictures, and the longest address (a `data:` URI) that is kept.
_MOST, _LONGEST = 400, 1_000_000
_SMALL = 10.0


class Gathering:
    """The pictures of one query in the order in which they were seen; none twice."""

    def __init__(
        self,
        query: str,
        options: Options,
        chromium: Chromium,
        fetcher: Fetcher,
        allow_hosts: tuple[str, ...],
    ) -> None:
        self._query = query
        self._options = options
        self._chromium = chromium
        self._fetcher = fetcher
        self._hosts = allow_hosts
        self.lock = asyncio.Lock()
        self.found: list[Hit] = []
        self.over = False
        self._known: set[str] = set()
        self._context: BrowserContext | None = None
        self._page: Page | None = None
        self._passage: Passage | None = None
        self._steps = 0
        #: Seconds of work that are left to this query.
        self._left = options.seconds

    @property
    def is_open(self) -> bool:
        return self._context is not None

    async def go_on(self, wanted: int) -> None:
        """Until `wanted` pictures are found, or the page has no more, or a bound is reached.

        Raises `FetchError` where the page cannot be had or breaks, `RefusedError` where its
        owner does not want it read; what was found stays.
        """
        from playwright.async_api import Error

        wanted = min(wanted, self._options.pictures)
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout(max(self._left, 0.1)):
                if self._page is None:
                    await self._open()
                self.over = not await self._until(wanted)
        except TimeoutError:
            # The bound that was asked for; a page that showed nothing in all that time failed.
            self.over = bool(self.found)
            await self.close()
            if not self.over:
                raise problem(
                    "timeout",
                    f"The page of {self._options.host} showed no picture within "
                    f"{self._options.seconds:.0f} s.",
                ) from None
        except Error as error:
            await self.close()
            raise self._broken(error) from None
        except BaseException:
            await self.close()
            raise
        finally:
            self._left -= loop.time() - start
        if self.over or len(self.found) >= self._options.pictures:
            self.over = True
            await self.close()

    async def close(self) -> None:
        """Let the page go; it is opened anew where more is asked for."""
        context, self._context, self._page = self._context, None, None
        if context is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_SMALL):
                    await context.close()

    async def _open(self) -> None:
        passage = self._passage = Passage(self._fetcher, self._options, self._hosts)
        url = await passage.open(self._options.address(self._query))
        context = self._context = await self._chromium.context()
        await context.route("**/*", passage.answer)
        page = passage.page = await context.new_page()
        context.on("page", lambda other: _send_away(other, page))
        page.set_default_timeout(_SMALL * 1000)
        await page.goto(url, wait_until="domcontentloaded", timeout=self._options.seconds * 1000)
        self._page = page
        await self._quiet()
        await self._click(self._options.dismiss)
        await self._look()

    async def _until(self, wanted: int) -> bool:
        """Whether `wanted` are found; False where the page has no more."""
        idle = 0
        while len(self.found) < wanted:
            new = await self._look()
            if len(self.found) >= wanted:
                break
            if self._passage is None or self._steps >= self._options.scrolls:
                return False
            moved = await self._settled(lambda page: page.evaluate(_STEP, self._options.select))
            pressed = not (moved or new) and await self._click(self._options.more)
            self._steps += moved or pressed
            if self._passage.failure is not None:
                # It was to lead further, and there it failed.
                raise self._passage.failure
            if moved or new:
                idle = 0
            elif idle < len(_WAITS):
                # Pressed or not, nothing has come yet.
                await self._quiet()
                if await self._look():
                    idle = 0
                    continue
                await asyncio.sleep(self._options.patience * _WAITS[idle])
                idle += 1
            else:
                if not self.found:
                    await self._nothing()
                return False
            await self._quiet()
        return True

    async def _look(self) -> bool:
        """Note the pictures that were seen since; whether there is a new one."""
        wanted = {
            "select": self._options.select,
            "size": self._options.size,
            "attribute": self._options.attribute,
            "key": self._options.key,
            "most": _MOST,
            "longest": _LONGEST,
        }
        answer = _mapping(await self._settled(lambda page: page.evaluate(_PICK, wanted)))
        self._heed(answer.get("robots"))
        at, before = _text(answer.get("at")), len(self.found)
        items = answer.get("found")
        for item in map(_mapping, items if isinstance(items, list) else []):
            url, long = _text(item.get("url")), item.get("tooLong") is True
            if not long and (not url or url in self._known):
                continue
            if len(self.found) >= self._options.pictures:
                break
            self._known.add(url)
            self.found.append(
                Hit(
                    rank=len(self.found),
                    file_url=url,
                    page_url=_text(item.get("page")) or at,
                    title=" ".join(_text(item.get("title")).split())[:300],
                    problem="too_large" if long else "blob" if url.startswith("blob:") else "",
                )
            )
        return len(self.found) > before

    async def _click(self, selector: str) -> bool:
        """Press the first of `selector` that can be seen; False where there is none."""
        if not selector:
            return False
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as TooLate

        async def press(page: Page) -> bool:
            button = page.locator(selector).locator("visible=true").first
            try:
                if not await button.count() or await button.is_disabled(timeout=2000):
                    return False
                try:
                    await button.click(timeout=2000)
                except Error:
                    # Something lies over it, a banner say.
                    await button.dispatch_event("click", timeout=2000)
            except TooLate:
                # Gone meanwhile, as the last of its kind is.
                return False
            return True

        pressed = await self._settled(press)
        await self._quiet()
        return pressed

    async def _quiet(self) -> None:
        """Wait until the page has drawn and asks for nothing more, at most some seconds."""
        from playwright.async_api import Error

        loop = asyncio.get_running_loop()
        start = loop.time()
        while self._page is not None and self._passage is not None:
            with contextlib.suppress(Error):
                await self._page.evaluate(_DRAWN)
            # A request that the page has just made may still be on its way to us.
            await asyncio.sleep(_QUIET / 2)
            now = loop.time()
            if now > start + _LOUD or min(self._passage.quiet_for(), now - start) >= _QUIET:
                return

    async def _settled(self, work: Callable[[Page], Awaitable[T]]) -> T:
        """Do `work` on the page; once more where it was leading elsewhere meanwhile."""
        from playwright.async_api import Error

        assert self._page is not None
        for _ in range(3):
            try:
                return await work(self._page)
            except Error as error:
                text = str(error)
                if "is not a valid selector" in text or "Unexpected token" in text:
                    raise InputError(
                        "The source `browser` has a selector that is none: "
                        f"{text.splitlines()[0][:200]}",
                        expected="CSS selectors",
                        do="Correct `select`, `more` and `dismiss` in the source's options.",
                    ) from None
                if "context was destroyed" not in text and "navigation" not in text:
                    raise
                await self._page.wait_for_load_state("domcontentloaded")
                await self._quiet()
        return await work(self._page)

    async def _nothing(self) -> None:
        """Tell a page on which nothing was found from one that is built otherwise by now."""
        assert self._page is not None
        none = self._options.none
        if none and await self._page.locator(none).count():
            return
        matched = await self._page.locator(self._options.select).count()
        what = f"{matched} fit, none with a picture's address" if matched else "nothing fits"
        refused = self._passage.refused if self._passage else {}
        closed = f" {refused['robots']} of its requests were closed by robots.txt." * bool(
            refused.get("robots")
        )
        raise FetchError(
            f"The page of {self._options.host} shows no picture for {self._query!r}: of the "
            f"selector {self._options.select!r} {what}.{closed}",
            expected="pictures that fit `select`, or what `none` names where nothing was found",
            do="Look at the page in a browser of yours and correct the source's options.",
            reason="bad_answer",
        )

    def _heed(self, robots: object) -> None:
        """Raises where the page itself says: not for training."""
        for line in robots if isinstance(robots, list) else []:
            name, _, content = _text(line).partition(":")
            pair = (
                (b"tdm-reservation", content)
                if name.lower()[:3] == "tdm"
                else (b"x-robots-tag", f"tellapart: {content}")
            )
            if opted_out([(pair[0], pair[1].strip().encode("latin-1", "replace"))]):
                raise problem(
                    "opted_out", f"The page of {self._options.host} says {shorten(_text(line))!r}."
                )

    def _broken(self, error: Exception) -> FetchError:
        if self._passage is not None and self._passage.failure is not None:
            return self._passage.failure
        return FetchError(
            f"The page of {self._options.host} broke in the browser: "
            f"{shorten(str(error).strip().splitlines()[0])}",
            expected="a page that can be shown",
            do="Run the same command again; or leave this source out.",
            reason="browser",
        )


def explained(error: FetchError, host: str) -> FetchError:
    """`error`, with the way that is left to the user where robots.txt says no."""
    if error.reason != "robots":
        return error
    return RefusedError(
        error.what,
        expected=error.expected,
        do="Ask the site's owner. Where you may read it all the same, say so by name: "
        f"--ignore-robots {host}; it is noted in the project.",
        reason="robots",
    )


def _send_away(other: Page, page: Page) -> None:
    if other != page:
        task = asyncio.ensure_future(other.close())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
