"""The guard: which URLs may be asked for, and which addresses may be connected to.

It stands in two places. `Guard.check` judges the URL (and every redirect's) before anything
is sent; `GuardedBackend` resolves the name once, judges **every** address it got, and connects
to one of exactly these, so that a name which answers differently a moment later changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

import httpcore
import httpx

from tellapart.fetch.addresses import Address, closed, looks_numeric, spelled_oddly
from tellapart.fetch.reasons import problem, shorten

#: Resolves a name and a port to IP addresses in the order in which to try them.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

_MAX_URL = 8192
#: How many of a name's addresses are tried, and for how many seconds each.
_MAX_TRIES, _CONNECT_SECONDS = 4, 10.0
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\Z")
#: Names that mean the machine itself or its own network, whoever resolves them (a proxy, say).
_HOME_NAMES = ("localhost", "local", "internal", "home.arpa", "localdomain")
_USUAL_PORTS = {"http": 80, "https": 443}
#: From 1024 up: the fetch standard's bad ports, and databases and caches that speak plain text.
_CLOSED_PORTS = frozenset(
    (
        *(1719, 1720, 1723, 2049, 2375, 2376, 2379, 3306, 3659, 4045, 4190, 5060, 5061, 5432),
        *(5984, 6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9200, 9300),
        *(10080, 10250, 11211, 27017),
    )
)


@dataclass(frozen=True)
class Target:
    """A URL that passed the guard, in the parts a request is made of."""

    scheme: str
    #: Lower case, without trailing dot and brackets; what DNS, Host and SNI get.
    host: str
    port: int
    #: Path and query as sent.
    path: bytes

    @property
    def usual_port(self) -> bool:
        return self.port == _USUAL_PORTS[self.scheme]

    @cached_property
    def netloc(self) -> str:
        """The Host header: the port only where it is not the scheme's usual one."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.usual_port else f"{name}:{self.port}"

    @cached_property
    def origin(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @cached_property
    def url(self) -> str:
        """Normalised, without fragment: made from the parts, so it is what is asked for."""
        return f"{self.origin}{self.path.decode('ascii')}"


class Guard:
    """Decides what may be reached. `allow_hosts` opens exactly the named `host:port` pairs.

    An entry without a port opens ports 80 and 443 of that host.
    """

    def __init__(self, allow_hosts: Iterable[str] = (), resolver: Resolver | None = None) -> None:
        self._open = {pair for entry in allow_hosts for pair in _pairs(entry)}
        self._resolver = resolver or resolve

    def is_open(self, host: str, port: int) -> bool:
        """Whether the user opened the guard for this host and port."""
        return (host, port) in self._open

    def check(self, url: str, *, base: str | None = None) -> Target:
        """Return the parts of `url` (relative to `base`, for redirects) or raise.

        Raises `RefusedError` (`scheme`, `port`, `private_address`) or `FetchError` (`bad_url`).
        """
        parsed = _parse(url, base)
        if parsed.scheme not in _USUAL_PORTS:
            raise problem("scheme", f"The URL {shorten(url)!r} is of the kind {parsed.scheme!r}.")
        if parsed.userinfo:
            raise problem("bad_url", f"The URL {shorten(url)!r} holds a user name.")
        host = _canonical(parsed.raw_host.decode("ascii"))
        port = parsed.port if parsed.port is not None else _USUAL_PORTS[parsed.scheme]
        if not self.is_open(host, port):
            _check_host(host, url)
            _check_port(port, url)
        return Target(parsed.scheme, host, port, parsed.raw_path)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Resolve `host` once and return its addresses, every one of them checked.

        Raises `FetchError` (`dns`) or `RefusedError` (`private_address`).
        """
        try:
            literal: Address | None = ipaddress.ip_address(host)
        except ValueError:
            literal = None
        if literal is not None:
            found: Sequence[str] = (host,)
        else:
            try:
                found = await self._resolver(host, port)
            except (OSError, UnicodeError) as error:
                raise problem("dns", f"The host {host!r} does not resolve: {error}.") from None
        if not found:
            raise problem("dns", f"The host {host!r} has no address.")
        if not self.is_open(host, port):
            for text in found:
                _check_address(text, host)
        return found


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections only to addresses the guard has just checked.

    `inner` is given an IP address, never a name, and connects to it.
    """

    def __init__(self, guard: Guard, inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._guard = guard
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in (await self._guard.addresses(host, port))[:_MAX_TRIES]:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout or _CONNECT_SECONDS, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = failure or error
        raise failure or httpcore.ConnectError(f"no address of {host}")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise problem("scheme", f"The socket file {path!r} was asked for.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver; addresses in the order in which it recommends them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _parse(url: str, base: str | None) -> httpx.URL:
    if len(url) > _MAX_URL:
        raise problem("bad_url", f"The URL {shorten(url)!r} has {len(url)} characters.")
    try:
        parsed = httpx.URL(url.strip())
        if base is not None:
            parsed = httpx.URL(base).join(parsed)
    except (httpx.InvalidURL, ValueError, UnicodeError) as error:
        _check_odd_spelling(url)
        raise problem("bad_url", f"The URL {shorten(url)!r} cannot be read: {error}.") from None
    if parsed.scheme in _USUAL_PORTS and not parsed.host:
        raise problem("bad_url", f"The URL {shorten(url)!r} names no host.")
    if not parsed.scheme:
        raise problem("bad_url", f"The URL {shorten(url)!r} is not absolute.")
    return parsed


def _check_odd_spelling(url: str) -> None:
    """Name the true reason where the URL parser stops at an odd spelling such as 0177.0.0.1."""
    try:
        host = (urlsplit(url.strip()).hostname or "").rstrip(".")
    except ValueError:
        return
    address = spelled_oddly(host)
    if address is not None and closed(address):
        raise problem(
            "private_address", f"The URL {shorten(url)!r} means {address} ({closed(address)})."
        )


def _canonical(host: str) -> str:
    """One spelling a host: lower case, no trailing dot, IPv6 in its short form."""
    host = host.lower().removesuffix(".")
    if ":" in host and "%" not in host:
        return ipaddress.IPv6Address(host).compressed
    return host


def _check_host(host: str, url: str) -> None:
    try:
        address: Address | None = ipaddress.ip_address(host)
    except ValueError:
        address = spelled_oddly(host)
    word = closed(address) if address is not None else None
    if word is not None:
        raise problem(
            "private_address", f"The URL {shorten(url)!r} means {address}, not public ({word})."
        )
    if host in _HOME_NAMES or host.endswith(tuple(f".{name}" for name in _HOME_NAMES)):
        raise problem("private_address", f"The host {host!r} is a name of a private network.")
    if address is not None and str(address) == host:
        return
    if looks_numeric(host) or not _NAME.match(host) or ".." in host:
        raise problem("bad_url", f"The URL {shorten(url)!r} has the unusable host {host!r}.")


def _check_port(port: int, url: str) -> None:
    if port in (80, 443) or (1024 <= port <= 65535 and port not in _CLOSED_PORTS):
        return
    raise problem("port", f"The URL {shorten(url)!r} asks for port {port}.")


def _check_address(text: str, host: str) -> None:
    try:
        word = closed(ipaddress.ip_address(text))
    except ValueError:
        word = "not an IP address"
    if word is not None:
        raise problem("private_address", f"The host {host!r} resolves to {text} ({word}).")


def _pairs(entry: str) -> list[tuple[str, int]]:
    """Read one entry of the setting: `name:port`, `[v6]:port`, or a name for both usual ports."""
    entry = entry.strip().lower()
    name, _, port = entry.rpartition(":")
    if name and port.isdigit() and not name.endswith(":") and (":" not in name or name[0] == "["):
        return [(_canonical(name.strip("[]")), int(port))]
    return [(_canonical(entry.strip("[]")), usual) for usual in _USUAL_PORTS.values()]
