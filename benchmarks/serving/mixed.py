"""A mix of requests as a product's day has them, each with the answer that it must get."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.serving.material import Material, same
from benchmarks.serving.measure import Measured, parsed

NAME = "served"
BOUNDARY = "a-boundary-that-is-in-no-picture"


@dataclass(frozen=True)
class Asked:
    """One request and what its answer must be."""

    what: str
    #: As the load generator's plan has it.
    request: dict[str, Any]
    status: int
    right: Callable[[Any], bool]


def requests(found: Material, folder: Path) -> list[Asked]:
    """Six in ten are bodies of a JPEG, of three sizes; the rest comes in every other way."""
    mix: list[Asked] = []
    for number, file in enumerate(found.all_pictures):
        (expected,) = found.expected([file])
        plain = _one(expected)
        mix += [
            Asked("jpeg", _post("/predict", "image/jpeg", file), 200, plain),
            Asked("jpeg", _post("/predict", "image/jpeg", file), 200, plain),
            Asked("jpeg, model named", _post(f"/v1/models/{NAME}/predict", "", file), 200, plain),
        ]
        mix += _others(number, file, expected, folder)
    return mix


def _others(number: int, file: Path, expected: dict[str, Any], folder: Path) -> list[Asked]:
    data = file.read_bytes()

    def keep(suffix: str, body: bytes) -> Path:
        path = folder / f"{number}.{suffix}"
        path.write_bytes(body)
        return path

    text = base64.b64encode(data).decode()
    cut = keep("cut", data[: len(data) // 2])
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}
    many = json.dumps({"images": [text, text]}).encode()
    protocol = json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode()
    kinds = [
        Asked("multipart", _form(keep("form", form(data))), 200, _one(expected)),
        Asked(
            "base64",
            _post("/predict", JSON, keep("json", json.dumps({"image": text}).encode())),
            200,
            _one(expected),
        ),
        Asked("two", _post("/predict", JSON, keep("two", many)), 200, _many(expected, 2)),
        Asked(
            "open inference protocol",
            _post(f"/v2/models/{NAME}/infer", JSON, keep("oip", protocol)),
            200,
            _tensor(expected),
        ),
        Asked("cut off", _post("/predict", "image/jpeg", cut), 422, _error("picture")),
        Asked(
            "no such model", _post("/v1/models/none/predict", "", file), 404, _error("not_found")
        ),
        Asked("png", _post("/predict", "image/png", keep("png", _png(data))), 200, _labelled),
        Asked("why", _post("/predict?why=1", "image/jpeg", file), 200, _why(expected)),
    ]
    return [kinds[number % len(kinds)], kinds[(number + 3) % len(kinds)]]


JSON = "application/json"


def form(data: bytes, name: str = "file") -> bytes:
    """A multipart form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n'
    kind = "Content-Type: image/jpeg\r\n\r\n"
    return f"{head}{kind}".encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def _post(path: str, kind: str, file: Path) -> dict[str, Any]:
    return {"path": path, "type": kind or "application/octet-stream", "file": str(file)}


def _form(file: Path) -> dict[str, Any]:
    return _post("/predict", f"multipart/form-data; boundary={BOUNDARY}", file)


def _png(data: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).resize((200, 150)).save(out, "PNG")
    return out.getvalue()


def _one(expected: dict[str, Any]) -> Callable[[Any], bool]:
    return lambda told: isinstance(told, dict) and same(told, expected)


def _many(expected: dict[str, Any], count: int) -> Callable[[Any], bool]:
    def right(told: Any) -> bool:
        each = told.get("predictions", [])
        return len(each) == count and all(same(one, expected) or _late(one) for one in each)

    return right


def _late(one: dict[str, Any]) -> bool:
    """Of many pictures each has its own error: some may be answered in time, others not."""
    return one.get("error", {}).get("code") in ("deadline", "overloaded")


def _tensor(expected: dict[str, Any]) -> Callable[[Any], bool]:
    odds = list(expected["probabilities"].values())

    def right(told: Any) -> bool:
        (found,) = (one["data"] for one in told["outputs"] if one["name"] == "probabilities")
        return all(abs(a - b) <= 1e-3 for a, b in zip(found, odds, strict=True))

    return right


def _error(code: str) -> Callable[[Any], bool]:
    return lambda told: bool(told["error"]["code"] == code and told["error"]["do"])


def _labelled(told: Any) -> bool:
    return bool(told["best"] in told["probabilities"])


def _why(expected: dict[str, Any]) -> Callable[[Any], bool]:
    return lambda told: same(told, expected) and bool(told["why"]["map"])


#: Being turned away is an answer too: full, too late.
TURNED_AWAY = (503, 504)


def wrong(mix: list[Asked], measured: Measured) -> dict[str, int]:
    """How many answers were not what they must be, by kind; those turned away do not count."""
    found: dict[str, int] = {}
    for reply in measured.replies:
        if reply.status not in (mix[reply.item].status, *TURNED_AWAY):
            what = f"{mix[reply.item].what}: status {reply.status}"
            found[what] = found.get(what, 0) + 1
    for item, body, often in measured.bodies(2) + measured.bodies(4):
        if not _holds(mix[item], body):
            found[mix[item].what] = found.get(mix[item].what, 0) + often
    return found


def _holds(asked: Asked, body: str) -> bool:
    try:
        return asked.right(parsed(body))
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
