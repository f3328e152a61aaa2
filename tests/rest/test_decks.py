"""Decks by REST: adding, switching, turns, review, correcting, forgetting; whose they are."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.standin import Standin, crowd
from tellapart import registry
from tellapart.deck import Deck
from tellapart.demo.drawing import write_folder
from tellapart.errors import MissingExtraError
from tests.rest.conftest import PASSWORD, Served, join, serving

DECKS = "/api/v1/decks"
_N = 60


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin(crowd(_N, words=("apple", "boat"), pictures=1)) as running:
        yield running


@pytest.fixture(scope="module")
def house(standin: Standin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of ada's and eve's that may reach the stand-in service."""
    with serving(standin.settings(home=tmp_path_factory.mktemp("home"))) as running:
        for name in ("ada", "eve"):
            join(running, name)
        yield running


@pytest.fixture(scope="module")
def ada(house: Served) -> Iterator[httpx.Client]:
    with house.client("ada") as client:
        yield client


@pytest.fixture(scope="module")
def things(ada: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An upload of ada's: a zip with one folder a candidate."""
    return _bring(ada, _stream(tmp_path_factory.mktemp("flats")))


@pytest.fixture(scope="module")
def flats(ada: httpx.Client, house: Served, things: str) -> str:
    """A deck of things that has made a dry turn."""
    body = {"name": "flats", "source": "folder", "options": {"path": things}, "people": False}
    made = ada.post(DECKS, json=body)
    assert made.status_code == 201, made.text
    assert made.json()["mode"] == "off" and made.json()["options"] == {"path": things}
    assert ada.post(f"{DECKS}/flats/dry", json={"why": "to see"}).json()["why"] == "to see"
    assert _turn(house, "flats").judged == 12
    return f"{DECKS}/flats"


@pytest.fixture(scope="module")
def people(ada: httpx.Client, house: Served) -> str:
    """A deck of people that has made a dry turn and may be switched on after 50 reviews."""
    body = {"name": "people", "source": "tinder", "options": {"pause": 0}, "people": True}
    made = ada.post(DECKS, json=body)
    assert made.status_code == 201, made.text
    return f"{DECKS}/people"


def _stream(folder: Path, each: int = 6) -> Path:
    """Candidates in folders: half of them apples, half boats."""
    write_folder(folder / "drawn", ["apple", "boat"], each)
    for word in ("apple", "boat"):
        for place, file in enumerate(sorted((folder / "drawn" / word).iterdir())):
            one = folder / "stream" / f"{word}-{place}"
            one.mkdir(parents=True)
            file.rename(one / file.name)
            said = {"name": f"{word} {place}", "bio": "Bright." if place else "", "fields": {}}
            (one / "profile.json").write_text(json.dumps(said))
    return folder / "stream"


def _bring(client: httpx.Client, folder: Path) -> str:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    made = client.post("/api/v1/uploads", params={"name": "s.zip"}, content=out.getvalue())
    assert made.status_code == 201, made.text
    data: str = made.json()["data"]
    return data


def _turn(house: Served, name: str, limit: int | None = None) -> Any:
    """A turn here and now: this server has no worker."""
    desk = house.desks.of(house.people["ada"])
    return Deck.open(desk.engine, desk.settings, name).turn(limit)


def _error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()["error"]
    assert found["what"] and found["expected"] and found["do"]
    return found


def test_a_deck_that_is_shown_as_idle_shows_all_that_its_turn_did(
    ada: httpx.Client, house: Served, things: str
) -> None:
    body = {"name": "watched", "source": "folder", "options": {"path": things}, "people": False}
    assert ada.post(DECKS, json=body).status_code == 201
    assert ada.post(f"{DECKS}/watched/dry").json()["counts"].get("candidates", 0) == 0
    with ThreadPoolExecutor(1) as pool:
        turn = pool.submit(_turn, house, "watched")
        while not turn.done():  # looked at all the while, so that counts amid it are remembered
            seen = ada.get(f"{DECKS}/watched").json()
            if not seen["busy"] and seen["last_turn"]:
                assert seen["counts"]["candidates"] == 12
        assert turn.result().judged == 12
    assert ada.get(f"{DECKS}/watched").json()["counts"]["candidates"] == 12
    listed = ada.get(DECKS).json()["items"]
    assert next(row for row in listed if row["name"] == "watched")["counts"]["candidates"] == 12
    assert ada.delete(f"{DECKS}/watched").status_code == 204


def test_sources_say_what_they_need(ada: httpx.Client) -> None:
    found = {one["name"]: one for one in ada.get(f"{DECKS}/sources").json()["items"]}
    assert {"folder", "jsonl", "http", "tinder"} <= set(found)
    assert found["folder"]["options"][0]["name"] == "path" and found["folder"]["local"]
    assert found["tinder"]["people"] is True and found["tinder"]["least_dry"] == 50
    assert found["tinder"]["needs"][0]["name"] == "token" and "forbid" in found["tinder"]["terms"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": "nosuch"}, "nosuch"),
        ({"options": {}}, "path"),
        ({"options": {"path": "/etc"}}, "path"),
        ({"options": {"path": "upload:up_aaaaaaaaaaaaaaaaaaaa"}}, "up_aaaaaaaaaaaaaaaaaaaa"),
        ({"options": {"path": "THINGS", "deep": 1}}, "deep"),
        ({"policy": {"modell": {}}}, "modell"),
        ({"policy": "model: [a"}, "YAML"),
        ({"project": "nosuch"}, "nosuch"),
        ({"every": 0.2}, "minutes"),
        ({"name": "../x"}, "../x"),
        ({"name": "flats"}, "flats"),
    ],
)
def test_what_cannot_be_added_is_told(
    ada: httpx.Client, flats: str, things: str, changes: dict[str, Any], said: str
) -> None:
    body = {"name": "wrong", "source": "folder", "options": {"path": things}, "people": False}
    if changes.get("options", {}).get("path") == "THINGS":
        changes = {"options": {**changes["options"], "path": things}}
    answer = ada.post(DECKS, json={**body, **changes})
    error = _error(answer, answer.status_code)
    assert answer.status_code in (404, 422) and said in answer.text
    assert bool(error.get("problems")) == (said == "modell")
    assert ada.get(f"{DECKS}/wrong").status_code == 404


