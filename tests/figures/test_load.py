"""The load generator counts what came back, and nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import measure
from benchmarks.serving.measure import Measured, Reply

LARGE = 3_000_000


def _answer(status: int, body: bytes, more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n" % (status, more, len(body))
    return head + body


def _serve(connection: socket.socket) -> None:
    """Its path says how a request fares: /early is answered 413 before its body is read."""
    got = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in got:
                data = connection.recv(1 << 16)
                if not data:
                    return
                got += data
            head, _, got = got.partition(b"\r\n\r\n")
            path = head.split()[1]
            if path == b"/early":
                connection.sendall(_answer(413, b"{}", b"Connection: close\r\n"))
                time.sleep(0.2)  # the answer is there before the connection is cut
                return
            size = int(head.lower().split(b"content-length:")[1].split()[0])
            while len(got) < size:
                got += connection.recv(1 << 16)
            got = got[size:]
            if path == b"/cut":
                return
            if path == b"/slow":
                time.sleep(0.1)
            status = 503 if path == b"/busy" else 200
            whole = _answer(status, json.dumps({"size": size}).encode())
            connection.sendall(whole[:20])  # in two parts
            time.sleep(0.002)
            connection.sendall(whole[20:])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=_serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _drive(port: int, folder: Path, paths: dict[str, int], *phases: dict[str, Any]) -> list[Any]:
    requests = []
    for path, size in paths.items():
        file = folder / path[1:]
        file.write_bytes(b"x" * size)
        requests.append({"path": path, "file": str(file)})
    plan = folder / "plan.json"
    plan.write_text(
        json.dumps({"address": ["127.0.0.1", port], "requests": requests, "phases": list(phases)})
    )
    done = subprocess.run(
        [sys.executable, "-S", str(measure.LOAD), str(plan)],
        input="\n" * len(phases),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [measure._measured(json.loads(line), 0.0) for line in done.stdout.splitlines()]


def test_each_fate_is_told_apart(port: int, tmp_path: Path) -> None:
    paths = {"/echo": 10, "/busy": 10, "/cut": 10, "/early": LARGE}
    (found,) = _drive(port, tmp_path, paths, {"clients": 3, "count": 20})
    fates = {0: 200, 1: 503, 2: 0, 3: 413}
    assert [reply.status for reply in found.replies] == [fates[r.item] for r in found.replies]
    assert found.statuses == {"0": 5, "200": 5, "413": 5, "503": 5}
    assert found.bodies(2) == [(0, '{"size": 10}', 5)]
    assert len(found.took()) == 5


def test_a_large_body_arrives_whole(port: int, tmp_path: Path) -> None:
    (found,) = _drive(port, tmp_path, {"/echo": LARGE}, {"clients": 2, "count": 6})
    assert found.bodies(2) == [(0, f'{{"size": {LARGE}}}', 6)]


def test_an_open_loop_counts_from_when_a_request_was_due(port: int, tmp_path: Path) -> None:
    # One connection and a tenth of a second an answer: far more are due than can be sent.
    asked = {"clients": 1, "rate": 100, "count": 8}
    (found,) = _drive(port, tmp_path, {"/slow": 1}, asked)
    assert found.statuses == {"200": 8}
    waits = [reply.took for reply in found.replies]
    assert waits == sorted(waits) and waits[-1] > 500


def test_a_phase_goes_on_until_a_file_is_there(port: int, tmp_path: Path) -> None:
    end = tmp_path / "end"
    timer = threading.Timer(1.5, end.touch)
    timer.start()
    short = {"clients": 1, "seconds": 0.05}
    until, brief = _drive(port, tmp_path, {"/echo": 1}, {**short, "until": str(end)}, short)
    timer.join()
    assert until.seconds > brief.seconds
    assert len(until.replies) > len(brief.replies) > 0


def test_figures_of_a_phase() -> None:
    replies = [Reply(0, 200, at / 10, 50.0) for at in range(10)] + [Reply(1, 503, 0.1, 5.0)]
    answer = '{"best": "a", "probabilities": {"a": 0.9, "b": 0.1}}'
    found = Measured(replies, {0: [(2, answer, 9), (2, "no JSON", 1)]}, 0.0, 0.92, 0.01, 0.1)
    assert found.rate == pytest.approx(9 / 0.92)  # the last one ended after the phase
    expected = [{"best": "a", "probabilities": {"a": 0.9, "b": 0.1}}]
    assert found.wrong(expected) == 1
    assert found.wrong([{"best": "b", "probabilities": {"a": 0.1, "b": 0.9}}]) == 10
    figures = found.figures()
    assert figures["statuses"] == {"200": 10, "503": 1}
    assert figures["p50_ms"] == 50.0 and figures["server_core_ms"] == 10.0
    assert measure.quantile([1, 2, 3, 4], 0.5) == 2 and measure.quantile([1, 2, 3, 4], 0.99) == 4
