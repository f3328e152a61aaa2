"""The workbench over REST: looks, acts and their undoing, a better query, what collecting gave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.rest.conftest import Served, make, upload
from tests.workbench.conftest import CARDS, plant

PROJECT = "/api/v1/projects/planted"
BASE = f"{PROJECT}/curation"


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    """Somebody with a project whose faults were planted."""
    desk = served.desks.of(served.people["eve"])
    plant(upload(desk.uploads, "planted"))
    make(served, "eve", "planted")
    with served.client("eve") as opened:
        yield opened


def _logos(client: httpx.Client) -> dict[str, Any]:
    found = client.get(f"{BASE}/clusters", params={"label": "apple"}).json()["items"]
    parts = [part for one in found for part in one["clusters"]]
    return next(part for part in parts if part["name"].startswith("logo"))


def test_a_cluster_is_set_aside_as_a_whole_and_taken_back(client: httpx.Client) -> None:
    part = _logos(client)
    assert part["size"] == CARDS and part["suspect"] and "ids" not in part
    whole = client.get(f"{BASE}/clusters/{part['key']}").json()
    assert len(whole["ids"]) == CARDS and {*part["typical"]} <= {*whole["ids"]}
    kept = client.get(f"{PROJECT}/counts").json()["kept"]
    done = client.post(f"{BASE}/acts", json={"verb": "drop", "cluster": part["key"]}).json()
    assert done["changed"] == CARDS and done["better"]["exclude"] == ["logo"]
    assert done["counts"]["kept"] == kept - part["kept"]
    log = client.get(f"{BASE}/acts").json()["items"]
    assert log[0]["number"] == done["act"]["number"] and not log[0]["undone_at"]
    back = client.post(f"{BASE}/acts/undo", json={"number": log[0]["number"]}).json()
    assert back["changed"] == CARDS and back["counts"]["kept"] == kept
    assert client.get(f"{BASE}/acts").json()["items"][0]["undone_at"]
    client.post(f"{BASE}/acts/redo", json={})
    assert client.get(f"{PROJECT}/counts").json()["kept"] == kept - part["kept"]
    client.post(f"{BASE}/acts/undo", json={})
    for wrong in ("0123456789ab", "x"):
        status = client.get(f"{BASE}/clusters/{wrong}").status_code
        assert status == (404 if wrong != "x" else 422)


def test_copies_come_by_page_and_the_best_is_kept(client: httpx.Client) -> None:
    page = client.get(f"{BASE}/copies", params={"limit": 1}).json()
    assert page["total"] >= 1
    group = page["items"][0]
    assert group["pictures"][0]["id"] == group["best"] and group["why"]
    if page["next"]:
        more = client.get(f"{BASE}/copies", params={"after": page["next"]}).json()
        assert group["key"] not in {one["key"] for one in more["items"]}
    assert client.get(f"{BASE}/copies", params={"after": "nonsense"}).status_code == 422
    done = client.post(f"{BASE}/acts", json={"verb": "keep", "copies": group["key"]}).json()
    assert done["act"]["note"] == f"the best of {len(group['pictures'])} copies"
    client.post(f"{BASE}/acts/undo", json={"number": done["act"]["number"]})


def test_doubts_slices_and_shortcuts_are_told(client: httpx.Client) -> None:
    doubts = client.get(f"{BASE}/doubtful", params={"limit": 5}).json()
    assert len(doubts["items"]) <= 5 and doubts["asked"] > 50
    slices = client.get(f"{BASE}/slices").json()
    assert 0 <= slices["low"] <= slices["accuracy"] <= slices["high"] <= 1
    assert client.get(f"{BASE}/slices", params={"basis": "test"}).status_code == 404
    shortcuts = client.get(f"{BASE}/shortcuts").json()
    assert ("cup", "border") in {(one["label"], one["cue"]) for one in shortcuts["shortcuts"]}


def test_a_difference_is_told_before_thresholds_are_set_and_taken_back(
    client: httpx.Client,
) -> None:
    before = client.get(f"{PROJECT}/counts").json()
    told = client.post(f"{BASE}/diff", json={"after": {"min_side": 241}}).json()
    assert told["lost"] >= 1 and told["moves"][0]["ids"]
    assert client.get(f"{PROJECT}/counts").json() == before
    done = client.post(f"{BASE}/acts", json={"verb": "settings", "settings": {"min_side": 241}})
    assert done.json()["counts"]["kept"] == told["kept_after"]
    back = client.post(f"{BASE}/acts/undo", json={}).json()
    assert back["counts"]["kept"] == before["kept"]
    assert client.post(f"{BASE}/diff", json={"after": {"nosuch": 1}}).status_code == 422


def test_what_collecting_gave_is_told_with_its_licenses(client: httpx.Client) -> None:
    told = client.get(f"{BASE}/collecting").json()
    assert told["sources"] and told["rounds"] is None
    assert [one["known"] for one in told["licenses"]] == [False]
    answer = client.post(f"{BASE}/queries", json={"label": "apple", "query": "apple fruit"})
    assert answer.status_code == 422 and "searches for nothing" in answer.text


def test_a_better_query_goes_into_the_recipe(client: httpx.Client) -> None:
    asked = {"name": "searched", "classes": ["apple", "pear"]}
    client.post("/api/v1/projects", json={"recipe": asked})
    url = "/api/v1/projects/searched"
    given = {"label": "apple", "query": "apple fruit", "without": ["logo", "logo"]}
    entry = client.post(f"{url}/curation/queries", json=given).json()
    assert entry["queries"] == ["apple", "apple fruit"] and entry["without"] == ["logo"]
    classes = client.get(url).json()["recipe"]["classes"]
    assert classes["apple"]["without"] == ["logo"] and "pear" in classes
    assert client.get(f"{url}/curation/clusters").status_code == 409
    wrong = {**given, "label": "nosuch"}
    assert client.post(f"{url}/curation/queries", json=wrong).status_code == 422
