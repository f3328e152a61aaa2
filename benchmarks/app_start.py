"""`tellapart up` on a fresh home: seconds from the command to the first whole page.

The page is asked for as a browser would: the connection is tried until the port is open, and then
waits for its answer. Each time in a new, empty home.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks import main

#: What a person waits for at most.
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def started(home: Path, *words: str) -> tuple[subprocess.Popen[bytes], str]:
    """The app on a port of its own, and its address."""
    port = free_port()
    command = [sys.executable, "-P", "-m", "tellapart", "up", "--no-browser", f"--port={port}"]
    environment = {**os.environ, "TELLAPART_HOME": str(home)}
    process = subprocess.Popen(
        [*command, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return process, f"http://127.0.0.1:{port}"


def first_page(url: str) -> tuple[float, int]:
    """The moment at which the whole page is here, and its bytes."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                size = len(answer.read())
            return time.monotonic(), size
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def run(data: Path, small: bool) -> dict[str, Any]:
    seconds, stops, size = [], [], 0
    for _ in range(1 if small else 10):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            process, url = started(Path(folder) / "home")
            try:
                at, size = first_page(url)
                seconds.append(at - began)
            finally:
                asked = time.monotonic()
                process.send_signal(signal.SIGTERM)
                code = process.wait(PATIENCE)
                stops.append(time.monotonic() - asked)
            if code != 0:
                raise RuntimeError(f"the app ended with exit status {code}")
    return {
        "starts": len(seconds),
        "first_page_s": round(statistics.median(seconds), 2),
        "slowest_s": round(max(seconds), 2),
        "page_kb": round(size / 1e3, 1),
        "stop_s": round(statistics.median(stops), 2),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main(run)
