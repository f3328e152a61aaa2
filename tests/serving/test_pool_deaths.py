"""Workers that crash, hang or are killed are replaced, and the jobs of the others are answered."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]
HANG = 2.0


@pytest.fixture(scope="module")
def running(start_pool: Start, trap_bundle: Path) -> Any:
    return start_pool(trap_bundle, workers=2, hang=HANG, max_queue=500, deadline=60.0)


def alive(pid: int) -> bool:
    """Whether the process is there and not only waits to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def whole(running: Any) -> bool:
    return len(running.pids()) == 2


def test_a_killed_workers_jobs_are_answered_by_others(running: Any, draw: Any) -> None:
    running.until(lambda: whole(running))
    victim = running.pids()[0]
    futures = running.begin(*[draw("red")] * 100)
    os.kill(victim, signal.SIGKILL)
    futures += running.begin(*[draw("navy")] * 100)
    labels = [future.result(60).label for future in futures]
    assert labels == ["red"] * 100 + ["blue"] * 100
    running.until(lambda: whole(running) and victim not in running.pids())
    running.until(lambda: any(one["pid"] == victim for one in running.named("worker_ended")))
    assert "SIGKILL" in next(
        one["how"] for one in running.named("worker_ended") if one["pid"] == victim
    )


def test_a_worker_that_stands_still_is_replaced(running: Any, draw: Any) -> None:
    running.until(lambda: whole(running))
    victim = running.pids()[0]
    os.kill(victim, signal.SIGSTOP)
    futures = running.begin(*[draw("lime")] * 40)
    assert {future.result(60).label for future in futures} == {"green"}
    running.until(lambda: whole(running) and victim not in running.pids())
    assert not alive(victim)
    assert any(one["pid"] == victim for one in running.named("worker_hung"))


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="other processors do not trap there"
)
def test_a_picture_that_ends_workers_is_found_and_the_others_are_answered(
    running: Any, draw: Any
) -> None:
    running.until(lambda: whole(running))
    good = running.begin(*[draw("red")] * 10)
    bad = running.begin(draw("black"))
    good += running.begin(*[draw("navy")] * 10)
    answer = bad[0].result(60)
    assert answer.http_status == 422 and answer.error["reason"] == "poison"
    assert answer.label is None and answer.model == "trap"
    assert [future.result(60).label for future in good] == ["red"] * 10 + ["blue"] * 10
    running.until(lambda: whole(running))
    assert running.stats()["poison"] >= 1


def test_a_picture_that_takes_for_ever_is_given_up(running: Any, draw: Any) -> None:
    running.until(lambda: whole(running))
    hung = running.stats()["hung"]
    endless = running.begin(draw("white"))
    good = running.begin(*[draw("red")] * 30)
    assert {future.result(60).label for future in good} == {"red"}
    answer = endless[0].result(60)
    assert answer.error["reason"] == "poison"
    # On a machine with much to do, others may have been silent for so long too.
    assert running.stats()["hung"] >= hung + 2
    running.until(lambda: whole(running))


def test_a_hung_worker_whose_end_takes_its_time_is_told_of_once(
    start_pool: Start, trap_bundle: Path, draw: Any
) -> None:
    running = start_pool(trap_bundle, workers=1, hang=0.3)
    (victim,) = running.pids()
    loader = int(Path(f"/proc/{victim}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(loader, signal.SIGSTOP)  # it alone can end the worker
    os.kill(victim, signal.SIGSTOP)
    answer = running.begin(draw("red"))[0]
    running.until(lambda: bool(running.named("worker_hung")))
    time.sleep(1.0)  # three times the limit
    os.kill(loader, signal.SIGCONT)
    answer.result(60)
    assert [one["pid"] for one in running.named("worker_hung")].count(victim) == 1
    running.stop()


def test_when_the_loader_is_killed_another_takes_over(running: Any, draw: Any) -> None:
    running.until(lambda: whole(running))
    loader = int(Path(f"/proc/{running.pids()[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])
    # Only what has one thread can be forked without fear.
    assert len(list(Path(f"/proc/{loader}/task").iterdir())) == 1
    before = running.stats()["reloads"]
    os.kill(loader, signal.SIGKILL)
    labels = {running.ask(draw("red")).label for _ in range(20)}
    running.until(lambda: running.stats()["reloads"] > before)
    assert labels == {"red"} and running.ask(draw("navy")).label == "blue"
    running.until(lambda: whole(running))


def test_workers_end_with_the_front_however_it_ends(trap_bundle: Path) -> None:
    code = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from tellapart.serving.options import Options
        from tellapart.serving.pool import Pool

        async def main():
            pool = Pool(Options(bundles=(Path(sys.argv[1]),), workers=1))
            await pool.start()
            print(pool.stats()["workers"][0]["pid"], flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
        """
    )
    front = subprocess.Popen(
        [sys.executable, "-c", code, str(trap_bundle)], stdout=subprocess.PIPE, text=True
    )
    assert front.stdout is not None
    pid = int(front.stdout.readline())
    os.kill(pid, signal.SIGTERM)  # for the front to act on: a worker goes on
    time.sleep(0.1)
    assert alive(pid)
    front.kill()
    front.wait(10)
    limit = time.monotonic() + 20
    while alive(pid):
        assert time.monotonic() < limit
        time.sleep(0.02)
    front.stdout.close()
