"""Bundles of each format, packed long ago: they must open, prove themselves and answer for ever.

Never write a file in `frozen/` anew. Where a change breaks this test, raise the format and
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


ROWS, GRAY = FROZEN.with_name("sizes-1.zip"), FROZEN.with_name("shades-1.zip")
FORMAT_2 = {
    ROWS: "e2e09bbce17ec76fd816269575f6370999c5f31c5981d33950ee09e61e43f5e0",
    GRAY: "c2557e5d1fc8ee54bec43f8a3313591db1da88245c46ef93f9ff7af58d4b3ec1",
}


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


def test_those_of_format_2_still_prove_themselves() -> None:
    for path, digest in FORMAT_2.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    report = verify(ROWS)
    assert (report.name, report.kind, report.golden, report.finished) == ("sizes", "row", 8, True)
    report = verify(GRAY)
    assert (report.name, report.kind, report.golden, report.finished) == (
        "shades",
        "picture",
        6,
        False,
    )


def test_those_of_format_2_still_answer(
    tmp_path: Path, bare: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    found = Bundle.load(ROWS).predict({"width": 4.5, "height": None, "color": "green"})
    assert found.probabilities == pytest.approx({"large": 0.880797, "small": 0.119203}, abs=1e-3)
    found = Bundle.load(GRAY).predict(np.full((6, 9), 140, np.uint8))
    assert found.probabilities == pytest.approx({"dark": 0.313565, "light": 0.686435}, abs=1e-3)
    path = tmp_path / "rows.csv"
    path.write_text("color,size,width,height\nred,large,9,1\nblue,small,0.5,\n")
    answered = bare(ROWS, "predict", path)
    assert answered.returncode == 0, answered.stderr
    assert "2 rows: accuracy 100.0 %" in answered.stdout
