"""Messages come out as they went in, however the bytes are cut; broken ones are not believed."""

from __future__ import annotations

import contextlib
import itertools
import json
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart import errors
from tellapart.errors import TellapartError
from tellapart.serving import wire
from tellapart.serving.answers import Teller, encode, single
from tellapart.serving.jobs import Answer, Job, Seconds, Tensor, Told
from tellapart.serving.wire import BrokenMessage, Reader

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


PREFIX = struct.Struct("<IB")


def read(data: bytes, cuts: list[int] | None = None) -> list[tuple[int, bytes]]:
    reader = Reader()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    pairs = itertools.pairwise(edges)
    found = [message for start, end in pairs for message in reader.feed(data[start:end])]
    return [(kind, bytes(body)) for kind, body in found]


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=5),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_messages_survive_any_cut(messages: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(PREFIX.pack(len(body), kind) + body for kind, body in messages)
    assert read(data, cuts) == messages


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_notes_go_over(value: dict[str, Any]) -> None:
    (message,) = Reader().feed(wire.pack_note(value))
    assert wire.read_note(message) == value


@given(st.binary(max_size=200), st.integers(0, 3))
def test_noise_is_told_apart(noise: bytes, kind: int) -> None:
    message = (kind, memoryview(noise))
    for reads in (wire.read_note, wire.read_answer):
        with contextlib.suppress(BrokenMessage):
            reads(message)
    with contextlib.suppress(BrokenMessage):
        read(noise)


@given(JSON, st.binary(max_size=40))
def test_odd_extras_are_broken_or_an_answer(described: object, behind: bytes) -> None:
    message = pieces(wire.pack_answer(1, Answer("", 0, error={"code": "x"})))
    head = bytes(message[1])[: wire._ANSWER.size]
    text = json.dumps(described).encode()
    numbers = [*wire._ANSWER.unpack(head)[:-1], len(text)]
    body = wire._ANSWER.pack(*numbers) + text + behind
    with contextlib.suppress(BrokenMessage):
        wire.read_answer((wire.ANSWER, memoryview(body)))


def test_a_message_that_cannot_be_is_refused() -> None:
    with pytest.raises(BrokenMessage):
        read(PREFIX.pack(2**32 - 1, 1))
    with pytest.raises(BrokenMessage):
        wire.read_note((wire.NOTE, memoryview(b"nope")))
    with pytest.raises(BrokenMessage):
        wire.read_answer((wire.ANSWER, memoryview(wire._ANSWER.pack(1, 0, 200, 1, 0, 0, 0, 9, 0))))
    with pytest.raises(BrokenMessage):
        wire.read_task((wire.TASK, memoryview(b"short")))


def pieces(data: bytes) -> tuple[int, memoryview]:
    (message,) = Reader().feed(data)
    return message


def test_jobs_and_answers_go_over_whole() -> None:
    job = Job(b"bytes", 12.5, why=True, outputs=("logits", "map"))
    task = wire.read_task(pieces(b"".join(wire.pack_task(7, 1, job))))
    assert (task.number, task.model) == (7, 1)
    assert (task.job.payload, task.job.deadline, task.job.why) == (b"bytes", 12.5, True)
    assert task.job.outputs == ("logits", "map") and task.job.kind == "picture"
    row = wire.read_task(pieces(b"".join(wire.pack_task(8, 0, Job(b"", 1.0, kind="row"))))).job
    assert (row.kind, row.payload, row.outputs, row.why) == ("row", b"", (), False)

    answer = Answer(
        "m",
        2,
        probabilities=[0.25, 0.75],
        abstained=True,
        familiarity=0.5,
        map=Tensor("float32", (2, 1, 1), b"12345678"),
        map_kind="cam",
        overlay=b"PNG",
        outputs={"logits": Tensor("float32", (), b"abcd")},
        seconds=Seconds(9.0, 0.1, 0.2),
        batch=3,
    )
    number, got = wire.read_answer(pieces(wire.pack_answer(7, answer)))
    assert number == 7 and list(got.probabilities) == [0.25, 0.75]
    assert (got.map, got.map_kind, got.overlay) == (answer.map, "cam", b"PNG")
    assert got.outputs == answer.outputs and got.abstained and got.familiarity == 0.5
    assert got.seconds == Seconds(0.0, 0.1, 0.2) and got.batch == 3 and got.error is None

    failed = Answer("m", 2, error={"code": "picture"}, http_status=422)
    _, other = wire.read_answer(pieces(wire.pack_answer(8, failed)))
    assert other.error == {"code": "picture"} and other.http_status == 422
    assert other.familiarity is None and not other.probabilities and other.map is None


def test_an_answer_that_is_passed_on_goes_over_whole() -> None:
    told = Told(200, b'{"label":"x"}', True, 3, 0.25, 0.5)
    data = wire.pack_told(7, told)
    assert wire.read_told(pieces(data)) == wire.read_told_alone(data) == (7, told)
    assert wire.read_told_alone(data + data) is None and wire.read_told_alone(data[:-1]) is None
    assert wire.read_told_alone(data[:9]) is None
    assert wire.read_told_alone(wire.pack_answer(7, Answer("", 0))) is None
    for broken in (told._replace(batch=0), told._replace(status=99)):
        with pytest.raises(BrokenMessage):
            wire.read_told(pieces(wire.pack_told(7, broken)))
    task = wire.read_task(pieces(b"".join(wire.pack_task(1, 0, Job(b"x", 1.0, told=True)))))
    assert task.job.told and not task.job.why


@settings(deadline=None)
@given(
    st.lists(st.text(max_size=6), min_size=1, max_size=6, unique=True),
    st.integers(0, 5),
    st.booleans(),
    st.none() | st.floats(),
    st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6),
)
def test_a_worker_writes_the_json_that_the_front_would(
    labels: list[str], best: int, abstained: bool, known: float | None, odds: list[float]
) -> None:
    model = SimpleNamespace(name='m "ü"', version=3, labels=labels)
    named = labels[best % len(labels)]
    answer = Answer(
        *("", 0, None if abstained else named, named, odds[: len(labels)]),
        abstained=abstained,
        familiarity=known,
    )
    told = Teller(model).told(answer)
    assert told.body == encode(single(model, answer)) and told.status == 200


@pytest.mark.parametrize("kind", [errors.PictureError, errors.NotFoundError, errors.WorkerError])
def test_an_error_keeps_its_class_and_parts(kind: type[TellapartError]) -> None:
    facts = json.loads(json.dumps(wire.error_facts(kind("It broke.", expected="whole", do="Mend"))))
    again = wire.error_from(facts)
    assert (
        type(again) is kind
        and again.to_dict() == kind("It broke.", expected="whole", do="Mend").to_dict()
    )


def test_an_unknown_error_is_the_workers() -> None:
    assert isinstance(wire.error_from({"code": "no such", "what": "x"}), errors.WorkerError)
