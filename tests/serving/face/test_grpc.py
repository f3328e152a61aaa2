"""The Open Inference Protocol over gRPC, with messages of our own and with Triton's client."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.bundle import Bundle

grpc = pytest.importorskip("grpc", reason="the extra [grpc] is not installed")

from tellapart.serving.grpc.messages import (  # noqa: E402
    HEALTH,
    HEALTH_CHECK,
    INFERENCE,
    METHODS,
    SERVICE,
)

Draw = Callable[..., bytes]
TOKEN = "Zm9vYmFyYmF6"


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any], colors_bundle: Path, sizes_bundle: Path) -> Any:
    started = start_server(
        colors_bundle, sizes_bundle, "--grpc-port", 0, "--max-body", 1, "--max-pictures", 3
    )
    assert "grpc://127.0.0.1:" in started.ready
    return started


def address(server: Any) -> str:
    (found,) = (word for word in server.ready.split() if word.startswith("grpc://"))
    return str(found.removeprefix("grpc://"))


class Client:
    """Calls by name, fields as keywords."""

    def __init__(self, place: str, *metadata: tuple[str, str]) -> None:
        self._channel = grpc.insecure_channel(place)
        self._metadata = metadata

    def __call__(self, rpc: str, /, seconds: float = 30.0, **fields: Any) -> Any:
        messages, service, path = INFERENCE, SERVICE, rpc
        if rpc == "HealthCheck":
            messages, service, path = HEALTH_CHECK, HEALTH, "Check"
        call = self._channel.unary_unary(
            f"/{service}/{path}",
            request_serializer=messages[f"{rpc}Request"].SerializeToString,
            response_deserializer=messages[f"{rpc}Response"].FromString,
        )
        request = messages[f"{rpc}Request"](**fields)
        return call(request, timeout=seconds, metadata=self._metadata)

    def refused(self, rpc: str, /, **fields: Any) -> tuple[str, str]:
        """The status and the text of a call that fails."""
        with pytest.raises(grpc.RpcError) as caught:
            self(rpc, **fields)
        return caught.value.code().name, caught.value.details()

    def close(self) -> None:
        self._channel.close()


@pytest.fixture(scope="module")
def call(server: Any) -> Iterator[Client]:
    client = Client(address(server))
    yield client
    client.close()


def texts(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def arrays(answer: Any) -> dict[str, np.ndarray]:
    """Raw outputs as arrays."""
    return {
        output.name: np.frombuffer(raw, "<f4").reshape(list(output.shape))
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
        if output.datatype == "FP32"
    }


def image(shape: list[int], datatype: str = "BYTES", **more: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": datatype, "shape": shape, **more}


def test_what_the_server_and_its_models_say_of_themselves(call: Client, server: Any) -> None:
    assert call("ServerLive").live and call("ServerReady").ready
    assert call("HealthCheck").status == 1
    assert call("ServerMetadata").name == "tellapart"
    found = call("ModelMetadata", name="colors")
    over_http = server.client.get("/v2/models/colors").json()
    assert [one.name for one in found.outputs] == [one["name"] for one in over_http["outputs"]]
    assert (found.inputs[0].name, found.inputs[0].datatype) == ("image", "BYTES")
    assert list(found.versions) == ["1"]
    assert call("ModelReady", name="colors", version="1").ready
    for name, version in (("pears", ""), ("colors", "2"), ("colors", "x")):
        assert not call("ModelReady", name=name, version=version).ready
    listed = call("RepositoryIndex").models
    assert [(one.name, one.version, one.state) for one in listed] == [
        ("colors", "1", "READY"),
        ("sizes", "1", "READY"),
    ]


def test_pictures_raw_and_typed(call: Client, colors_bundle: Path, draw: Draw) -> None:
    files = [draw("red"), draw("green", format="JPEG"), draw((9, 9, 9))]
    own = Bundle.load(colors_bundle, threads=1).predict(files)
    raw = call(
        "ModelInfer",
        model_name="colors",
        id="seven",
        inputs=[image([3])],
        raw_input_contents=[texts(*files)],
    )
    assert (raw.model_name, raw.model_version, raw.id) == ("colors", "1", "seven")
    found = arrays(raw)
    assert set(found) == {"logits", "probabilities", "features", "familiarity", "map"}
    expected = [list(one.probabilities.values()) for one in own]
    assert np.allclose(found["probabilities"], expected, atol=1e-5)
    assert found["map"].shape == (3, 3, 7, 7) and found["familiarity"].shape == (3,)
    typed = call(
        "ModelInfer",
        model_name="colors",
        inputs=[image([3, 1], contents={"bytes_contents": files})],
        outputs=[{"name": "label"}, {"name": "probabilities"}],
    )
    assert not typed.raw_output_contents
    labels, odds = typed.outputs
    assert list(labels.contents.bytes_contents) == [(one.label or "").encode() for one in own]
    assert own[2].label is None  # so that an empty text is among them
    assert np.allclose(
        np.reshape(odds.contents.fp32_contents, list(odds.shape)), expected, atol=1e-5
    )


def test_prepared_pixels_and_classes(call: Client, colors_bundle: Path, draw: Draw) -> None:
    bundle = Bundle.load(colors_bundle, threads=1)
    pixels = bundle.prepare(draw("blue"))[None]
    asked = [{"name": "probabilities", "parameters": {"classification": {"int64_param": 2}}}]
    wanted = {"model_name": "colors", "outputs": [{"name": "features"}, *asked]}
    raw = call(
        "ModelInfer",
        inputs=[image(list(pixels.shape), "UINT8")],
        raw_input_contents=[pixels.tobytes()],
        **wanted,
    )
    features = bundle.outputs(pixels, ["features"])["features"]
    assert np.allclose(arrays(raw)["features"], features)
    first = raw.raw_output_contents[1]
    assert first[4:].split(b":")[2].startswith(b"blue")
    typed = call(
        "ModelInfer",
        inputs=[
            image(list(pixels.shape), "UINT8", contents={"uint_contents": pixels.ravel().tolist()})
        ],
        **wanted,
    )
    assert np.allclose(typed.outputs[0].contents.fp32_contents, features.ravel())
    assert typed.outputs[1].contents.bytes_contents[0].endswith(b":0:blue")


def test_rows(call: Client, sizes_bundle: Path) -> None:
    rows = [[1.0, 2.0, 0.0], [5.0, float("nan"), 1.0]]
    numbers = np.array(rows, np.float32)
    given = {"name": "rows", "datatype": "FP32", "shape": [2, 3]}
    found = call(
        "ModelInfer", model_name="sizes", inputs=[given], raw_input_contents=[numbers.tobytes()]
    )
    own = Bundle.load(sizes_bundle, threads=1).outputs(numbers, ["probabilities"])
    assert np.allclose(arrays(found)["probabilities"], own["probabilities"])
    doubles = {**given, "datatype": "FP64", "contents": {"fp64_contents": numbers.ravel()}}
    found = call("ModelInfer", model_name="sizes", inputs=[doubles])
    (odds,) = (one for one in found.outputs if one.name == "probabilities")
    assert np.allclose(odds.contents.fp32_contents, own["probabilities"].ravel())


def test_what_cannot_be_answered_has_a_status_and_three_parts(call: Client, draw: Draw) -> None:
    red = texts(draw("red"))
    good = {"model_name": "colors", "inputs": [image([1])], "raw_input_contents": [red]}
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("NOT_FOUND", "'pears'", {"model_name": "pears"}),
        ("NOT_FOUND", "version 9", {"model_version": "9"}),
        ("INVALID_ARGUMENT", "version", {"model_version": "x"}),
        ("INVALID_ARGUMENT", "usable picture", {"raw_input_contents": [texts(b"words")]}),
        ("INVALID_ARGUMENT", "cut off", {"raw_input_contents": [red[:-1]]}),
        ("INVALID_ARGUMENT", "raw contents", {"raw_input_contents": [red, red]}),
        ("INVALID_ARGUMENT", "one input", {"inputs": []}),
        ("INVALID_ARGUMENT", "one input", {"inputs": [image([1]), image([1])]}),
        ("INVALID_ARGUMENT", "shape", {"inputs": [image([])]}),
        ("INVALID_ARGUMENT", "shape", {"inputs": [image([-1])]}),
        ("INVALID_ARGUMENT", "'mask'", {"outputs": [{"name": "mask"}]}),
        (
            "INVALID_ARGUMENT",
            "datatype",
            {
                "inputs": [image([1], contents={"fp32_contents": [1.0]})],
                "raw_input_contents": [],
            },
        ),
        (
            "INVALID_ARGUMENT",
            "not UINT8",
            {
                "inputs": [image([1, 32, 32, 3], "UINT8", contents={"uint_contents": [256]})],
                "raw_input_contents": [],
            },
        ),
        (
            "INVALID_ARGUMENT",
            "at most 3",
            {"inputs": [image([4])], "raw_input_contents": [red * 4]},
        ),
    ]
    for status, says, change in cases:
        code, text = call.refused("ModelInfer", **{**good, **change})
        assert code == status, (change, text)
        assert says in text and "Expected: " in text
    large = texts(b"\x89PNG" * 400_000)
    code, _ = call.refused("ModelInfer", **{**good, "raw_input_contents": [large]})
    assert code in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT")
    code, _ = call.refused("ModelInfer", seconds=0.0001, **good)
    assert code == "DEADLINE_EXCEEDED"
    assert call("ServerLive").live


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 32, -1, 2**31, -(2**62), 2**62]), max_size=5)
PARAMETERS = st.dictionaries(
    st.sampled_from(["classification", "binary_data", "binary_data_size", "", "x"]),
    st.sampled_from(
        [{"bool_param": True}, {"int64_param": -1}, {"int64_param": 2**60}, {"string_param": "2"}]
    ),
    max_size=2,
)
INPUTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["image", "image", "", "é"]),
        "datatype": st.sampled_from(["BYTES", "UINT8", "FP32", "INT8", "FP16", "BOOL", ""]),
        "shape": SHAPES,
        "parameters": PARAMETERS,
        "contents": st.one_of(
            st.just({}),
            st.builds(lambda values: {"bytes_contents": values}, st.lists(st.binary())),
            st.builds(lambda value: {"uint_contents": [value]}, st.integers(0, 2**32 - 1)),
            st.builds(lambda value: {"fp32_contents": [value]}, st.floats(width=32)),
        ),
    }
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80
)
@given(
    model=st.sampled_from(["colors", "colors", "sizes", "\0"]),
    inputs=st.lists(INPUTS, max_size=2),
    outputs=st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["label", "map", "x"]), "parameters": PARAMETERS}
        ),
        max_size=2,
    ),
    raw=st.lists(st.binary(max_size=40), max_size=2),
)
def test_no_message_is_a_fault_of_the_servers(
    call: Client, model: str, inputs: list[Any], outputs: list[Any], raw: list[bytes]
) -> None:
    try:
        call(
            "ModelInfer",
            model_name=model,
            inputs=inputs,
            outputs=outputs,
            raw_input_contents=raw,
        )
    except grpc.RpcError as error:
        assert error.code().name in ("INVALID_ARGUMENT", "NOT_FOUND"), error.details()


def test_calls_are_counted_and_logged_like_requests(call: Client, server: Any) -> None:
    call("ServerLive")
    call.refused("ModelInfer", model_name="pears")
    lines = server.client.get("/metrics").text.splitlines()
    counted = [line for line in lines if "ModelInfer" in line and 'status="404"' in line]
    assert counted and float(counted[0].split()[-1]) >= 1


def body_bytes(server: Any) -> float:
    lines = server.client.get("/metrics").text.splitlines()
    (found,) = (line for line in lines if line.startswith("tellapart_body_bytes_total "))
    return float(found.split()[-1])


def test_a_message_counts_as_a_body_does(call: Client, server: Any, draw: Draw) -> None:
    before, red = body_bytes(server), texts(draw("red"))
    call("ModelInfer", model_name="colors", inputs=[image([1])], raw_input_contents=[red])
    assert len(red) < body_bytes(server) - before < len(red) + 1000


def test_messages_and_bodies_are_held_to_one_budget(
    start_server: Callable[..., Any], colors_bundle: Path, draw: Draw
) -> None:
    """Four bodies that do not end leave no room beside them for a message; then there is."""
    room = ("--max-body", 1, "--max-queue-mb", 0.1)
    server = start_server(colors_bundle, "--grpc-port", 0, *room)
    client = Client(address(server))
    message = texts(draw("red") + bytes(600_000))
    good = {"model_name": "colors", "inputs": [image([1])], "raw_input_contents": [message]}
    assert client("ModelInfer", **good).model_name == "colors"
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 990000\r\n\r\n"
    with contextlib.ExitStack() as held:
        for _ in range(4):
            connection = held.enter_context(socket.create_connection(server.address, 10))
            connection.sendall(head + bytes(980_000))
        with pytest.raises(grpc.RpcError) as caught:
            server.until(lambda: not client("ModelInfer", **good))  # as soon as they have come
        assert caught.value.code().name == "UNAVAILABLE"
        assert "grpc-retry-pushback-ms" in dict(caught.value.trailing_metadata())

    def answered() -> bool:
        with contextlib.suppress(grpc.RpcError):
            return bool(client("ModelInfer", **good).model_name)
        return False

    server.until(answered)  # as soon as the server has seen that they are gone
    client.close()
    assert server.stop() == 0


def test_tokens_are_asked_for_and_too_often_is_too_often(
    start_server: Callable[..., Any], colors_bundle: Path, draw: Draw
) -> None:
    slow = ("--rate", 0.01, "--burst", 3)
    server = start_server(colors_bundle, "--grpc-port", 0, *slow, TELLAPART_SERVE_TOKENS=TOKEN)
    good = {
        "model_name": "colors",
        "inputs": [image([1])],
        "raw_input_contents": [texts(draw("red"))],
    }
    # Nobody reads what a stranger sends, or this would be too large.
    huge = {**good, "raw_input_contents": [bytes(27_000_000)]}
    stranger = Client(address(server))
    assert stranger("ServerLive").live and stranger("HealthCheck").status == 1
    for name in ("ModelInfer", "ServerMetadata", "RepositoryIndex"):
        fields = huge if name == "ModelInfer" else {}
        assert stranger.refused(name, **fields)[0] == "UNAUTHENTICATED"
    stranger.close()
    known = Client(address(server), ("authorization", f"Bearer {TOKEN}"))
    for _ in range(3):
        assert known("ModelInfer", **good).model_name == "colors"
    with pytest.raises(grpc.RpcError) as caught:
        known("ModelInfer", **good)
    assert caught.value.code().name == "RESOURCE_EXHAUSTED"
    # In milliseconds, what gRPC's own retries wait.
    assert int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]) > 1000
    known.close()
    assert server.stop() == 0


def test_without_the_library_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['grpc'] = None\n"
        "from tellapart.errors import MissingExtraError\n"
        "try: import tellapart.serving.grpc.server\n"
        "except MissingExtraError as error: print(error.do)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "tellapart[grpc]" in done.stdout, done.stderr


def test_messages_are_those_of_tritons_client() -> None:
    theirs = pytest.importorskip(
        "tritonclient.grpc.service_pb2", reason="tritonclient[grpc] is not installed"
    )
    for name, message in INFERENCE.items():
        outer, _, inner = name.partition(".")
        found = theirs.DESCRIPTOR.message_types_by_name[outer]
        found = found.nested_types_by_name[inner] if inner else found
        assert _fields(message.DESCRIPTOR) == _fields(found), name
    assert "ModelInfer" in METHODS


def _fields(descriptor: Any) -> set[tuple[Any, ...]]:
    return {
        (
            field.number,
            field.name,
            field.type,
            field.is_repeated,
            field.message_type and field.message_type.full_name,
            field.containing_oneof and field.containing_oneof.name,
        )
        for field in descriptor.fields
    }


def test_tritons_client_unmodified(server: Any, draw: Draw) -> None:
    triton = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")
    client = triton.InferenceServerClient(address(server))
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("colors") and not client.is_model_ready("pears")
    assert client.get_model_metadata("colors", as_json=True)["inputs"][0]["name"] == "image"
    pictures = triton.InferInput("image", [2], "BYTES")
    pictures.set_data_from_numpy(np.array([draw("red"), draw("blue")], dtype=object))
    found = client.infer("colors", [pictures])
    assert list(found.as_numpy("label")) == [b"red", b"blue"]
    assert found.as_numpy("probabilities").shape == (2, 3)
    client.close()
