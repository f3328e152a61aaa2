"""`tellapart weights get yunet` and `age_sex`: what a person sees and is asked."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from tellapart.cli import weights
from tellapart.errors import RefusedError, VerificationError
from tests.faces.conftest import saying


@pytest.fixture
def model(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of ages and sexes that the environment names, and its license beside it."""
    says = {"age": np.zeros((2, 1), np.float32), "sex": np.full((2, 2), 0.5, np.float32)}
    path = tmp_path / "model.onnx"
    path.write_bytes(saying(says, ["n", 3, 112, 112], "image"))
    (tmp_path / "LICENSE").write_text("You may look at it.")
    monkeypatch.setenv("TELLAPART_AGE_SEX", str(path))
    return path


def test_nobody_agrees_by_silence(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(RefusedError):
        weights.get("age_sex")
    said = capsys.readouterr().err
    assert said.index("You may look at it.") < said.index("--yes")
    assert "research only" in said


def test_who_has_read_it_says_so(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights.get("age_sex", yes=True, json=True)
    shown = capsys.readouterr()
    assert "You may look at it." in shown.err
    row = json.loads(shown.out)
    assert row["name"] == "age_sex" and Path(row["path"]).is_file()


def test_another_detector_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"no detector")
    with pytest.raises(VerificationError, match="not YuNet"):
        weights.get("yunet", file=tmp_path / "other.onnx")


@pytest.mark.shared
def test_a_file_at_hand_is_taken(
    home: Path, yunet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights.get("yunet", file=yunet)
    assert "Apache-2.0" in capsys.readouterr().out
    assert (home / "cache/faces/yunet.onnx").read_bytes() == yunet.read_bytes()
