"""Frames come out as they went in, however the bytes are cut; broken ones are not believed."""

from __future__ import annotations

import contextlib
import itertools
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart import errors
from tellapart.errors import TellapartError
from tellapart.serving import wire
from tellapart.serving.jobs import Answer, Job, Seconds, Tensor
from tellapart.serving.wire import BrokenFrame, Reader, Task

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(data: bytes, cuts: list[int] | None = None) -> list[wire.Frame]:
    reader = Reader()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    pairs = itertools.pairwise(edges)
    return [frame for start, end in pairs for frame in reader.feed(data[start:end])]


@given(
    st.lists(st.tuples(JSON, st.lists(st.binary(max_size=300), max_size=4)), max_size=4),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_frames_survive_any_cut(frames: list[tuple[object, list[bytes]]], cuts: list[int]) -> None:
    data = b"".join(b"".join(wire.pack(head, blobs)) for head, blobs in frames)
    assert [(frame.head, frame.blobs) for frame in read(data, cuts)] == frames


@given(st.binary(max_size=200))
def test_noise_is_a_broken_frame_or_none_yet(noise: bytes) -> None:
    try:
        frames = read(noise)
    except BrokenFrame:
        return
    for frame in frames:
        assert all(isinstance(blob, bytes) for blob in frame.blobs)


@given(JSON, st.lists(st.binary(max_size=20), max_size=3))
def test_any_frame_is_answers_or_broken(head: object, blobs: list[bytes]) -> None:
    with contextlib.suppress(BrokenFrame):
        wire.read_answers(wire.Frame(head, blobs))


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!IQ", 2**31, 2**40),
        struct.pack("!IQ", 4, 0) + b"nope",
        struct.pack("!IQ", 10, 0) + b'[[5], "x"]',
        struct.pack("!IQ", 12, 1) + b'[["a"], "x"]' + b"z",
    ],
)
def test_a_frame_that_cannot_be_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenFrame):
        read(data)


def test_jobs_and_answers_go_over_whole() -> None:
    job = Job(b"bytes", 12.5, model="m", version=2, why=True, outputs=("logits",), id="r1")
    (frame,) = read(b"".join(wire.pack_tasks([Task(7, 1, job), Task(8, 0, Job(b"", 1.0))])))
    first, second = wire.read_tasks(frame)
    assert (first.number, first.model, second.number) == (7, 1, 8)
    assert (first.job.payload, first.job.deadline, first.job.why) == (b"bytes", 12.5, True)
    assert first.job.outputs == ("logits",) and second.job.kind == "picture"

    answer = Answer(
        "m",
        2,
        probabilities=[0.25, 0.75],
        abstained=True,
        familiarity=0.5,
        map=Tensor("float32", (2, 1, 1), b"12345678"),
        map_kind="cam",
        overlay=b"PNG",
        outputs={"logits": Tensor("float32", (2,), b"abcdefgh")},
        seconds=Seconds(9.0, 0.1, 0.2),
        batch=3,
    )
    failed = Answer("m", 2, error={"code": "picture"}, http_status=422)
    (frame,) = read(b"".join(wire.pack_answers([(7, answer), (8, failed)])))
    (number, got), (_, other) = wire.read_answers(frame)
    assert number == 7 and list(got.probabilities) == [0.25, 0.75]
    assert (got.map, got.map_kind, got.overlay) == (answer.map, "cam", b"PNG")
    assert got.outputs == answer.outputs and got.abstained and got.familiarity == 0.5
    assert got.seconds == Seconds(0.0, 0.1, 0.2) and got.batch == 3
    assert other.error == {"code": "picture"} and other.http_status == 422


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
