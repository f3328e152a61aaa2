"""Which IP addresses lie on the public internet.

The lists follow IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and its
successors). Python's own `is_global` changed its answers between patch releases, so the
decision is written out here and is the same on every interpreter.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_V4_CLOSED = [
    (ipaddress.IPv4Network(net), word)
    for net, word in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local, cloud metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments, cloud metadata"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, broadcast"),
    )
]

#: All of IPv6 that is handed out for the public internet; everything else is closed.
_V6_OPEN = ipaddress.IPv6Network("2000::/3")
_V6_CLOSED = [
    (ipaddress.IPv6Network(net), word)
    for net, word in (
        ("2001::/32", "Teredo tunnel"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4 tunnel"),
        ("3fff::/20", "documentation"),
    )
]
#: RFC 6052. Networks with IPv6 alone reach the public IPv4 internet through this prefix.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: RFC 5214: the two interface identifiers that carry an IPv4 address in the last 32 bits.
_ISATAP = (0x00005EFE, 0x02005EFE)


def closed(address: Address) -> str | None:
    """Return the word for why `address` is not public, or `None` where it is.

    An IPv6 address that carries an IPv4 address (mapped, NAT64) is judged by the IPv4
    address; other tunnels (6to4, Teredo, ISATAP, IPv4-compatible) are closed altogether.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return next((word for net, word in _V4_CLOSED if address in net), None)
    if address.scope_id is not None:
        return "bound to one network interface"
    if address.ipv4_mapped is not None:
        return closed(address.ipv4_mapped)
    if address in _NAT64:
        return closed(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _V6_OPEN:
        return _word(address)
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "ISATAP tunnel"
    return next((word for net, word in _V6_CLOSED if address in net), None)


def _word(address: ipaddress.IPv6Address) -> str:
    for word, fits in (
        ("loopback", address.is_loopback),
        ("unspecified", address.is_unspecified),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
        ("private", address.is_private),
    ):
        if fits:
            return word
    return "reserved"


def spelled_oddly(host: str) -> ipaddress.IPv4Address | None:
    """Read the old spellings of IPv4 (`2130706433`, `0x7f.1`, `0177.0.0.1`, `127.1`).

    System resolvers and some clients take them, so a guard must know them too. The rules are
    those of the URL Standard's IPv4 parser (https://url.spec.whatwg.org/#concept-ipv4-parser).
    Returns `None` for a host that is not one of them.
    """
    parts = host.split(".")
    if not 1 <= len(parts) <= 4:
        return None
    numbers: list[int] = []
    for part in parts:
        number = _number(part)
        if number is None:
            return None
        numbers.append(number)
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (5 - len(numbers)):
        return None
    return ipaddress.IPv4Address(
        last + sum(number << (8 * (3 - place)) for place, number in enumerate(first))
    )


def looks_numeric(host: str) -> bool:
    """Whether the last label is a number, so that `host` can only be meant as an IPv4 address."""
    last = host.rsplit(".", 1)[-1]
    return last.isdigit() or (last.startswith("0x") and _number(last) is not None)


def _number(part: str) -> int | None:
    if not part.isascii() or not part.isalnum() or len(part) > 32:
        return None
    if part.startswith("0x"):
        digits, base = part[2:] or "0", 16
    elif len(part) > 1 and part.startswith("0"):
        digits, base = part[1:], 8
    else:
        digits, base = part, 10
    try:
        return int(digits, base)
    except ValueError:
        return None
