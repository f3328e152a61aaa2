"""Real workers, real drawn pictures: runs end, are cancelled, taken over, retried, told of."""

from __future__ import annotations

import io
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tellapart.demo.drawing import draw
from tellapart.mail import Outbox
from tellapart.runtime import Request, Run
from tests.runtime.conftest import PATIENCE, Place, ended, until

Hire = Callable[[Place], subprocess.Popen[str]]
pytestmark = pytest.mark.slow


def _picture() -> bytes:
    file = io.BytesIO()
    draw("apple", 99).save(file, "PNG")
    return file.getvalue()


def _ask(place: Place, name: str, data: Path, **more: object) -> Run:
    recipe = {"name": name, "data": str(data)}
    return place.runs.submit(Request(recipe=recipe, **more))  # type: ignore[arg-type]


def _begun(place: Place, id: str) -> dict[str, int]:
    """How often each step was begun."""
    texts = [event.data.get("text", "") for event in place.runs.events(id, limit=5000)]
    words = [text.split()[0] for text in texts if text.endswith(" begins")]
    return {word: words.count(word) for word in words}


def _remembered(place: Place) -> list[str]:
    with closing(sqlite3.connect(place.settings.home / "runs.sqlite")) as found:
        return [id for (id,) in found.execute("SELECT workflow_uuid FROM workflow_status")]


def test_a_run_goes_through_killed_workers_and_a_restarted_one(
    shop: Place, hire: Hire, drawn: Path
) -> None:
    notify = {"email": "you@example.org"}
    one = _ask(shop, "one", drawn, test_picture=_picture(), notify=notify)
    first = hire(shop)
    until(shop.runs, one.id, lambda run: run.step in ("curate", "split", "train", "evaluate"))
    [spawned] = [
        child
        for child in psutil.Process(first.pid).children()
        if "tellapart.worker" in child.cmdline()
    ]
    first.kill()
    first.wait(30)
    spawned.wait(30)  # it outlives nobody
    second = hire(shop)
    run = until(shop.runs, one.id, lambda run: f"_{second.pid}_" in run.worker)
    assert run.attempt == 2
    until(shop.runs, one.id, lambda run: run.step in ("evaluate", "compile", "package"))
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE) == 0
    assert shop.runs.get(one.id).state == "queued"  # given back, not left to be missed
    assert shop.runs.overview()["workers"] == []
    third = hire(shop)
    run = ended(shop.runs, one.id)
    assert (run.state, run.attempt, run.error) == ("done", 3, None)
    assert run.result is not None and run.verdict is not None
    assert run.result["bundle"] == "one-1.zip" and run.result["version"] == 1
    assert run.verdict["label"] == "apple" and run.verdict["probability"] > 0.5
    assert [step.state for step in run.steps] == ["done"] * 8
    begun = _begun(shop, run.id)
    assert set(begun) == {step.name for step in run.steps}
    assert begun["collect"] == 1 and sum(begun.values()) <= len(run.steps) + 2
    # No server to mail to: the mail is refused with its reason, and the run is done all the same.
    posted = Outbox(shop.engine, shop.settings).get(run.id)
    assert posted is not None and posted.state == run.mail == "refused" and posted.reason
    third.send_signal(signal.SIGINT)
    assert third.wait(PATIENCE) == 0
    # A deleted run is forgotten by the durable engine too, as soon as a worker tidies up.
    assert _remembered(shop) == [one.id]
    shop.runs.delete(id=one.id)
    fourth = hire(shop)
    end = time.monotonic() + PATIENCE
    while _remembered(shop):
        assert time.monotonic() < end
        time.sleep(0.2)
    fourth.send_signal(signal.SIGTERM)
    assert fourth.wait(PATIENCE) == 0


def test_failure_retry_cancel_and_a_process_that_dies(
    shop: Place, hire: Hire, drawn: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn / "apple", data / "apple")
    shutil.copytree(drawn / "boat", data / "boat")
    worker = hire(shop)

    # Its data go before it begins: a failure in three parts, told, and gone on with.
    moved = data.with_name("moved")
    run = _ask(shop, "mended", data, notify={"email": "you@example.org"})
    data.rename(moved)
    failed = ended(shop.runs, run.id)
    assert failed.state == "failed" and failed.error is not None
    assert all(failed.error[part] for part in ("code", "what", "expected", "do"))
    told = Outbox(shop.engine, shop.settings).get(f"{run.id}-0")
    assert told is not None
    assert shop.runs.overview()["errors"][0]["id"] == run.id
    moved.rename(data)
    shop.runs.retry(run.id)

    # The spawned process dies, as when memory runs out: the step is taken again by itself.
    until(shop.runs, run.id, lambda run: run.step in ("curate", "train", "evaluate"))
    for child in psutil.Process(worker.pid).children():
        if "tellapart.worker" in child.cmdline():
            child.kill()
    done = ended(shop.runs, run.id)
    assert (done.state, done.error, done.retries) == ("done", None, 1)
    texts = [event.data.get("text", "") for event in shop.runs.events(run.id, limit=5000)]
    assert any("process died: taken again" in text for text in texts)

    # Cancelled amid a step, then gone on with.
    run = _ask(shop, "cancelled", data)
    until(shop.runs, run.id, lambda run: run.step in ("collect", "curate"))
    assert shop.runs.cancel(run.id).asked == "cancel"
    stopped = ended(shop.runs, run.id)
    assert stopped.state == "cancelled" and stopped.step == ""
    assert not [c for c in psutil.Process(worker.pid).children() if "worker" in c.cmdline()]
    shop.runs.retry(run.id)
    assert ended(shop.runs, run.id).state == "done"


def test_the_same_on_postgresql(
    tmp_path: Path, hire: Hire, drawn: Path, shop: Place, postgres_url: str
) -> None:
    from tellapart.runtime import Runs
    from tellapart.store.database import open_database

    settings = replace(shop.settings, home=tmp_path / "home", database_url=postgres_url)
    shutil.copytree(shop.settings.cache_dir, settings.cache_dir)
    engine = open_database(settings)
    place = Place(settings, engine, Runs(engine, settings))
    run = _ask(place, "one", drawn)
    first = hire(place)
    until(place.runs, run.id, lambda run: run.step not in ("", "collect"))
    first.kill()
    first.wait(30)
    hire(place)
    done = ended(place.runs, run.id)
    engine.dispose()
    assert (done.state, done.attempt) == ("done", 2)
    assert not (settings.home / "runs.sqlite").exists()
