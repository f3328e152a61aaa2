"""Whose turn it is, and whose a run is: fair, within quotas, never two workers' at once."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tellapart.runtime import queue
from tellapart.runtime.presence import Presence
from tellapart.runtime.queue import Waiting, order
from tellapart.store import database
from tellapart.store.schema_runs import run_workers, runs
from tests.runtime.conftest import Place, asked

_c = runs.c


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=30),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("01234")),
)
def test_the_kth_of_a_user_comes_after_every_others_k_minus_1st(
    asked_for: list[tuple[str, bool]], last: dict[str, str]
) -> None:
    waiting = [
        Waiting(f"r_{n:03}", owner, f"p{n}", 0, cut) for n, (owner, cut) in enumerate(asked_for)
    ]
    found = order(waiting, last)
    assert sorted(found, key=lambda one: one.id) == waiting
    assert [one.cut for one in found] == sorted((one.cut for one in found), reverse=True)
    place: Counter[str] = Counter()
    turns = []
    for one in found:
        if not one.cut:
            place[one.owner] += 1
            turns.append(place[one.owner])
    assert turns == sorted(turns)
    for owner in "abcd":  # nobody's own order is changed
        own = [one.id for one in found if one.owner == owner and not one.cut]
        assert own == sorted(own)


def test_turns_go_round_and_who_began_longest_ago_is_first() -> None:
    waiting = [Waiting(f"r_{n}", owner, f"p{n}", 0, False) for n, owner in enumerate("aaabbc")]
    found = order(waiting, {"a": "2", "b": "1"})
    assert [one.owner for one in found] == ["c", "b", "a", "b", "a", "a"]


def test_claims_are_fair_serial_by_project_and_within_quotas(place: Place) -> None:
    ask = place.runs.submit
    first = [ask(asked(f"a{n}", owner="u_a", at_once=2)).id for n in range(3)]
    same = ask(asked("a0", owner="u_a", at_once=2)).id
    other = ask(asked("b0", owner="u_b")).id
    assert [run.ahead for run in place.runs.list()] == [1, 4, 3, 2, 0]
    claimed = [queue.claim(place.engine, "w") for _ in range(4)]
    assert claimed == [first[0], other, first[1], None]  # two at once, of different projects
    assert place.runs.get(first[2]).state == "queued" and place.runs.get(same).ahead == 1
    with queue.changing_hands(place.engine) as connection:
        assert queue.give_back(connection, "w", "gone", died=True, only=first[0]) == [first[0]]
    ask(asked("c0", owner="u_c"))
    # Cut off: before the newcomer, though u_a has had its turn.
    assert queue.claim(place.engine, "w2") == first[0]
    run = place.runs.get(first[0])
    assert (run.attempt, run.worker) == (2, "w2")


def test_two_who_claim_at_once_never_get_the_same(place: Place) -> None:
    ids = {place.runs.submit(asked(f"p{n}")).id for n in range(12)}
    got: list[tuple[str, str | None]] = []

    def work(name: str) -> None:
        got.extend((name, queue.claim(place.engine, name)) for _ in range(6))

    threads = [threading.Thread(target=work, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    claimed = [id for _, id in got if id]
    assert len(claimed) == len(set(claimed)) == 12 and set(claimed) == ids
    for name, id in got:
        if id:
            assert place.runs.get(id).worker == name


def test_a_run_that_ends_its_workers_again_and_again_fails(place: Place) -> None:
    id = place.runs.submit(asked("poison")).id
    for turn in range(queue.MOST_CUTS):
        assert queue.claim(place.engine, "w") == id
        with queue.changing_hands(place.engine) as connection:
            queue.give_back(connection, "w", "gone", died=True)
        assert place.runs.get(id).state == ("queued" if turn < queue.MOST_CUTS - 1 else "failed")
    run = place.runs.get(id)
    assert run.error and run.error["code"] == "worker" and run.error["do"]
    place.runs.retry(id)
    assert queue.claim(place.engine, "w") == id  # a retry begins to count anew


def _worker(place: Place) -> Presence:
    presence = Presence(place.engine, place.settings, 1)
    presence.begin()
    return presence


def test_a_dead_worker_of_this_machine_is_known_by_its_lock(place: Place) -> None:
    one, two = _worker(place), _worker(place)
    id = place.runs.submit(asked("p")).id
    assert queue.claim(place.engine, one.id) == id
    assert two.bury() == {}
    one._held.close()  # what the operating system does with a killed process
    assert two.bury() == {one.id: [id]}
    assert place.runs.get(id).state == "queued"
    assert [w["id"] for w in place.runs.overview()["workers"]] == [two.id]
    two.end()
    assert place.runs.overview()["workers"] == []


class _Clock:
    """The time of this machine that only goes on, as presence asks for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("tellapart.runtime.presence.time", self)

    def monotonic(self) -> float:
        return self.now

    def go_on(self, seconds: float, *there: Presence) -> list[str]:
        """Some time goes by in which these renew, and the first looks; whom it buried."""
        found: list[str] = []
        for _ in range(int(seconds)):
            self.now += 1
            for one in there:
                assert one.renew()
            found += there[0].bury()
        return found


