"""Bodies from strangers: parsers that raise nothing but 4xx, and a server that outlives them."""

from __future__ import annotations

import base64
import json
import random
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.serving import bodies, forms, tensors
from tellapart.serving.answers import encode
from tellapart.serving.jobs import Answer, Tensor
from tellapart.serving.label_studio import find_control
from tellapart.serving.models import ModelInfo
from tellapart.serving.request import Request

PICTURES = ModelInfo(
    name="colors",
    version=1,
    labels=("blue", "green", "red"),
    kind="picture",
    input="image",
    shape=(4, 4, 3),
    view="squash",
    color="RGB",
    columns=(),
    outputs={"probabilities": ("float32", (3,)), "familiarity": ("float32", ())},
    min_familiarity=None,
    min_probability=None,
    finished=True,
    runs_on={},
    sha256="",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("image", "images", "url", "row", "rows", "instances", "b64", "tasks"))
            | st.text(max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


def _request(content_type: str) -> Request:
    headers = {b"content-type": content_type.encode("latin-1", "replace")}
    return Request("POST", "/predict", headers=headers)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=300)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from(
        (
            *("", "application/json", "application/ld+json", "text/plain", "image/jpeg", "/"),
            *("multipart/form-data; boundary=a", "multipart/form-data", "multipart/form-data; bou"),
        )
    ),
)
def test_any_body_is_read_or_refused(data: bytes, content_type: str) -> None:
    try:
        asked = bodies.read(data, _request(content_type), 8)
    except TellapartError as error:
        assert 400 <= error.http_status < 500
        encode(error.to_dict())
    else:
        assert asked.tasks is not None or 0 < len(asked.items) <= 8
        for item in asked.items:
            if isinstance(item, TellapartError):
                encode(item.to_dict())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100), st.sampled_from((b"+/", b"-_")), st.booleans(), st.booleans())
def test_base64_of_either_alphabet_is_read(
    data: bytes, letters: bytes, padded: bool, blanks: bool
) -> None:
    text = base64.b64encode(data, letters).decode()
    text = text if padded else text.rstrip("=")
    assert bodies.from_base64("\n".join(text) if blanks else text) == data


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=5),
    st.text("abcdef0123456789-", min_size=1, max_size=20),
    st.booleans(),
)
def test_files_come_out_of_a_form_as_they_went_in(
    contents: list[bytes], boundary: str, preamble: bool
) -> None:
    line = f"--{boundary}".encode()
    if any(b"\r\n" + line in b"\r\n" + one for one in contents):
        return
    body = b"preamble\r\n" if preamble else b""
    for one in contents:
        head = b'Content-Disposition: form-data; name="x"; filename="a.jpg"\r\n\r\n'
        body += line + b"\r\n" + head + one + b"\r\n"
    body += line + b"--\r\n"
    found = forms.files(body, f"multipart/form-data; boundary={boundary}", 5)
    assert found == contents


@pytest.mark.parametrize(
    "body",
    [
        b"--a\r\n" + b"x" * 5_000_000,
        b"--a\r\nx: " + b"y: z\r\n" * 800_000 + b"\r\n\r\n--a--",
        b"--a\r\n" * 900_000,
        b"\r\n--a" * 900_000,
        b"--a\r\n\r\n\r\n--a" * 400_000,
    ],
    ids=("no end", "headers", "boundaries", "line ends", "parts"),
)
def test_a_hostile_form_is_refused(body: bytes) -> None:
    with pytest.raises(TellapartError) as caught:
        forms.files(body, "multipart/form-data; boundary=a", 64)
    assert caught.value.http_status in (400, 413)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 2_000_000,
        b"[[]," * 900_000,
        b'{"a":' * 500_000,
        b"[" + b"1," * 1_500_000,
        b"9" * 10_000,
    ],
    ids=("deep", "lists", "objects", "numbers", "one number"),
)
def test_a_hostile_json_does_not_fill_the_memory(body: bytes) -> None:
    with pytest.raises(TellapartError) as caught:
        bodies.parse(body)
    assert caught.value.http_status in (400, 413)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {"name": st.sampled_from(("image", "x", None))},
        optional={
            "datatype": st.sampled_from(("BYTES", "UINT8", "FP32", "", None, 3)),
            "shape": st.lists(st.integers(-2, 70) | st.just(4) | st.booleans(), max_size=5),
            "data": JSON,
            "parameters": JSON | st.just({"binary_data_size": 8}),
        },
    ),
    st.binary(max_size=20),
    JSON,
)
def test_any_tensor_is_read_or_refused(given_: dict[str, Any], tail: bytes, outputs: Any) -> None:
    try:
        _, payloads = tensors.read_input(PICTURES, [given_], memoryview(tail), 64)
        assert 0 < len(payloads) <= 64
        tensors.read_outputs(PICTURES, {"outputs": outputs, "parameters": given_.get("parameters")})
    except TellapartError as error:
        assert 400 <= error.http_status < 500


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=6), st.binary(max_size=6))
def test_bytes_tensors_come_back_as_they_were_cut(elements: list[bytes], junk: bytes) -> None:
    data = b"".join(struct.pack("<I", len(one)) + one for one in elements)
    tensor = {"name": "image", "datatype": "BYTES", "shape": [len(elements)]}
    tensor["parameters"] = {"binary_data_size": len(data)}
    kind, found = tensors.read_input(PICTURES, [tensor], memoryview(data), 64)
    assert (kind, found) == ("picture", elements)
    tensor["parameters"] = {"binary_data_size": len(data + junk)}
    if junk:
        with pytest.raises(TellapartError):
            tensors.read_input(PICTURES, [tensor], memoryview(data + junk), 64)


