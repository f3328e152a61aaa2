"""How the front and its workers speak: messages of packed numbers, bytes and, seldom, JSON.

No pickle: a worker decodes pictures from strangers, and one that such a picture took over could
make the front run whatever it likes. And little to compute: between two pictures the front finds
its caches full of the engine's weights, so that every line it runs costs several times its usual.
"""

from __future__ import annotations

import json
import math
import struct
from array import array
from typing import Any, NamedTuple

from tellapart import errors
from tellapart.errors import TellapartError, WorkerError
from tellapart.serving.jobs import Answer, Job, Kind, Seconds, Tensor, Told

#: Bytes that follow, and what they are.
_PREFIX = struct.Struct("<IB")
NOTE, TASK, ANSWER, TOLD = range(4)
#: Number, model, kind, wishes, deadline, bytes of JSON before the payload.
_TASK = struct.Struct("<QHBBdI")
_FULL_TASK = struct.Struct("<IBQHBBdI")
#: Number, abstained, status, batch, familiarity, decode, infer, labels, bytes of JSON behind them.
_ANSWER = struct.Struct("<QBHHdddII")
#: The prefix; number, status, abstained, batch, decode, infer; the JSON follows.
_TOLD = struct.Struct("<IBQHBHdd")
_WHY, _TELL = 1, 2
_KINDS: tuple[Kind, ...] = ("picture", "row", "tensor")
#: No message is larger: beyond it the other end must be broken.
_LARGEST = 2**31

Message = tuple[int, memoryview]


class BrokenMessage(ValueError):  # noqa: N818 - what came, not what went wrong here
    """What came over the socket is no message."""


class Task(NamedTuple):
    """A job as the worker sees it: `number` names it in the answer, `model` is a place."""

    number: int
    model: int
    job: Job


