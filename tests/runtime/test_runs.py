"""Asking for runs, watching and ending them; no worker is needed for any of it."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tellapart.errors import InputError, NotFoundError, RecipeError
from tellapart.runtime import Event, Request, queue
from tellapart.runtime.presence import Presence
from tellapart.runtime.reading import left
from tellapart.runtime.recording import Recorder
from tellapart.runtime.runs import folder, sweep
from tellapart.runtime.shapes import Step, iso, new_id
from tellapart.steps import Progress
from tests.runtime.conftest import Place, asked


def test_ids_sort_by_time_and_never_come_twice() -> None:
    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"r_[0-9a-z]{20}", id) for id in ids)


def test_asked_twice_under_one_key_is_queued_once(place: Place) -> None:
    first = place.runs.submit(asked("p", key="k", owner="u_a", test_picture=b"x"))
    again = place.runs.submit(asked("p", key="k", owner="u_a", test_picture=b"x"))
    assert again.id == first.id
    assert place.runs.submit(asked("p", key="k", owner="u_b")).id != first.id
    assert place.runs.submit(asked("p", owner="u_a")).id != first.id
    found = place.runs.find("u_a", "k")
    assert found is not None and found.id == first.id and place.runs.find("u_c", "k") is None
    # The second one's picture is not left behind.
    assert [path.name for path in (place.settings.home / "runs").iterdir()] == [first.id]


def test_a_picture_whose_run_was_never_stored_does_not_stay(place: Place) -> None:
    kept = place.runs.submit(asked("p", test_picture=b"x")).id
    for name, age in ((kept, 1e6), ("r_crashed", 1e6), ("r_just_asked_for", 0)):
        where = folder(place.settings, name)
        where.mkdir(exist_ok=True)
        os.utime(where, (time.time() - age,) * 2)
    sweep(place.settings, {kept})
    left = {path.name for path in (place.settings.home / "runs").iterdir()}
    assert left == {kept, "r_just_asked_for"}


def test_many_who_ask_at_once_under_one_key_get_one_run(place: Place) -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(place.runs.submit(asked("p", key="k")).id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ids) == 8 and len(set(ids)) == 1


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (Request(recipe={"name": "p", "classes": ["a", "b"], "per_clas": 3}), RecipeError),
        (Request(recipe={"name": "p", "classes": ["a", "b"]}, upto="serve"), NotFoundError),
        (Request(kind="retrain", project="none"), NotFoundError),
        (asked("p", test_picture=b""), InputError),
    ],
)
def test_a_wrong_request_queues_nothing(place: Place, request_: Request, kind: type) -> None:
    with pytest.raises(kind):
        place.runs.submit(request_)
    assert place.runs.list() == []


def test_lists_are_newest_first_by_owner_project_and_state(place: Place) -> None:
    ids = [place.runs.submit(asked(f"p{n % 2}", owner=f"u_{n % 3}")).id for n in range(6)]
    newest = [run.id for run in place.runs.list()]
    assert newest == ids[::-1]
    assert [run.id for run in place.runs.list(limit=2, after=newest[1])] == newest[2:4]
    assert [run.id for run in place.runs.list(owner="u_0")] == [ids[3], ids[0]]
    assert [run.id for run in place.runs.list(owner="u_0", project="p1")] == [ids[3]]
    place.runs.cancel(ids[5])
    assert [run.id for run in place.runs.list(states=("cancelled",))] == [ids[5]]
    assert place.runs.count(owner="u_2") == 2
    assert place.runs.count(owner="u_2", states=("queued",)) == 1
    assert place.runs.count(owner="u_2", since=iso(datetime.now(UTC))) == 0
    with pytest.raises(NotFoundError):
        place.runs.get("r_none")


def test_a_queued_run_is_cancelled_and_retried_at_once(place: Place) -> None:
    id = place.runs.submit(asked("p")).id
    run = place.runs.cancel(id)
    assert run.state == "cancelled" and run.ended
    assert place.runs.cancel(id) == run  # once more changes nothing
    again = place.runs.retry(id)
    assert (again.state, again.ended, again.retries) == ("queued", "", 1)
    for wrong in (place.runs.retry, place.runs.stop):
        with pytest.raises(InputError):
            wrong(id)
    states = [event.data["state"] for event in place.runs.events(id)]
    assert states == ["queued", "cancelled", "queued"]


def test_a_run_whose_worker_is_gone_is_cancelled_at_once(place: Place) -> None:
    id = place.runs.submit(asked("p")).id
    queue.claim(place.engine, "w_nobody")
    assert place.runs.cancel(id).state == "cancelled"


def test_deleting_takes_the_row_the_events_and_the_picture(place: Place) -> None:
    run = place.runs.submit(asked("p", owner="u_a", test_picture=b"x"))
    other = place.runs.submit(asked("p", owner="u_b"))
    busy = place.runs.submit(asked("q", owner="u_a"))
    presence = Presence(place.engine, place.settings, 1)
    presence.begin()
    claimed = {queue.claim(place.engine, presence.id) for _ in range(3)}
    assert busy.id in claimed
    place.runs.delete(id=other.id)
    assert place.runs.delete(owner="u_a") == 2
    # Those under way are only asked to end, and listed no more.
    assert place.runs.get(busy.id).asked == "cancel" and place.runs.list() == []
    presence.end()
    assert place.runs.delete(owner="u_a") == 2
    with pytest.raises(NotFoundError):
        place.runs.events(run.id)
    assert not folder(place.settings, run.id).exists()


def _recorder(place: Place, id: str) -> Recorder:
    queue.claim(place.engine, "w")
    steps: list[dict[str, Any]] = [vars(step) for step in place.runs.get(id).steps]
    return Recorder(place.engine, id, "w", [dict(step) for step in steps], pytest.fail)


def test_turning_points_and_epochs_are_all_kept_and_the_rest_is_thinned(place: Place) -> None:
    id = place.runs.submit(asked("p")).id
    recorder = _recorder(place, id)
    recorder.begin("train")
    for n in range(400):
        recorder.progress(Progress("train", n, 400))
    recorder.progress(Progress("train", 0, None, signal="built", figures={"layers": 3}))
    for n in range(30):
        recorder.progress(Progress("train", n, 30, figures={"loss": 1 / (n + 1)}))
    recorder.progress(Progress("train", 400, 400))
    recorder.end("train", 2.5, "a note")
    events = place.runs.events(id)
    kinds = [event.kind for event in events]
    assert kinds.count("epoch") == 30 and kinds.count("signal") == 1
    assert 2 <= kinds.count("progress") < 40
    # What came last before something else is not lost.
    before = events[kinds.index("signal") - 1]
    assert before.kind == "progress" and before.data["done"] == 399
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    step = next(step for step in place.runs.get(id).steps if step.name == "train")
    assert (step.state, step.done, step.total, step.seconds) == ("done", 400, 400, 2.5)
    assert place.runs.events(id, after=len(events) - 2) == events[-2:]
    assert place.runs.events(id, limit=3) == events[:3]


def test_followers_get_everything_once_in_order_and_end_with_the_run(place: Place) -> None:
    id = place.runs.submit(asked("p")).id
    recorder = _recorder(place, id)

    def work() -> None:
        for n in range(40):
            recorder.log(f"line {n}")
        recorder.state("done", ended_at=iso(datetime.now(UTC)), worker="")

    async def watch(after: int) -> list[Event]:
        return [event async for event in place.runs.follow(id, after=after)]

    async def both() -> list[list[Event]]:
        watching = [asyncio.ensure_future(watch(after)) for after in (0, 2)]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(work)
        return await asyncio.wait_for(asyncio.gather(*watching), 60)

    first, second = asyncio.run(both())
    assert [event.seq for event in first] == list(range(1, 44))
    assert second == first[2:]
    assert first[-1].data == {"state": "done"}


def test_following_what_is_not_there_says_so(place: Place) -> None:
    async def watch() -> None:
        async for _ in place.runs.follow("r_none"):
            pass

    with pytest.raises(NotFoundError):
        asyncio.run(watch())


def test_time_left_goes_by_the_pace_of_the_step_and_what_others_usually_took() -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    begun = iso(at - timedelta(seconds=10))
    now = Step("curate", "running", 20, 100, started=begun)
    done, next_ = Step("collect", "done", seconds=3.0), Step("train")
    assert left([done, now, next_], {"train": 5.0}, at) == 45.0
    assert left([done, now, next_], {}, at) is None
    assert left([Step("train", "running", started=begun)], {"train": 4.0}, at) == 0.0
