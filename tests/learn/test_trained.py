"""What training leaves: read back whole, the same bytes every time, never half."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart.errors import NotFoundError, StorageError
from tellapart.learn import trained
from tellapart.learn.head import Head


def _facts() -> dict[str, Any]:
    return {
        "classes": ["a", "ß"],
        "neighbours": 2,
        "thresholds": {"familiarity": 0.5, "probability": None},
        "C": 10.0,
        "temperature": 0.7,
    }


def _save(folder: Path) -> Head:
    rng = np.random.default_rng(0)
    head = Head(rng.normal(size=(2, 4)).astype("f4"), np.ones(2, np.float32), 10.0, 0.7)
    bank = np.eye(4, dtype=np.float32)[:2]
    trained.save(folder, head, bank, trained.basis([("12", "a"), ("34", "ß")]), _facts())
    return head


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    head = _save(tmp_path)
    (tmp_path / trained.FACTS).unlink()  # for people only
    found = trained.load(tmp_path)
    assert found.classes == ("a", "ß") and found.facts == _facts()
    assert np.array_equal(found.head.weight, head.weight)
    assert (found.head.C, found.head.temperature) == (10.0, 0.7)
    far = np.array([[0, 0, 1, 1], [1, 1, 0, 0]], np.float32)
    assert found.familiarity(far) == pytest.approx([0.0, np.sqrt(0.5)])
    assert found.refuses(far).tolist() == [True, False]


def test_the_bytes_are_the_same_and_the_facts_readable(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    _save(tmp_path / "one")
    _save(tmp_path / "two")
    _save(tmp_path / "two")
    for name in (trained.HEAD, trained.FACTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == [trained.HEAD, trained.FACTS]
    assert json.loads((tmp_path / "one" / trained.FACTS).read_text("utf-8")) == _facts()


def test_nothing_or_half_a_file_is_no_head(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no trained head"):
        trained.load(tmp_path)
    _save(tmp_path)
    whole = (tmp_path / trained.HEAD).read_bytes()
    for cut in (0, 4, 8, 100, len(whole) - 1):
        (tmp_path / trained.HEAD).write_bytes(whole[:cut])
        with pytest.raises(NotFoundError):
            trained.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        _save(tmp_path / "not-there")


def test_the_basis_tells_sets_apart_whatever_their_order() -> None:
    one = trained.basis([("12", "a"), ("34", "b")])
    assert np.array_equal(one, trained.basis([("34", "b"), ("12", "a")]))
    assert len(np.setxor1d(one, trained.basis([("12", "a"), ("34", "a")]))) == 2
