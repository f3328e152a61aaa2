"""The one door between a page and the network.

The browser has no network (`chromium`), so a request of its page either comes through here or
fails. What comes through is asked by the project's own fetcher, hop by hop: the guard, robots.txt,
the pauses and slots of each host, and the bounds on bytes and time hold as for anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
from collections import Counter
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tellapart.errors import FetchError
from tellapart.fetch import Fetcher, Sent
from tellapart.fetch.exchange import REDIRECTS
from tellapart.fetch.guard import Guard, Target
from tellapart.fetch.reasons import problem, shorten
from tellapart.plugins.sources.browser.options import Options

if TYPE_CHECKING:
    from playwright.async_api import Page, Request, Route

#: What a page may ask for; anything else (fonts, films, beacons, prefetching, workers' scripts,
#: frames) is not needed to show its pictures.
_SCRIPTED = frozenset(("xhr", "fetch"))
_KINDS = frozenset(("document", "script", "stylesheet", "image")) | _SCRIPTED
_METHODS = frozenset(("GET", "POST"))
_MAX_SENT = 1_000_000
#: Not taken along from the page: cookies above all; what concerns one connection; what we set.
_NOT_ASKED = frozenset(
    (
        *("cookie", "host", "user-agent", "accept-encoding", "content-length", "connection"),
        *("proxy-authorization", "proxy-connection", "transfer-encoding", "te", "upgrade"),
        *("keep-alive", "trailer", "expect", "upgrade-insecure-requests", "range"),
    )
)
_NOT_ANSWERED = frozenset(
    (
        *("set-cookie", "content-encoding", "content-length", "transfer-encoding", "connection"),
        *("keep-alive", "alt-svc", "report-to", "reporting-endpoints", "nel", "link"),
        *("strict-transport-security", "clear-site-data", "speculation-rules", "www-authenticate"),
    )
)
#: Shown in place of each picture: clear, of a usual size, so that the page lays itself out.
BLANK = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="240" height="180">'
    b'<rect width="240" height="180" fill="none"/></svg>'
)
_HTML = ("text/html", "application/xhtml+xml")
_ELSEWHERE = '<!doctype html><meta http-equiv="refresh" content="0;url={url}">'
#: A request older than this no longer keeps the page from being called quiet.
_STUCK = 8.0


class Passage:
    """Answers the requests of one page, and counts them.

    Raises nothing from `answer`; why the page itself could not be had is kept in `failure`.
    """

    def __init__(self, fetcher: Fetcher, options: Options, allow_hosts: tuple[str, ...]) -> None:
        self._fetcher = fetcher
        self._options = options
        self._guard = Guard(allow_hosts)
        first = self._guard.check(options.url.replace("{query}", "x"))
        #: Hosts the user opened for himself are open to pages of such hosts alone, so that no
        #: page of the web looks into them.
        self._from_open = self._guard.is_open(first.host, first.port)
        #: Where the page may lead: the host that was named, and where it redirected to at first.
        self._hosts = {first.netloc}
        self._ready: dict[str, Sent] = {}
        self._under_way: dict[int, float] = {}
        self._last = 0.0
        self.page: Page | None = None
        self.asked = 0
        self.bytes = 0
        self.refused: Counter[str] = Counter()
        self.failure: FetchError | None = None

    async def open(self, url: str) -> str:
        """Ask for the page itself; return where it stands after its redirects.

        Raises `FetchError`, `RefusedError`.
        """
        final, sent = await self._along(url, "GET", {"accept": "text/html,*/*;q=0.5"}, None)
        _check_page(final, sent)
        self._hosts.add(self._check(final).netloc)
        self._ready[final] = sent
        return final

    @property
    def spent(self) -> bool:
        """Whether the bounds on requests or bytes are reached."""
        return self.asked >= self._options.requests or self.bytes >= self._options.megabytes * 1e6

    def quiet_for(self) -> float:
        """Seconds since the last answer; 0 while one is waited for."""
        now = asyncio.get_running_loop().time()
        busy = any(now - start < _STUCK for start in self._under_way.values())
        return 0.0 if busy else now - self._last

    async def answer(self, route: Route) -> None:
        """Playwright's handler of every request."""
        loop, mark = asyncio.get_running_loop(), id(route)
        self._under_way[mark] = self._last = loop.time()
        try:
            await self._answer(route)
        except FetchError as error:
            self.refused[error.reason] += 1
            if self._is_page(route.request):
                if error.reason != "closed":
                    self.failure = error
                # No content: the browser stays where it is, instead of showing an error.
                await _calmly(route.fulfill(status=204))
            else:
                await _calmly(route.abort("blockedbyclient"))
        # The page may have gone meanwhile; whatever else happens, nothing is let through.
        except Exception:
            self.refused["broken"] += 1
            await _calmly(route.abort("blockedbyclient"))
        finally:
            del self._under_way[mark]
            self._last = loop.time()

    async def _answer(self, route: Route) -> None:
        request = route.request
        kind, method, url = request.resource_type, request.method, request.url
        # A service worker's request has no frame: asking for it raises.
        if request.frame.page is not self.page:
            raise problem("scheme", f"{shorten(url)} was asked for by another page.")
        if kind not in _KINDS or method not in _METHODS:
            raise _closed(kind if kind not in _KINDS else method, url)
        if kind == "document" and not self._may_lead_to(request):
            raise _closed("frame or another site", url)
        if kind == "image" and not self._options.load_pictures:
            await route.fulfill(status=200, content_type="image/svg+xml", body=BLANK)
            return
        plain = self._check(url).url
        if plain in self._ready:
            await _fulfill(route, self._ready.pop(plain))
            return
        content = request.post_data_buffer
        if content is not None and len(content) > _MAX_SENT:
            raise problem("too_large", f"{shorten(url)} was to be sent {len(content):,} bytes.")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _NOT_ASKED}
        final, sent = await self._along(url, method, headers, content)
        if kind == "document":
            _check_page(final, sent)
            if final != plain:
                # The browser must know where it is, or relative addresses would mislead.
                if self._check(final).netloc not in self._hosts:
                    raise _closed("another site", final)
                self._ready[final] = sent
                body = _ELSEWHERE.format(url=html.escape(final, quote=True)).encode()
                await route.fulfill(status=200, content_type="text/html", body=body)
                return
        elif kind in _SCRIPTED and _origin(final) != _origin(plain):
            _check_shared(sent, request, final)
        await _fulfill(route, sent)

    def _is_page(self, request: Request) -> bool:
        """Whether it would change what the page shows; not so for frames and popups."""
        with contextlib.suppress(Exception):
            main = self.page is not None and request.frame == self.page.main_frame
            return main and request.is_navigation_request()
        return False

    def _may_lead_to(self, request: Request) -> bool:
        return (
            self._is_page(request)
            and request.method == "GET"
            and self._check(request.url).netloc in self._hosts
        )

    async def _along(
        self, url: str, method: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[str, Sent]:
        """Follow redirects, each hop judged anew; where they end, and the answer there."""
        for _ in range(self._fetcher.limits.max_redirects + 1):
            target = self._check(url)
            sent = await self._once(target.url, method, headers, content)
            location = sent.headers.get("location", "")
            if sent.status not in REDIRECTS or not location:
                return target.url, sent
            following = self._guard.check(location, base=target.url)
            if following.origin != target.origin:
                headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            if method != "GET" and sent.status in (301, 302, 303):
                method, content = "GET", None
            url = following.url
        raise problem("redirects", f"{shorten(url)} redirects on and on.")

    async def _once(
        self, url: str, method: str, headers: Mapping[str, str], content: bytes | None
    ) -> Sent:
        failure: FetchError | None = None
        for _ in range(2):
            if self.spent:
                raise problem("too_large", f"{self._options.host} has had its share of requests.")
            self.asked += 1
            left = int(self._options.megabytes * 1e6) - self.bytes
            sent = await self._fetcher.relay(
                url,
                method=method,
                headers=headers,
                content=content,
                max_bytes=min(left, self._fetcher.limits.max_bytes),
            )
            self.bytes += len(sent.data)
            if sent.error is None:
                return sent
            failure = sent.error
            if method != "GET" or failure.reason != "connection":
                break
        assert failure is not None
        raise failure

    def _check(self, url: str) -> Target:
        target = self._guard.check(url)
        if not self._from_open and self._guard.is_open(target.host, target.port):
            raise problem(
                "private_address",
                f"The page of {self._options.host} asks for {shorten(url)!r}, which is open to "
                "you, not to pages of the web.",
            )
        return target


def _check_page(url: str, sent: Sent) -> None:
    """Raises where the answer is no page to be shown and read."""
    if header := sent.opted_out:
        raise problem("opted_out", f"{shorten(url)} answered with the header {shorten(header)!r}.")
    if sent.status == 429:
        raise problem("rate_limited", f"{shorten(url)} answered 429, too many requests.")
    if not 200 <= sent.status < 300:
        raise problem(f"http_{sent.status}", f"{shorten(url)} answered with {sent.status}.")
    kind = sent.headers.get("content-type", "text/html").partition(";")[0].strip().lower()
    saved = sent.headers.get("content-disposition", "").strip().lower().startswith("attachment")
    if kind not in _HTML or saved:
        what = "a download" if saved else kind
        raise FetchError(
            f"{shorten(url)} is {what}, not a page.",
            expected="a page of HTML",
            do="Correct the source's `url`: nothing is ever downloaded through the browser.",
            reason="bad_answer",
        )


def _check_shared(sent: Sent, request: Request, final: str) -> None:
    """What the browser itself would have asked of an answer from elsewhere (CORS)."""
    allowed = sent.headers.get("access-control-allow-origin", "").strip()
    if allowed not in ("*", _origin(request.frame.url)):
        raise _closed("answer of another origin", final)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _closed(what: str, url: str) -> FetchError:
    return FetchError(
        f"The page asked for {shorten(url)!r} ({what}).",
        expected="pages, scripts, styles and data of the page itself",
        do="Nothing: the page is shown without it.",
        reason="closed",
    )


async def _fulfill(route: Route, sent: Sent) -> None:
    headers: dict[str, str] = {}
    for raw_name, raw_value in sent.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name not in _NOT_ANSWERED:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    await route.fulfill(status=sent.status, headers=headers, body=sent.data)


async def _calmly(answer: Awaitable[None]) -> None:
    """Answer a request that may be gone by now."""
    with contextlib.suppress(Exception):
        await answer
