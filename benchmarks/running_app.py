"""The whole app in a process of its own, and a browser: for tests and measurements of pages."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Seconds that a start, and an end, may take at most.
PATIENCE = 90.0


_AHEAD = """import time
now = time.time
time.time = lambda: now() + {seconds}
from tellapart.__main__ import main
main()"""


class MissingError(RuntimeError):
    """Something that browser tests need is not on this machine."""


@dataclass(frozen=True)
class App:
    """A server that answers."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    #: What it said on standard error.
    log: Path


@contextlib.contextmanager
def running(
    home: Path, *words: str, env: Mapping[str, str] | None = None, ahead: float = 0.0
) -> Iterator[App]:
    """`tellapart up` on a free port of 127.0.0.1, with its own `home`; `words`: more options.

    `ahead`: seconds by which its clock is ahead of ours.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home.parent / f"{home.name}.log"
    environment = {
        **{name: value for name, value in os.environ.items() if "PYTEST" not in name},
        "TELLAPART_HOME": str(home),
        **(env or {}),
    }
    program = ["-c", _AHEAD.format(seconds=ahead)] if ahead else ["-m", "tellapart"]
    command = [sys.executable, "-P", *program, "up", "--no-browser", "--port=0", *words]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    try:
        yield App(_address(process, log), home, process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the server says it is at."""
    assert process.stdout is not None
    until, said = time.monotonic() + PATIENCE, b""
    while time.monotonic() < until and process.poll() is None:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        if ready:
            said += os.read(process.stdout.fileno(), 4096)
            for line in said.split(b"\n")[:-1]:
                if b" is up: " in line:
                    return line.rpartition(b" ")[2].decode()
    raise RuntimeError(f"the app did not start; it said: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless. Raises `MissingError` where there is none."""
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
    )
    if not path:
        raise MissingError("no Chromium on PATH: the pages are not looked at")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise MissingError("playwright is not installed: the pages are not looked at") from None
    with sync_playwright() as playwright:
        # Tests may run as root in a container, where its sandbox does not start.
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()
