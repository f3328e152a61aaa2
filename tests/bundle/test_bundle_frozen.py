"""A bundle of format 1, packed long ago: it must open, prove itself and answer for ever.

Never write `frozen/colors-1.zip` anew. Where a change breaks this test, raise the format and
teach the program to read both.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tellapart.bundle import Bundle, verify
from tellapart.registry import load as plugin

FROZEN = Path(__file__).parent / "frozen" / "colors-1.zip"
SHA256 = "d3f0ad6fbeefd95c02d6123d69184f9a5873519ec5dd1405425279350f76a008"


def brown() -> np.ndarray:
    return np.tile(np.array([200, 90, 30], np.uint8), (20, 30, 1))


def test_it_is_the_one_that_was_frozen() -> None:
    assert hashlib.sha256(FROZEN.read_bytes()).hexdigest() == SHA256
    assert FROZEN.stat().st_size < 60_000


def test_it_still_proves_itself() -> None:
    report = verify(FROZEN)
    assert (report.name, report.version, report.files, report.golden) == ("colors", 1, 26, 2)


def test_it_still_answers() -> None:
    bundle = Bundle.load(FROZEN)
    found = bundle.predict(brown(), why=True)
    assert (found.label, found.abstained) == ("red", False)
    assert found.familiarity == pytest.approx(0.784313, abs=1e-3)
    wanted = {"blue": 0.004658, "green": 0.030597, "red": 0.964746}
    assert found.probabilities == pytest.approx(wanted, abs=1e-3)
    assert found.map is not None
    assert found.map.shape == (3, 7, 7)
    assert bundle.predict(np.zeros((9, 9, 3), np.uint8)).label is None


def test_it_still_runs_by_itself(
    tmp_path: Path,
    bare: Callable[..., subprocess.CompletedProcess[str]],
    draw: Callable[..., bytes],
) -> None:
    (tmp_path / "a.png").write_bytes(draw("blue"))
    assert bare(FROZEN, "verify").returncode == 0
    assert ": blue" in bare(FROZEN, "predict", tmp_path / "a.png").stdout


def test_its_data_set_still_reads(tmp_path: Path) -> None:
    folder = plugin("exporter", "dataset")().export(Bundle.load(FROZEN), tmp_path)
    hits = list(plugin("format", "metadata")().read(folder))
    found = sorted((str(hit.label), str(hit.split)) for hit in hits)
    assert found == [("blue", "train"), ("green", "test"), ("red", "train")]
