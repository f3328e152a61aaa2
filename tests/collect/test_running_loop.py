"""Collecting inside a running event loop, as in a notebook: it works, and Ctrl-C ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from tellapart.steps.collect import _await


def test_the_work_is_done_beside_the_running_loop() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    async def notebook() -> int:
        return _await(answer)

    assert asyncio.run(notebook()) == 42


def test_ctrl_c_ends_the_work_in_the_other_thread() -> None:
    started, ended = threading.Event(), threading.Event()

    async def fetch_for_ever() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    def press() -> None:
        started.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    async def notebook() -> None:
        threading.Thread(target=press, daemon=True).start()
        _await(fetch_for_ever)

    # A notebook's loop, unlike that of `asyncio.run`, leaves Ctrl-C to whoever is at work.
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(notebook())
    finally:
        loop.close()
    assert ended.is_set()
