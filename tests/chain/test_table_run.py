"""A table from its file to answers about new rows, by the command line alone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def write_table(path: Path, rows: int) -> None:
    """Fruit by weight and color; some cells are missing, one row has no class."""
    rng = random.Random(4)
    lines = ["weight,color,fruit"]
    for number in range(rows):
        kind = ("apple", "lemon", "plum")[number % 3]
        weight = {"apple": 180, "lemon": 90, "plum": 40}[kind] + rng.gauss(0, 8)
        color = {"apple": "red", "lemon": "yellow", "plum": "blue"}[kind]
        lines.append(f"{weight:.1f},{color if number % 7 else ''},{kind}")
    lines.append("100,red,")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_a_table_with_a_target_becomes_a_bundle_that_answers_rows(
    place: Callable[..., Any], tmp_path: Path
) -> None:
    here = place()
    table = tmp_path / "fruit.csv"
    write_table(table, 90)
    done = here.run("train", str(table), "--target", "fruit")
    first = done.bundle.read_bytes()
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line.get("event") for line in lines] == ["built", "trained", "compiled", None]
    assert done.shape["pictures"]["kept"] == 90
    assert done.shape["metrics"]["accuracy"] > 0.9
    # Nothing is done twice.
    again = here.run("train", str(table), "--target", "fruit")
    assert again.bundle.read_bytes() == first and again.shape["version"] == 1
    assert [json.loads(line).get("event") for line in again.out.splitlines()] == [
        "built",
        "trained",
        "compiled",
        None,
    ]

    asked = tmp_path / "rows.csv"
    asked.write_text("color,weight\nyellow,88\n,181\n", encoding="utf-8")
    answers = here.run("predict", done.shape["name"], str(asked))
    assert answers.code == 0, answers.err
    assert "lemon" in answers.out and "apple" in answers.out

    assert here.run("train", str(table), "--target", "fruits").code == 2
    rows = json.loads(here.run("show", done.shape["name"], "--pictures").out)
    assert len(rows) == 91 and [row["reason"] for row in rows if not row["kept"]] == ["no_label"]
