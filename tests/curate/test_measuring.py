"""Measuring: each picture read and decoded once, broken ones remembered, kills cheap."""

from __future__ import annotations

import hashlib
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellapart.demo.drawing import WORDS, draw
from tellapart.doors import Analyzer
from tellapart.errors import DataError, PictureError
from tellapart.learn import measuring
from tellapart.learn.measuring import Plan, Survey
from tellapart.plugins.analyzers.basic import Basic
from tellapart.plugins.analyzers.phash import PerceptualHash
from tellapart.store.files import FileStore

TOOLS = (Basic(), PerceptualHash())


def jpeg(seed: int, size: tuple[int, int] = (320, 240)) -> bytes:
    out = BytesIO()
    draw(WORDS[0], seed, size).save(out, "JPEG")
    return out.getvalue()


class Kept:
    """Where a survey saves to: figures by analyzer, and how often it saved."""

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, dict]] = {}
        self.batches = 0

    def __call__(self, name, version, figures) -> None:
        self.batches += 1
        self.figures.setdefault(name, {}).update(figures)


def survey(kept: Kept) -> tuple[Survey, list[int]]:
    seen: list[int] = []
    return Survey(save=kept, hint=224, on_done=seen.append), seen


def test_all_analyzers_measure_one_reading_of_each_picture():
    reads: Counter[str] = Counter()

    def plan(seed: int) -> Plan:
        data = jpeg(seed)

        def read() -> bytes:
            reads[str(seed)] += 1
            return data

        return Plan(f"{seed:064d}", read, TOOLS, False)

    kept = Kept()
    made, seen = survey(kept)
    made.run_light([plan(seed) for seed in range(5)], threads=2)
    assert set(reads.values()) == {1} and len(reads) == 5
    assert set(kept.figures) == {"basic", "phash"}
    assert len(kept.figures["basic"]) == len(kept.figures["phash"]) == 5
    assert kept.figures["basic"][f"{0:064d}"]["width"] == 320
    assert seen[-1] == 5


def test_threads_change_no_figure():
    figures = []
    for threads in (1, 4):
        kept = Kept()
        plans = [Plan(f"{i:064d}", lambda i=i: jpeg(i), TOOLS, False) for i in range(12)]
        survey(kept)[0].run_light(plans, threads)
        figures.append(kept.figures)
    assert figures[0] == figures[1]


def test_a_broken_picture_is_an_error_of_its_own_and_is_remembered():
    whole = jpeg(1)
    plans = [
        Plan("a" * 64, lambda: whole, TOOLS, False),
        Plan("b" * 64, lambda: whole[: len(whole) // 2], TOOLS, False),
        Plan("c" * 64, lambda: b"", TOOLS, False),
    ]
    kept = Kept()
    made, _ = survey(kept)
    made.run_light(plans, threads=2)
    assert set(kept.figures["basic"]) == {"a" * 64}
    assert {sha: facts["reason"] for sha, facts in kept.figures[measuring.BROKEN].items()} == {
        "b" * 64: "truncated",
        "c" * 64: "empty",
    }
    assert set(made.errors) == {"b" * 64, "c" * 64}


def test_a_missing_or_changed_file_is_told_but_not_remembered(tmp_path: Path):
    files = FileStore(tmp_path / "files")
    there = files.put(jpeg(1))
    gone = hashlib.sha256(b"gone").hexdigest()
    local = tmp_path / "x.jpg"
    local.write_bytes(jpeg(2))
    plans = [
        Plan(there, measuring.reader(files, there), TOOLS, False),
        Plan(gone, measuring.reader(files, gone), TOOLS, False),
        Plan("d" * 64, measuring.reader(files, "d" * 64, str(local)), TOOLS, False),
    ]
    kept = Kept()
    made, _ = survey(kept)
    made.run_light(plans, threads=1)
    assert set(kept.figures["basic"]) == {there}
    assert measuring.BROKEN not in kept.figures
    assert {error.reason for error in made.errors.values()} == {"missing"}
    assert "changed since" in made.errors["d" * 64].what
    with pytest.raises(PictureError) as caught:
        measuring.reader(files, gone)()
    assert caught.value.do


def test_results_are_saved_as_they_come():
    class KilledError(Exception):
        pass

    def read(i: int) -> bytes:
        if i == 300:
            raise KilledError
        return jpeg(i % 3, (64, 48))

    kept = Kept()
    plans = [Plan(f"{i:064d}", lambda i=i: read(i), TOOLS, False) for i in range(400)]
    with pytest.raises(KilledError):
        survey(kept)[0].run_light(plans, threads=2)
    assert len(kept.figures["basic"]) >= 256


def test_a_strangers_analyzer_that_fails_is_named():
    class Odd(Analyzer):
        name = "odd"

        def measure(self, picture):
            return {"x": 1 // 0}

    with pytest.raises(DataError, match=r"'odd' failed.*ZeroDivisionError"):
        survey(Kept())[0].run_light([Plan("a" * 64, lambda: jpeg(1), (Odd(),), False)], 1)


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (1, 1), (257, 2)])
def test_slivers_are_measured(size):
    out = BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(out, "PNG")
    kept = Kept()
    made, _ = survey(kept)
    made.run_light([Plan("a" * 64, out.getvalue, TOOLS, False)], 1)
    assert not made.errors
    figures = kept.figures["basic"]["a" * 64]
    assert (figures["width"], figures["height"]) == size


def test_a_strangers_analyzer_gets_pixels_size_and_format():
    class Looking(Analyzer):
        name = "looking"

        def measure(self, picture):
            assert picture.pixels.dtype == "uint8"
            return {
                "shape": str(picture.pixels.shape),
                "told": f"{picture.width} {picture.height} {picture.format}",
                "same": int((picture.pixels == np.asarray(picture.image)).all()),
            }

    kept = Kept()
    survey(kept)[0].run_light([Plan("0" * 64, lambda: jpeg(1, (700, 500)), (Looking(),), False)], 1)
    seen = kept.figures["looking"]["0" * 64]
    assert seen == {"shape": "(167, 234, 3)", "told": "700 500 JPEG", "same": 1}


def test_what_is_wrong_with_one_picture_is_nothing_to_those_beside_it():
    broken = {3, 20, 39}
    plans = [
        Plan(f"{i:064d}", lambda i=i: jpeg(i)[: 500 if i in broken else None], TOOLS, False)
        for i in range(40)
    ]
    kept = Kept()
    made, seen = survey(kept)
    made.run_light(plans, threads=2)
    assert {int(sha) for sha in made.errors} == broken
    assert {int(sha) for sha in kept.figures["phash"]} == set(range(40)) - broken
    assert seen[-1] == 40
