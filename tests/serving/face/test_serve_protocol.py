"""The Open Inference Protocol over REST: JSON and binary tensors, and its own client."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tellapart import Bundle

LENGTH = "inference-header-content-length"


@pytest.fixture(scope="module")
def server(start_server: Any, colors_bundle: Path, sizes_bundle: Path) -> Any:
    return start_server(colors_bundle, sizes_bundle)


@pytest.fixture(scope="module")
def ask(server: Any) -> httpx.Client:
    client: httpx.Client = server.client
    return client


def _infer(ask: httpx.Client, model: str, **request: Any) -> httpx.Response:
    return ask.post(f"/v2/models/{model}/infer", json=request)


def test_the_server_and_its_models_describe_themselves(ask: httpx.Client) -> None:
    assert "binary_tensor_data" in ask.get("/v2").json()["extensions"]
    assert ask.get("/v2/health/live").json() == {"live": True}
    assert ask.get("/v2/health/ready").json() == {"ready": True}
    assert ask.get("/v2/models/colors/versions/1/ready").json() == {"name": "colors", "ready": True}
    found = ask.get("/v2/models/colors").json()
    assert found["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert {"name": "map", "datatype": "FP32", "shape": [-1, 3, 7, 7]} in found["outputs"]
    assert ask.get("/v2/models/sizes").json()["inputs"][0]["shape"] == [-1, 3]
    index = ask.post("/v2/repository/index").json()
    assert [(one["name"], one["state"]) for one in index] == [
        ("colors", "READY"),
        ("sizes", "READY"),
    ]


def test_json_and_binary_give_what_the_model_gives(
    ask: httpx.Client, colors_bundle: Path, draw: Any
) -> None:
    bundle = Bundle.load(colors_bundle)
    pictures = [draw("red"), draw("blue", format="JPEG")]
    prepared = np.stack([bundle.prepare(one) for one in pictures])
    expected = bundle.outputs(prepared, ["probabilities", "logits"])
    outputs = [{"name": "probabilities"}, {"name": "label"}, {"name": "logits"}]
    texts = [base64.b64encode(one).decode() for one in pictures]
    tensor = {"name": "image", "shape": [2, 1], "datatype": "BYTES"}
    pixels = {"name": "image", "shape": [2, 32, 32, 3], "datatype": "UINT8"}
    inputs: list[dict[str, Any]] = [
        {**tensor, "data": texts},
        {**tensor, "data": [[{"b64": text}] for text in texts]},
        {**pixels, "data": prepared.tolist()},
        {**pixels, "data": prepared.reshape(-1).tolist()},
    ]
    for given in inputs:
        found = _infer(ask, "colors", id="7", inputs=[given], outputs=outputs).json()
        assert (found["id"], found["model_version"]) == ("7", "1")
        odds, label, logits = found["outputs"]
        assert odds["shape"] == [2, 3]
        assert odds["data"] == pytest.approx(expected["probabilities"].ravel().tolist(), abs=1e-5)
        assert logits["data"] == pytest.approx(expected["logits"].ravel().tolist(), abs=1e-4)
        assert label["data"] == ["red", "blue"]
    raw = b"".join(struct.pack("<I", len(one)) + one for one in pictures)
    for tensor_of, data in ((tensor, raw), (pixels, prepared.tobytes())):
        parameters = {"binary_data_size": len(data)}
        head = json.dumps(
            {
                "inputs": [{**tensor_of, "parameters": parameters}],
                "outputs": outputs,
                "parameters": {"binary_data_output": True},
            }
        ).encode()
        sent = ask.post(
            "/v2/models/colors/infer", content=head + data, headers={LENGTH: str(len(head))}
        )
        size = int(sent.headers[LENGTH])
        described = json.loads(sent.content[:size])["outputs"]
        first = described[0]["parameters"]["binary_data_size"]
        odds_there = np.frombuffer(sent.content[size : size + first], np.float32).reshape(2, 3)
        np.testing.assert_allclose(odds_there, expected["probabilities"], atol=1e-5)
        second = described[1]["parameters"]["binary_data_size"]
        labels = sent.content[size + first : size + first + second]
        assert labels == b"\3\0\0\0red\4\0\0\0blue"
    everything = _infer(ask, "colors", inputs=[inputs[0]]).json()["outputs"]
    assert everything[0]["name"] == "label"
    assert {one["name"]: one["shape"] for one in everything}["familiarity"] == [2]


def test_rows_are_tensors_of_numbers_or_json(ask: httpx.Client, sizes_bundle: Path) -> None:
    bundle = Bundle.load(sizes_bundle)
    rows = [
        {"width": 3.0, "height": 1.0, "color": "red"},
        {"width": None, "height": 2, "color": "blue"},
    ]
    expected = [list(one.probabilities.values()) for one in bundle.predict(rows)]
    texts = {"name": "rows", "shape": [2], "datatype": "BYTES", "data": list(map(json.dumps, rows))}
    encoded = [one.tolist() for one in bundle.row_reader.encode(rows)]  # type: ignore[union-attr]
    numbers = {"name": "rows", "shape": [2, 3], "datatype": "FP32", "data": encoded}
    wide = {**numbers, "datatype": "FP64"}
    for given in (texts, numbers, wide):
        shown = json.loads(json.dumps(given).replace("NaN", "null"))
        found = _infer(ask, "sizes", inputs=[shown], outputs=[{"name": "probabilities"}]).json()
        flat = [value for row in expected for value in row]
        assert found["outputs"][0]["data"] == pytest.approx(flat, abs=1e-5)


GOOD = {"name": "image", "shape": [1], "datatype": "BYTES", "data": ["AAAA"]}


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, {}),
        (400, {"inputs": [GOOD, GOOD]}),
        (400, {"inputs": [{**GOOD, "name": "picture"}]}),
        (400, {"inputs": [{**GOOD, "shape": [2]}]}),
        (400, {"inputs": [{**GOOD, "shape": [-1]}]}),
        (400, {"inputs": [{**GOOD, "shape": [True]}]}),
        (400, {"inputs": [{**GOOD, "datatype": "FP32"}]}),
        (400, {"inputs": [{**GOOD, "datatype": ["x"]}]}),
        (400, {"inputs": [{**GOOD, "data": {}}]}),
        (400, {"inputs": [{**GOOD, "parameters": {"binary_data_size": 7}}]}),
        (400, {"inputs": [{**GOOD, "shape": [1, 32, 32, 3], "datatype": "UINT8", "data": [300]}]}),
        (400, {"inputs": [GOOD], "outputs": [{"name": "nothing"}]}),
        (400, {"inputs": [GOOD], "outputs": [{"name": ["x"]}]}),
        (400, {"inputs": [GOOD], "outputs": [7]}),
        (
            400,
            {"inputs": [GOOD], "outputs": [{"name": "map", "parameters": {"classification": 1}}]},
        ),
        (413, {"inputs": [{**GOOD, "shape": [65]}]}),
        (422, {"inputs": [GOOD]}),
        (422, {"inputs": [{**GOOD, "data": ["!"]}]}),
    ],
)
def test_what_the_protocol_does_not_allow_is_said_in_one_text(
    ask: httpx.Client, status: int, request_: dict[str, Any]
) -> None:
    found = _infer(ask, "colors", **request_)
    assert found.status_code == status, found.text
    assert isinstance(found.json()["error"], str)


def test_models_are_loaded_anew_by_the_local_socket_alone(server: Any, ask: httpx.Client) -> None:
    assert ask.post("/v2/repository/models/colors/load").status_code == 403
    with server.local() as local:
        assert local.post("/v2/repository/models/none/load").status_code == 404
        assert local.post("/v2/repository/models/colors/load", json={}).status_code == 200
    server.until(lambda: server.events("reloaded"))
    assert ask.post("/v2/repository/models/colors/unload").status_code == 400


def test_the_protocols_own_client_works_as_it_is(server: Any, draw: Any) -> None:
    client = pytest.importorskip(
        "tritonclient.http", reason="tritonclient[http] is not installed in this environment"
    )
    with client.InferenceServerClient(server.url.removeprefix("http://")) as triton:
        assert triton.is_server_ready()
        assert triton.is_model_ready("colors", "1")
        given = client.InferInput("image", [1], "BYTES")
        given.set_data_from_numpy(np.array([draw("red")], dtype=np.object_))
        wanted = [
            client.InferRequestedOutput("label"),
            client.InferRequestedOutput("probabilities", class_count=1),
        ]
        found = triton.infer("colors", [given], outputs=wanted)
        assert found.as_numpy("label").tolist() == [b"red"]
        assert found.as_numpy("probabilities")[0][0].endswith(b":2:red")
