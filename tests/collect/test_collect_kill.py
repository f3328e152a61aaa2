"""Killed without warning while collecting: nothing committed is fetched again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tellapart.catalog import Catalog
from tellapart.demo.picture_web import PictureWeb
from tellapart.recipe import asked, check
from tellapart.store.database import open_database

_CLIENT = """
import sys
from pathlib import Path
from tellapart.settings import Settings
from tellapart.steps import collect, open_context
collect.run(open_context(Settings.from_env(), "p"))
"""
_SLOTS = 4


@pytest.fixture
def killed(home: Path) -> Callable[[PictureWeb, int | None], int]:
    """Collects in a process of its own, killed after so many requests (None: let finish)."""

    def run(web: PictureWeb, requests: int | None) -> int:
        environment = {
            **os.environ,
            "TELLAPART_HOME": str(home),
            "TELLAPART_OPENVERSE_URL": web.openverse_url,
            "TELLAPART_ALLOW_HOSTS": web.host,
            "TELLAPART_MAX_PER_HOST": str(_SLOTS),
        }
        process = subprocess.Popen([sys.executable, "-c", _CLIENT], env=environment)
        if requests is None:
            return process.wait(60)
        end, until = time.monotonic() + 60, sum(web.requests.values()) + requests
        while process.poll() is None and sum(web.requests.values()) < until:
            assert time.monotonic() < end
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        return process.wait(10)

    return run


def test_a_kill_repeats_at_most_what_was_in_flight(
    at: Callable[..., Any], killed: Callable[[PictureWeb, int | None], int], tmp_path: Path
) -> None:
    rng = random.Random(3)
    with PictureWeb(["apple", "boat"], n=60, size=(48, 36), faults=False, delay=0.02) as web:
        reference = at(web, home=tmp_path / "reference")
        recipe = {"classes": ["apple", "boat"], "sources": ["openverse"], "per_class": 50}
        reference.collect(**recipe)
        web.requests.clear()
        bench = at(web)
        _project(bench, recipe)
        kills = 0
        for _ in range(3):
            committed = _paths(bench)
            before = web.requests.copy()
            code = killed(web, rng.randrange(4, 40))
            time.sleep(0.1)
            assert not committed & set(web.requests - before)
            if code == 0:
                break
            kills += 1
        assert killed(web, None) == 0
        files = Counter({k: v for k, v in web.requests.items() if k.startswith("/files")})
    assert kills >= 1
    assert sum(files.values()) - 100 <= kills * _SLOTS
    assert bench.taken() == reference.taken()


def test_ctrl_c_ends_soon_and_leaves_a_resumable_state(at: Callable[..., Any], home: Path) -> None:
    with PictureWeb(["apple", "boat"], n=60, size=(48, 36), faults=False, delay=0.05) as web:
        bench = at(web, max_per_host=_SLOTS)
        recipe = {"classes": ["apple", "boat"], "sources": ["openverse"], "per_class": 50}
        environment = {
            **os.environ,
            "TELLAPART_HOME": str(home),
            "TELLAPART_OPENVERSE_URL": web.openverse_url,
            "TELLAPART_ALLOW_HOSTS": web.host,
            "TELLAPART_MAX_PER_HOST": str(_SLOTS),
        }
        _project(bench, recipe)
        process = subprocess.Popen(
            [sys.executable, "-c", _CLIENT], env=environment, stderr=subprocess.PIPE
        )
        deadline = time.monotonic() + 30
        while sum(web.requests.values()) < 12 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        done = bench.rows(status="ok")
        assert process.returncode != 0 and 0 < len(done) < 100
        before = web.requests.copy()
        bench.collect(**recipe)
        assert not {"/" + r.file_url.split("/", 3)[3] for r in done} & set(web.requests - before)
        assert len(bench.rows(status="ok")) == 100


def _project(bench: Any, recipe: dict[str, Any]) -> None:
    written = asked(check({"name": "p", **recipe}))
    Catalog.create(open_database(bench.settings), "p", written)


def _paths(bench: Any) -> set[str]:
    return {"/" + row.file_url.split("/", 3)[3] for row in bench.rows(status="ok")}
