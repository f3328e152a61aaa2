"""The one way to the network: guarded, polite, bounded."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Self

import httpcore
import httpx

from tellapart.errors import InputError
from tellapart.fetch import datauri, sniff
from tellapart.fetch.body import Limits
from tellapart.fetch.exchange import REDIRECTS, Answer, Wanted, exchange
from tellapart.fetch.guard import Guard, Resolver, Target
from tellapart.fetch.permission import Permissions
from tellapart.fetch.politeness import Host, backoff, retry_after
from tellapart.fetch.reasons import problem, shorten
from tellapart.fetch.robots import MAX_BYTES
from tellapart.fetch.sending import Sent, send
from tellapart.fetch.sniff import Expect
from tellapart.fetch.transport import Transport
from tellapart.settings import Settings

_ACCEPT = {
    "picture": "image/jpeg,image/png,image/webp,image/gif;q=0.9,image/*;q=0.8,*/*;q=0.5",
    "json": "application/json,*/*;q=0.1",
    "any": "*/*",
}
#: Bounds of a look at a robots.txt.
_ROBOTS_SECONDS, _ROBOTS_ATTEMPTS = 10.0, 2


@dataclass(frozen=True)
class Fetched:
    """One answer from the network, complete and within all bounds."""

    #: Where the redirects ended; a `data:` URI is shortened.
    url: str
    status: int
    #: Names in lower case; a repeated header's values joined with `, `.
    headers: Mapping[str, str]
    data: bytes
    #: Told from the data itself, such as `image/jpeg`.
    media_type: str
    #: Hexadecimal SHA-256 of `data`.
    sha256: str
    #: The headers of the redirects on the way, in their order.
    redirects: tuple[Mapping[str, str], ...] = ()

    def json(self) -> Any:
        """Return the answer read as JSON. Raises `FetchError` (`not_json`)."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise problem(
                "not_json", f"{shorten(self.url)} did not answer in JSON: {error}."
            ) from None


@dataclass(frozen=True)
class _Order:
    """What one call asks for, all the way along its redirects."""

    wanted: Wanted
    headers: Mapping[str, str]
    limits: Limits
    robots: bool
    #: First and last byte of the part that is wanted; None: all of it.
    span: tuple[int, int] | None = None


