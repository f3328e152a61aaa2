"""Queues on both databases, and real workers in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tellapart.demo.drawing import write_folder
from tellapart.learn.backbone import embedded
from tellapart.runtime import Request, Run, Runs
from tellapart.settings import Settings
from tellapart.store.database import open_database

#: Seconds for what happens at once on a machine that is not busy.
PATIENCE = 240.0


@dataclass(frozen=True)
class Place:
    """A home with its database, and the queue in it."""

    settings: Settings
    engine: sa.Engine
    runs: Runs


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Place]:
    """An empty queue, on SQLite and on PostgreSQL."""
    if request.param == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_url"))
    engine = open_database(settings)
    yield Place(settings, engine, Runs(engine, settings))
    engine.dispose()


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few drawn pictures of two classes."""
    folder = tmp_path_factory.mktemp("drawn")
    write_folder(folder, ["apple", "boat"], 10)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A home for real workers, shared by a module's tests."""
    settings = Settings(home=tmp_path_factory.mktemp("shop") / "home")
    embedded(settings.cache_dir)
    engine = open_database(settings)
    yield Place(settings, engine, Runs(engine, settings))
    engine.dispose()


START = (
    "import json, sys\n"
    "from pathlib import Path\n"
    "from tellapart.runtime.worker import main\n"
    "from tellapart.settings import Settings\n"
    "given = json.loads(sys.argv[1])\n"
    "main(Settings(home=Path(given['home']), database_url=given['url']))\n"
)


@pytest.fixture
def hire() -> Iterator[Callable[[Place], subprocess.Popen[str]]]:
    """Starts workers; all of them end with the test."""
    import json

    hired: list[subprocess.Popen[str]] = []

    def start(place: Place) -> subprocess.Popen[str]:
        given = {"home": str(place.settings.home), "url": place.settings.database_url}
        process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(given)],
            stderr=subprocess.PIPE,
            text=True,
        )
        hired.append(process)
        return process

    yield start
    for process in hired:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def until(runs: Runs, id: str, ready: Callable[[Run], bool]) -> Run:
    """Wait until a run is so; fails where it ends otherwise."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        run = runs.get(id)
        if ready(run):
            return run
        assert not run.ended_state, (run.state, run.error)
        time.sleep(0.1)
    pytest.fail(f"it never came: {runs.get(id)}\n{runs.overview()}")


def ended(runs: Runs, id: str) -> Run:
    """Wait until a run has ended."""
    return until(runs, id, lambda run: run.ended_state)


def asked(name: str, **more: object) -> Request:
    """A request that no test lets walk."""
    recipe = {"name": name, "classes": ["apple", "boat"]}
    return Request(recipe=recipe, **more)  # type: ignore[arg-type]
