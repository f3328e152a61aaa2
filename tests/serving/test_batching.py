"""Who gets which jobs: free workers first, no one waits for company unasked, suspects alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tellapart.serving.batching import LEAD, Batch, Queue, Ticket
from tellapart.serving.jobs import Job


@dataclass
class Worker:
    load: int = 0
    alone: bool = False


def ticket(number: int, arrived: float = 0.0, *, suspect: bool = False) -> Ticket:
    nothing = cast(Any, None)
    made = Ticket(number, Job(b"1234", 1.0), nothing, 0, arrived, 0.5, nothing)
    made.suspect = suspect
    return made


def filled(count: int, delay: float = 0.0) -> Queue:
    queue = Queue(delay)
    for number in range(count):
        queue.push(ticket(number))
    return queue


def numbers(given: tuple[Worker, list[Ticket]] | None) -> list[int]:
    assert given is not None
    return [one.number for one in given[1]]


def test_a_batch_is_as_long_as_it_may_keep_its_first_job_waiting() -> None:
    batch = Batch(8)
    assert batch.size(0.0) == 8  # nothing is known yet
    assert batch.size(LEAD * 2) == 1
    assert batch.size(LEAD / 3.5) == 3
    assert batch.size(LEAD / 1000) == 8
    assert Batch(8, lead=0).size(1.0) == 8  # measured, or asked for


def test_waiting_jobs_are_shared_among_the_free() -> None:
    queue, workers = filled(5), [Worker(), Worker(load=2), Worker()]
    first = queue.take(workers, 8)
    assert numbers(first) == [0, 1, 2] and first is not None and first[0] is workers[0]
    workers[0].load = 3
    second = queue.take(workers, 8)
    assert numbers(second) == [3, 4] and second is not None and second[0] is workers[2]
    assert queue.take(workers, 8) is None


def test_a_busy_worker_gets_its_next_batch_and_no_more() -> None:
    queue, worker = filled(20), Worker(load=3)
    assert numbers(queue.take([worker], 4)) == [0, 1, 2, 3, 4]
    worker.load = 8
    assert queue.take([worker], 4) is None
    worker.load = 2
    assert queue.take([worker], 1) is None


def test_a_suspect_waits_for_an_empty_worker_and_has_it_alone() -> None:
    queue = filled(3)
    queue.push_back([ticket(9, suspect=True)])
    workers = [Worker(load=1), Worker(load=2)]
    taken = queue.take(workers, 4)
    # The one with less work gets nothing more; the other goes on.
    assert taken is not None and taken[0] is workers[1]
    workers[0].load = 0
    assert numbers(queue.take(workers, 4)) == [9]
    workers[0] = Worker(load=1, alone=True)
    workers[1].load = 99
    assert queue.take(workers, 4) is None


def test_jobs_not_begun_go_back_to_the_head_in_order() -> None:
    queue = filled(0)
    queue.push(ticket(5))
    queue.push_back([ticket(3), ticket(2)])
    assert [one.number for one in queue.clear()] == [2, 3, 5]
    assert len(queue) == 0 and queue.first is None and queue.bytes == 0


def test_a_job_may_be_dropped_wherever_it_waits() -> None:
    queue = Queue()
    plain, suspect = ticket(1), ticket(2, suspect=True)
    queue.push(plain)
    queue.push_back([suspect])
    assert queue.drop(plain) and queue.drop(suspect) and not queue.drop(plain)
    assert len(queue) == 0 and queue.bytes == 0


def test_company_is_waited_for_only_as_long_as_allowed() -> None:
    queue = Queue(delay=0.5)
    queue.push(ticket(1, arrived=10.0))
    assert queue.holds_until(10.1, 4) == 10.5
    assert queue.holds_until(10.6, 4) is None
    assert queue.holds_until(10.1, 1) is None
    assert filled(1).holds_until(0.0, 4) is None


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=5),
    st.integers(0, 40),
    st.integers(0, 3),
    st.integers(1, 8),
)
def test_every_job_is_given_once_and_no_worker_gets_too_many(
    states: list[tuple[int, bool]], waiting: int, suspects: int, size: int
) -> None:
    workers = [Worker(load, alone and load > 0) for load, alone in states]
    before = [worker.load for worker in workers]
    queue = filled(waiting)
    queue.push_back([ticket(100 + n, suspect=True) for n in range(suspects)])
    seen: list[int] = []
    while (given_ := queue.take(workers, size)) is not None:
        worker, tickets = given_
        assert tickets and not worker.alone
        assert len(tickets) == 1 or not any(one.suspect for one in tickets)
        worker.load += len(tickets)
        worker.alone = tickets[0].suspect
        seen += [one.number for one in tickets]
    assert queue.bytes == 4 * len(queue) and queue.seconds == len(queue) / 2
    assert len(seen) == len(set(seen)) and len(seen) + len(queue) == waiting + suspects
    assert all(w.load <= max(2 * size, old) for w, old in zip(workers, before, strict=True))
    if any(old == 0 for old in before):
        # Work-conserving: nothing waits while a worker has nothing to do.
        assert len(queue) == 0 or all(worker.load for worker in workers)
