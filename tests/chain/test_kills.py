"""Killed without warning or stopped with Ctrl-C, the same command goes on to the same bundle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks import kills
from tellapart.demo.picture_web import PictureWeb

ASKED = ("make", "apple", "boat", "--name", "k", "--per-class", "12")


@pytest.fixture(scope="module")
def web() -> Iterator[PictureWeb]:
    with PictureWeb(["apple", "boat"], n=20, size=(160, 120), delay=0.01, big=30_000_000) as web:
        yield web


@pytest.fixture(scope="module")
def undisturbed(web: PictureWeb, tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Any:
    """The bundle's bytes of a run that nobody disturbs."""
    home = tmp_path_factory.mktemp("calm") / "home"
    shutil.copytree(warm_cache, home / "cache")
    done = subprocess.run(
        [sys.executable, "-m", "tellapart", *ASKED, "--json", "--quiet"],
        env=kills._environment(web, home),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["bundle"]).read_bytes()


def _until(process: subprocess.Popen[str], words: str) -> list[str]:
    """Wait until the process says `words` on standard error; what it says goes on coming in."""
    stream = process.stderr
    assert stream is not None
    said = []
    for line in stream:
        said.append(line)
        if words in line:
            threading.Thread(target=lambda: said.extend(stream), daemon=True).start()
            return said
    pytest.fail(f"never said {words!r}: {''.join(said)}")


@pytest.mark.slow
def test_random_kills_change_no_byte_and_fetch_nothing_twice() -> None:
    figures = kills.run(Path(), small=True)
    assert figures["kills"] == 2 == sum(figures["killed_during"].values())
    assert figures["same_bytes"]
    assert figures["settled_pictures_asked_for_again"] == 0
    assert figures["most_in_flight_at_a_kill"] <= 8  # a host's connections


def test_ctrl_c_and_a_killed_worker_are_said_and_the_same_command_goes_on(
    place: Callable[..., Any], web: PictureWeb, undisturbed: bytes
) -> None:
    here = place(web=web)
    for moment in ("collect: ", "curate: "):
        # Like a terminal: the signal goes to the program and to its worker.
        process = here.start(*ASKED, start_new_session=True)
        said = _until(process, moment)
        time.sleep(0.1)
        pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        os.killpg(process.pid, signal.SIGINT)
        answer = _answer(process)
        assert process.returncode == 130, said
        assert '"interrupted"' in answer and "same command again" in answer
        assert not any(map(psutil.pid_exists, pids))
    process = here.start(*ASKED)
    children: list[psutil.Process] = []
    for _ in range(200):  # all steps up to curate are done; the worker starts at once
        children = [
            child
            for child in psutil.Process(process.pid).children()
            if "tellapart.worker" in child.cmdline()
        ]
        if children:
            break
        time.sleep(0.02)
    fetched = web.requests.copy()
    children[0].kill()
    answer = _answer(process)
    assert process.returncode == 11
    assert "SIGKILL" in answer and "same command again" in answer and '"worker"' in answer
    assert here.run(*ASKED).bundle.read_bytes() == undisturbed
    assert not {path for path in web.requests - fetched if path in web.entries}


def _answer(process: subprocess.Popen[str]) -> str:
    """What the process says on standard output until it ends."""
    assert process.stdout is not None
    with process.stdout:
        answer = process.stdout.read()
    process.wait(30)
    return answer
