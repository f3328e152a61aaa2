"""Fixtures every room's tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from benchmarks import postgres
from tellapart.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from benchmarks.running_app import App

# The apps that tests start share the cores with other tests, whose work is not more urgent.
os.environ.setdefault("TELLAPART_WORKER_NICE", "0")
# Torch's waiting threads burn the cores that the other worker's tests need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell's background job ignores Ctrl-C, and so would every command that a test starts and stops.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, so that a red test speaks of the change; others are searched for
# with --hypothesis-profile=explore. No deadline: a machine at work is slow, not wrong.
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.load_profile("same")

_DEFAULT_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("TELLAPART_TEST_DATA", _DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(
            "real pictures not found: set TELLAPART_TEST_DATA to the folder that holds them "
            "(the same paths are tested on drawn pictures elsewhere)"
        )
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TELLAPART_HOME of this test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TELLAPART_HOME", str(folder))
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings.from_env()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL of the tests' own, or a skip that says why there is none."""
    try:
        with postgres.cluster() as cluster:
            yield cluster
    except postgres.MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(postgres_cluster: postgres.Cluster) -> Iterator[str]:
    """An empty PostgreSQL database of this test's own, as TELLAPART_DATABASE_URL takes it."""
    url = postgres_cluster.database()
    yield url
    postgres_cluster.drop(url)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or a skip that says why there is none.

    A module's: while it is there an event loop runs in this thread, which other tests need free.
    """
    from benchmarks import running_app

    try:
        with running_app.chromium() as browser:
            yield browser
    except running_app.MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def own_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app of a single user, in a process of its own; shared, so leave others' projects be."""
    from benchmarks.running_app import running

    with running(tmp_path_factory.mktemp("app") / "home") as app:
        yield app
