"""What a pool does not take, what it reloads, and how it starts and ends."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tellapart.errors import (
    DeadlineError,
    InputError,
    NotFoundError,
    OverloadedError,
    TellapartError,
    VerificationError,
    WorkerError,
)

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def slow(start_pool: Start, colors_bundle: Path) -> Any:
    """One worker, which the tests hold still, and room for three jobs more."""
    return start_pool(colors_bundle, workers=1, max_queue=3, max_batch=1, hang=60.0)


@pytest.fixture
def held(slow: Any) -> Any:
    """The pool while its worker stands still."""
    slow.until(lambda: slow.stats()["in_work"] == 0 and bool(slow.pids()))
    (pid,) = slow.pids()
    os.kill(pid, signal.SIGSTOP)
    yield slow
    os.kill(pid, signal.SIGCONT)


def test_a_full_queue_turns_away_at_once_and_the_accepted_are_answered(
    slow: Any, held: Any, draw: Any
) -> None:
    futures, refused = [], []
    for _ in range(10):
        try:
            futures += slow.begin(draw("red"))
        except OverloadedError as error:
            refused.append(error)
    # Two are with the worker (one in work, one ready for it), three wait.
    assert len(futures) == 5 and len(refused) == 5
    assert refused[0].http_status == 503 and refused[0].retry_after > 0
    assert slow.pool.full and slow.stats()["shed"] >= 5
    os.kill(slow.pids()[0], signal.SIGCONT)
    assert {future.result(30).label for future in futures} == {"red"}
    slow.until(lambda: not slow.pool.full)


def test_all_jobs_of_a_request_are_taken_or_none(slow: Any, held: Any, draw: Any) -> None:
    slow.begin(*[draw("red")] * 3)
    before = slow.stats()["waiting"]
    with pytest.raises(OverloadedError):
        slow.begin(*[draw("red")] * 3)
    assert slow.stats()["waiting"] == before
    os.kill(slow.pids()[0], signal.SIGCONT)
    slow.until(lambda: slow.stats()["in_work"] == 0)
    # With nothing before it, a request may be larger than the queue.
    assert {future.result(30).label for future in slow.begin(*[draw("red")] * 12)} == {"red"}


def test_the_deadline_ends_the_wait(slow: Any, held: Any, draw: Any) -> None:
    late = slow.stats()["late"]
    futures = slow.begin(*[draw("red")] * 3, seconds=0.2)
    for future in futures:
        with pytest.raises(DeadlineError) as caught:
            future.result(30)
        assert caught.value.http_status == 504
    stats = slow.stats()
    assert stats["late"] == late + 3 and stats["waiting"] == 0
    os.kill(slow.pids()[0], signal.SIGCONT)
    assert slow.ask(draw("red")).label == "red"


def test_a_cancelled_job_leaves_the_queue_at_once(slow: Any, held: Any, draw: Any) -> None:
    futures = slow.begin(*[draw("red")] * 5)
    assert slow.stats()["waiting"] == 3
    for future in futures[2:]:
        future.cancel()
    slow.until(lambda: slow.stats()["waiting"] == 0)
    assert not slow.pool.full


def test_a_job_that_comes_while_the_only_worker_is_replaced_is_answered(
    slow: Any, draw: Any
) -> None:
    (pid,) = slow.pids()
    os.kill(pid, signal.SIGKILL)
    for _ in range(20):
        assert not slow.pool.full
        assert slow.ask(draw("red")).label == "red"
    slow.until(lambda: pid not in slow.pids())


def test_a_worker_with_threads_is_replaced_though_its_bundle_is_gone(
    start_pool: Start, make_bundle: Any, draw: Any, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path, "colors")
    running = start_pool(bundle, workers=1, threads=2)
    bundle.unlink()
    (pid,) = running.pids()
    os.kill(pid, signal.SIGKILL)
    running.until(lambda: bool(running.pids()) and pid not in running.pids())
    answer = running.ask(draw("navy"))
    assert answer.label == "blue" and answer.info.labels == ("blue", "green", "red")
    running.stop()


def test_what_could_not_be_answered_in_time_is_not_taken(slow: Any, held: Any, draw: Any) -> None:
    futures = slow.begin(*[draw("red")] * 3)
    with pytest.raises(OverloadedError, match="wait will take"):
        slow.begin(draw("red"), seconds=1e-9)
    os.kill(slow.pids()[0], signal.SIGCONT)
    assert [future.result(30).label for future in futures] == ["red"] * 3


def test_company_is_waited_for_where_that_is_asked_for(
    start_pool: Start, colors_bundle: Path, draw: Any
) -> None:
    running = start_pool(colors_bundle, workers=1, max_batch=3, batch_delay=5.0)
    futures = []
    for _ in range(3):
        futures += running.begin(draw("red"))
    began = time.monotonic()
    assert [future.result(30).batch for future in futures] == [3, 3, 3]
    assert time.monotonic() - began < 5.0
    running.stop()


def test_a_new_version_takes_over_without_a_lost_job(
    start_pool: Start, make_bundle: Any, draw: Any, tmp_path: Path
) -> None:
    first = make_bundle(tmp_path, "colors", version=1)
    second = make_bundle(tmp_path, "colors", version=2)
    running = start_pool(first, workers=2)
    futures = running.begin(*[draw("red")] * 20)
    reload = running.pool.reload([second])
    import asyncio

    turning = asyncio.run_coroutine_threadsafe(reload, running.loop)
    while not turning.done():
        futures += running.begin(draw("red"))
        time.sleep(0.005)
    assert turning.result(30).find().version == 2
    futures += running.begin(*[draw("red")] * 20)
    answers = [future.result(30) for future in futures]
    assert {answer.label for answer in answers} == {"red"}
    assert answers[0].version == 1 and answers[-1].version == 2
    with pytest.raises(NotFoundError, match="no version 1"):
        running.ask(draw("red"), version=1)

    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(second.read_bytes()[:-300])
    for wrong in (damaged, tmp_path / "nowhere.zip"):
        with pytest.raises(TellapartError):
            running.run(running.pool.reload([wrong]))
    assert running.ask(draw("red")).version == 2
    assert [one["error"]["code"] for one in running.named("reload_failed")] == [
        "verification",
        "not_found",
    ]
    # The same paths anew: a file that was replaced is read again.
    shutil.copy(make_bundle(tmp_path / "new", "colors", version=3), second)
    assert running.run(running.pool.reload()).find().version == 3
    running.until(lambda: len(running.stats()["workers"]) == 2)
    assert running.stop()
    with pytest.raises(OverloadedError):
        running.pool.enqueue_all([])


def test_draining_finishes_what_is_there(start_pool: Start, colors_bundle: Path, draw: Any) -> None:
    running = start_pool(colors_bundle, workers=2)
    pids = running.pids()
    futures = running.begin(*[draw("red")] * 60)
    assert running.run(running.pool.drain(30.0))
    assert {future.result(1).label for future in futures} == {"red"}
    with pytest.raises(OverloadedError):
        running.begin(draw("red"))
    assert not running.pool.ready and running.pool.full
    for pid in pids:
        running.until(lambda pid=pid: not Path(f"/proc/{pid}").exists())


def test_what_cannot_be_finished_in_time_is_told_so(
    start_pool: Start, colors_bundle: Path, draw: Any
) -> None:
    running = start_pool(colors_bundle, workers=1)
    (pid,) = running.pids()
    os.kill(pid, signal.SIGSTOP)
    futures = running.begin(*[draw("red")] * 3)
    assert running.run(running.pool.drain(0.2)) is False
    for future in futures:
        with pytest.raises(OverloadedError):
            future.result(5)
    running.until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("fault", ["missing", "damaged", "twice", "none"])
def test_a_bundle_that_cannot_be_loaded_is_said_at_the_start(
    start_pool: Start, colors_bundle: Path, tmp_path: Path, fault: str
) -> None:
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(colors_bundle.read_bytes()[:-500])
    bundles, kind = {
        "missing": ((tmp_path / "no.zip",), NotFoundError),
        "damaged": ((damaged,), VerificationError),
        "twice": ((colors_bundle, colors_bundle), InputError),
        "none": ((), InputError),
    }[fault]
    with pytest.raises(kind) as caught:
        start_pool(*bundles, workers=1)
    assert caught.value.do


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="other processors do not trap there"
)
def test_workers_that_never_get_ready_are_said_at_the_start(
    start_pool: Start, make_bundle: Any, tmp_path: Path
) -> None:
    with pytest.raises(WorkerError, match="5 workers ended one after the other"):
        start_pool(make_bundle(tmp_path, "doomed"), workers=1, threads=1)


def test_a_reload_to_workers_that_never_get_ready_changes_nothing(
    slow: Any, make_bundle: Any, draw: Any, tmp_path: Path
) -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("other processors do not trap there")
    with pytest.raises(WorkerError):
        slow.run(slow.pool.reload([make_bundle(tmp_path, "doomed")]))
    assert slow.ask(draw("red")).model == "colors" and slow.pool.ready
