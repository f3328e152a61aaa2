"""Several senders, and senders that are killed: each mail once, or twice in the one window."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tellapart.mail import Outbox, compose
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tests.mail.postbox import Postbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

TO = "you@example.org"
_SENDER = """
import sys, time
from tellapart.mail import Outbox
from tellapart.settings import Settings
from tellapart.store.database import open_database
settings = Settings.from_env()
outbox = Outbox(open_database(settings), settings, lease_s=1.0)
print("ready", flush=True)
while True:
    outbox.deliver_due()
    time.sleep(0.02)
"""


@pytest.fixture
def settings(home: Path, postbox: Postbox) -> Settings:
    return replace(
        Settings.from_env(), mail_url=postbox.url, mail_from="app@app.example", mail_attach_mb=20
    )


class Sender:
    """A process that does nothing but deliver what is due."""

    def __init__(self, settings: Settings) -> None:
        environ = {
            **os.environ,
            "TELLAPART_HOME": str(settings.home),
            "TELLAPART_MAIL": str(settings.mail_url),
            "TELLAPART_MAIL_FROM": settings.mail_from,
        }
        if settings.database_url:
            environ["TELLAPART_DATABASE_URL"] = settings.database_url
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SENDER], env=environ, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def _senders(settings: Settings, count: int = 1) -> Iterator[list[Sender]]:
    senders = [Sender(settings) for _ in range(count)]
    try:
        yield senders
    finally:
        for sender in senders:
            sender.kill()


def _until(done: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


def _all_sent(outbox: Outbox, keys: list[str]) -> bool:
    return all((posted := outbox.get(key)) is not None and posted.state == "sent" for key in keys)


def _put(outbox: Outbox, count: int, file: Path | None = None) -> list[str]:
    keys = [f"run:{i}" for i in range(count)]
    for key in keys:
        outbox.put(key, TO, compose.test("https://app.example"), file, owner="")
    return keys


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_senders_send_each_mail_once(
    settings: Settings, postbox: Postbox, engine: str, request: pytest.FixtureRequest
) -> None:
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_url")
        settings = replace(settings, database_url=url)
    outbox = Outbox(open_database(settings), settings)
    with _senders(settings, 2):
        keys = _put(outbox, 16)
        _until(lambda: _all_sent(outbox, keys))
    outbox.engine.dispose()
    assert len(postbox.ids) == 16 and set(postbox.ids.values()) == {1}


@pytest.mark.parametrize(("stage", "times"), [("mail", 1), ("rcpt", 1), ("accepted", 2)])
def test_kill_9_of_a_sender(settings: Settings, postbox: Postbox, stage: str, times: int) -> None:
    """Before the server has it, it comes once; in the window of its acceptance, twice."""
    outbox = Outbox(open_database(settings), settings)
    with _senders(settings, 1) as (sender,):

        def once() -> None:
            postbox.meanwhile.clear()
            sender.kill()

        postbox.meanwhile[stage] = once
        keys = _put(outbox, 1)
        _until(lambda: sender.process.poll() is not None)
        posted = outbox.get(keys[0])
        assert posted is not None and posted.state == "sending"
    with _senders(settings, 1):
        _until(lambda: _all_sent(outbox, keys))
    outbox.engine.dispose()
    assert list(postbox.ids.values()) == [times]
    assert len(set(postbox.accepted)) == 1


def test_kill_9_at_any_moment(settings: Settings, postbox: Postbox, tmp_path: Path) -> None:
    """With files that take a while: no mail is lost, and only a kill can repeat one."""
    chance = random.Random(6)
    file = tmp_path / "bundle.zip"
    file.write_bytes(chance.randbytes(300_000))
    outbox = Outbox(open_database(settings), settings)
    keys = _put(outbox, 5, file)
    kills = 0
    for _ in range(3):
        with _senders(settings, 1):
            time.sleep(chance.uniform(0.02, 0.5))
        kills += 1
    with _senders(settings, 1):
        _until(lambda: _all_sent(outbox, keys))
    outbox.engine.dispose()
    assert len(postbox.ids) == 5
    assert sum(postbox.ids.values()) - 5 <= kills
    assert len(set(postbox.accepted)) == 5  # whole, and the same bytes whenever twice


def test_a_sender_that_slept_too_long_sends_nothing(settings: Settings, postbox: Postbox) -> None:
    """Its lease ran out and another one took over: it notices at the last moment."""
    outbox = Outbox(open_database(settings), settings)
    with _senders(settings, 1) as (sleeper,):

        def stop() -> None:
            postbox.meanwhile.clear()
            os.kill(sleeper.process.pid, signal.SIGSTOP)

        postbox.meanwhile["rcpt"] = stop
        keys = _put(outbox, 1)
        _until(lambda: not postbox.meanwhile)
        with _senders(settings, 1):
            _until(lambda: _all_sent(outbox, keys))
        os.kill(sleeper.process.pid, signal.SIGCONT)
        outbox.put("run:after", TO, compose.test("https://app.example"), owner="")
        _until(lambda: _all_sent(outbox, ["run:after"]))
    outbox.engine.dispose()
    assert sorted(postbox.ids.values()) == [1, 1]
