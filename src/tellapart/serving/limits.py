"""Who may ask, and how often."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from tellapart.errors import RequestError
from tellapart.serving.options import Options
from tellapart.serving.request import Request

#: Clients remembered at once; the ones longest silent are forgotten first.
_CLIENTS = 10_000


class Rate:
    """Token buckets, one a client: `rate` requests a second, `burst` at once.

    A client that is forgotten starts with a full bucket again, which is no more than one that
    has been silent long enough gets anyway.
    """

    def __init__(
        self, rate: float, burst: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self.burst = float(burst or max(1, round(2 * rate)))
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Take one; 0 where there was one, else the seconds until there will be."""
        now = self._clock()
        left, then = self._buckets.pop(client, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.rate)
        short = max(0.0, 1.0 - left)
        self._buckets[client] = (left if short else left - 1.0, now)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return short / self.rate


class Tokens:
    """The tokens one of which is asked for. They are compared in constant time, as digests."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._digests = tuple(_digest(token.encode()) for token in tokens)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def fitting(self, authorization: bytes) -> str | None:
        """Which one an `Authorization` header holds, as a digest in hex; None: none of them.

        `Bearer TOKEN`, or as Basic's password.
        """
        scheme, _, given = authorization.strip().partition(b" ")
        token = given.strip()
        if scheme.lower() == b"basic":
            try:
                token = base64.b64decode(token, validate=True).partition(b":")[2]
            except binascii.Error:
                return None
        elif scheme.lower() != b"bearer":
            return None
        digest = _digest(token)
        # All are compared, so that the time tells nothing of which one fits.
        fits = sum(hmac.compare_digest(digest, known) for known in self._digests) > 0
        return digest.hex() if fits else None


class Gate:
    """What a request must pass before it is looked at."""

    def __init__(self, options: Options) -> None:
        self._tokens = Tokens(options.tokens)
        self._rate = Rate(options.rate, options.burst) if options.rate else None

    def admit(self, request: Request) -> None:
        """Raises `RequestError`: 401 without a token where one is asked for, 429 too often.

        The Unix socket needs no token: its file's mode says who may use it.
        """
        if request.local:
            return
        token = None
        if self._tokens:
            token = self._tokens.fitting(request.headers.get(b"authorization", b""))
        if self._rate is not None:
            # Who has a token is known by it, wherever it is used from; others, and who tries
            # tokens, by their address.
            self._paced(token or network(request.client), self._rate)
        if self._tokens and token is None:
            raise RequestError(
                "The request has no valid token.",
                expected="the header `Authorization: Bearer TOKEN`",
                do="Send one of the server's tokens.",
                status=401,
            )

    def knows(self, authorization: bytes) -> bool:
        """Whether the header holds a token, where one is asked for."""
        return not self._tokens or self._tokens.fitting(authorization) is not None

    def trusts(self, request: Request) -> bool:
        """Whether it may change what the server does: by the local socket, or with a token."""
        return request.local or bool(self._tokens)  # `admit` has seen the token

    @staticmethod
    def _paced(client: str, rate: Rate) -> None:
        short = rate.wait(client)
        if short:
            raise RequestError(
                "This client asks too often.",
                expected=f"at most {rate.rate:g} requests a second",
                do=f"Ask again in {max(1, round(short + 0.5))} s.",
                status=429,
                retry_after=short,
            )


def network(address: str) -> str:
    """Whom an address stands for: one IPv4 address, or one /64 of IPv6, which one client has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return address


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
