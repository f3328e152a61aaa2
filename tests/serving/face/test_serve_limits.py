"""What a client may hold, ask and see: bodies, headers, time, rate, tokens, the local socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import stat
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tellapart.errors import OverloadedError, RequestError
from tellapart.serving.limits import Rate, Tokens, network
from tellapart.serving.request import Budget, Disconnected, Request


@pytest.fixture(scope="module")
def server(start_server: Any, colors_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text("# two of them\nfirst-token\nsecond-token\n")
    return start_server(
        *(colors_bundle, "--tokens-file", tokens, "--max-body", "0.2", "--max-connections", "12"),
        *("--rate", "2", "--burst", "100", "--read-timeout", "1.5", "--max-pixels", "100000"),
        TELLAPART_SERVE_TOKENS="third-token, fourth-token",
    )


GOOD = {"authorization": "Bearer first-token"}


def test_a_token_is_asked_for_but_by_probes_and_locally(server: Any, draw: Any) -> None:
    red = draw("red")
    basic = base64.b64encode(b"any:second-token").decode()
    good = ("Bearer first-token", "bearer  third-token", f"Basic {basic}", "Bearer fourth-token")
    for header in good:
        found = server.client.post("/predict", content=red, headers={"authorization": header})
        assert found.status_code == 200, header
    for header in (
        "",
        "Bearer",
        "Bearer first-toke",
        "Basic !",
        "first-token",
        "Digest first-token",
    ):
        found = server.client.post("/predict", content=red, headers={"authorization": header})
        assert found.status_code == 401
        assert found.headers["www-authenticate"] == "Bearer"
    for path in ("/health", "/ready", "/docs", "/v2/health/live"):
        assert server.client.get(path).status_code == 200
    for path in ("/metrics", "/v2", "/v2/models/colors"):
        assert server.client.get(path).status_code == 401
    with server.local() as local:
        assert local.post("/predict", content=red).status_code == 200
    assert server.client.get("/health").json()["token"] is True
    assert "first-token" not in "".join(server.log)


def test_the_local_socket_is_its_users_alone(server: Any) -> None:
    mode = server.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_large_body_is_refused_before_it_is_read(server: Any) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\nauthorization: Bearer first-token\r\n"
    declared = server.raw(head + b"content-length: 99999999999\r\n\r\nxx")
    assert declared.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in declared
    part = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    head += b"connection: close\r\n"
    streamed = server.raw(head + b"transfer-encoding: chunked\r\n\r\n" + part * 10 + b"0\r\n\r\n")
    assert streamed.startswith(b"HTTP/1.1 413")
    # What is sent whole all the same gets its answer, not a reset connection.
    assert server.client.post("/predict", content=b"x" * 300_000, headers=GOOD).status_code == 413


def test_trailers_are_bounded_and_no_headers(server: Any, draw: Any) -> None:
    red = draw("red")
    head = (
        b"POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n"
    )
    body = b"%x\r\n%b\r\n0\r\n" % (len(red), red)
    sneaked = server.raw(head + b"\r\n" + body + b"authorization: Bearer first-token\r\n\r\n")
    assert sneaked.startswith(b"HTTP/1.1 401")
    head += b"authorization: Bearer first-token\r\n\r\n"
    assert server.raw(head + body + b"\r\n").startswith(b"HTTP/1.1 200")
    tiny = b"".join(b"1\r\n%c\r\n" % byte for byte in red) + b"0\r\n\r\n"
    assert server.raw(head + tiny).startswith(b"HTTP/1.1 200")
    before = _front_memory(server)
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(head + body + b"x-trailer: ")
        with contextlib.suppress(OSError):
            for _ in range(600):
                connection.sendall(b"y" * 65536)
    assert _front_memory(server) - before < 20e6


def _front_memory(server: Any) -> float:
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return float(pages) * 4096


def test_a_preflight_needs_no_token(start_server: Any, colors_bundle: Path) -> None:
    server = start_server(
        *(colors_bundle, "--no-socket", "--cors", "https://page.example"),
        TELLAPART_SERVE_TOKENS="t",
    )
    asked = {
        "origin": "https://page.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    found = server.client.options("/predict", headers=asked)
    assert found.status_code == 204
    assert "authorization" in found.headers["access-control-allow-headers"]
    assert server.client.post("/predict", headers=asked).status_code == 401


def test_a_folder_named_by_path_costs_no_descriptor(server: Any) -> None:
    open_files = Path(f"/proc/{server.process.pid}/fd")
    with server.local() as local:
        assert local.post("/predict", json={"path": "/"}).status_code == 422
        before = len(list(open_files.iterdir()))
        for _ in range(10):
            found = local.post("/predict", json={"path": "/"})
        assert "no regular file" in found.json()["error"]["what"]
        assert len(list(open_files.iterdir())) <= before


def test_nothing_is_sent_for_nothing(server: Any) -> None:
    """Who asks before sending (`Expect: 100-continue`) hears the refusal at once."""
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n"
    assert server.raw(head + b"\r\n").startswith(b"HTTP/1.1 401")


def test_more_pixels_than_allowed_are_a_4xx(server: Any, draw: Any) -> None:
    found = server.client.post("/predict", content=draw("red", size=(400, 300)), headers=GOOD)
    assert found.status_code == 422
    assert "picture" in found.json()["error"]["code"]


def test_what_is_no_http_is_answered_in_the_one_shape(server: Any) -> None:
    found = server.raw(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 400")
    assert b'"do":' in found
    assert server.raw(b"GET / HTTP/1.1\r\nx: " + b"y" * 400_000).startswith(b"HTTP/1.1 431")


def test_slow_clients_are_let_go(server: Any) -> None:
    began = time.monotonic()
    found = [b""] * 3
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\nauthorization: Bearer first-token\r\n"
    beginnings = (b"", b"GET /health HT", head + b"content-length: 500\r\n\r\npart")

    def ask(place: int) -> None:
        found[place] = server.raw(beginnings[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(one.startswith(b"HTTP/1.1 408") for one in found), found
    assert time.monotonic() - began >= 1.0
    assert server.client.get("/health").status_code == 200


def test_more_connections_than_allowed_are_turned_away(server: Any) -> None:
    held = [socket.create_connection(server.address, timeout=10) for _ in range(12)]
    try:
        with socket.create_connection(server.address, timeout=10) as last:
            assert last.recv(100).startswith(b"HTTP/1.1 503")
    finally:
        for one in held:
            one.close()
    server.until(lambda: server.raw(b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200"))


def test_many_requests_on_one_connection_are_answered_in_order(server: Any) -> None:
    one = b"GET /health HTTP/1.1\r\nhost: x\r\nx-request-id: %d\r\n\r\n"
    data = b"".join(one % place for place in range(20))
    data += b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    found = server.raw(data)
    ids = [line for line in found.split(b"\r\n") if line.startswith(b"x-request-id: ")]
    assert ids[:20] == [b"x-request-id: %d" % place for place in range(20)]
    assert found.count(b"HTTP/1.1 200") == 21


def _local(server: Any, data: bytes, *, end: bool = False) -> bytes:
    """What is answered over the Unix socket until it is closed; `end`: our side is, at once."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(server.socket))
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