class Fetcher:
    """Fetches many URLs under one set of bounds; use it as an async context manager.

    At most `settings.max_connections` requests are under way at once, `max_per_host` of them
    at one host. `limits`, `resolver`, `ssl_context` and `network` replace the defaults
    (bounds from `settings`, the system's resolver, the public certificate authorities, and what
    opens a connection to an address that was checked). `ignore_robots` are hosts (`name`, or
    `name:port`) whose robots.txt the user, by a named act, wants left aside.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        limits: Limits | None = None,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        ignore_robots: Collection[str] = (),
    ) -> None:
        self.limits = limits or Limits(
            seconds=settings.fetch_timeout, max_bytes=int(settings.max_download_mb * 1e6)
        )
        self.user_agent = f"Tellapart/{version('tellapart')} (+{settings.contact})"
        self._guard = Guard(settings.allow_hosts, resolver)
        self._per_host = max(1, settings.max_per_host)
        self._everyone = asyncio.Semaphore(max(1, settings.max_connections))
        self._hosts: dict[str, Host] = {}
        self._permissions = Permissions(self._read_robots)
        self._ignored = frozenset(name.lower() for name in ignore_robots)
        self._transport = Transport(
            self._guard,
            max_connections=max(1, settings.max_connections),
            trust_proxies=settings.trust_proxies,
            ssl_context=ssl_context,
            network=network,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._permissions.aclose()
        await self._transport.aclose()

    async def get(
        self,
        url: str,
        *,
        expect: Expect = "picture",
        params: Mapping[str, str | int | float] | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        robots: bool = True,
        span: tuple[int, int] | None = None,
        opt_out: bool = True,
    ) -> Fetched:
        """Fetch `url` (http:, https: or data:) and return the complete answer.

        `expect="picture"` refuses what is no picture by its own bytes, `"json"` what is no
        JSON. `params` are added to the query. `headers` go to the first origin only, never
        along a redirect to another. `robots=False` leaves robots.txt aside: right for the
        documented address of an API (whose robots.txt is about crawlers), never for pictures.
        `span`: the first and last byte that are wanted; a server that knows no parts answers 200
        with all of it, else 206. `opt_out=False` leaves opt-out headers aside: right for what a
        person is shown in an account of their own, never for what goes into a data set.

        Raises `RefusedError` where the guard, robots.txt or an opt-out header says no, else
        `FetchError`; `.reason` is one of the words of `tellapart.fetch.REASONS` or
        `http_<status>`.
        """
        limits = self.limits if max_bytes is None else replace(self.limits, max_bytes=max_bytes)
        if datauri.is_data(url):
            data = datauri.decode(url, limits.max_bytes)
            return _fetched(shorten(url), 200, {}, data, expect)
        if params:
            url = _with_params(url, params)
        wanted = Wanted(expect, heed_opt_out=opt_out and expect != "json")
        order = _Order(wanted, dict(headers or {}), limits, robots, span)
        return await self._follow(url, order)

    async def send(
        self,
        url: str,
        *,
        method: str = "GET",
        json: object = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        max_bytes: int = 5_000_000,
    ) -> Sent:
        """Send one request once, at once: no second try, no redirect, no wait for a busy host.

        For the API of a service that acts on what it is asked. Raises `FetchError`, and
        `InputError` for a header of several lines, only where surely nothing was sent; else
        returns what came back, with its status, or with `error` set.
        """
        target = self._guard.check(url)
        limits = replace(
            self.limits,
            seconds=self.limits.seconds if seconds is None else seconds,
            max_bytes=max_bytes,
        )
        content = None if json is None else _dumps(json)
        fields = {
            "host": target.netloc,
            "user-agent": self.user_agent,
            "accept": _ACCEPT["json"],
            "accept-encoding": "gzip, deflate",
        }
        if content is not None:
            fields |= {"content-type": "application/json", "content-length": str(len(content))}
        fields.update((name.lower(), value) for name, value in (headers or {}).items())
        # The library would quote such a value in its log, and it may be a token.
        if not all(value.isprintable() for value in fields.values()):
            raise InputError(
                "A header for a service holds a line break or another control character.",
                expected="one line of text",
                do="Enter the token anew.",
            )
        raw = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in fields.items()]
        async with self._host(target).slot(self._everyone, delay=0.0, longest=0.0):
            return await send(self._transport, target, raw, limits, method=method, content=content)

    async def relay(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        seconds: float | None = None,
        max_bytes: int | None = None,
    ) -> Sent:
        """One request of a page that a browser shows: guarded, polite, within robots.txt.

        One hop and one try: a redirect and any other status is an answer, and opt-out headers
        are the caller's to heed (`Sent.opted_out`). Raises `RefusedError` and `FetchError` as
        `get` does, where nothing was sent.
        """
        target = self._guard.check(url)
        limits = replace(
            self.limits,
            seconds=min(self.limits.seconds, seconds or self.limits.seconds),
            max_bytes=self.limits.max_bytes if max_bytes is None else max_bytes,
        )
        delay = min(await self._robots_delay(target), limits.max_crawl_delay)
        fields = {name.lower(): value for name, value in (headers or {}).items()}
        fields |= {
            "host": target.netloc,
            "user-agent": self.user_agent,
            "accept-encoding": "gzip, deflate",
        }
        if content is not None:
            fields["content-length"] = str(len(content))
        raw = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in fields.items()]
        host = self._host(target)
        async with host.slot(self._everyone, delay=delay, longest=limits.max_retry_after):
            sent = await send(self._transport, target, raw, limits, method=method, content=content)
        host.answered(rate_limited=sent.status == 429)
        if sent.status in (429, 503) and (pause := retry_after(sent.headers.get("retry-after"))):
            host.pause(pause)
        return sent

    async def _robots_delay(self, target: Target) -> float:
        """Seconds that the site's robots.txt asks for between two requests; raises where it
        says no, unless the user said that it is to be left aside."""
        if self._ignored and (target.host in self._ignored or target.netloc in self._ignored):
            return 0.0
        return await self._permissions.delay(target)

    async def _follow(self, url: str, order: _Order) -> Fetched:
        """Go along the redirects; the bounds on time and attempts hold for all of them together."""
        target = self._guard.check(url)
        own, left, attempt = order.headers, order.limits.seconds, 1
        passed: list[Mapping[str, str]] = []
        for _ in range(order.limits.max_redirects + 1):
            delay = await self._robots_delay(target) if order.robots else 0.0
            while True:
                limits = replace(order.limits, seconds=left)
                answer = await self._ask(target, replace(order, headers=own, limits=limits), delay)
                left -= answer.seconds
                if answer.retry:
                    # It holds for all requests to this host, whether or not we ask again.
                    self._host(target).pause(answer.retry)
                if answer.retry is None or attempt >= limits.attempts or left <= 0:
                    break
                if not await self._wait(target, answer, attempt):
                    break
                attempt += 1
            self._host(target).answered(rate_limited=answer.status == 429)
            if answer.error is not None:
                raise answer.error
            if answer.status not in REDIRECTS:
                headers = answer.headers or {}
                kind = order.wanted.expect
                found = _fetched(target.url, answer.status, headers, answer.data, kind)
                return replace(found, redirects=tuple(passed))
            passed.append(answer.headers or {})
            following = self._guard.check((answer.headers or {})["location"], base=target.url)
            if following.origin != target.origin:
                # A token is meant for the origin it was given for.
                own = {}
            target = following
        raise problem(
            "redirects", f"{shorten(url)} redirects more than {order.limits.max_redirects} times."
        )

    async def _ask(self, target: Target, order: _Order, delay: float) -> Answer:
        """One try, once the host and all of us have a free slot."""
        wanted, limits = order.wanted, order.limits
        fields = {
            "host": target.netloc,
            "user-agent": self.user_agent,
            "accept": _ACCEPT[wanted.expect],
            # Pictures are compressed already; a bomb needs an encoding.
            "accept-encoding": "identity" if wanted.expect == "picture" else "gzip, deflate",
        }
        if order.span is not None:
            # No secret, unlike other headers: it goes along every redirect.
            fields["range"] = f"bytes={order.span[0]}-{order.span[1]}"
            fields["accept-encoding"] = "identity"
        fields.update((name.lower(), value) for name, value in order.headers.items())
        raw = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in fields.items()]
        delay = min(delay, limits.max_crawl_delay)
        host = self._host(target)
        async with host.slot(self._everyone, delay=delay, longest=limits.max_retry_after):
            return await exchange(self._transport, target, raw, limits, wanted)

    async def _wait(self, target: Target, answer: Answer, attempt: int) -> bool:
        """Wait before the next try; `False` where the server asks for more than we wait."""
        pause = answer.retry or 0.0
        if pause > self.limits.max_retry_after:
            return False
        if not pause:
            await asyncio.sleep(backoff(target.url, attempt, self.limits.backoff))
        return True

    def _host(self, target: Target) -> Host:
        host = self._hosts.get(target.netloc)
        if host is None:
            host = self._hosts[target.netloc] = Host(target.netloc, self._per_host)
        return host

    async def _read_robots(self, url: str) -> bytes:
        limits = replace(
            self.limits,
            seconds=min(self.limits.seconds, _ROBOTS_SECONDS),
            attempts=min(self.limits.attempts, _ROBOTS_ATTEMPTS),
            max_bytes=MAX_BYTES,
            cut=True,
        )
        order = _Order(Wanted("any", heed_opt_out=False), {}, limits, robots=False)
        return (await self._follow(url, order)).data


def fetch_one(
    url: str,
    settings: Settings,
    *,
    limits: Limits | None = None,
    **options: Any,
) -> Fetched:
    """Fetch one URL from code that is not asynchronous; `options` are those of `Fetcher.get`.

    May also be called where an event loop already runs (a notebook): it then works in a thread.
    """

    async def work() -> Fetched:
        async with Fetcher(settings, limits=limits) as fetcher:
            return await fetcher.get(url, **options)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work()).result()


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _with_params(url: str, params: Mapping[str, str | int | float]) -> str:
    try:
        return str(httpx.URL(url).copy_merge_params(dict(params)))
    except httpx.InvalidURL as error:
        raise problem("bad_url", f"The URL {shorten(url)!r} cannot be read: {error}.") from None


def _fetched(
    url: str, status: int, headers: Mapping[str, str], data: bytes, expect: Expect
) -> Fetched:
    kind = sniff.check(data, expect, shorten(url))
    return Fetched(url, status, headers, data, kind, hashlib.sha256(data).hexdigest())
