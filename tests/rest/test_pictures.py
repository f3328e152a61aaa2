"""Pictures over REST: pages, filters, thumbnails, overruling, duplicates, thresholds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from tellapart.catalog import Catalog, NewPicture, Outcome, Verdict
from tellapart.recipe import Curate
from tests.rest.conftest import Served, draw, make, upload

BASE = "/api/v1/projects/garden"


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    """Somebody with a project `garden`, whose near duplicates are drawn."""
    desk = served.desks.of(served.people["eve"])
    data = draw(upload(desk.uploads, "garden"), {"apple": 10, "pear": 10})
    for place in range(3):  # the same but for the compression
        with Image.open(data / "apple" / "0.png") as image:
            image.save(data / "apple" / f"copy{place}.jpg", quality=95 - place)
    make(served, "eve", "garden")
    with served.client("eve") as opened:
        yield opened


def _all(client: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    found, after = [], None
    while True:
        more = {"after": after} if after else {}
        page = client.get(f"{BASE}/pictures", params={"limit": 7, **params, **more}).json()
        found += page["items"]
        after = page["next"]
        if after is None:
            assert page["total"] == len(found)
            return found


def test_pages_hold_every_picture_once_in_the_ledgers_order(
    client: httpx.Client, served: Served
) -> None:
    rows = _all(client)
    desk = served.desks.of(served.people["eve"])
    assert [row["id"] for row in rows] == [row.id for row in desk.open("garden").pictures()]
    by_offset = [
        client.get(f"{BASE}/pictures", params={"limit": 1, "offset": at}).json()["items"][0]["id"]
        for at in (0, 5, 22)
    ]
    assert by_offset == [rows[at]["id"] for at in (0, 5, 22)]
    newest = _all(client, order="newest")
    assert {row["id"] for row in newest} == {row["id"] for row in rows}
    assert [row["fetched_at"] for row in newest] == sorted(
        (row["fetched_at"] for row in rows), reverse=True
    )


def test_filters_are_counted_as_they_are_shown(client: httpx.Client) -> None:
    counts = client.get(f"{BASE}/counts").json()
    aside = _all(client, kept=False)
    assert len(aside) == counts["set_aside"] >= 3
    for reason, number in counts["reasons"].items():
        assert len(_all(client, reason=reason)) == number
    assert len(_all(client, label="pear", kept=True)) == counts["classes"]["pear"]["kept"]
    assert _all(client, status="failed") == []
    assert _all(client, label="no such") == []
    assert len(_all(client, status="any")) == 23


def test_no_path_of_the_server_is_told(client: httpx.Client, served: Served) -> None:
    home = str(served.desks.settings.home)
    for path in ("", "/pictures", "/groups", "/counts", "/thresholds"):
        answer = client.get(f"{BASE}{path}")
        assert answer.status_code == 200 and home not in answer.text
    assert client.get(BASE).json()["recipe"]["data"].startswith("upload:up_")
    row = _all(client)[0]
    assert row["file"].endswith((".png", ".jpg")) and "/" not in row["file"]


@pytest.mark.parametrize("cursor", ["nonsense", "W10", "WzEsMiwzLDRd", "\x00", "é", "a" * 900])
def test_a_cursor_of_no_list_is_refused(client: httpx.Client, cursor: str) -> None:
    answer = client.get(f"{BASE}/pictures", params={"after": cursor})
    assert answer.status_code == 422, answer.text
    assert "cursor" in answer.json()["error"]["what"]


def test_thumbnails_are_small_kept_and_asked_for_once(client: httpx.Client, served: Served) -> None:
    row = _all(client)[0]
    url = f"{BASE}/pictures/{row['id']}/thumbnail"
    answer = client.get(url, params={"size": 50, "v": row["sha256"][:8]})
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    assert max(Image.open(BytesIO(answer.content)).size) == 96
    kept = list((served.desks.settings.cache_dir / "thumbs").rglob(f"{row['sha256']}-96-*.jpg"))
    assert [path.read_bytes() for path in kept] == [answer.content]
    again = client.get(url, params={"size": 90}, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    original = client.get(f"{BASE}/pictures/{row['id']}/original")
    assert "sandbox" in original.headers["content-security-policy"]
    assert Image.open(BytesIO(original.content)).size == (96, 64)


def test_a_picture_whose_file_changed_has_no_thumbnail(
    client: httpx.Client, served: Served
) -> None:
    row = _all(client, label="pear")[-1]
    root = served.desks.of(served.people["eve"]).uploads
    path = upload(root, "garden") / "pear" / row["file"]
    before = path.read_bytes()
    path.write_bytes(b"something else")
    try:
        answer = client.get(f"{BASE}/pictures/{row['id']}/thumbnail")
        assert answer.status_code == 404, answer.text
        path.unlink()
        assert client.get(f"{BASE}/pictures/{row['id']}/original").status_code == 404
    finally:
        path.write_bytes(before)
    assert client.get(f"{BASE}/pictures/{row['id']}/thumbnail").status_code == 200


def test_a_persons_word_counts_at_once_and_can_be_taken_back(client: httpx.Client) -> None:
    rows = _all(client, kept=True)
    ids = [row["id"] for row in rows[:4]]
    before = client.get(f"{BASE}/counts").json()
    said = client.post(f"{BASE}/pictures/overrule", json={"ids": ids, "keep": False}).json()
    assert said["changed"] == 4 and said["counts"]["kept"] == before["kept"] - 4
    assert said["counts"]["reasons"]["by_hand"] == 4
    assert {row["id"] for row in _all(client, by_hand=True)} == set(ids)
    again = client.post(f"{BASE}/pictures/overrule", json={"ids": ids, "keep": False}).json()
    assert again["changed"] == 0
    unknown = {"ids": [ids[0], "0" * 16], "keep": True}
    assert client.post(f"{BASE}/pictures/overrule", json=unknown).status_code == 404
    assert client.get(f"{BASE}/pictures/{ids[0]}").json()["overruled"] is False  # all or nothing
    back = client.post(f"{BASE}/pictures/overrule", json={"ids": ids, "keep": None}).json()
    assert back["counts"] == before


def test_a_class_is_changed_to_one_there_is(client: httpx.Client) -> None:
    id = _all(client, label="apple")[0]["id"]
    wrong = client.post(f"{BASE}/pictures/relabel", json={"ids": [id], "label": "appel"})
    assert wrong.status_code == 422 and "'apple'" in wrong.json()["error"]["do"]
    body = {"ids": [id], "label": "pear"}
    assert client.post(f"{BASE}/pictures/relabel", json=body).json()["changed"] == 1
    assert client.get(f"{BASE}/pictures/{id}").json()["label"] == "pear"
    client.post(f"{BASE}/pictures/relabel", json={"ids": [id], "label": "apple"})


def test_groups_are_dropped_whole(client: httpx.Client) -> None:
    groups = client.get(f"{BASE}/groups").json()
    group = max(groups["items"], key=lambda one: len(one["pictures"]))
    names = {row["file"] for row in group["pictures"]}
    assert {"copy0.jpg", "copy1.jpg", "copy2.jpg"} & names
    assert group["pictures"][0]["id"] == group["id"] and group["pictures"][0]["kept"]
    inside = group["pictures"][-1]["id"]
    assert client.get(f"{BASE}/groups/{inside}").json()["id"] == group["id"]
    answer = client.post(f"{BASE}/groups/{inside}/overrule", json={"keep": False}).json()
    assert answer["changed"] == len(group["pictures"])
    assert not any(row["kept"] for row in client.get(f"{BASE}/groups/{inside}").json()["pictures"])
    client.post(f"{BASE}/groups/{inside}/overrule", json={"keep": None})


def test_thresholds_decide_at_once_and_may_be_tried(client: httpx.Client) -> None:
    sliders = {one["name"]: one for one in client.get(f"{BASE}/thresholds").json()["items"]}
    assert sliders["min_side"]["value"] == 32 and sliders["max_blur"]["optional"]
    assert {*sliders} == {*Curate.model_fields} - {"features"}  # that one is no threshold
    before = client.get(f"{BASE}/counts").json()
    tried = client.post(
        f"{BASE}/thresholds", json={"thresholds": {"min_side": 65}, "store": False}
    ).json()
    assert tried["counts"]["kept"] == 0 and tried["changed"] == before["kept"]
    assert len(tried["moved"]["set_aside"]) == before["kept"]
    assert client.get(f"{BASE}/counts").json() == before
    stored = client.post(f"{BASE}/thresholds", json={"thresholds": {"min_side": 65}}).json()
    assert stored["counts"]["reasons"] == {"too_small": 23} and stored["notes"]
    assert client.get(BASE).json()["recipe"]["curate"]["min_side"] == 65
    back = client.post(f"{BASE}/thresholds", json={"thresholds": {"min_side": 32}}).json()
    assert back["counts"]["kept"] == before["kept"]
    for wrong in (
        {"min_side": -1},
        {"min_sid": 4},
        {"min_side": None},
        {"off_topic": 7},
        {"features": 1},
    ):
        answer = client.post(f"{BASE}/thresholds", json={"thresholds": wrong})
        assert answer.status_code == 422, answer.text


def test_a_page_of_thousands_is_found_by_the_database(served: Served) -> None:
    """5,000 rows behind the page: what is counted and shown agrees with the whole ledger."""
    desk = served.desks.of(served.people["kim"])
    desk.create_project({"name": "large", "classes": ["a", "b"]})
    catalog = Catalog.open(desk.engine, "large", desk.account.id)
    new = [
        NewPicture(label="ab"[at % 2], source="made", key=f"http://x/{at}", rank=at)
        for at in range(5000)
    ]
    catalog.add(new)
    ids = [catalog.id_of(row) for row in new]
    catalog.record([Outcome(id=id, status="ok", sha256=id * 4) for id in ids])
    catalog.save_verdicts(
        [
            Verdict(id=id, kept=at % 5 > 0, reason="" if at % 5 else "off_topic")
            for at, id in enumerate(ids)
        ]
    )
    time.sleep(1.1)  # what was counted before the rows came is remembered for a second
    assert desk.counts("large") == catalog.counts()
    with served.client("kim") as client:
        url = "/api/v1/projects/large/pictures"
        page = client.get(url, params={"kept": True, "offset": 3900, "limit": 500}).json()
    assert page["total"] == 4000 and len(page["items"]) == 100 and page["next"] is None
