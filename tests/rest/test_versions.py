"""Versions over REST: figures, report, plots, files, side by side, and why an answer is given."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from tests.rest.conftest import Served

BASE = "/api/v1/projects/fruit"


@pytest.fixture(scope="module")
def ada(served: Served) -> Iterator[httpx.Client]:
    with served.client("ada") as client:
        yield client


def test_a_version_tells_of_itself(ada: httpx.Client) -> None:
    listed = ada.get(f"{BASE}/versions").json()["items"]
    assert [one["version"] for one in listed] == [1]
    assert listed[0] == ada.get(f"{BASE}/versions/latest").json()
    assert {"bundle", "onnx", "report", "dataset", "card", "metrics"} <= set(listed[0]["files"])
    metrics = ada.get(f"{BASE}/versions/1/metrics").json()
    assert (
        len(metrics["confusion"]) == 2 and metrics["accuracy"] == listed[0]["metrics"]["accuracy"]
    )
    assert ada.get(f"{BASE}/versions/1/manifest").json()["labels"] == ["apple", "pear"]
    for version in ("2", "0", "999999999"):
        assert ada.get(f"{BASE}/versions/{version}").status_code == 404
    for version in ("first", "-1", "1.5", "1%2f..%2f1"):
        assert ada.get(f"{BASE}/versions/{version}").status_code in (404, 422)


def test_the_report_loads_and_runs_nothing(ada: httpx.Client) -> None:
    answer = ada.get(f"{BASE}/versions/latest/report")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "script" not in policy
    assert "x-frame-options" not in answer.headers  # pages of ours frame it
    names = ada.get(f"{BASE}/versions/latest/plots").json()["items"]
    assert "confusion.png" in names
    plot = ada.get(f"{BASE}/versions/latest/plots/confusion.png")
    assert Image.open(io.BytesIO(plot.content)).format == "PNG"
    for name in ("nosuch.png", "..%2Fmetrics.json", "%2e%2e.png"):
        assert ada.get(f"{BASE}/versions/latest/plots/{name}").status_code in (404, 422)


def test_files_are_those_of_the_bundle(ada: httpx.Client, served: Served) -> None:
    desk = served.desks.of(served.people["ada"])
    bundle = zipfile.ZipFile(desk.bundle_path("fruit"))
    onnx = desk.file("fruit", "onnx")
    assert onnx.path.read_bytes() == bundle.read("model.onnx")
    assert desk.file("fruit", "onnx").path == onnx.path  # copied out once
    data = desk.file("fruit", "dataset")
    assert data.content is not None
    reader = data.content.open()
    try:
        inside = zipfile.ZipFile(io.BytesIO(reader.read(0, data.bytes))).namelist()
    finally:
        reader.close()
    wanted = [n.removeprefix("dataset/") for n in bundle.namelist() if n.startswith("dataset/")]
    assert inside == wanted
    assert ada.get(f"{BASE}/versions/1/files/secrets").status_code in (404, 422)


def test_versions_stand_side_by_side(ada: httpx.Client) -> None:
    same = ada.get(f"{BASE}/compare", params={"first": 1, "second": 1}).json()
    assert same["recipe"] == {} and set(same["classes"]) == {"apple", "pear"}
    assert all(pair[0] == pair[1] for pair in same["metrics"].values())
    missing = ada.get(f"{BASE}/compare", params={"first": 1, "second": 2})
    assert missing.status_code == 404


def test_a_project_says_whether_it_changed_since(ada: httpx.Client) -> None:
    assert ada.get(BASE).json()["changed"] is False
    id = ada.get(f"{BASE}/pictures", params={"limit": 1}).json()["items"][0]["id"]
    ada.post(f"{BASE}/pictures/overrule", json={"ids": [id], "keep": False})
    assert ada.get(BASE).json()["changed"] is True
    ada.post(f"{BASE}/pictures/overrule", json={"ids": [id], "keep": None})


def _between(ada: httpx.Client) -> bytes:
    """An apple laid over a pear: of neither is the model so sure that no picture counts."""
    first = {
        row["label"]: row["id"]
        for row in ada.get(f"{BASE}/pictures", params={"limit": 50}).json()["items"]
    }
    apple, pear = (
        Image.open(io.BytesIO(ada.get(f"{BASE}/pictures/{first[label]}/original").content))
        for label in ("apple", "pear")
    )
    out = io.BytesIO()
    Image.blend(apple, pear, 0.5).save(out, "PNG")
    return out.getvalue()


def test_why_a_picture_is_answered_so(ada: httpx.Client) -> None:
    picture = _between(ada)
    told = ada.post(f"{BASE}/explain", content=picture).json()
    assert told["picture"].startswith("data:image/png;base64,")
    speakers = [*told["explanation"]["for"], *told["explanation"]["against"]]
    assert speakers and not any("file" in speaker for speaker in speakers)
    assert ada.post(f"{BASE}/explain", content=b"no picture").status_code == 422
    wrong = ada.post(f"{BASE}/explain", params={"label": "plum"}, content=picture)
    assert wrong.status_code == 422
