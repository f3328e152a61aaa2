"""The queue from the terminal, here and at a server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tellapart.cli.entry import main
from tellapart.demo.drawing import write_folder
from tellapart.runtime import Request, Runs, queue
from tellapart.runtime.recording import Recorder
from tellapart.runtime.shapes import iso
from tellapart.settings import Settings
from tellapart.steps import Progress
from tellapart.store.database import open_database

if TYPE_CHECKING:
    from benchmarks.running_app import App


@pytest.fixture
def runs(settings: Settings) -> Iterator[Runs]:
    engine = open_database(settings)
    yield Runs(engine, settings)
    engine.dispose()


def _ask(runs: Runs, name: str = "fruit") -> str:
    return runs.submit(Request(recipe={"name": name, "classes": ["apple", "pear"]})).id


def _said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_list_show_cancel_retry_status(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = _ask(runs), _ask(runs, "boats")
    assert [run["id"] for run in _said(capsys, "runs", "list")["runs"]] == [second, first]
    assert _said(capsys, "runs", "list", "--project", "boats")["runs"][0]["ahead"] == 1
    assert _said(capsys, "runs", "cancel", first)["state"] == "cancelled"
    assert _said(capsys, "runs", "retry", first)["retries"] == 1
    assert _said(capsys, "runs", "stop", first, code=2)["error"]["do"]
    assert _said(capsys, "runs", "show", "r_none", code=3)["error"]["code"] == "not_found"
    assert _said(capsys, "runs", "show", "r_", code=2)["error"]["code"] == "input"
    found = _said(capsys, "status")
    assert (found["queued"], found["running"], found["workers"]) == (2, 0, [])
    assert main(["status"]) == 0
    assert "nobody works" in capsys.readouterr().out
    assert main(["runs", "show", first]) == 0
    assert "fruit  queued" in capsys.readouterr().out
    assert main(["worker", "--at-once", "0"]) == 2


def test_follow_shows_a_run_and_ends_as_it_does(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    id = _ask(runs)

    def work() -> None:
        time.sleep(0.5)
        queue.claim(runs.engine, "w")
        steps = [dict(vars(step)) for step in runs.get(id).steps]
        recorder = Recorder(runs.engine, id, "w", steps, pytest.fail)
        recorder.begin("train")
        recorder.progress(Progress("train", 0, None, signal="built", figures={"layers": 2}))
        recorder.progress(Progress("train", 1, 2, figures={"loss": 0.5, "epoch": 1}))
        recorder.progress(Progress("train", 2, 2))
        recorder.end("train", 1.0)
        error = {"code": "data", "what": "Too few.", "expected": "more", "do": "Add some."}
        recorder.state("failed", ended_at=iso(datetime.now(UTC)), worker="", error=error)

    thread = threading.Thread(target=work)
    thread.start()
    code = main(["runs", "follow", id[:21]])
    thread.join(30)
    said = capsys.readouterr().err
    assert code == 4 and "Too few." in said and "do next:  Add some." in said
    assert "the run is running" in said and "train" in said


def test_a_server_is_asked_instead(
    own_app: App, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "far"
    write_folder(folder, ["apple", "boat"], 6)
    at = ("--server", own_app.url)
    error = _said(capsys, "make", "one", *at, code=2)["error"]
    assert error["code"] == "recipe" and error["problems"]
    assert _said(capsys, "make", "a", "b", *at, "--out", "x", code=2)["error"]["do"]
    assert _said(capsys, "run", str(tmp_path / "none.yaml"), *at, code=2)["error"]["do"]
    assert _said(capsys, "make", "a", "b", "--server", "here", code=2)["error"]["code"] == "input"
    assert not home.exists() or not any((home / "projects").glob("*"))
    out = tmp_path / "out.zip"
    done = _said(capsys, "train", str(folder), *at, "--follow", "--out", str(out))
    assert done["state"] == "done" and done["project"] == "far" and done["file"] == str(out)
    assert _said(capsys, "verify", str(out))
