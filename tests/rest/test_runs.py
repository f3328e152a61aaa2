"""Runs over REST: queued once, watched from where one was cut off, ended, counted by quota."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tellapart.runtime import queue
from tellapart.settings import Settings
from tellapart.store import database
from tests.rest.conftest import Served, draw, join, serving, upload

WORDS = {"recipe": {"classes": ["robin", "wren"], "name": "birds", "per_class": 5}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without a worker: runs wait, and what happens to them is written by hand."""
    with serving(Settings(home=tmp_path_factory.mktemp("home"))) as running:
        for name in ("ada", "eve"):
            join(running, name)
        yield running


@pytest.fixture
def ada(served: Served) -> Iterator[httpx.Client]:
    with served.client("ada") as client:
        yield client


def _happens(served: Served, run: str, *texts: str, state: str = "") -> None:
    with database.writing(served.desks.engine) as connection:
        for text in texts:
            queue.append(connection, run, "log", {"text": text})
        if state:
            queue.append(connection, run, "state", {"state": state}, values={"state": state})


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    for line in lines:
        key, _, value = line.partition(": ")
        if not line and "data" in event:
            yield event
            event = {}
        elif key in ("event", "id", "data"):
            event[key] = json.loads(value) if key == "data" else value


def test_a_request_sent_twice_is_queued_once(ada: httpx.Client) -> None:
    headers = {"Idempotency-Key": "form 1"}
    first = ada.post("/api/v1/runs", json=WORDS, headers=headers)
    assert first.status_code == 202
    assert first.headers["location"] == f"/api/v1/runs/{first.json()['id']}"
    again = ada.post("/api/v1/runs", json=WORDS, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    other = ada.post("/api/v1/runs", json={**WORDS, "upto": "collect"}, headers=headers)
    assert other.status_code == 422  # the key is another request's
    assert len(ada.get("/api/v1/runs").json()["items"]) == 1
    with_new_key = ada.post("/api/v1/runs", json=WORDS, headers={"Idempotency-Key": "form 2"})
    assert with_new_key.json()["id"] != first.json()["id"]


def test_a_key_of_a_run_outlives_the_server(served: Served, ada: httpx.Client) -> None:
    headers = {"Idempotency-Key": "kept"}
    first = ada.post("/api/v1/runs", json=WORDS, headers=headers).json()["id"]
    desk = served.desks.of(served.people["ada"])
    assert desk.submit(WORDS["recipe"], key="kept").id == first
    eve = served.desks.of(served.people["eve"])
    assert eve.submit(WORDS["recipe"], key="kept").id != first


def test_at_the_same_time_it_is_done_once_too(served: Served) -> None:
    statuses: list[tuple[int, str]] = []

    def send() -> None:
        with served.client("ada") as client:
            headers = {"Idempotency-Key": "at once"}
            answer = client.post(
                "/api/v1/projects", json={"recipe": {"classes": ["p", "q"]}}, headers=headers
            )
            statuses.append((answer.status_code, answer.text))

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _ in statuses} <= {201, 409}
    assert [status for status, _ in statuses].count(201) >= 1
    assert not any("there is a project" in text.lower() for _, text in statuses)


def test_runs_are_listed_newest_first_by_page(ada: httpx.Client) -> None:
    made = [ada.post("/api/v1/runs", json=WORDS).json()["id"] for _ in range(3)]
    page = ada.get("/api/v1/runs", params={"limit": 2}).json()
    assert [run["id"] for run in page["items"]] == made[:0:-1]
    rest = ada.get("/api/v1/runs", params={"limit": 1, "after": page["next"]}).json()
    assert rest["items"][0]["id"] == made[0]
    queued = ada.get("/api/v1/runs", params={"state": ["done", "failed"]}).json()
    assert queued["items"] == []
    assert ada.get("/api/v1/runs", params={"state": "stuck"}).status_code == 422
    assert "owner" not in page["items"][0]


def test_a_stream_goes_on_where_it_was_cut_off(served: Served, ada: httpx.Client) -> None:
    run = ada.post("/api/v1/runs", json=WORDS).json()["id"]
    _happens(served, run, "one", "two", "three")
    url, accept = f"/api/v1/runs/{run}/events", {"Accept": "text/event-stream"}
    with ada.stream("GET", url, headers=accept) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        seen = []
        for event in _events(answer.iter_lines()):
            seen.append(event)
            if event["data"]["data"].get("text") == "two":
                break
    last = seen[-1]["id"]
    assert seen[-1]["data"]["seq"] == int(last)

    def later() -> None:
        _happens(served, run, "four", state="cancelled")

    timer = threading.Timer(0.5, later)
    timer.start()
    with ada.stream("GET", url, headers={**accept, "Last-Event-ID": last}) as answer:
        rest = list(_events(answer.iter_lines()))
    timer.join()
    texts = [event["data"]["data"].get("text") for event in rest if event["event"] == "log"]
    assert texts == ["three", "four"]
    assert rest[-1]["event"] == "end" and rest[-1]["data"]["state"] == "cancelled"
    listed = ada.get(url, params={"after": last}).json()["items"]
    assert [one["seq"] for one in listed] == [one["data"]["seq"] for one in rest[:-1]]
    assert ada.get(url, params={"limit": 1}).json()["next"] == "1"


