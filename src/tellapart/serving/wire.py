"""How the front and its workers speak: frames of JSON with bytes behind, over a socket pair.

No pickle: a worker decodes pictures from strangers, and one that such a picture took over could
make the front run whatever it likes.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from tellapart import errors
from tellapart.errors import TellapartError, WorkerError
from tellapart.serving.jobs import Answer, Job, Seconds, Tensor

_PREFIX = struct.Struct("!IQ")
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
#: No frame is larger: beyond it the other end must be broken.
_LARGEST = 2**32


class Frame(NamedTuple):
    head: Any
    blobs: list[bytes]


class BrokenFrame(ValueError):  # noqa: N818 - what came, not what went wrong here
    """What came over the socket is no frame."""


def pack(head: Any, blobs: Sequence[bytes] = ()) -> list[bytes]:
    """The pieces of a frame, to be written one after the other. `head`: anything JSON knows."""
    text = _encode([[len(blob) for blob in blobs], head]).encode()
    return [_PREFIX.pack(len(text), sum(map(len, blobs))) + text, *blobs]


class Reader:
    """Cuts a stream of bytes into frames, however the bytes arrive."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._have = 0
        self._need = _PREFIX.size

    def feed(self, data: bytes) -> list[Frame]:
        """Take more bytes and give the frames that are whole now. Raises `BrokenFrame`."""
        self._chunks.append(data)
        self._have += len(data)
        frames: list[Frame] = []
        while self._have >= self._need:
            whole = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            head, blobs = _PREFIX.unpack_from(whole)
            total = _PREFIX.size + head + blobs
            if total > _LARGEST:
                raise BrokenFrame(f"a frame of {total:,} bytes")
            if len(whole) < total:
                self._chunks, self._need = [whole], total
                break
            frames.append(_frame(whole, head, total))
            rest = whole[total:]
            self._chunks, self._have, self._need = [rest], len(rest), _PREFIX.size
        return frames


def _frame(whole: bytes, head: int, total: int) -> Frame:
    start = _PREFIX.size + head
    try:
        sizes, value = _decode(whole[_PREFIX.size : start].decode())
        blobs = []
        for size in sizes:
            blobs.append(whole[start : start + size])
            start += size
    except (ValueError, TypeError, RecursionError) as error:
        raise BrokenFrame(str(error)) from None
    if start != total:
        raise BrokenFrame(f"its parts end at {start}, and it ends at {total}")
    return Frame(value, blobs)


class Task(NamedTuple):
    """A job as the worker sees it: `number` names it in the answer, `model` is a place."""

    number: int
    model: int
    job: Job


def pack_tasks(tasks: Sequence[Task]) -> list[bytes]:
    """Jobs for a worker; their payloads are not copied."""
    heads = [
        (number, model, job.kind, job.why, job.outputs, job.deadline)
        for number, model, job in tasks
    ]
    return pack(heads, [task.job.payload for task in tasks])


def read_tasks(frame: Frame) -> list[Task]:
    """What `pack_tasks` wrote."""
    return [
        Task(number, model, Job(blob, deadline, kind=kind, why=why, outputs=tuple(outputs)))
        for (number, model, kind, why, outputs, deadline), blob in zip(
            frame.head, frame.blobs, strict=True
        )
    ]


def pack_answers(answers: Sequence[tuple[int, Answer]]) -> list[bytes]:
    """Answers for the front, each with the number of its task.

    The likeliest class is not sent: the front knows the labels.
    """
    heads, blobs = [], []
    for number, answer in answers:
        tensors = dict(answer.outputs)
        if answer.map is not None:
            tensors[""] = answer.map
        shapes = [(name, item.dtype, item.shape) for name, item in tensors.items()]
        heads.append(
            (
                number,
                answer.abstained,
                answer.familiarity,
                answer.map_kind,
                answer.overlay is not None,
                shapes,
                answer.error,
                answer.http_status,
                answer.seconds[1:],
                answer.batch,
            )
        )
        blobs.append(array("f", answer.probabilities).tobytes())
        blobs += [item.data for item in tensors.values()]
        blobs += [] if answer.overlay is None else [answer.overlay]
    return pack(heads, blobs)


def read_answers(frame: Frame) -> list[tuple[int, Answer]]:
    """What `pack_answers` wrote, but for model, version and labels. Raises `BrokenFrame`."""
    found: list[tuple[int, Answer]] = []
    blobs = iter(frame.blobs)
    try:
        for (
            number,
            abstained,
            known,
            kind,
            drawn,
            shapes,
            error,
            status,
            seconds,
            size,
        ) in frame.head:
            if not (isinstance(number, int) and isinstance(status, int)):
                raise TypeError(f"the number {number!r}")
            odds = array("f")
            odds.frombytes(next(blobs))
            tensors = {
                name: Tensor(dtype, tuple(shape), next(blobs)) for name, dtype, shape in shapes
            }
            heat = tensors.pop("", None)
            answer = Answer(
                model="",
                version=0,
                probabilities=odds.tolist(),
                abstained=abstained,
                familiarity=known,
                map=heat,
                map_kind=kind,
                overlay=next(blobs) if drawn else None,
                outputs=tensors,
                error=error,
                http_status=status,
                seconds=Seconds(0.0, *seconds),
                batch=size,
            )
            found.append((number, answer))
    except (ValueError, TypeError, StopIteration) as error:
        raise BrokenFrame(f"no answers ({error})") from None
    return found


def error_facts(error: TellapartError) -> dict[str, Any]:
    """An error as a frame carries it: the inner object of `to_dict`, with its reason."""
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
