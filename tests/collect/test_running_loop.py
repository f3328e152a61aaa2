"""Collecting inside a running event loop, as in a notebook: it works, and Ctrl-C ends it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from tellapart.steps.collect import _await

#: A notebook's loop, unlike that of `asyncio.run`, leaves Ctrl-C to whoever is at work.
NOTEBOOK = """
import asyncio, os, signal, threading
from tellapart.steps.collect import _await

# A shell that runs the tests in the background has its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
started, ended = threading.Event(), threading.Event()

async def fetch_for_ever():
    started.set()
    try:
        await asyncio.sleep(60)
    finally:
        ended.set()

def press():
    started.wait(10)
    os.kill(os.getpid(), signal.SIGINT)

async def notebook():
    threading.Thread(target=press, daemon=True).start()
    _await(fetch_for_ever)

try:
    asyncio.new_event_loop().run_until_complete(notebook())
except KeyboardInterrupt:
    print("interrupted", "ended" if ended.is_set() else "still at work")
"""


def test_the_work_is_done_beside_the_running_loop() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    async def notebook() -> int:
        return _await(answer)

    assert asyncio.run(notebook()) == 42


def test_ctrl_c_ends_the_work_in_the_other_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "interrupted ended\n", done.stderr


@pytest.mark.parametrize("early", [True, False])
def test_ctrl_c_while_the_other_thread_begins_ends_its_work_too(
    monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    begun, over, begin = threading.Event(), threading.Event(), threading.Thread.start
    done: list[str] = []

    async def fetch() -> None:
        begun.set()
        try:
            await asyncio.sleep(20)
            done.append("everything")
        finally:
            over.set()

    def pressed(thread: threading.Thread) -> None:
        begin(thread)
        if thread.name == "tellapart-collect":
            if not early:
                assert begun.wait(10)
            raise KeyboardInterrupt

    async def notebook() -> None:
        monkeypatch.setattr(threading.Thread, "start", pressed)
        with pytest.raises(KeyboardInterrupt):
            _await(fetch)
        assert over.is_set() or not begun.is_set()

    asyncio.run(notebook())
    assert not done
