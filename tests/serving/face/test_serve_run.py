"""From the first line to the last: ready, reload, watch, drain, sockets, what cannot be started."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tellapart.serving import watching


@pytest.fixture(scope="module")
def slow_picture(draw: Any) -> Iterator[tuple[str, threading.Event, list[tuple[str, str | None]]]]:
    """A server of pictures, an event for which `/slow.png` waits, and who asked with which key."""
    release = threading.Event()
    asked: list[tuple[str, str | None]] = []
    data = draw("blue")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["authorization"]))
            if self.path == "/slow.png":
                release.wait(20)
            self.send_response(200 if self.path.endswith(".png") else 404)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", release, asked
    server.shutdown()
    server.server_close()


def test_a_server_lives_from_ready_through_reloads_to_a_drained_end(
    start_server: Any, make_bundle: Any, draw: Any, slow_picture: Any, tmp_path: Path
) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    make_bundle(versions, "colors")
    url, release, asked = slow_picture
    server = start_server(
        *(versions, "--watch", "0.2", "--drain", "20"),
        TELLAPART_ALLOW_HOSTS=f"{url.removeprefix('http://')},{_other_name(url)}",
        LABEL_STUDIO_URL=url,
        LABEL_STUDIO_API_KEY="key-1",
    )
    assert server.ready.startswith("ready: http://127.0.0.1:")
    assert f"unix:{server.socket}" in server.ready
    assert server.ready.endswith("serves colors/1")
    assert server.client.post("/predict", json={"url": f"{url}/x.png"}).json()["label"] == "blue"
    missing = server.client.post("/predict", json={"url": f"{url}/nothing"})
    assert missing.status_code == 422

    config = '<View><Image name="i" value="$i"/><Choices name="c" toName="i"/></View>'
    tasks = [
        {"data": {"i": "/data/upload/1.png"}},
        {"data": {"i": f"http://{_other_name(url)}/2.png"}},
    ]
    found = server.client.post("/predict", json={"tasks": tasks * 20, "label_config": config})
    results = found.json()["results"]
    assert [one["result"][0]["value"] for one in results] == [{"choices": ["blue"]}] * 40
    # The key goes to Label Studio's own server, and to no other.
    assert {("/data/upload/1.png", "Token key-1"), ("/2.png", None)} < set(asked)
    assert ("/2.png", "Token key-1") not in asked

    make_bundle(tmp_path, "colors", version=2)
    shutil.copy(tmp_path / "colors-2.zip", versions / "colors-2.zip")
    server.until(lambda: server.client.post("/predict", content=draw("red")).json()["version"] == 2)
    (versions / "colors-3.zip").write_bytes(b"no zip")
    server.until(lambda: server.events("reload_failed"))
    with server.local() as local:
        refused = local.post("/v2/repository/models/colors/load")
        assert refused.status_code == 409
        assert str(tmp_path) not in refused.text
    assert server.client.post("/predict", content=draw("red")).json()["version"] == 2
    (versions / "colors-3.zip").unlink()
    before = len(server.events("reloaded"))
    server.signal(signal.SIGHUP)
    server.until(lambda: len(server.events("reloaded")) > before)

    late: list[httpx.Response] = []

    def ask() -> None:
        late.append(
            httpx.post(f"{server.url}/predict", json={"url": f"{url}/slow.png"}, timeout=30)
        )

    waiting = threading.Thread(target=ask)
    waiting.start()
    metrics = "tellapart_requests_open 2.0"  # that request, and the one that asks for the figures
    server.until(lambda: metrics in server.client.get("/metrics").text)
    server.client.close()
    server.signal(signal.SIGTERM)
    server.until(lambda: not _listens(server))
    release.set()
    waiting.join(20)
    assert late[0].json()["label"] == "blue"
    assert server.process.wait(20) == 0
    assert server.events("stopped")[0]["whole"] is True
    assert not server.socket.exists()


def test_a_request_whose_body_comes_while_others_are_loaded_is_answered(
    start_server: Any, make_bundle: Any, draw: Any, tmp_path: Path
) -> None:
    """Its model is looked up when it is whole: in the bundles that are there by then."""
    folder = tmp_path / "versions"
    folder.mkdir()
    make_bundle(folder, "colors")
    server = start_server(folder, "--no-socket")
    red = draw("red")
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    with socket.create_connection(server.address, timeout=30) as connection:
        connection.sendall(head % len(red) + red[:20])
        server.until(lambda: "tellapart_requests_open 2.0" in server.client.get("/metrics").text)
        make_bundle(folder, "colors", version=2)
        server.signal(signal.SIGHUP)
        server.until(lambda: server.events("reloaded"))
        connection.sendall(red[20:])
        found = b""
        while part := connection.recv(65536):
            found += part
    assert found.startswith(b"HTTP/1.1 200"), found
    assert b'"version":2' in found


def test_of_two_servers_started_at_once_one_is_told(colors_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    command = [sys.executable, "-m", "tellapart", "serve", str(colors_bundle), "--workers", "1"]
    both = [
        subprocess.Popen(
            [*command, "--port", "-1", "--socket", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TELLAPART_HOME": str(tmp_path)},
        )
        for _ in range(2)
    ]
    deadline = time.monotonic() + 240
    while not any(one.poll() is not None for one in both) and time.monotonic() < deadline:
        time.sleep(0.02)
    (loser,) = [one for one in both if one.poll() is not None]
    (winner,) = [one for one in both if one is not loser]
    assert loser.returncode == 2
    assert winner.stdout is not None and winner.stdout.readline().startswith("ready: unix:")
    winner.terminate()
    winner.communicate(timeout=30)
    loser.communicate(timeout=30)


def test_what_the_drain_cuts_off_is_told_so(
    start_server: Any, trap_bundle: Path, draw: Any
) -> None:
    server = start_server(trap_bundle, "--no-socket", "--hang", "60", "--drain", "0.5")
    late: list[httpx.Response] = []
    picture = draw("white")  # computed for ever

    def ask() -> None:
        late.append(httpx.post(f"{server.url}/predict", content=picture, timeout=30))

    waiting = threading.Thread(target=ask)
    waiting.start()
    server.until(lambda: "tellapart_pool_in_work 1.0" in server.client.get("/metrics").text)
    server.client.close()
    server.signal(signal.SIGTERM)
    waiting.join(30)
    assert late[0].status_code == 503
    assert late[0].json()["error"]["code"] == "overloaded"
    assert server.stop() == 0
    assert server.events("stopped")[0]["whole"] is False


def _other_name(url: str) -> str:
    return url.removeprefix("http://").replace("127.0.0.1", "localhost")


def _listens(server: Any) -> bool:
    try:
        socket.create_connection(server.address, timeout=5).close()
    except OSError:
        return False
    return True


def _refused(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tellapart", "serve", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TELLAPART_HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
    )


def test_what_cannot_be_started_says_so(colors_bundle: Path, tmp_path: Path) -> None:
    missing = _refused(tmp_path / "none.zip", home=tmp_path)
    assert missing.returncode == 3
    assert "none.zip" in missing.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = _refused(colors_bundle, "--port", port, "--no-socket", home=tmp_path)
    assert busy.returncode == 2
    assert str(port) in busy.stderr
    assert "--port" in busy.stderr
    broken = tmp_path / "broken-1.zip"
    broken.write_bytes(colors_bundle.read_bytes()[:-900])
    assert _refused(broken, "--port", "0", home=tmp_path).returncode == 8
    assert not (tmp_path / "tellapart.sock").exists()


def test_a_socket_that_was_left_behind_is_taken_and_a_living_one_is_not(
    start_server: Any, colors_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "s.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    server = start_server(colors_bundle, "--socket", path, "--port", "-1")
    assert server.ready == f"ready: unix:{path} serves colors/1"
    second = _refused(colors_bundle, "--socket", path, "--port", "0", home=tmp_path)
    assert second.returncode == 2
    assert "Another server" in second.stderr
    file = tmp_path / "file"
    file.write_text("mine")
    third = _refused(colors_bundle, "--socket", file, "--port", "0", home=tmp_path)
    assert third.returncode == 2
    assert file.read_text() == "mine"
    with contextlib.closing(
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://x")
    ) as client:
        assert client.get("/health").json()["ready"] is True
    assert server.stop() == 0


def test_stopped_while_it_loads_it_ends_quietly(colors_bundle: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tellapart",
            "serve",
            str(colors_bundle),
            "--port",
            "0",
            "--no-socket",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TELLAPART_HOME": str(tmp_path)},
    )
    deadline = time.monotonic() + 30
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while children.exists() and not children.read_text() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    process.terminate()
    _, complaints = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in complaints


def test_systemd_is_told(start_server: Any, colors_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(30)
        server = start_server(
            *(colors_bundle, "--no-socket", "--log", "off"),
            NOTIFY_SOCKET=str(path),
            WATCHDOG_USEC="200000",
        )
        assert channel.recv(1000).startswith(b"READY=1")
        assert channel.recv(1000) == b"WATCHDOG=1"
        assert server.stop() == 0
        said = b""
        while b"STOPPING=1" not in said:
            said = channel.recv(1000)
    assert server.log == []


def test_of_a_folder_of_versions_the_newest_of_each_name_is_served(tmp_path: Path) -> None:
    for name in ("a-1.zip", "a-10.zip", "a-9.zip", "b-2.zip", "notes.txt", "c.zip"):
        (tmp_path / name).write_bytes(b"")
    unpacked = tmp_path / "d-1"
    unpacked.mkdir()
    (unpacked / "manifest.json").write_text("{}")
    found = watching.bundles([tmp_path, tmp_path / "a-1.zip"])
    assert [path.name for path in found] == ["a-10.zip", "b-2.zip", "d-1", "a-1.zip"]
    assert watching.bundles([unpacked]) == (unpacked,)
    look = watching.look(found)
    assert watching.look(found) == look
    (tmp_path / "b-2.zip").write_bytes(b"x")
    assert watching.look(found) != look
    (tmp_path / "b-2.zip").unlink()
    assert watching.look(found) != look