def test_a_stream_ends_when_its_token_does(
    served: Served, ada: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tellapart.rest.events._ALIVE", 0.2)
    run = ada.post("/api/v1/runs", json=WORDS).json()["id"]
    tokens, account = served.desks.accounts.tokens, served.people["ada"]
    plain = tokens.create(account, "short", ["read"])
    with (
        served.client(token=plain) as client,
        client.stream(
            "GET", f"/api/v1/runs/{run}/events", headers={"Accept": "text/event-stream"}
        ) as answer,
    ):
        lines = answer.iter_lines()
        assert any(line == ": alive" for line in lines)
        tokens.revoke(account, next(one.id for one in tokens.of(account) if one.name == "short"))
        assert not any(line.startswith("event: end") for line in lines)


def test_runs_are_cancelled_and_asked_for_again(ada: httpx.Client) -> None:
    run = ada.post("/api/v1/runs", json=WORDS).json()["id"]
    assert ada.post(f"/api/v1/runs/{run}/stop").status_code == 422  # nothing is being trained
    assert ada.post(f"/api/v1/runs/{run}/cancel").json()["state"] == "cancelled"
    assert ada.post(f"/api/v1/runs/{run}/cancel").status_code == 202
    assert ada.post(f"/api/v1/runs/{run}/retry").json()["state"] == "queued"
    ada.post(f"/api/v1/runs/{run}/cancel")


def test_a_step_is_a_verb_of_its_project(served: Served, ada: httpx.Client) -> None:
    ada.post("/api/v1/projects", json=WORDS)
    run = ada.post("/api/v1/projects/birds/curate").json()
    assert (run["project"], run["upto"], run["kind"]) == ("birds", "curate", "retrain")
    assert ada.post("/api/v1/projects/nosuch/curate").status_code == 404
    busy = ada.delete("/api/v1/projects/birds")
    assert busy.status_code == 409 and "Cancel the run" in busy.json()["error"]["do"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "Neither a recipe nor a project"),
        ({"recipe": {"classes": ["one"]}}, "classes"),
        ({"recipe": "classes: [a, b"}, "not valid YAML"),
        ({**WORDS, "upto": "sell"}, "no step"),
        ({**WORDS, "email": "somebody@else.example"}, "somebody@else.example"),
        ({**WORDS, "webhook": "ftp://x"}, "webhook"),
        ({**WORDS, "test_picture": "no address"}, "test picture"),
        ({**WORDS, "test_picture": "upload:up_nothing"}, "up_nothing"),
        ({"recipe": {"data": "/etc"}}, "files of the server"),
        ({"recipe": {"data": "../../secret.csv"}}, "files of the server"),
        ({"recipe": {"data": "upload:up_aaaaaaaaaaaaaaaaaaaa"}}, "up_aaaaaaaaaaaaaaaaaaaa"),
        ({"recipe": {"classes": ["a", "b"], "train": {"weights": "/etc/passwd"}}}, "/etc/passwd"),
        (
            {"recipe": {"classes": ["a", "b"], "sources": [{"urls": {"file": "/etc/passwd"}}]}},
            "/etc/passwd",
        ),
        ({"recipe": {"data": "project:nosuch"}}, "nosuch"),
    ],
)
def test_what_cannot_be_made_is_told_before_it_is_queued(
    ada: httpx.Client, body: dict[str, Any], said: str
) -> None:
    before = len(ada.get("/api/v1/runs", params={"limit": 200}).json()["items"])
    answer = ada.post("/api/v1/runs", json=body)
    assert answer.status_code in (404, 422), answer.text
    assert said in answer.text
    assert len(ada.get("/api/v1/runs", params={"limit": 200}).json()["items"]) == before


def test_my_own_upload_is_data_and_anothers_is_not(served: Served, ada: httpx.Client) -> None:
    mine = upload(served.desks.of(served.people["ada"]).uploads, "mine")
    theirs = upload(served.desks.of(served.people["eve"]).uploads, "theirs")
    for folder in (mine, theirs):
        draw(folder, {"a": 1, "b": 1})
    answer = ada.post("/api/v1/runs", json={"recipe": {"data": str(mine), "name": "mine"}})
    assert answer.status_code == 202, answer.text
    run = ada.get(f"/api/v1/runs/{answer.json()['id']}").json()
    assert run["recipe"]["data"] == answer.json()["recipe"]["data"] == f"upload:{mine.name}"
    assert str(mine) not in ada.get("/api/v1/runs").text
    for path in (str(theirs), f"{mine}/../../../{theirs.parent.parent.name}/uploads/{theirs.name}"):
        refused = ada.post("/api/v1/runs", json={"recipe": {"data": path, "name": "not-mine"}})
        assert refused.status_code == 422, refused.text


def test_quotas_are_said_before_the_work(served: Served) -> None:
    accounts = served.desks.accounts
    join(served, "tim")
    accounts.set_quota(served.people["tim"], runs_a_day=2, pictures=50)
    with served.client("tim") as client:
        large = {"recipe": {"classes": ["a", "b"], "per_class": 26}}
        answer = client.post("/api/v1/runs", json=large)
        assert answer.status_code == 429 and "at most 50" in answer.json()["error"]["expected"]
        assert [client.post("/api/v1/runs", json=WORDS).status_code for _ in range(3)] == [
            202,
            202,
            429,
        ]
        usage = client.get("/api/v1/me").json()["usage"]
        assert usage["runs_today"] == 2 and usage["runs_active"] == 2


def test_changes_count_from_the_accounts_uploads(served: Served, ada: httpx.Client) -> None:
    """Not from the folder that the server happens to run in, where others' uploads may lie."""
    made = ada.post("/api/v1/projects", json={"recipe": {"classes": ["a", "b"], "name": "mine"}})
    assert made.status_code == 201
    changes = {"data": "accounts", "classes": "auto"}
    assert ada.patch("/api/v1/projects/mine", json=changes).status_code == 200
    desk = served.desks.of(served.people["ada"])
    assert desk.open("mine").recipe.data == desk.uploads / "accounts"
