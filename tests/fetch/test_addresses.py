"""Which addresses are public, in every spelling."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.fetch.addresses import closed, looks_numeric, spelled_oddly

_CLOSED = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.255
168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1
192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.9 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::127.0.0.1 ::ffff:127.0.0.1
::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe
64:ff9b:1::8.8.8.8 100::1 2001::1 2001:0:7f00:1:: 2001:db8::1 2001:10::1 2002:7f00:1::
2002:a9fe:a9fe::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0
fec0::1 ff02::1 2606:4700::5efe:7f00:1 2606:4700::200:5efe:a00:1 2606:4700::1%eth0 ::8.8.8.8
"""
_PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.0 128.0.0.1 169.253.255.255
172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 198.17.255.255 198.20.0.1 223.255.255.255
2606:4700::1111 2a00:1450:4001::200e 2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808
"""


@pytest.mark.parametrize("text", _CLOSED.split())
def test_closed(text: str) -> None:
    assert closed(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", _PUBLIC.split())
def test_public(text: str) -> None:
    assert closed(ipaddress.ip_address(text)) is None


@given(st.ip_addresses(v=4))
def test_carried_v4_is_judged_as_v4(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    translated = ipaddress.IPv6Address(f"64:ff9b::{address}")
    assert closed(mapped) == closed(translated) == closed(address)


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        carried = getattr(address, "ipv4_mapped", None)
        assert closed(address) or (carried is not None and closed(carried) is None)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0xa9.0xfe.0xa9.0xfe", "169.254.169.254"),
        ("169.254.43518", "169.254.169.254"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
        ("10.0.0.256", None),
        ("256.1.1.1", None),
        ("1.2.3.4.5", None),
        ("4294967296", None),
        ("08.1.1.1", None),
        ("example.org", None),
        ("", None),
        ("1..2", None),
        ("-1", None),
        ("1_0", None),
    ],
)
def test_old_spellings(host: str, address: str | None) -> None:
    found = spelled_oddly(host)
    assert (str(found) if found else None) == address


@given(st.from_regex(r"\A(0x[0-9a-f]{0,8}|[0-9]{1,11})(\.(0x[0-9a-f]{0,3}|[0-9]{1,4})){0,3}\Z"))
def test_old_spellings_as_the_system_reads_them(host: str) -> None:
    """Whatever the C library takes for an address, we know too: else it would slip through."""
    try:
        address = ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return
    assert spelled_oddly(host) == address
    assert looks_numeric(host)