class Reader:
    """Cuts a stream of bytes into messages, however the bytes arrive."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._have = 0
        self._need = 0

    @property
    def empty(self) -> bool:
        """Whether no message has come in part."""
        return not self._chunks

    def feed(self, data: bytes) -> list[Message]:
        """Take more bytes; the messages that are whole now. Raises `BrokenMessage`."""
        if self._chunks:
            self._chunks.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            data = b"".join(self._chunks)
            self._chunks = []
        start, end = 0, len(data)
        need = _PREFIX.size
        view = memoryview(data)
        found: list[Message] = []
        while end - start >= _PREFIX.size:
            size, kind = _PREFIX.unpack_from(data, start)
            if size > _LARGEST:
                raise BrokenMessage(f"a message of {size:,} bytes")
            need = _PREFIX.size + size
            if end - start < need:
                break
            found.append((kind, view[start + _PREFIX.size : start + need]))
            start += need
            need = _PREFIX.size
        if start < end:
            self._chunks, self._have, self._need = [data[start:]], end - start, need
        return found


def pack_note(value: dict[str, Any]) -> bytes:
    """A message of JSON."""
    text = json.dumps(value, separators=(",", ":")).encode()
    return _PREFIX.pack(len(text), NOTE) + text


def read_note(message: Message) -> dict[str, Any]:
    """What `pack_note` wrote. Raises `BrokenMessage`."""
    kind, body = message
    value = _json(body) if kind == NOTE else None
    if not isinstance(value, dict):
        raise BrokenMessage(f"no note, but a message of kind {kind}")
    return value


def pack_task(number: int, model: int, job: Job) -> tuple[bytes, bytes]:
    """A job for a worker in two pieces; its payload is not copied."""
    names = json.dumps(job.outputs).encode() if job.outputs else b""
    wishes = _WHY * job.why + _TELL * job.told
    size = _TASK.size + len(names) + len(job.payload)
    head = _FULL_TASK.pack(
        size, TASK, number, model, _KINDS.index(job.kind), wishes, job.deadline, len(names)
    )
    return head + names, job.payload


def read_task(message: Message) -> Task:
    """What `pack_task` wrote. Raises `BrokenMessage`."""
    kind, body = message
    if kind != TASK or len(body) < _TASK.size:
        raise BrokenMessage(f"no task, but a message of kind {kind}")
    number, model, which, wishes, deadline, names = _TASK.unpack_from(body)
    start = _TASK.size + names
    outputs = tuple(_json(body[_TASK.size : start])) if names else ()
    payload = body[start:].tobytes()
    why, told = bool(wishes & _WHY), bool(wishes & _TELL)
    job = Job(payload, deadline, "", None, _KINDS[which], why, outputs, told=told)
    return Task(number, model, job)


def pack_answer(number: int, answer: Answer) -> bytes:
    """An answer for the front, without what the front knows: model, version, labels."""
    odds = array("f", answer.probabilities).tobytes()
    extras = b""
    parts = list(answer.outputs.values())
    if answer.error or answer.map or parts or answer.overlay:
        described: dict[str, Any] = {
            "error": answer.error,
            "map_kind": answer.map_kind,
            "outputs": [
                (name, t.dtype, t.shape, len(t.data)) for name, t in answer.outputs.items()
            ],
            "overlay": len(answer.overlay or b""),
        }
        if answer.map:
            described["map"] = (*answer.map[:2], len(answer.map.data))
            parts.append(answer.map)
        extras = json.dumps(described).encode()
    head = _ANSWER.pack(
        number,
        answer.abstained,
        answer.http_status,
        answer.batch,
        math.nan if answer.familiarity is None else answer.familiarity,
        answer.seconds.decode,
        answer.seconds.infer,
        len(odds) // 4,
        len(extras),
    )
    body = b"".join((head, odds, extras, *[part.data for part in parts], answer.overlay or b""))
    return _PREFIX.pack(len(body), ANSWER) + body


def read_answer(message: Message) -> tuple[int, Answer]:
    """What `pack_answer` wrote, with the number of its task. Raises `BrokenMessage`."""
    kind, body = message
    if kind != ANSWER or len(body) < _ANSWER.size:
        raise BrokenMessage(f"no answer, but a message of kind {kind}")
    number, abstained, status, batch, known, decode, infer, labels, extras = _ANSWER.unpack_from(
        body
    )
    odds = array("f")
    start = _ANSWER.size + 4 * labels
    if start > len(body):
        raise BrokenMessage(f"{labels} probabilities in {len(body)} bytes")
    odds.frombytes(body[_ANSWER.size : start])
    answer = Answer("", 0, None, None, odds.tolist(), bool(abstained))
    answer.familiarity = None if known != known else known
    answer.http_status, answer.batch = status, batch
    answer.seconds = Seconds(0.0, decode, infer)
    if extras:
        _read_extras(answer, _json(body[start : start + extras]), body[start + extras :])
    return number, answer


def pack_told(number: int, told: Told) -> bytes:
    """An answer that the front passes on as it is."""
    status, body, abstained, batch, decode, infer = told
    size = _TOLD.size + len(body) - _PREFIX.size
    return _TOLD.pack(size, TOLD, number, status, abstained, batch, decode, infer) + body


def read_told(message: Message) -> tuple[int, Told]:
    """What `pack_told` wrote. Raises `BrokenMessage`."""
    kind, body = message
    found = read_told_alone(_PREFIX.pack(len(body), kind) + bytes(body))
    if found is None:
        raise BrokenMessage("half an answer")
    return found


def read_told_alone(data: bytes) -> tuple[int, Told] | None:
    """What `pack_told` wrote, if that is all of `data`. Raises `BrokenMessage`."""
    if len(data) < _TOLD.size:
        return None
    size, kind, number, status, abstained, batch, decode, infer = _TOLD.unpack_from(data)
    if kind != TOLD or size + _PREFIX.size != len(data):
        return None
    if not (100 <= status < 600 and batch):
        raise BrokenMessage(f"the status {status}, {batch} together")
    return number, Told(status, data[_TOLD.size :], bool(abstained), batch, decode, infer)


def _read_extras(answer: Answer, described: Any, data: memoryview) -> None:
    start = 0

    def part(size: int) -> bytes:
        nonlocal start
        start += size
        if size < 0 or start > len(data):
            raise BrokenMessage(f"a part of {size} bytes")
        return data[start - size : start].tobytes()

    try:
        answer.error, answer.map_kind = described["error"], described["map_kind"]
        for name, kind, shape, size in described["outputs"]:
            answer.outputs[name] = Tensor(kind, tuple(shape), part(size))
        if "map" in described:
            kind, shape, size = described["map"]
            answer.map = Tensor(kind, tuple(shape), part(size))
        if described["overlay"]:
            answer.overlay = part(described["overlay"])
    except (ValueError, TypeError, LookupError) as error:
        raise BrokenMessage(str(error)) from None


def _json(body: memoryview) -> Any:
    try:
        return json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise BrokenMessage(str(error)) from None


def error_facts(error: TellapartError) -> dict[str, Any]:
    """An error as a message carries it: the inner object of `to_dict`, with its reason."""
    facts: dict[str, Any] = error.to_dict()["error"]
    reason = getattr(error, "reason", None)
    return facts if reason is None else {**facts, "reason": reason}


def error_from(facts: dict[str, Any]) -> TellapartError:
    """The error that `error_facts` described, of its own class where that is one of ours."""
    kinds: dict[str, type[TellapartError]] = {
        kind.code: kind for kind in vars(errors).values() if _is_error(kind)
    }
    kind = kinds.get(facts.get("code", ""), WorkerError)
    return kind(
        str(facts.get("what", "")),
        expected=str(facts.get("expected", "")),
        do=str(facts.get("do", "")),
    )


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, TellapartError)
