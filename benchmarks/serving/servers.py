"""Servers as processes: started, waited for, weighed and stopped."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import HERE, Skipped, tellapart
from benchmarks.serving.material import Material

CONTENDERS = HERE / "serving" / "contenders"


@dataclass
class Server:
    """One server and all processes below it."""

    process: subprocess.Popen[bytes]
    port: int
    #: What it wrote on standard error.
    log: Path
    #: From the start of its process until it was ready.
    ready_s: float = 0.0
    socket: Path | None = None

    @property
    def address(self) -> list[Any]:
        return ["127.0.0.1", self.port]

    def processes(self) -> list[psutil.Process]:
        """The first one and all its descendants."""
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[psutil.Process]:
        """The processes that answer: those with an engine mapped that have no children."""
        return [process for process in self.processes()[1:] if _answers(process)]

    def whole(self, count: int, patience: float = 30.0) -> bool:
        """Wait until so many workers answer: it is ready with the first."""
        until = time.monotonic() + patience
        while len(self.workers()) != count:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def spawner(self) -> psutil.Process:
        """The process that workers are forked from."""
        (found,) = {process.ppid() for process in self.workers()}
        return psutil.Process(found)

    def cpu_s(self) -> float:
        """Core seconds so far, of all that are alive and of children that ended."""
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
        return total

    def pss_mb(self) -> float:
        """Proportional set size of all processes, in MB (10^6 bytes)."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return round(total / 1e6, 1)

    def get(self, path: str, timeout: float = 10.0) -> tuple[int, bytes]:
        """Status and body of a GET."""
        return self.ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"), timeout)

    def post(self, path: str, body: bytes, kind: str = "image/jpeg") -> tuple[int, bytes]:
        """Status and body of a POST."""
        headers = {"Content-Type": kind}
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.ask(urllib.request.Request(url, body, headers, method="POST"), 30.0)

    @staticmethod
    def ask(request: urllib.request.Request, timeout: float) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def stop(self) -> int | None:
        """End it as a service manager would; what is left after 15 s is killed."""
        family = self.processes()
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=5)
        return self.process.wait()


def _answers(process: psutil.Process) -> bool:
    with contextlib.suppress(OSError, psutil.NoSuchProcess):
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        engine = "onnxruntime" in mapped or "openvino" in mapped
        return engine and not process.children()
    return False


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def ours(
    material: Material,
    *options: str,
    bundles: Sequence[Path] = (),
    home: Path | None = None,
    patience: float = 60.0,
) -> Iterator[Server]:
    """`tellapart serve`, from its start until it says that it is ready; ended afterwards.

    Raises RuntimeError with what it wrote where it does not come up.
    """
    with tempfile.TemporaryDirectory() as temporary:
        log, port = Path(temporary) / "log", free_port()
        local = Path(temporary) / "serve.sock"
        asked = [str(bundle) for bundle in (bundles or (material.bundle,))]
        where = ["--port", str(port), "--socket", str(local)]
        command = tellapart("serve", *asked, *where, *options)
        environment = {**os.environ, "TELLAPART_HOME": str(home or material.home)}
        start = time.perf_counter()
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, env=environment
            )
        server = Server(process, port, log, socket=local)
        try:
            _await_line(server, b"ready", patience)
            server.ready_s = time.perf_counter() - start
            yield server
        finally:
            server.stop()
            assert process.stdout is not None
            process.stdout.close()


def _await_line(server: Server, beginning: bytes, patience: float) -> None:
    output = server.process.stdout
    assert output is not None
    until, got = time.monotonic() + patience, b""
    while time.monotonic() < until:
        if select.select([output], [], [], 0.5)[0]:
            data = os.read(output.fileno(), 4096)
            got += data
            if any(line.startswith(beginning) for line in got.splitlines()):
                return
            if not data:
                break
    written = server.log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"the server did not say {beginning!r}: {got!r}\n{written}")


def peers() -> Path:
    """The folder of the contenders' environments; raises `Skipped` where none is named."""
    named = os.environ.get("TELLAPART_PEERS_SERVING", "")
    if not named or not Path(named).is_dir():
        raise Skipped(
            "TELLAPART_PEERS_SERVING names no folder: sh benchmarks/serving/peers.sh FOLDER"
        )
    return Path(named)


@contextlib.contextmanager
def contender(
    name: str, setting: dict[str, Any], material: Material, patience: float = 120.0
) -> Iterator[Server]:
    """One of the contenders in its own environment; ready when it has answered a picture."""
    with tempfile.TemporaryDirectory() as temporary:
        log, port = Path(temporary) / "log", free_port()
        place = peers() / name
        environment = {
            "PATH": f"{place / 'bin'}:/usr/bin:/bin",
            "HOME": temporary,
            "PYTHONPATH": str(CONTENDERS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": temporary,
            "BENTOML_DO_NOT_TRACK": "True",
            "RAY_USAGE_STATS_ENABLED": "0",
            "CONTENDER_FOLDER": str(material.folder / "contender"),
            "CONTENDER_SETTING": json.dumps(setting),
            "CONTENDER_PORT": str(port),
            **setting.get("environment", {}),
        }
        start = time.perf_counter()
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [str(place / "bin" / "python"), str(CONTENDERS / f"{name}_app.py")],
                stdout=errors,
                stderr=errors,
                env=environment,
                cwd=temporary,
                start_new_session=True,
            )
        server = Server(process, port, log)
        try:
            _await_answer(server, material.pictures["256x256"][0].read_bytes(), patience)
            server.ready_s = time.perf_counter() - start
            yield server
        finally:
            server.stop()


def _await_answer(server: Server, picture: bytes, patience: float) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until and server.process.poll() is None:
        with contextlib.suppress(OSError):
            if server.post("/predict", picture)[0] == 200:
                return
        time.sleep(0.1)
    written = server.log.read_text(errors="replace")[-3000:]
    raise RuntimeError(f"the contender did not answer a picture:\n{written}")
