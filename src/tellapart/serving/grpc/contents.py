"""Tensors in gRPC messages: each raw, or typed in one of the lists of `InferTensorContents`."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from tellapart.serving import tensors
from tellapart.serving.grpc.messages import INFERENCE
from tellapart.serving.models import ModelInfo

#: Datatype → the list that holds its elements, and `struct`'s letter (empty: BYTES).
_LISTS = {
    "INT8": ("int_contents", "b"),
    "INT16": ("int_contents", "h"),
    "INT32": ("int_contents", "i"),
    "INT64": ("int64_contents", "q"),
    "UINT8": ("uint_contents", "B"),
    "UINT16": ("uint_contents", "H"),
    "UINT32": ("uint_contents", "I"),
    "UINT64": ("uint64_contents", "Q"),
    "FP32": ("fp32_contents", "f"),
    "FP64": ("fp64_contents", "d"),
    "BYTES": ("bytes_contents", ""),
}


def raw_input(request: Any) -> bytes:
    """The bytes of a request's one input, as the binary extension has them.

    Raises `InputError` where it has none, or both forms.
    """
    one, raw = request.inputs[0], request.raw_input_contents
    typed = [field.name for field, _ in one.contents.ListFields()]
    if raw:
        if len(raw) != 1 or typed:
            raise tensors.malformed(
                f"There are {len(raw)} raw contents, and {len(typed)} typed ones.",
                "one content for the one input",
            )
        return bytes(raw[0])
    name, letter = _LISTS.get(one.datatype, ("", ""))
    if not name or typed not in ([], [name]):
        raise tensors.malformed(
            f"The input's datatype is {one.datatype!r:.40}, its contents are {', '.join(typed)}.",
            "raw_input_contents, or the list of that datatype",
        )
    values = getattr(one.contents, name)
    if not letter:
        return b"".join(part for text in values for part in (struct.pack("<I", len(text)), text))
    try:
        return struct.pack(f"<{len(values)}{letter}", *values)
    except struct.error as error:
        raise tensors.malformed(f"The input is not {one.datatype}: {error}.", "numbers") from None


def outputs_asked(asked: Any) -> dict[str, Any]:
    """What outputs a message asks for, as in JSON; all of them binary."""
    return {
        "outputs": [
            {"name": one.name, "parameters": _parameters(one.parameters)} for one in asked.outputs
        ],
        "parameters": {"binary_data_output": True},
    }


def answered(
    info: ModelInfo, asked: Any, written: list[tuple[dict[str, Any], bytes | None]]
) -> Any:
    """Raw outputs for raw inputs, typed ones for typed."""
    answer = INFERENCE["ModelInferResponse"](
        model_name=info.name, model_version=str(info.version), id=asked.id
    )
    for described, raw in written:
        output = answer.outputs.add(
            name=described["name"], datatype=described["datatype"], shape=described["shape"]
        )
        if asked.raw_input_contents:
            answer.raw_output_contents.append(raw or b"")
        else:
            _set_typed(output.contents, described["datatype"], raw or b"")
    return answer


def _set_typed(contents: Any, datatype: str, raw: bytes) -> None:
    """Fill the typed list of an output with its raw bytes."""
    name, letter = _LISTS[datatype]
    values: Iterable[Any]
    if letter:
        count = len(raw) // struct.calcsize(letter)
        values = struct.unpack(f"<{count}{letter}", raw)
    else:
        values = _texts(raw)
    getattr(contents, name).extend(values)


def _parameters(given: Any) -> dict[str, Any]:
    """Parameters as in JSON."""
    found = {}
    for key, value in given.items():
        kind = value.WhichOneof("parameter_choice")
        found[key] = None if kind is None else getattr(value, kind)
    return found


def _texts(raw: bytes) -> Iterable[bytes]:
    at = 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        yield raw[at + 4 : at + 4 + length]
        at += 4 + length
