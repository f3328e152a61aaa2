"""One run's walk where the database is away, or a run is asked for again as it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from tellapart.errors import InputError, StorageError, WorkerError
from tellapart.project import Project
from tellapart.runtime import queue, telling
from tellapart.runtime.walking import Job
from tellapart.runtime.worker import _Worker
from tellapart.store.schema_runs import runs
from tests.runtime.conftest import Place, asked


def _away(times: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """Does what `real` does, once the database has been away so often."""
    left = [times]

    def do(*values: Any, **more: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise StorageError("The server is away.", expected="one that answers", do="Wait.")
        return real(*values, **more)

    return do


def _job(place: Place, **more: object) -> Job:
    id = place.runs.submit(asked("p", **more)).id
    assert queue.claim(place.engine, "w") == id
    return Job(place.engine, place.settings, place.runs.get(id), "w", lambda: None)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tellapart.runtime.recording._AWAY_S", 0.01)


def test_people_are_told_once_a_database_that_was_away_is_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _job(place, notify={"email": "you@example.org"})
    monkeypatch.setattr(telling, "tell", _away(2, telling.tell))
    error = InputError("No pictures.", expected="some", do="Add some.")
    assert job.conclude({}, error) == "failed"
    with place.engine.connect() as connection:
        assert connection.scalar(sa.select(runs.c.mail)) == f"{job.id}-0"


def test_a_run_begins_once_a_database_that_was_away_is_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _job(place)
    monkeypatch.setattr(Project, "create", _away(2, Project.create))
    assert job.take("begin") == {"summary": {}, "seconds": 0.0}
    assert Project.names(place.settings) == ["p"]


def test_whatever_goes_wrong_at_the_beginning_is_told_in_three_parts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(Project, "create", fail)
    with pytest.raises(WorkerError, match="no such device"):
        _job(place).take("begin")


def test_a_run_asked_for_again_as_it_ends_is_not_taken_for_lost(place: Place) -> None:
    job = _job(place)
    job.end("failed")
    place.runs.retry(job.id)
    worker = object.__new__(_Worker)
    worker._engine = place.engine
    worker._presence = SimpleNamespace(id="w")  # type: ignore[assignment]
    worker._durable = SimpleNamespace(jobs={job.id: job})  # type: ignore[assignment]
    worker._claimed, worker._at_once, worker._is_lost = {job.id: 1e12}, 1, False
    worker.ending = threading.Event()
    worker.ending.set()  # it takes nothing new
    worker._look()
    assert not worker._is_lost
