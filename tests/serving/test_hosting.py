"""What is asked for by name overrules what was measured, and says so."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tellapart.errors import InputError
from tellapart.serving import hosting, worker
from tellapart.serving.jobs import Job
from tellapart.serving.options import cores
from tellapart.serving.variant import Choice
from tellapart.serving.wire import Reader, read_note

AUTO = {"engine": "auto", "precision": "auto", "threads": 0, "workers": 0, "max_batch": 0}
MEASURED = Choice(
    engine="openvino", precision="bf16", threads=3, workers=1, max_batch=8, applied=True, reason="m"
)


def asked(workers: int = 1, **wanted: Any) -> Choice:
    return hosting._asked(MEASURED, {**AUTO, **wanted}, workers)


def test_what_was_measured_is_kept_where_nothing_else_is_asked_for() -> None:
    assert asked() == MEASURED
    assert asked(engine="openvino", precision="bf16") == MEASURED


def test_another_variant_is_not_said_to_be_measured() -> None:
    other = asked(engine="onnxruntime")
    assert (other.engine, other.precision, other.int8) == ("onnxruntime", "f32", False)
    assert not other.applied and other.reason == "as asked for"
    assert other.max_batch == Choice.max_batch and other.threads == cores()
    int8 = asked(precision="int8")
    assert (int8.engine, int8.precision, int8.int8) == ("openvino", "f32", True)
    assert not int8.applied


def test_threads_follow_the_workers_there_are() -> None:
    assert asked(threads=5).threads == 5
    # Beside a first model for which more workers were measured.
    assert asked(workers=2).threads == max(1, cores() // 2)


def test_a_loaded_model_keeps_a_session_or_its_bytes(colors_bundle: Path) -> None:
    wanted = {
        **AUTO,
        "bundles": [str(colors_bundle)],
        "device": "cpu",
        "max_pixels": 1000,
        "workers": 1,
    }
    shared = hosting.load({**wanted, "threads": 1})
    own = hosting.load({**wanted, "threads": 2})
    assert shared._loaded[0].session is not None and shared._loaded[0].kept is None
    assert own._loaded[0].session is None and own._loaded[0].kept is not None
    for host in (shared, own):
        host.open()
        (facts,) = host.facts()
        assert facts["name"] == "colors" and facts["outputs"]["map"] == ("float32", (3, 7, 7))
        assert host.models[0].seconds > 0
    with pytest.raises(InputError, match="no bundle to serve"):
        hosting.load({**wanted, "bundles": []})


def test_long_work_gives_a_sign_of_life_once_a_second(shades_bundle: Path, draw: Any) -> None:
    ours, theirs = socket.socketpair()
    clock = iter(range(1000))  # each look at it is two seconds later
    pulse = worker._Pulse(theirs, lambda: next(clock) * 2.0)
    wanted = {
        **AUTO,
        "bundles": [str(shades_bundle)],
        "device": "cpu",
        "max_pixels": 10_000,
        "workers": 1,
        "threads": 1,
    }
    host = hosting.load(wanted)
    host.open()
    host.models[0].alive = pulse
    with ours, theirs:
        (answer,) = host.models[0].answer([Job(draw("white"), 1e9, why=True)])
        signs = Reader().feed(ours.recv(1 << 16))
    assert answer.map is not None
    # Before the decode, where no time has passed, and before each batch of the map by occlusion.
    assert len(signs) == 3 and all(read_note(one) == {"alive": 1} for one in signs)
