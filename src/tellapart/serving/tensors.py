"""Tensors of the Open Inference Protocol: JSON or binary in, JSON or binary out.

The front knows no numpy: tensors are bytes, little-endian and row-major, as the binary extension
has them.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tellapart.errors import InputError, RequestError
from tellapart.serving.answers import floats
from tellapart.serving.bodies import from_base64, row_text, too_many
from tellapart.serving.jobs import Answer, Kind
from tellapart.serving.models import ModelInfo

#: numpy's name of a type → the protocol's.
DATATYPES = {"float32": "FP32", "uint8": "UINT8", "int64": "INT64"}
#: The protocol's name of a number's type → `array`'s letter.
_NUMBERS = {
    "FP32": "f",
    "FP64": "d",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
}
_DEEPEST = 8


class Output(NamedTuple):
    """One output asked for; `classes`: how many of the likeliest, as texts (0: the tensor)."""

    name: str
    binary: bool = False
    classes: int = 0


def read_input(
    info: ModelInfo, inputs: Any, tail: memoryview, most: int
) -> tuple[Kind, list[bytes]]:
    """The payloads of the one input tensor, and their kind. Raises `InputError` and its kin.

    `tail`: the binary data behind the JSON.
    """
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise malformed(
            "The request has not one input.", f'"inputs": [{{"name": {info.input!r}, …}}]'
        )
    given = inputs[0]
    if given.get("name") != info.input:
        raise malformed(f"The input's name is {_short(given.get('name'))}.", repr(info.input))
    datatype, shape = given.get("datatype"), _shape(given.get("shape"))
    if shape[0] > most:
        raise too_many(shape[0], most)
    raw = _binary(given, tail)
    if datatype == "BYTES":
        if math.prod(shape) != shape[0]:
            raise malformed(f"The input's shape is {list(shape)}.", "[n] or [n, 1]")
        elements = _split(raw) if raw is not None else _texts(given.get("data"))
        if len(elements) != shape[0]:
            raise malformed(
                f"The input holds {len(elements):,} elements.", f"{shape[0]:,}, as its shape says"
            )
        return ("picture" if info.kind == "picture" else "row"), elements
    if shape[1:] != tuple(info.shape):
        raise malformed(
            f"The input's shape is {list(shape)}.",
            f"{['n', *info.shape]}" + (", or BYTES of [n]" if info.kind == "picture" else ""),
        )
    if info.kind == "picture" and datatype != "UINT8":
        raise malformed(f"The input's datatype is {_short(datatype)}.", "BYTES or UINT8")
    if datatype not in _NUMBERS:
        raise malformed(f"The input's datatype is {_short(datatype)}.", "FP32 or BYTES")
    numbers = _numbers(given, raw, datatype, math.prod(shape))
    if info.kind == "row":
        numbers = _as_float32(numbers, datatype)
    size = len(numbers) // shape[0]
    return "tensor", [numbers[at : at + size] for at in range(0, len(numbers), size)]


def read_outputs(info: ModelInfo, asked: dict[str, Any]) -> list[Output]:
    """The outputs asked for; all of them where none is named. Raises `InputError`."""
    given = asked.get("outputs")
    all_binary = _parameters(asked).get("binary_data_output") is True
    if given is None or given == []:
        return [Output(name, all_binary) for name in ("label", *info.outputs)]
    if not isinstance(given, list) or len(given) > 64:
        raise malformed(f'The key "outputs" holds {_short(given)}.', "a list of outputs")
    found = []
    for one in given:
        name = one.get("name") if isinstance(one, dict) else None
        if name != "label" and (not isinstance(name, str) or name not in info.outputs):
            known = ", ".join(("label", *info.outputs))
            raise malformed(f"There is no output {_short(name)}.", f"one of {known}")
        parameters = _parameters(one)
        binary = parameters.get("binary_data", all_binary) is True
        classes = parameters.get("classification", 0)
        if not isinstance(classes, int) or isinstance(classes, bool) or classes < 0:
            raise malformed(f"The classification is {_short(classes)}.", "a whole number")
        if classes and info.outputs.get(name, ("", ()))[1] != (len(info.labels),):
            raise malformed(f"The output {name!r} is no vector of classes.", "probabilities")
        found.append(Output(name, binary, min(classes, len(info.labels))))
    return found


def write_output(
    info: ModelInfo, found: Sequence[Answer], output: Output
) -> tuple[dict[str, Any], bytes | None]:
    """One output tensor of all answers: its description, and its bytes where they are binary."""
    name, datatype = output.name, "BYTES"
    shape: list[int] = [len(found)]
    texts: list[str] | None = None
    if name == "label":
        texts = [answer.label or "" for answer in found]
    elif output.classes:
        shape.append(output.classes)
        texts = [
            text
            for answer in found
            for text in _likeliest(info, floats(answer.outputs[name]), output.classes)
        ]
    if texts is not None:
        data = b"".join(_counted(text.encode(errors="replace")) for text in texts)
        values: list[Any] = texts
    else:
        dtype, inner = info.outputs[name]
        shape += inner
        datatype = DATATYPES[dtype]
        data = b"".join(answer.outputs[name].data for answer in found)
        values = [] if output.binary else _values(data, datatype)
    described: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
    if output.binary:
        described["parameters"] = {"binary_data_size": len(data)}
        return described, data
    described["data"] = values
    return described, None


def malformed(what: str, expected: str) -> InputError:
    """The error for a request that the protocol does not allow."""
    return RequestError(
        what, expected=expected, do="Look at the model's metadata: GET /v2/models/NAME.", status=400
    )


def _likeliest(info: ModelInfo, values: list[float], count: int) -> list[str]:
    """`value:index:label`, the highest first, as the classification extension writes them."""
    order = sorted(range(len(values)), key=lambda place: -values[place])[:count]
    return [f"{values[place]:f}:{place}:{info.labels[place]}" for place in order]


def _values(data: bytes, datatype: str) -> list[Any]:
    values = _array(datatype, data).tolist()
    if datatype.startswith("FP"):
        return [value if math.isfinite(value) else None for value in values]
    return values


def _array(datatype: str, data: bytes) -> array[Any]:
    found = array(_NUMBERS[datatype])
    found.frombytes(data)
    return found


def _counted(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _split(data: memoryview) -> list[bytes]:
    """The elements of a binary BYTES tensor, each behind its length."""
    found, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            raise malformed("The BYTES tensor is cut off.", "a length of 4 bytes for each element")
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if at + length > len(data):
            raise malformed("The BYTES tensor is cut off.", f"{length:,} bytes of an element")
        found.append(bytes(data[at : at + length]))
        at += length
    return found


def _texts(data: Any) -> list[bytes]:
    """The elements of a BYTES tensor in JSON: base64, alone or as {"b64": …}; or rows."""
    if not isinstance(data, list):
        raise malformed(f"The input's data is {_short(data)}.", "a list of texts in base64")
    found = []
    for one in _flat(data):
        text = one["b64"] if isinstance(one, dict) and list(one) == ["b64"] else one
        if isinstance(text, dict):
            found.append(row_text(text))
        elif isinstance(text, str):
            row = text.lstrip()[:1] in ("{", "[")
            found.append(text.encode(errors="replace") if row else from_base64(text))
        else:
            raise malformed(f"An element of the input is {_short(one)}.", "text in base64")
    return found


def _numbers(given: dict[str, Any], raw: memoryview | None, datatype: str, count: int) -> bytes:
    """The bytes of a tensor of numbers."""
    letter = _NUMBERS[datatype]
    if raw is None:
        data = given.get("data")
        if not isinstance(data, list):
            raise malformed(f"The input's data is {_short(data)}.", "a list of numbers")
        none = float("nan")
        try:
            numbers = array(letter, [none if one is None else one for one in _flat(data)])
        except (TypeError, ValueError, OverflowError) as error:
            raise malformed(f"The input's data is not {datatype}: {error}.", "numbers") from None
        if sys.byteorder == "big":
            numbers.byteswap()
        found = numbers.tobytes()
    else:
        found = bytes(raw)
    size = array(letter).itemsize
    if len(found) != count * size:
        raise malformed(
            f"The input holds {len(found):,} bytes.", f"{count * size:,}, as its shape says"
        )
    return found


def _as_float32(data: bytes, datatype: str) -> bytes:
    if datatype == "FP32":
        return data
    return array("f", _array(datatype, data).tolist()).tobytes()


def _flat(data: list[Any], depth: int = 0) -> Iterator[Any]:
    """The elements of a list that may be nested as the shape is."""
    if depth > _DEEPEST:
        raise malformed("The input's data is nested too deeply.", "as deep as its shape is long")
    for one in data:
        if isinstance(one, list):
            yield from _flat(one, depth + 1)
        else:
            yield one


def _binary(given: dict[str, Any], tail: memoryview) -> memoryview | None:
    """The binary data of the only input; None where its data is in the JSON."""
    size = _parameters(given).get("binary_data_size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size != len(tail):
        raise malformed(
            f"The input's binary_data_size is {_short(size)}.",
            f"{len(tail):,}, the bytes there are",
        )
    return tail


def _shape(value: Any) -> tuple[int, ...]:
    good = isinstance(value, list) and 0 < len(value) <= _DEEPEST
    if not good or not all(type(one) is int and 0 < one < 2**31 for one in value):
        raise malformed(f"The input's shape is {_short(value)}.", "a list of whole numbers above 0")
    return tuple(value)


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    given = value.get("parameters") or {}
    if not isinstance(given, dict):
        raise malformed(f"The parameters are {_short(given)}.", "an object")
    return given


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    return repr(value[:40]) if isinstance(value, str) else repr(value)[:40]