def test_any_number_of_requests_may_be_sent_ahead(server: Any, draw: Any) -> None:
    """However many: the next is begun when the one before it is answered, and none is lost."""
    red = draw("red")
    asked = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(red), red)
    wrong = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc\r\n"
    last = b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n"
    found = _local(server, (asked + wrong * 20) * 50 + last)
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", found)
    assert statuses == ([b"200"] + [b"404"] * 20) * 50 + [b"200"]
    assert found.count(b'"label":"red"') == 50


def test_who_has_only_ended_its_own_side_is_answered(server: Any, draw: Any) -> None:
    red = draw("red")
    asked = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(red), red)
    assert _local(server, asked, end=True).count(b'"label":"red"') == 1
    assert _local(server, asked * 3, end=True).count(b'"label":"red"') == 3
    text = b'{"image": "%b"}' % base64.b64encode(red)
    head = b"POST /predict HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    assert b'"label":"red"' in _local(server, head % len(text) + text, end=True)
    assert _local(server, asked[:-5], end=True) == b""
    assert _local(server, asked + asked[:20], end=True).count(b"HTTP/1.1 200") == 1


def test_who_asks_and_does_not_read_is_not_answered_further(server: Any) -> None:
    """Answers are not piled up for a client: its next requests wait until it has taken them."""
    asked = b"GET /openapi.json HTTP/1.1\r\nx: %b\r\n\r\n" % (b"y" * 4000)
    before = _front_memory(server)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(server.socket))
        connection.settimeout(1.0)
        count = 0
        with pytest.raises(TimeoutError):
            while count < 4000:
                connection.sendall(asked)
                count += 1
        assert _front_memory(server) - before < 20e6
        connection.settimeout(20)
        found = b""
        while found.count(b"HTTP/1.1 ") < count:  # the one that was sent in part is left out
            found += connection.recv(1 << 20)
    assert found.count(b"HTTP/1.1 200") == count


