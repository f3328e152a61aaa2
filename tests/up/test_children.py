"""Workers as children: started again, asked to stop, ended by force."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tellapart.runtime import children
from tellapart.runtime.children import Children
from tellapart.settings import Settings

PATIENCE = 120.0
#: Stands for a worker: writes the moment of its start, reads its settings; `deaf`: to SIGTERM.
_STUB = """
import pathlib, signal, sys, time
if {deaf}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdin.buffer.readline()
place = pathlib.Path({place!r})
place.write_text(place.read_text() + "." if place.exists() else ".")
time.sleep({seconds})
"""


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the children run a program that needs no imports; gives where it counts its starts."""
    place = tmp_path / "starts"
    popen = subprocess.Popen

    def use(seconds: float, deaf: bool = False) -> Path:
        text = _STUB.format(place=str(place), seconds=seconds, deaf=deaf)
        words = [sys.executable, "-c", text]
        monkeypatch.setattr(
            children.subprocess, "Popen", lambda _, **kwargs: popen(words, **kwargs)
        )
        return place

    return use


def _until(wanted: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_one_that_ends_is_started_again_and_it_is_said(
    settings: Settings, stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "AGAIN", 0.01)
    place, said = stub(0), []
    kept = Children(settings, 1, said.append)
    kept.start()
    try:
        _until(lambda: place.exists() and len(place.read_text()) >= 3)
    finally:
        kept.stop(PATIENCE)
    assert said[0] == "worker 1 ended (exit status 0); another one takes over"
    assert kept.pids == []


def test_all_end_when_asked(settings: Settings, stub: Any) -> None:
    place, said = stub(PATIENCE), []
    kept = Children(settings, 3, said.append)
    kept.start()
    _until(lambda: len(kept.pids) == 3 and place.exists())
    began = time.monotonic()
    kept.stop(PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2
    assert kept.pids == [] and said == [], "an end that was asked for is no news"
    kept.stop(PATIENCE)  # a second time


@pytest.mark.parametrize("hurried", [False, True])
def test_one_that_does_not_listen_is_ended_by_force(
    settings: Settings, stub: Any, hurried: bool
) -> None:
    place = stub(PATIENCE, deaf=True)
    kept = Children(settings, 1, lambda _: None)
    kept.start()
    _until(place.exists)
    (pid,) = kept.pids
    hurry = threading.Event()
    if hurried:
        hurry.set()
    kept.stop(PATIENCE if hurried else 0.2, hurry)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_none_is_asked_for(settings: Settings) -> None:
    kept = Children(settings, 0, lambda _: None)
    kept.start()
    kept.stop(0.0)