def _elsewhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> Presence:
    with monkeypatch.context() as there:
        there.setattr("tellapart.runtime.presence.place", lambda: "elsewhere")
        return _worker(place)


def test_a_dead_worker_elsewhere_is_known_by_its_silence(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _Clock(monkeypatch)
    one, two = _elsewhere(place, monkeypatch), _worker(place)
    id = place.runs.submit(asked("p")).id
    assert queue.claim(place.engine, one.id) == id
    one._held.close()
    assert clock.go_on(queue.LEASE_S, two) == []
    with database.writing(place.engine) as connection:
        late = queue.clock(connection) - queue.LEASE_S - 1
        w = run_workers
        connection.execute(w.update().where(w.c.id == one.id).values(seen=late))
    # Nobody renews what is the dead one's: its runs may be cancelled at once, too.
    with database.reading(place.engine) as connection:
        assert not queue.alive(connection, one.id) and queue.alive(connection, two.id)
    assert clock.go_on(queue.LEASE_S + 1, two) == [one.id]
    assert place.runs.get(id).state == "queued"
    # Not dead but asleep: it hears of it, and must begin anew (its durable queue is gone too).
    assert not one.renew() and two.renew()
    two.end()
    assert place.runs.overview()["workers"] == []


def test_no_clock_set_anew_and_no_time_without_the_database_makes_the_living_dead(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _Clock(monkeypatch)
    one, two = _elsewhere(place, monkeypatch), _worker(place)
    for jump in (-3600.0, 3600.0):
        with database.writing(place.engine) as connection:
            w = run_workers.c
            connection.execute(run_workers.update().values(seen=w.seen + jump))
        assert two.bury() == {}
        assert clock.go_on(3, two, one) == []
    assert clock.go_on(queue.LEASE_S - 2, two) == []
    clock.now += 3 * queue.LEASE_S  # nobody could write
    assert two.bury() == {}
    assert clock.go_on(queue.LEASE_S - 2, two) == []
    assert one.renew() and clock.go_on(5, two) == []
    one.end()
    two.end()


def test_a_run_of_a_worker_that_was_buried_before_it_took_it_goes_back(place: Place) -> None:
    id = place.runs.submit(asked("p")).id
    assert queue.claim(place.engine, "w_buried") == id
    one = _worker(place)
    assert one.bury() == {"w_buried": [id]} and one.bury() == {}
    assert place.runs.get(id).state == "queued"
    one.end()


def test_what_a_stopped_worker_had_goes_back_without_counting_against_it(place: Place) -> None:
    one = _worker(place)
    ids = [place.runs.submit(asked(f"p{n}")).id for n in range(2)]
    assert [queue.claim(place.engine, one.id) for _ in ids] == ids
    place.runs.cancel(ids[1])
    assert place.runs.get(ids[1]).asked == "cancel"
    one.end()
    assert [place.runs.get(id).state for id in ids] == ["queued", "cancelled"]
    with database.reading(place.engine) as connection:
        assert connection.scalar(sa.select(_c.cuts).where(_c.id == ids[0])) == 0


def test_a_worker_that_lost_a_run_writes_nothing_more(place: Place) -> None:
    id = place.runs.submit(asked("p")).id
    queue.claim(place.engine, "one")
    with database.writing(place.engine) as connection:
        values: dict[str, Any] = {"worker": "two"}
        connection.execute(runs.update().where(_c.id == id).values(**values))
    before = place.runs.events(id)
    with database.writing(place.engine) as connection:
        written = queue.append(connection, id, "log", {"text": "late"}, worker="one")
    assert written is None and place.runs.events(id) == before
