"""Sends requests over kept connections, by the environment's proxies where they are trusted."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

import httpcore
import httpx

from tellapart.errors import InputError
from tellapart.fetch.connections import Connections
from tellapart.fetch.guard import Guard, GuardedBackend, Target

#: Seconds an unused connection is kept.
_KEEP = 15.0


class Transport:
    """Sends one request over a kept connection. The guard judges every new connection.

    It stands on httpcore, the engine of httpx, because httpx itself offers no public way to
    say which address to connect to.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        max_connections: int,
        trust_proxies: bool,
        ssl_context: ssl.SSLContext | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._backend = GuardedBackend(guard, network)
        self._connections = Connections(max_connections)
        self._ssl = ssl_context
        self._proxies = urllib.request.getproxies() if trust_proxies else {}
        #: What opens connections, by scheme and proxy.
        self._openers: dict[tuple[str, str], httpcore.AsyncConnectionPool] = {}

    async def send(
        self,
        target: Target,
        headers: list[tuple[bytes, bytes]],
        *,
        method: bytes = b"GET",
        content: bytes | None = None,
        trace: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = None,
    ) -> httpcore.Response:
        """Send one request; the caller reads and closes the answer. `trace` hears of each stage."""
        url = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=None if target.usual_port else target.port,
            target=target.path,
        )
        request = httpcore.Request(method, url, headers=headers, content=content)
        if trace is not None:
            request.extensions["trace"] = trace
        proxy = self._proxy(target) if self._proxies else ""
        key = (target.scheme, proxy, target.host, target.port)
        return await self._connections.send(
            key, request, lambda: self._opener(target, proxy).create_connection(url.origin)
        )

    async def aclose(self) -> None:
        await self._connections.aclose()

    def _opener(self, target: Target, proxy: str) -> httpcore.AsyncConnectionPool:
        key = (target.scheme, proxy)
        if key not in self._openers:
            # Reading the certificates takes 20 ms: only where the first https: URL asks for it.
            context = (self._ssl or httpx.create_ssl_context()) if "https" in key[0] else None
            self._openers[key] = self._open(proxy, context)
        return self._openers[key]

    def _open(self, proxy: str, context: ssl.SSLContext | None) -> httpcore.AsyncConnectionPool:
        if not proxy:
            return httpcore.AsyncConnectionPool(
                ssl_context=context,
                keepalive_expiry=_KEEP,
                network_backend=self._backend,
            )
        parsed = _parse(proxy)
        name, _, password = parsed.userinfo.decode("ascii").partition(":")
        # The proxy itself may well be private: the user asked for it. No guarded backend here.
        return httpcore.AsyncHTTPProxy(
            proxy_url=str(parsed.copy_with(userinfo=b"")),
            proxy_auth=(unquote(name), unquote(password)) if name else None,
            ssl_context=context,
            keepalive_expiry=_KEEP,
        )

    def _proxy(self, target: Target) -> str:
        if urllib.request.proxy_bypass(target.host):
            return ""
        return self._proxies.get(target.scheme) or self._proxies.get("all") or ""


def _parse(proxy: str) -> httpx.URL:
    """The proxy's address. Raises `InputError`, which does not repeat a password in it."""
    try:
        parsed = httpx.URL(proxy)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme in ("http", "https") and parsed.host:
        return parsed
    shown = ("…@" if "@" in proxy else "") + proxy.rpartition("@")[2]
    kind = f" of the kind {parsed.scheme!r}" if parsed.scheme and parsed.host else ""
    raise InputError(
        f"The environment names the proxy {shown!r}{kind}.",
        expected="an http: or https: proxy",
        do="Correct HTTP_PROXY and HTTPS_PROXY, or set TELLAPART_TRUST_PROXIES=0.",
    )