def test_numbers_that_json_lacks_are_null() -> None:
    data = struct.pack("<3f", float("nan"), float("inf"), 0.5)
    answer = Answer("colors", 1, outputs={"probabilities": Tensor("float32", (3,), data)})
    shown, _ = tensors.write_output(PICTURES, [answer], tensors.Output("probabilities"))
    assert json.loads(encode(shown))["data"] == [None, None, 0.5]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200) | st.text("<>/&;!ViewChoicesImage \"='$\n", max_size=120))
def test_any_labeling_configuration_is_read_or_refused(text: str) -> None:
    with pytest.raises(TellapartError):
        find_control(text)


def _bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that says it has side × side pixels, and has."""
    row = b"\0" * (side // 8 + 1)
    squeezed = zlib.compressobj(9)
    data = b"".join(squeezed.compress(row) for _ in range(side)) + squeezed.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def _mutated(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(found))
        if chance.random() < 0.3:
            del found[place : place + chance.randint(1, 40)]
            found = found or bytearray(b"x")
        else:
            found[place] = chance.randrange(256)
    return bytes(found)


def test_a_server_answers_broken_bodies_with_4xx_and_lives(
    start_server: Any, colors_bundle: Path, draw: Any
) -> None:
    server = start_server(colors_bundle)
    chance = random.Random(5)
    red = draw("red")
    text = base64.b64encode(red).decode()
    form = (
        b'--a\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%b\r\n--a--\r\n'
    )
    good: list[tuple[str, str, bytes]] = [
        *(
            ("/predict", f"image/{kind.lower()}", draw("red", format=kind))
            for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
        ),
        ("/predict", "multipart/form-data; boundary=a", form % red),
        ("/predict?why=1", "application/json", json.dumps({"image": text}).encode()),
        ("/predict", "application/json", json.dumps({"instances": [text, {"b64": text}]}).encode()),
        ("/predict", "application/json", b'{"tasks": [{"data": {}}], "label_config": "<View/>"}'),
        (
            "/v2/models/colors/infer",
            "application/json",
            json.dumps(
                {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}]}
            ).encode(),
        ),
    ]
    for path, kind, body in (*good, ("/predict", "image/png", _bomb(12_000))):
        for number in range(1 if len(body) > 10_000 else 25):
            sent = body if number == 0 else _mutated(body, chance)
            found = server.client.post(path, content=sent, headers={"content-type": kind})
            assert found.status_code < 500 or found.status_code in (503, 504), found.text
            assert "error" in found.json() or found.status_code == 200
    assert server.client.post("/predict", content=red).json()["label"] == "red"
    assert not server.events("fault")
    assert not server.events("worker_lost")


def test_a_server_outlives_bytes_that_are_no_http(
    start_server: Any, colors_bundle: Path, draw: Any
) -> None:
    server = start_server(colors_bundle, "--no-socket", "--read-timeout", "1")
    chance = random.Random(3)
    red = draw("red")
    good = [
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(red), red),
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(red), red),
        b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 3,
        b"GET /v2/models/%63olors HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"GET /predict?why=1&model=%ff HTTP/1.0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
    ]
    for number in range(120):
        data = bytearray(_mutated(chance.choice(good), chance))
        if number % 3 == 0:
            data += chance.choice(good)  # more behind what is broken
        with socket.create_connection(server.address, timeout=20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            try:
                found = connection.recv(65536)
            except ConnectionResetError:
                continue
        assert not found.startswith(b"HTTP/1.1 5"), found
    assert server.client.post("/predict", content=red).json()["label"] == "red"
    assert "tellapart_requests_open 1.0" in server.client.get("/metrics").text
    assert not server.events("fault")
    assert not server.events("library")
