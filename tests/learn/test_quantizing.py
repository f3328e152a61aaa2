"""What becomes of an int8 model once it is compared: it travels, or is left out, and says why."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tellapart.bundle import agreement
from tellapart.bundle.agreement import Agreement
from tellapart.bundle.manifest import sha256
from tellapart.steps.compile import quantizing

FACTS: dict[str, Any] = {"nncf": "1", "calibration": {"pictures": 9, "split": "train"}}


def compared(count: int, differ: int) -> Agreement:
    exact = np.tile([0.6, 0.4], (count, 1))
    other = exact.copy()
    other[:differ] = [0.4, 0.6]
    return agreement.compare(exact, other)


def test_one_that_agrees_travels_and_says_on_what_pictures() -> None:
    for must in (True, False):
        data, facts, note = quantizing.decided(b"it", FACTS, compared(600, 0), "test", must)
        assert (
            data == b"it" and facts["file"] == quantizing.FILE and facts["sha256"] == sha256(b"it")
        )
        assert facts["agrees"] is True and facts["faults"] == []
        assert facts["agreement"]["split"] == "test" and facts["nncf"] == "1"
        assert note == "The int8 model answers as the exact one on 100.0 % of 600 pictures."


def test_of_few_pictures_the_interval_is_said() -> None:
    _, facts, note = quantizing.decided(b"it", FACTS, compared(8, 0), "test", False)
    assert facts["agrees"] and "8 pictures (few: it may be 67.6 % to 100.0 %)" in note


def test_one_that_disagrees_is_left_out_or_says_so() -> None:
    found = compared(8, 1)
    data, facts, note = quantizing.decided(b"it", FACTS, found, "test", False)
    assert data == b"" and "file" not in facts and "87.5 %" in facts["left_out"]
    assert facts["agrees"] is False and "left out" in note
    data, facts, note = quantizing.decided(b"it", FACTS, found, "test", True)
    assert data == b"it" and facts["file"] == quantizing.FILE
    assert facts["agrees"] is False and "87.5 %" in facts["faults"][0]
    assert "does not answer as the exact one" in note and "87.5 %" in note
    json.dumps(facts, allow_nan=False)


def test_training_pictures_are_no_proof() -> None:
    data, facts, note = quantizing.decided(b"it", FACTS, compared(600, 0), "train", False)
    assert data == b"" and "training pictures" in facts["left_out"] and "left out" in note
    data, facts, note = quantizing.decided(b"it", FACTS, compared(600, 0), "train", True)
    assert data == b"it" and facts["agreement"]["split"] == "train"
    assert "training pictures" in note


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (["train", "test", "validation"], "test, validation"),
        (["train", "test"], "test"),
        (["train", "validation"], "validation"),
        (["train"], "train"),
    ],
)
def test_the_split_that_it_is_compared_on_is_told(splits: list[str], expected: str) -> None:
    assert quantizing.split_of(splits) == expected
