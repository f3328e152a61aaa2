"""A server in a process of its own, started by the command line, and clients to ask it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest


class Served:
    """A server that runs. `log` holds its lines, read as they come."""

    def __init__(self, arguments: list[str], environ: dict[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tellapart-test-"))
        self.socket = self.folder / "s.sock"
        if "--socket" not in arguments and "--no-socket" not in arguments:
            arguments = [*arguments, "--socket", str(self.socket)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tellapart", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environ},
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().strip()
        found = [word for word in self.ready.split() if word.startswith("http://")]
        self.url = found[0] if found else ""
        self.client = httpx.Client(base_url=self.url or "http://none", timeout=30)

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def local(self) -> httpx.Client:
        """A client over the Unix socket."""
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url="http://local", timeout=30)

    def raw(self, data: bytes, *, seconds: float = 20.0) -> bytes:
        """What is answered to bytes on a connection of their own, until it is closed."""
        with socket.create_connection(self.address, timeout=seconds) as connection:
            connection.sendall(data)
            found = b""
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    found += part
            return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines about one event so far."""
        lines = [json.loads(line) for line in self.log if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def until(self, holds: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Wait until something holds, and give it back."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, self.log
            time.sleep(0.02)
        return found

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it and give back its exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(10)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)


Start = Callable[..., Served]


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a server: `start_server(bundle, …, "--option", …, NAME=environment)`."""
    started: list[Served] = []

    def start(*arguments: object, **environ: str) -> Served:
        home = tmp_path_factory.mktemp("home")
        given = [str(one) for one in arguments]
        if "--workers" not in given:
            given += ["--workers", "1"]
        started.append(Served(given, {"TELLAPART_HOME": str(home), **environ}))
        return started[-1]

    yield start
    for one in started:
        one.stop()