def test_a_secret_stays_with_the_host_it_was_given_for(ada: httpx.Client, standin: Standin) -> None:
    """Whoever may change options must not have the token sent to a host of theirs."""
    body = {"name": "far", "source": "http", "options": {"url": standin.deck_url}, "people": True}
    assert ada.post(DECKS, json=body).status_code == 201
    ada.put(f"{DECKS}/far/credentials/token", json={"value": standin.token})
    same = {"options": {"url": standin.deck_url, "pause": 1}}
    assert ada.patch(f"{DECKS}/far", json=same).json()["needs"][0]["have"] is True
    ada.post(f"{DECKS}/far/dry")
    other = {"options": {"url": "https://collector.example.org/deck"}}
    moved = ada.patch(f"{DECKS}/far", json=other).json()
    assert moved["needs"][0]["have"] is False and moved["mode"] == "off"
    ada.delete(f"{DECKS}/far")


def test_a_deck_outlives_its_source(
    ada: httpx.Client, things: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"name": "orphan", "source": "folder", "options": {"path": things}, "people": False}
    ada.post(DECKS, json=body)
    ada.post(f"{DECKS}/orphan/dry")
    load = registry.load

    def gone(door: Any, name: str) -> Any:
        if door == "deck":
            raise MissingExtraError("It is gone.", expected="it", do="Install it.")
        return load(door, name)

    with monkeypatch.context() as patched:
        patched.setattr(registry, "load", gone)
        shown = ada.get(f"{DECKS}/orphan").json()
        assert shown["mode"] == "dry" and "not installed" in shown["may_on"][0]
        assert ada.get(DECKS).status_code == 200
        assert ada.post(f"{DECKS}/orphan/off").json()["mode"] == "off"
        assert ada.get(f"{DECKS}/orphan/progress").json()["least_dry"] == 0
    assert ada.delete(f"{DECKS}/orphan").status_code == 204


def test_a_list_is_a_stream_too(ada: httpx.Client, house: Served) -> None:
    """A list of candidates comes as an upload; paths in it lead nowhere but beside it."""
    rows = [{"id": "1", "name": "One", "pictures": ["/etc/passwd", "../../x.png"]}]
    text = "\n".join(json.dumps(row) for row in rows)
    made = ada.post("/api/v1/uploads", params={"name": "stream.jsonl"}, content=text.encode())
    assert made.status_code == 201 and made.json()["kind"] == "list", made.text
    options = {"path": made.json()["data"]}
    body = {"name": "listed", "source": "jsonl", "options": options, "people": False}
    assert ada.post(DECKS, json=body).status_code == 201
    ada.post(f"{DECKS}/listed/dry")
    _turn(house, "listed")
    one = ada.get(f"{DECKS}/listed/results").json()["items"][0]
    assert one["name"] == "One" and not any(each["kept"] for each in one["pictures"])
    assert one["verdict"]["action"] in ("pass", "leave")
    ada.delete(f"{DECKS}/listed")


