"""A real worker flies a deck: it acts by itself, goes on after a kill, and trains deeper."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tellapart
from benchmarks.standin import Standin, crowd
from tellapart.deck import Deck
from tellapart.decks.shapes import Filters
from tellapart.learn.backbone import embedded
from tellapart.runtime import Runs, autopilot
from tellapart.runtime.shapes import TURN
from tellapart.settings import Settings
from tellapart.store.database import open_database

pytestmark = pytest.mark.slow
PATIENCE = 240.0


@pytest.fixture
def service() -> Iterator[Standin]:
    with Standin(crowd(60, pictures=1), size=(64, 64), likes=1000) as service:
        yield service


@pytest.fixture
def hire(service: Standin, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts workers on the test's home; they end with it."""
    import os

    hired: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TELLAPART_")},
            "TELLAPART_HOME": str(tmp_path / "home"),
            "TELLAPART_ALLOW_HOSTS": service.host,
        }
        with (tmp_path / "worker.log").open("ab") as log:
            command = tellapart("worker")
            hired.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return hired[-1]

    yield start
    for process in hired:
        process.kill()
        process.wait()


def _until(ready: Callable[[], Any], log: Path) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := ready()):
        if time.monotonic() > end:
            raise TimeoutError(log.read_text()[-3000:])
        time.sleep(0.1)
    return found


def test_it_acts_by_itself_goes_on_after_a_kill_and_trains_deeper(
    service: Standin, hire: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    settings: Settings = service.settings(home=tmp_path / "home")
    embedded(settings.cache_dir)
    engine = open_database(settings)
    runs = Runs(engine, settings)
    options = {"url": service.deck_url}
    deck = Deck.add(
        engine, settings, "pets", "http", options, people=False, policy={"accept_all": True}
    )
    deck.credential("token", service.token)
    service.tell("slow", "act", seconds=0.1)
    deck.on()
    first = hire()
    _until(lambda: len(service.acts()) > 3, log)
    first.kill()
    first.wait()
    service.mend()
    hire()
    _until(lambda: len(service.acts()) == 60, log)
    _until(lambda: all(run.ended_state for run in runs.list(kinds=TURN)), log)
    assert service.twice() == []
    assert deck.counts().states.get("done", 0) >= 59
    report = runs.list(kinds=TURN)[0].result
    assert report is not None
    assert report["end"] == "exhausted"

    # Its pictures become a data set, a project is trained on it, and its version is offered.
    for row in deck.results(Filters(limit=100)).items:
        word = service.people[row.ref].words[0]
        deck.correct(row.id, "like" if word == "apple" else "pass")
    run = autopilot.train_deeper(runs, deck)
    assert (deck.folder / "labels.csv").read_text().startswith("path,label,group\n")
    ended = _until(lambda: (found := runs.get(run)).ended_state and found, log)
    assert ended.state == "done", ended.error
    _until(lambda: not deck.row.deeper_run, log)
    head = deck.heads()[0]
    assert head.base == "deck-pets/1"
    assert head.state == "champion"
    deck.off()
    engine.dispose()
