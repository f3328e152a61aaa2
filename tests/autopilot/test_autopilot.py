"""The autopilot: turns are queued when they are due, in a lane of their own, and once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tellapart.decks import listing
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import iso
from tellapart.runtime import Request, Runs, autopilot, queue
from tellapart.runtime.shapes import TURN
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store.schema_runs import runs


@dataclass(frozen=True)
class Place:
    runs: Runs

    @property
    def engine(self) -> sa.Engine:
        return self.runs.engine

    def deck(self, name: str = "pets", owner: str = "", mode: str = "on") -> Ledger:
        columns = {"source": "jsonl", "options": {}, "policy": {}}
        ledger = Ledger(self.engine, listing.create(self.engine, owner, name, columns))
        ledger.switch(mode, "")  # type: ignore[arg-type]
        return ledger

    def end(self, id: str) -> None:
        with database.writing(self.engine) as connection:
            ended = {"state": "done", "ended_at": iso(datetime.now(UTC))}
            connection.execute(runs.update().where(runs.c.id == id).values(**ended))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Place]:
    if request.param == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_url"))
    engine = database.open_database(settings)
    yield Place(Runs(engine, settings))
    engine.dispose()


def _later(ledger: Ledger, seconds: float) -> str:
    return iso(datetime.now(UTC) + timedelta(seconds=seconds))


def test_a_deck_that_is_switched_on_has_its_turn_at_once_and_then_at_its_pace(
    place: Place,
) -> None:
    ledger = place.deck()
    (id,) = autopilot.begin_due(place.runs)
    run = place.runs.get(id)
    assert (run.kind, run.project) == ("turn", autopilot.project_of(ledger.id))
    assert run.recipe["deck"] == "pets"
    assert [step.name for step in run.steps] == ["turn"]
    assert ledger.row().next_turn > _later(ledger, 250)
    assert autopilot.begin_due(place.runs) == []


def test_whose_turn_is_not_due(place: Place) -> None:
    place.deck("off", mode="off")
    out = place.deck("out")
    out.change(out_until=_later(out, 3600))
    waiting = place.deck("waiting")
    (id,) = autopilot.begin_due(place.runs)
    waiting.change(next_turn=_later(waiting, -1))
    assert autopilot.begin_due(place.runs) == []  # the one before is not made yet
    place.end(id)
    assert len(autopilot.begin_due(place.runs)) == 1
    out.change(out_until=_later(out, -1))
    assert len(autopilot.begin_due(place.runs)) == 1


def test_two_that_look_at_once_queue_it_once(place: Place) -> None:
    ledger = place.deck()
    due = ledger.row().next_turn
    (id,) = autopilot.begin_due(place.runs)
    place.end(id)
    ledger.change(next_turn=due)  # as the other one read it
    assert autopilot.begin_due(place.runs) == [id]
    assert len(place.runs.list(kinds=TURN)) == 1


def test_turns_have_a_lane_of_their_own_and_each_owner_one_at_a_time(
    place: Place,
) -> None:
    for name, owner in (("a", "u_1"), ("b", "u_1"), ("c", "u_2")):
        place.deck(name, owner)
    assert len(autopilot.begin_due(place.runs)) == 3
    chain = place.runs.submit(Request(recipe={"name": "x", "classes": ["a", "b"]}, owner="u_1"))
    assert queue.claim(place.engine, "w_1") == chain.id
    assert queue.claim(place.engine, "w_1") is None
    claimed = [queue.claim(place.engine, "w_1", TURN) for _ in range(3)]
    owners = [place.runs.get(id).owner for id in claimed if id]
    assert sorted(owners) == ["u_1", "u_2"]


def test_lists_and_quotas_of_runs_leave_turns_out(place: Place) -> None:
    place.deck(owner="u_1")
    autopilot.begin_due(place.runs)
    assert place.runs.list(owner="u_1") == []
    assert place.runs.count(owner="u_1") == 0
    assert len(place.runs.list(owner="u_1", kinds=TURN)) == 1


def test_ended_turns_are_forgotten_after_some_days(place: Place) -> None:
    place.deck()
    (id,) = autopilot.begin_due(place.runs)
    place.end(id)
    assert autopilot.prune(place.engine) == []
    long_ago = iso(datetime.now(UTC) - timedelta(days=autopilot.TURNS_KEPT_DAYS + 1))
    with database.writing(place.engine) as connection:
        connection.execute(runs.update().values(ended_at=long_ago))
    assert autopilot.prune(place.engine) == [id]