def test_a_deck_is_off_until_somebody_switches_it(
    ada: httpx.Client, things: str, house: Served
) -> None:
    body = {"name": "idle", "source": "folder", "options": {"path": things}, "people": False}
    ada.post(DECKS, json=body)
    assert "is off" in _error(ada.post(f"{DECKS}/idle/run"), 422)["what"]
    row = next(one for one in ada.get(DECKS).json()["items"] if one["name"] == "idle")
    assert (row["mode"], row["last_turn"], row["error"]) == ("off", None, None)
    assert ada.patch(f"{DECKS}/idle", json={"every": 30, "title": "Idle"}).json()["every"] == 30
    page = ada.get(DECKS, params={"limit": 1}).json()
    assert page["next"] and page["total"] >= 2
    rest = ada.get(DECKS, params={"limit": 200, "after": page["next"]}).json()
    assert page["items"][0]["name"] not in [one["name"] for one in rest["items"]]
    assert ada.delete(f"{DECKS}/idle").status_code == 204
    assert ada.get(f"{DECKS}/idle").status_code == 404


def test_a_turn_is_queued_once_and_cancelled_as_a_run(ada: httpx.Client, flats: str) -> None:
    key = {"Idempotency-Key": "one turn"}
    first = ada.post(f"{flats}/run", json={"limit": 3}, headers=key)
    assert first.status_code == 202 and first.json()["state"] == "queued"
    run = first.json()["run"]
    assert ada.post(f"{flats}/run", json={"limit": 3}, headers=key).json()["run"] == run
    assert ada.get(flats).json()["busy"] is True
    assert ada.get(f"{flats}/turns").json()["items"][0]["run"] == run
    assert ada.get(f"/api/v1/runs/{run}").json()["kind"] == "turn"
    assert run not in ada.get("/api/v1/runs").text
    assert ada.post(f"/api/v1/runs/{run}/cancel").json()["state"] == "cancelled"
    assert ada.get(flats).json()["busy"] is False


def test_results_say_what_was_decided_and_why(ada: httpx.Client, flats: str) -> None:
    page = ada.get(f"{flats}/results", params={"limit": 5}).json()
    assert page["total"] == 12 and len(page["items"]) == 5
    one = page["items"][0]
    verdict = one["verdict"]
    assert verdict["mode"] == "dry" and verdict["outcome"] == "none" and verdict["reason"]
    assert one["pictures"][0]["sha256"]
    seen = [one["id"] for one in page["items"]]
    while page["next"]:
        page = ada.get(f"{flats}/results", params={"limit": 5, "after": page["next"]}).json()
        seen += [one["id"] for one in page["items"]]
    assert len(seen) == len(set(seen)) == 12 and seen == sorted(seen, reverse=True)
    assert ada.get(f"{flats}/results", params={"q": "apple 3"}).json()["total"] == 1
    assert ada.get(f"{flats}/results", params={"action": "super_like"}).json()["total"] == 0
    assert ada.get(f"{flats}/results", params={"rule": verdict["rule"]}).json()["total"] >= 1
    assert ada.get(f"{flats}/results", params={"outcome": "gone"}).status_code == 422
    whole = ada.get(f"{flats}/candidates/{one['id']}").json()
    assert whole["id"] == one["id"] and whole["ref"] == one["ref"]


def test_pictures_are_shown_small_whole_and_with_their_heat(ada: httpx.Client, flats: str) -> None:
    one = ada.get(f"{flats}/results").json()["items"][0]
    base = f"{flats}/candidates/{one['id']}/pictures/0"
    small = ada.get(base, params={"size": 96, "v": one["pictures"][0]["sha256"]})
    assert small.headers["content-type"] == "image/jpeg"
    assert small.headers["cache-control"] == "private, no-cache"  # it may be forgotten
    again = ada.get(base, params={"size": 96}, headers={"If-None-Match": small.headers["etag"]})
    assert again.status_code == 304
    whole = ada.get(f"{base}/original")
    assert whole.headers["content-type"].startswith("image/") and len(whole.content) > 100
    assert ada.get(f"{flats}/candidates/{one['id']}/pictures/7").status_code == 404
    assert ada.get(f"{flats}/candidates/c_nosuch/pictures/0").status_code == 404


