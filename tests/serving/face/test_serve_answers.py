"""What `serve` answers: every form of body, every model, the numbers of `predict`."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tellapart import Bundle


@pytest.fixture(scope="module")
def server(start_server: Any, make_bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("bundles")
    bundles = [
        make_bundle(folder, "colors"),
        make_bundle(folder, "colors", version=2, gain=3.0),
        make_bundle(folder, "sizes"),
        make_bundle(folder, "shades"),
    ]
    return start_server(*bundles, "--log", "requests", "--cors", "https://page.example")


@pytest.fixture(scope="module")
def ask(server: Any) -> httpx.Client:
    client: httpx.Client = server.client
    return client


@pytest.fixture(scope="module")
def red(draw: Any) -> bytes:
    return bytes(draw("red"))


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_picture_is_answered_with_the_numbers_of_predict(
    ask: httpx.Client, colors_bundle: Path, draw: Any
) -> None:
    bundle = Bundle.load(colors_bundle)
    for color, kind in (("red", "PNG"), ("blue", "JPEG"), ((90, 60, 90), "WEBP")):
        picture = draw(color, format=kind)
        found = ask.post("/v1/models/colors/versions/1/predict", content=picture)
        assert found.status_code == 200
        expected = {"model": "colors", "version": 1, **bundle.predict(picture).to_dict()}
        assert found.json() == expected
        assert list(found.json()["probabilities"]) == list(bundle.labels)


def test_every_form_of_body_gives_the_same_answer(
    ask: httpx.Client, server: Any, red: bytes
) -> None:
    first = ask.post("/predict", content=red).json()
    assert (first["label"], first["model"], first["version"]) == ("red", "colors", 2)
    text = _b64(red)
    urlsafe = base64.urlsafe_b64encode(red).decode().rstrip("=")
    alone: list[dict[str, Any]] = [
        {"content": red, "headers": {"content-type": "image/png"}},
        {"content": red, "headers": {"content-type": "application/x-www-form-urlencoded"}},
        {"content": red, "headers": {"content-type": "application/octet-stream"}},
        {"content": iter([red[:50], red[50:]])},  # in chunks
        {"files": {"file": ("red.png", red, "image/png")}},
        {"files": {"whatever": ("red.png", red)}, "data": {"note": "none"}},
        {"json": {"image": text}},
        {"json": {"image": f"data:image/png;base64,{text}"}},
        {"json": {"image": {"b64": urlsafe}}},
        {"json": {"url": f"data:image/png;base64,{text}"}},
        {"content": json.dumps({"image": text}), "headers": {"content-type": "text/plain"}},
    ]
    for body in alone:
        assert ask.post("/predict", **body).json() == first, body
    single = {k: first[k] for k in ("label", "best", "abstained", "familiarity", "probabilities")}
    many: list[dict[str, Any]] = [
        {"files": [("file", ("a", red)), ("file", ("b", red))]},
        {"json": {"images": [text, {"b64": text}]}},
        {"json": {"instances": [text, {"image": text}]}},
        {"json": [{"b64": text}, {"image": {"b64": text}}]},
        {"json": {"urls": [f"data:image/png;base64,{text}"] * 2}},
    ]
    for body in many:
        found = ask.post("/predict", **body).json()
        assert found == {"model": "colors", "version": 2, "predictions": [single, single]}, body
    with server.local() as local:
        path = server.folder / "red.png"
        path.write_bytes(red)
        assert local.post("/predict", json={"path": str(path)}).json() == first
        assert local.post("/predict", content=red).json() == first


def test_rows_are_answered(ask: httpx.Client, sizes_bundle: Path) -> None:
    row = {"width": 3.0, "height": None, "color": "red"}
    bundle = Bundle.load(sizes_bundle)
    expected = bundle.predict(row).to_dict()
    found = ask.post("/predict?model=sizes", json={"row": row})
    assert found.json() == {"model": "sizes", "version": 1, **expected}
    several = ask.post(
        "/v1/models/sizes/predict", json={"rows": [row, [3.0, None, "red"], {"a": 1}]}
    )
    first, second, third = several.json()["predictions"]
    assert first == second == expected
    assert "'a'" in third["error"]["what"]


def test_one_bad_picture_of_many_fails_alone(ask: httpx.Client, red: bytes) -> None:
    found = ask.post("/predict", json={"instances": [_b64(red), _b64(b"no picture"), "!", 7]})
    assert found.status_code == 200
    good, *bad = found.json()["predictions"]
    assert good["label"] == "red"
    assert [one["error"]["code"] for one in bad] == ["picture", "input", "input"]


def test_why_gives_the_map_and_the_picture_lit(
    ask: httpx.Client, colors_bundle: Path, red: bytes
) -> None:
    found = ask.post("/v1/models/colors/versions/1/predict?why=1", content=red).json()["why"]
    prediction = Bundle.load(colors_bundle).predict(red, why=True)
    assert (found["label"], found["kind"]) == ("red", "cam")
    heat = prediction.heat("red")
    assert len(found["map"]) == heat.shape[0]
    for row, expected in zip(found["map"], heat.tolist(), strict=True):
        assert row == pytest.approx(expected, abs=1e-3)
    head, _, body = found["picture"].partition(",")
    lit = Image.open(io.BytesIO(base64.b64decode(body)))
    assert lit.size == Image.open(io.BytesIO(red)).size
    assert head == "data:image/png;base64"
    covered = ask.post("/predict?model=shades&why=1", content=red).json()["why"]
    assert covered["kind"] == "occlusion"
    refused = ask.post("/predict?model=sizes&why=yes", json={"row": [1, 2, "red"]})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (400, {"json": None, "content": b"{", "headers": {"content-type": "application/json"}}),
        (400, {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}}),
        (400, {"content": b"--x", "headers": {"content-type": "multipart/form-data"}}),
        (403, {"json": {"url": "http://127.0.0.1:9/x.jpg"}}),
        (403, {"json": {"path": "/etc/passwd"}}),
        (413, {"json": {"images": [""] * 65}}),
        (415, {"content": b"xx", "headers": {"content-encoding": "gzip"}}),
        (422, {"content": b""}),
        (422, {"content": b"no picture"}),
        (422, {"content": b'{"url": "http://x/"}', "headers": {"content-type": "image/png"}}),
        (422, {"json": {"image": 5}}),
        (422, {"json": {"image": "a", "url": "b"}}),
        (422, {"json": {"imge": "a"}}),
        (422, {"json": {"images": []}}),
        (422, {"json": {"row": {"width": 1}}}),
        (422, {"json": 5}),
        (422, {"json": {"url": "not a url"}}),
        (422, {"params": {"why": "perhaps"}, "content": b"x"}),
        (422, {"params": {"wy": "1"}, "content": b"x"}),
        (422, {"params": {"version": "one"}, "content": b"x"}),
        (404, {"params": {"model": "none"}, "content": b"x"}),
        (404, {"params": {"version": "9"}, "content": b"x"}),
    ],
)
def test_what_cannot_be_answered_is_said_in_three_parts(
    ask: httpx.Client, server: Any, status: int, asked: dict[str, Any]
) -> None:
    found = ask.post("/predict", **{k: v for k, v in asked.items() if k != "json" or v})
    assert found.status_code == status, found.text
    error = found.json()["error"]
    assert all(error[part] for part in ("code", "what", "expected", "do"))
    assert "Traceback" not in found.text
    assert str(Path(__file__).parents[3]) not in found.text


def test_methods_paths_and_headers(ask: httpx.Client) -> None:
    assert ask.get("/predict").status_code == 405
    assert "POST" in ask.put("/predict").json()["error"]["expected"]
    assert ask.get("/nowhere").status_code == 404
    assert ask.get("/").headers["location"] == "/docs"
    head = ask.head("/health")
    assert head.status_code == 200
    assert not head.content
    assert (
        ask.get("/health", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    )
    own = ask.get("/health", headers={"x-request-id": "no spaces, please"}).headers["x-request-id"]
    assert own != "no spaces, please"
    assert "server" not in head.headers


def test_only_named_origins_may_ask(ask: httpx.Client) -> None:
    name = "access-control-allow-origin"
    good = ask.get("/health", headers={"origin": "https://page.example"})
    assert good.headers[name] == "https://page.example"
    assert name not in ask.get("/health", headers={"origin": "https://evil.example"}).headers
    asked = {"origin": "https://page.example", "access-control-request-method": "POST"}
    assert ask.options("/predict", headers=asked).headers["access-control-allow-methods"]


def test_health_ready_metrics_and_descriptions(ask: httpx.Client, red: bytes) -> None:
    health = ask.get("/health").json()
    assert health["status"] == "UP"
    assert {"name": "sizes", "version": 1, "kind": "row"} in health["models"]
    assert ask.get("/ready").json() == {"ready": True}
    ask.post("/predict", content=red)
    metrics = ask.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = metrics.text.splitlines()
    assert any(
        line.startswith('tellapart_requests_total{route="/predict",status="200"}') for line in lines
    )
    assert 'tellapart_answers_total{model="colors",outcome="answered",version="2"}' in metrics.text
    assert "tellapart_pool_workers 1.0" in lines
    memory = [line for line in lines if line.startswith("tellapart_worker_memory_bytes{")]
    assert float(memory[0].split()[-1]) > 1e6
    document = ask.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    for path, methods in document["paths"].items():
        for method in methods:
            shown = path.replace("{name}", "colors").replace("{version}", "1")
            answer = ask.request(method, shown, content=b"{}" if method == "post" else None)
            assert answer.status_code not in (404, 405, 500), (method, shown)
    models = {(one["name"], one["version"]): one for one in ask.get("/v1/models").json()["models"]}
    assert models["sizes", 1]["columns"] == ["width", "height", "color"]
    assert models["colors", 2]["labels"] == ["blue", "green", "red"]
    page = ask.get("/docs")
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    assert "http://" not in page.text.replace("http://www.w3.org", "")


def test_label_studio_is_answered_in_its_shape(ask: httpx.Client, red: bytes) -> None:
    config = (
        '<View><Image name="img" value="$picture"/><Choices name="color" toName="img">'
        '<Choice value="Red"/><Choice value="Blue"/></Choices></View>'
    )
    assert ask.post("/setup", json={"project": "1", "schema": config}).json() == {
        "model_version": "colors-2"
    }
    assert "colors-1" in ask.get("/versions").json()["versions"]
    tasks = [
        {"id": 1, "data": {"picture": f"data:image/png;base64,{_b64(red)}"}},
        {"id": 2, "data": {"picture": "/data/upload/1/a.png"}},
        {"id": 3, "data": {}},
    ]
    asked = {"tasks": tasks, "label_config": config, "model_version": "colors-1", "project": "1"}
    found = ask.post("/predict", json=asked).json()
    assert found["model_version"] == "colors-1"
    good, uploaded, none = found["results"]
    assert good["result"][0] == {
        "from_name": "color",
        "to_name": "img",
        "type": "choices",
        "value": {"choices": ["Red"]},
        "score": good["score"],
    }
    assert uploaded["result"] == none["result"] == []
    assert "LABEL_STUDIO_URL" in uploaded["error"]["expected"]
    # A model that the address names is the one that answers.
    for path, told in (
        ("/v1/models/colors/versions/1/predict", "colors-1"),
        ("/v1/models/colors/predict", "colors-1"),
        ("/predict?version=2", "colors-2"),
    ):
        assert ask.post(path, json=asked).json()["model_version"] == told
    assert ask.post("/webhook", json={"action": "PROJECT_UPDATED"}).status_code == 201
    for bad in ("<View/>", "<!DOCTYPE x [<!ENTITY a 'b'>]><View>&a;</View>", "<View", 7):
        assert ask.post("/predict", json={"tasks": [], "label_config": bad}).status_code == 422


def test_requests_are_logged_without_what_they_carry(server: Any, red: bytes) -> None:
    secret = "secret-in-the-query"
    answer = server.client.post(f"/predict?model={secret}", content=red)
    number = answer.headers["x-request-id"]
    line = server.until(
        lambda: [one for one in server.events("request") if one["request"] == number]
    )[0]
    assert (line["status"], line["route"], line["bytes"]) == (404, "/predict", len(red))
    assert secret not in "".join(server.log)
