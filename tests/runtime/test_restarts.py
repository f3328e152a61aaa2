"""The database goes away amid a run and comes back: as on every upgrade of a server."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import postgres
from tellapart.runtime import Runs
from tellapart.store.database import open_database
from tests.runtime.conftest import Place, ended, until
from tests.runtime.test_worker import _ask

Hire = Callable[[Place], "subprocess.Popen[str]"]
#: Seconds without a database: longer than a worker's look at the queue.
_AWAY = 4.0


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL that nobody else needs."""
    try:
        with postgres.cluster() as found:
            yield found
    except postgres.MissingError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_run_outlives_a_restart_of_the_database(
    how: str, tmp_path: Path, hire: Hire, drawn: Path, shop: Place, cluster: postgres.Cluster
) -> None:
    settings = replace(shop.settings, home=tmp_path / "home", database_url=cluster.database())
    shutil.copytree(shop.settings.cache_dir, settings.cache_dir)
    engine = open_database(settings)
    place = Place(settings, engine, Runs(engine, settings))
    try:
        run = _ask(place, "one", drawn)
        worker = hire(place)
        until(place.runs, run.id, lambda run: run.step not in ("", "collect"))
        cluster.stop(how)
        time.sleep(_AWAY)
        cluster.start()
        assert ended(place.runs, run.id).state == "done"
        # The same worker takes the next one as if nothing had been.
        assert worker.poll() is None
        assert ended(place.runs, _ask(place, "two", drawn).id).state == "done"
    finally:
        engine.dispose()