def test_review_correct_retrain_roll_back(ada: httpx.Client, flats: str) -> None:
    first = ada.get(f"{flats}/review", params={"limit": 2}).json()
    assert len(first["items"]) == 2 and first["items"][0]["because"]
    skipped = ada.get(f"{flats}/review", params={"skip": first["items"][0]["id"]}).json()
    assert first["items"][0]["id"] not in [one["id"] for one in skipped["items"]]
    id = first["items"][0]["id"]
    answer = ada.post(f"{flats}/candidates/{id}/label", json={"label": "like"}).json()
    assert (answer["labels"], answer["likes"]) == (1, 1)
    again = ada.post(f"{flats}/candidates/{id}/label", json={"label": "like"}).json()
    assert again["labels"] == 1
    back = ada.post(f"{flats}/undo").json()
    assert back["items"][0]["id"] == id and back["progress"]["labels"] == 0
    assert _error(ada.post(f"{flats}/undo"), 422)
    bad = ada.post(f"{flats}/candidates/{id}/label", json={"label": "love"})
    assert bad.status_code == 422
    everything = ada.get(f"{flats}/results", params={"limit": 50}).json()["items"]
    for one in everything:
        said = "like" if one["name"].startswith("apple") else "pass"
        ada.post(f"{flats}/candidates/{one['id']}/label", json={"label": said})
    head = ada.post(f"{flats}/retrain")
    assert head.status_code == 200, head.text
    assert head.json()["labels"] > 0 and head.json()["why"]
    apple = next(one for one in everything if one["name"].startswith("apple"))
    done = ada.post(f"{flats}/candidates/{apple['id']}/correct", json={"label": "like"})
    assert done.status_code == 200, done.text
    assert done.json()["candidate"]["label"] == "like" and done.json()["head"]
    heads = ada.get(f"{flats}/heads").json()["items"]
    assert heads and sum(one["state"] == "champion" for one in heads) <= 1
    rolled = ada.post(f"{flats}/rollback")
    assert rolled.status_code in (200, 422), rolled.text


def test_a_policy_is_tried_before_it_is_applied(ada: httpx.Client, flats: str) -> None:
    shown = ada.get(f"{flats}/policy").json()
    assert shown["policy"] == shown["default"] and shown["says"] and shown["schema"]
    same = ada.post(f"{flats}/replay").json()
    assert (same["candidates"], same["changed"], same["rows"]) == (12, 0, [])
    wanted = "accept_all: true\n"
    tried = ada.post(f"{flats}/replay", json={"policy": wanted, "limit": 2}).json()
    assert tried["candidates"] == 12
    assert tried["changed"] + tried["same"] + tried["unsaid"] == 12
    assert ada.get(f"{flats}/policy").json()["policy"] == shown["policy"]  # only tried
    done = ada.put(f"{flats}/policy", json={"policy": wanted})
    assert done.status_code == 200 and done.json()["policy"]["accept_all"] is True
    read = ada.put(f"{flats}/policy", json={"policy": done.json()["text"]})
    assert read.json()["policy"] == done.json()["policy"]  # what is shown can be sent back
    wrong = ada.put(f"{flats}/policy", json={"policy": {"model": {"threshold": 7}}})
    assert _error(wrong, 422)["problems"][0]["path"] == "model.threshold"
    ada.put(f"{flats}/policy", json={"policy": {}})


def test_no_way_leads_around_the_duties_to_people(
    ada: httpx.Client, house: Served, standin: Standin, people: str
) -> None:
    """`on` is refused until terms, token and fifty reviews are there; people stay people."""
    refused = _error(ada.post(f"{people}/on"), 422)
    shown = ada.get(people).json()
    assert len(shown["may_on"]) >= 2 and shown["least_dry"] == 50
    assert all(reason in refused["what"] + refused["expected"] for reason in shown["may_on"])
    assert ada.patch(people, json={"people": False}).status_code == 422
    body = {"name": "trick", "source": "tinder", "options": {"pause": 0}, "people": False}
    trick = ada.post(DECKS, json=body)
    assert trick.status_code == 422 or trick.json()["people"] is True
    assert ada.post(f"{people}/confirm").json()["confirmed"]
    secret = f"{people}/credentials/token"
    stored = ada.put(secret, json={"value": standin.token})
    assert stored.json()["needs"][0]["have"] is True and standin.token not in stored.text
    assert standin.token not in ada.get(people).text + ada.get("/api/v1/me/export").text
    assert ada.put(f"{people}/credentials/other", json={"value": "x"}).status_code == 404
    assert ada.post(f"{people}/dry").json()["mode"] == "dry"
    report = _turn(house, "people")
    assert report.judged >= 50 and standin.acts() == []
    ids = [one["id"] for one in ada.get(f"{people}/results", params={"limit": 200}).json()["items"]]
    for id in ids[:49]:
        ada.post(f"{people}/candidates/{id}/label", json={"label": "pass"})
    assert "49" in _error(ada.post(f"{people}/on"), 422)["what"] + str(
        ada.get(people).json()["may_on"]
    )
    ada.post(f"{people}/candidates/{ids[49]}/label", json={"label": "pass"})
    on = ada.post(f"{people}/on")
    assert on.status_code == 200 and on.json()["mode"] == "on", on.text
    assert ada.request("DELETE", secret).json()["mode"] == "off"
    assert ada.request("DELETE", f"{people}/confirm").json()["confirmed"] == ""
    assert ada.post(f"{people}/on").status_code == 422
    assert standin.acts() == []


