"""Curate, split and list without features: on drawn pictures, as they really run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellapart.errors import DataError
from tellapart.learn import measuring
from tellapart.plugins.analyzers.phash import PerceptualHash
from tellapart.plugins.analyzers.sketch import Sketch
from tellapart.steps import curate, open_context
from tellapart.steps import split as split_module
from tellapart.steps.curate import plain

CLASSES = ("apple", "birch")


def picture(seed: int, side: int = 96) -> Image.Image:
    drawn = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(drawn).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with one of each fault."""
    root = tmp_path / "data"
    for number, label in enumerate(CLASSES):
        (root / label).mkdir(parents=True)
        for i in range(12):
            picture(100 * number + i).save(root / label / f"{label}-{i:02d}.jpg", quality=90)
    a, b = root / CLASSES[0], root / CLASSES[1]
    (a / "broken.jpg").write_bytes((a / "apple-00.jpg").read_bytes()[:700])
    picture(901, 20).save(a / "tiny.png")
    Image.new("RGB", (90, 90), (240, 240, 240)).save(a / "blank.png")
    shutil.copy(a / "apple-01.jpg", a / "zz-same.jpg")
    picture(3).save(a / "zz-again.jpg", quality=40)
    shutil.copy(a / "apple-02.jpg", b / "both.jpg")
    return root


def told(made) -> dict[str, str]:
    return {Path(row.path).name: row.verdict for row in made.pictures() if row.verdict}


def test_every_fault_that_needs_no_features_is_found(folder: Path, project) -> None:
    made = project(folder)
    made.collect()
    result = made.curate()
    assert told(made) == {
        "broken.jpg": "unreadable",
        "tiny.png": "too_small",
        "blank.png": "low_information",
        "zz-same.jpg": "exact_duplicate",
        "zz-again.jpg": "near_duplicate",
        "both.jpg": "conflicting_label",
        "apple-02.jpg": "conflicting_label",
    }
    assert (result["found"], result["kept"], result["set_aside"]) == (30, 23, 7)
    assert plain.PLAIN in result["notes"]
    near = next(row for row in made.pictures() if row.verdict == "near_duplicate")
    assert set(near.detail) == {"of", "bits"}
    broken = next(row for row in made.pictures() if row.verdict == "unreadable")
    assert broken.detail["reason"] == "truncated"


def test_its_counts_are_those_of_the_other_way(folder: Path, project) -> None:
    made = project(folder)
    made.collect()
    made.curate()
    by_name = {Path(row.path).name: row.id for row in made.pictures()}
    made.overrule(by_name["tiny.png"], True)
    made.overrule(by_name["broken.jpg"], True)
    made.overrule(by_name["apple-05.jpg"], False)
    made.overrule(by_name["blank.png"], False)
    result = made.curate()
    context = made.context()
    rows, decisions, summary = curate.trial(context)
    assert summary == curate.summary(rows, decisions) | {"notes": summary["notes"]}
    assert curate.summary(rows, decisions)["notes"] == summary["notes"][:-1]
    assert {k: result[k] for k in summary} == summary
    assert [row.verdict or "kept" for row in rows if row.overruled is None] == [
        one.reason or "kept"
        for row, one in zip(rows, decisions, strict=True)
        if row.overruled is None
    ]
    context.close()


def test_a_second_run_measures_what_is_new_and_a_threshold_only_decides_again(
    folder: Path, project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project(folder)
    made.collect()
    made.curate()
    measured: list[int] = []
    light = measuring.Survey.run_light

    def counted(self, plans, threads) -> None:
        measured.append(len(plans))
        light(self, plans, threads)

    monkeypatch.setattr(measuring.Survey, "run_light", counted)
    first = made.curate()
    made.update({"curate": {"min_side": 100}})
    with pytest.raises(DataError):
        made.curate()
    made.update({"curate": {"min_side": "auto"}})
    assert made.curate() == first and not measured
    picture(500).save(folder / "apple" / "new.jpg")
    (folder / "birch" / "birch-00.jpg").unlink()
    made.collect()
    made.curate()
    assert measured == [1]
    # What the work folder had is in the catalog too.
    before = told(made)
    for file in (made.folder / "work").glob("*.npz"):
        file.unlink()
    made.update({"curate": {"min_entropy": 0.5}})
    made.update({"curate": {"min_entropy": "auto"}})
    made.curate()
    assert measured == [1] and told(made) == before


def test_a_file_that_went_away_is_asked_for_again(folder: Path, project) -> None:
    made = project(folder)
    made.collect()
    moved = folder / "apple" / "apple-04.jpg"
    data = moved.read_bytes()
    moved.unlink()
    result = made.curate()
    assert told(made)["apple-04.jpg"] == "unreadable"
    assert any("gone or have changed" in note for note in result["notes"])
    moved.write_bytes(data)
    assert not any("gone or have" in note for note in made.curate()["notes"])
    assert "apple-04.jpg" not in told(made)


def test_what_only_features_need_is_measured_when_they_are_asked_for(folder: Path, project) -> None:
    made = project(folder)
    made.collect()
    made.curate()
    shas = {row.sha256 for row in made.pictures()}
    catalog = open_context(made.settings, made.name).catalog
    assert catalog.measurements(shas, "phash", PerceptualHash.version)
    assert not catalog.measurements(shas, "sketch", Sketch.version)
    made.update({"curate": {"features": True}})
    made.curate()
    assert catalog.measurements(shas, "sketch", Sketch.version)


def test_very_many_pictures_go_without_features_by_themselves(
    folder: Path, project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tellapart.steps import plainly

    made = project(folder, curate={"features": None})
    made.collect()
    context = made.context()
    assert not plainly.is_plain(context)
    monkeypatch.setattr(plainly, "MANY", 20)
    assert plainly.is_plain(context)
    context.close()
    assert plain.PLAIN in made.curate()["notes"]


def test_the_split_needs_no_features_and_keeps_copies_together(
    folder: Path, project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tellapart.learn import features

    def looked(*args: object, **options: object) -> None:
        raise AssertionError("nobody looks at a picture through the backbone")

    monkeypatch.setattr(features, "matrix", looked)
    monkeypatch.setattr(features, "extract", looked)
    # Kept by hand, the copies meet in the split.
    made = project(folder)
    made.collect()
    made.curate()
    by_name = {Path(row.path).name: row.id for row in made.pictures()}
    for name in ("zz-again.jpg", "zz-same.jpg", "both.jpg", "apple-02.jpg"):
        made.overrule(by_name[name], True)
    made.curate()
    result = made.split()
    assert split_module.PLAIN in result["notes"]
    rows = {Path(row.path).name: row for row in made.pictures(kept=True)}
    for one, other in (("apple-01", "zz-same"), ("apple-03", "zz-again"), ("apple-02", "both")):
        assert rows[f"{one}.jpg"].group == rows[f"{other}.jpg"].group
        assert rows[f"{one}.jpg"].split == rows[f"{other}.jpg"].split
    assert result["groups"] == len(rows) - 3
    dealt = {name: row.split for name, row in rows.items()}
    # What curate has left is only a short cut.
    for file in (made.folder / "work").glob("*.npz"):
        file.unlink()
    picture(700).save(folder / "birch" / "later.jpg")
    made.collect()
    made.curate()
    assert made.split()["groups"] == result["groups"] + 1
    now = {Path(row.path).name: row.split for row in made.pictures(kept=True)}
    assert {name: now[name] for name in dealt} == dealt