def test_older_clients_and_those_that_ask_first(server: Any, draw: Any) -> None:
    red = draw("red")
    body = b"content-length: %d\r\n\r\n%b" % (len(red), red)
    old = _local(server, b"POST /predict HTTP/1.0\r\n" + body)
    assert b'"label":"red"' in old and b"connection: close" in old
    kept = b"POST /predict HTTP/1.0\r\nconnection: keep-alive\r\n" + body
    assert _local(server, kept + b"HEAD /health HTTP/1.0\r\n\r\n").count(b"HTTP/1.1 200") == 2
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(server.socket))
        head, _, picture = body.partition(b"\r\n\r\n")
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nexpect: 100-continue\r\n" + head + b"\r\n\r\n"
        )
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(picture)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    parted = b"\r\n" + kept.replace(b"1.0", b"1.1")  # an empty line before it, and byte by byte
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(server.socket))
        for byte in parted:
            connection.send(bytes((byte,)))
        assert b'"label":"red"' in connection.recv(65536)


def test_a_connection_that_breaks_takes_its_request_with_it(server: Any, draw: Any) -> None:
    red = draw("red")
    for size in (len(red), len(red) + 1):  # waiting for its answer, and still sending
        with socket.create_connection(server.address, timeout=20) as connection:
            head = b"POST /predict HTTP/1.1\r\nauthorization: Bearer second-token\r\n"
            connection.sendall(head + b"content-length: %d\r\n\r\n%b" % (size, red))
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    with server.local() as local:
        server.until(lambda: "tellapart_requests_open 1.0" in local.get("/metrics").text)
        assert "tellapart_pool_in_work 0.0" in local.get("/metrics").text


def test_who_asks_too_often_is_told_when_to_come_back(server: Any) -> None:
    head = {"authorization": "Bearer fourth-token"}
    seen = [server.client.get("/v2", headers=head) for _ in range(130)]
    refused = [one for one in seen if one.status_code == 429]
    assert refused
    assert int(refused[-1].headers["retry-after"]) >= 1
    assert (
        server.client.get("/v2", headers={"authorization": "Bearer third-token"}).status_code == 200
    )
    assert server.client.get("/health").status_code == 200


def test_a_bucket_fills_at_its_rate_and_no_further() -> None:
    now = [0.0]
    rate = Rate(2.0, 3, clock=lambda: now[0])
    assert [rate.wait("a") for _ in range(3)] == [0, 0, 0]
    assert rate.wait("a") == pytest.approx(0.5)
    assert rate.wait("b") == 0
    now[0] = 0.5
    assert rate.wait("a") == 0
    assert rate.wait("a") > 0
    now[0] = 1000.0
    assert [rate.wait("a") for _ in range(4)][:3] == [0, 0, 0]
    assert rate.wait("a") > 0
    for client in range(20_000):
        rate.wait(str(client))
    assert len(rate._buckets) <= 10_000


def test_clients_are_told_apart_by_what_they_own() -> None:
    assert network("10.0.0.1") == "10.0.0.1"
    assert network("2001:db8:1:2::5") == network("2001:db8:1:2:9::1") != network("2001:db8:1:3::5")
    assert network("::ffff:10.0.0.1") == "10.0.0.1"
    assert network("unknown") == "unknown"
    assert not Tokens([])
    tokens = Tokens(["a", "b"])
    assert tokens.fitting(b"Bearer ") is None
    spelled = {
        tokens.fitting(one) for one in (b"Bearer a", b"bearer   a", b"Basic eDph", b"Basic eTph")
    }
    assert len(spelled) == 1 and None not in spelled
    assert tokens.fitting(b"Bearer b") not in spelled


def test_a_body_that_comes_in_pieces_is_counted() -> None:
    def coming(pieces: int) -> Request:
        request = Request("POST", "/predict", body=None, length=None)
        for _ in range(pieces):
            request.feed(b"x" * 40)
        return request

    budget = Budget(1000)
    request = coming(3)
    with pytest.raises(RequestError) as caught:
        asyncio.run(request.body(100, budget))
    assert caught.value.http_status == 413
    assert request.held == budget.held == 120
    with pytest.raises(OverloadedError):
        asyncio.run(coming(3).body(1000, Budget(100)))

    async def later() -> bytes:
        request = coming(1)
        loop = asyncio.get_running_loop()
        loop.call_soon(request.feed, b"y" * 5000)
        loop.call_later(0.01, request.end)
        return await request.body(10_000, Budget(6000))

    assert asyncio.run(later()) == b"x" * 40 + b"y" * 5000


@pytest.mark.parametrize("count", [1, 3])
def test_what_nobody_waits_for_any_more_is_cancelled(count: int) -> None:
    async def go_away() -> None:
        request = Request("POST", "/")
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(count)]
        loop.call_soon(request.leave)
        with pytest.raises(Disconnected):
            await request.wait(futures)
        assert all(one.cancelled() for one in futures)
        later = loop.create_future()
        with pytest.raises(Disconnected):  # begun after the client has gone
            await request.wait([later])
        assert later.cancelled()
        unread = Request("POST", "/", body=None, length=10)
        loop.call_soon(unread.leave)
        with pytest.raises(Disconnected):
            await unread.body(100, Budget(100))

    asyncio.run(go_away())