def test_a_forgotten_candidate_is_gone_and_certified(ada: httpx.Client, flats: str) -> None:
    one = ada.get(f"{flats}/results", params={"q": "boat 5"}).json()["items"][0]
    done = ada.request("DELETE", f"{flats}/candidates/{one['id']}")
    assert done.status_code == 200, done.text
    assert done.json()["certificate"]["removed"]
    assert ada.get(f"{flats}/candidates/{one['id']}").status_code == 404
    assert ada.request("DELETE", f"{flats}/candidates/{one['id']}").status_code == 404


def test_a_project_is_kept_while_a_deck_belongs_to_it(ada: httpx.Client, things: str) -> None:
    ada.post("/api/v1/projects", json={"recipe": {"classes": ["a", "b"], "name": "base"}})
    body = {"name": "based", "source": "folder", "options": {"path": things}, "people": False}
    assert ada.post(DECKS, json={**body, "project": "base"}).json()["project"] == "base"
    assert ada.patch(f"{DECKS}/based", json={"project": "nosuch"}).status_code == 404
    assert ada.patch(f"{DECKS}/based", json={"deeper": 30}).json()["deeper"] == 30
    refused = _error(ada.delete("/api/v1/projects/base"), 409)
    assert "based" in refused["what"]
    assert ada.patch(f"{DECKS}/based", json={"project": ""}).json()["project"] == ""
    assert ada.delete("/api/v1/projects/base").status_code == 204
    ada.delete(f"{DECKS}/based")


def test_a_closed_accounts_decks_go_off(house: Served) -> None:
    join(house, "una")
    with house.client("una") as una:
        path = Path(house.desks.of(house.people["una"]).uploads).parent / "made"
        options = {"path": _bring(una, _stream(path, 1))}
        body = {"name": "mine", "source": "folder", "options": options, "people": False}
        una.post(DECKS, json=body)
        assert una.post(f"{DECKS}/mine/dry").json()["mode"] == "dry"
        house.desks.accounts.set_closed(house.people["una"], True)
        assert una.get(f"{DECKS}/mine").status_code == 401
        house.desks.accounts.set_closed(house.people["una"], False)
        shown = una.get(f"{DECKS}/mine").json()
        assert shown["mode"] == "off" and "closed" in shown["why"]
        log = una.get(f"{DECKS}/mine/log", params={"kind": "switch"}).json()["items"]
        assert [one["data"]["mode"] for one in log] == ["off", "dry"]


def test_an_account_takes_its_decks_along_and_leaves_none(house: Served) -> None:
    join(house, "tim")
    with house.client("tim") as tim, contextlib.closing(house.browser("tim")) as person:
        path = Path(house.desks.of(house.people["tim"]).uploads).parent / "made"
        things = _bring(tim, _stream(path, 2))
        body = {"name": "mine", "source": "folder", "options": {"path": things}, "people": False}
        assert tim.post(DECKS, json=body).status_code == 201
        with zipfile.ZipFile(io.BytesIO(tim.get("/api/v1/me/export").content)) as archive:
            assert "decks/mine/deck.json" in archive.namelist()
        gone = person.request("DELETE", "/api/v1/me", json={"password": PASSWORD})
        assert gone.status_code in (200, 204), gone.text
    join(house, "tim")
    with house.client("tim") as tim:
        assert tim.get(DECKS).json()["items"] == []


def test_one_account_has_no_place_for_hundreds(
    house: Served, things: str, ada: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tellapart.runtime.desk.decks.MOST_DECKS", 0)
    body = {"name": "more", "source": "folder", "options": {"path": things}, "people": False}
    assert _error(ada.post(DECKS, json=body), 429)["code"] == "request"
