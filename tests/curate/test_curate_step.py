"""The step curate on drawn pictures with planted faults, as it really runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tellapart.demo.drawing import WORDS, draw, draw_card, write_folder
from tellapart.errors import DataError
from tellapart.learn import measuring
from tellapart.steps import curate
from tellapart.steps.curate.telling import same_limits

A, B = WORDS[0], WORDS[1]


def by_name(project) -> dict[str, object]:
    return {Path(row.path).name: row for row in project.pictures()}


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Two words with one of each fault."""
    folder = write_folder(tmp_path / "data", (A, B), 14)
    (folder / A / "broken.jpg").write_bytes((folder / A / f"{A}-000.jpg").read_bytes()[:900])
    draw(A, 901, (40, 30)).save(folder / A / "tiny.png")
    Image.new("RGB", (200, 150), (240, 240, 240)).save(folder / A / "blank.png")
    shutil.copy(folder / A / f"{A}-001.jpg", folder / A / "zz-same.jpg")
    draw(A, 902).save(folder / A / "large.png")
    draw(A, 902).resize((160, 120)).save(folder / A / "small.jpg", quality=60)
    draw_card("offer", 5).save(folder / B / "card.png")
    shutil.copy(folder / A / f"{A}-002.jpg", folder / B / "both.jpg")
    return folder


def test_every_fault_is_found_with_its_reason(faulty: Path, project):
    made = project(faulty)
    result = made.curate()
    rows = by_name(made)
    expected = {
        "broken.jpg": "unreadable",
        "tiny.png": "too_small",
        "blank.png": "low_information",
        "zz-same.jpg": "exact_duplicate",
        "small.jpg": "near_duplicate",
        "card.png": "off_topic",
        "both.jpg": "conflicting_label",
        f"{A}-002.jpg": "conflicting_label",
    }
    found = {name: row.verdict for name, row in rows.items() if row.verdict}
    assert found == expected
    assert all(rows[name].kept is False and rows[name].detail for name in expected)
    assert rows["small.jpg"].detail["of"] == rows["large.png"].id
    assert rows["both.jpg"].detail["other_class"] == A
    assert result["found"] == 36 and result["kept"] == 28 and result["set_aside"] == 8
    assert result["classes"][B]["reasons"] == {"conflicting_label": 1, "off_topic": 1}
    assert all(Path(row.path).exists() for row in rows.values())


def test_a_second_run_reads_no_picture_and_a_threshold_only_decides_again(
    faulty: Path, project, monkeypatch
):
    made = project(faulty)
    first = made.curate()
    assert made.curate() == first

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a picture was measured twice")

    monkeypatch.setattr(measuring.Survey, "run_light", never)
    monkeypatch.setattr(measuring.Survey, "run_full", never)
    made.update({"curate": {"min_side": 20, "off_topic": None}})
    assert curate.run(made.context())["kept"] == first["kept"] + 2
    rows = by_name(made)
    assert rows["tiny.png"].kept and rows["card.png"].kept


def test_the_users_word_wins_except_over_a_broken_picture(faulty: Path, project):
    made = project(faulty)
    before = made.curate()
    rows = by_name(made)
    for name, keep in (("zz-same.jpg", True), (f"{A}-001.jpg", False), ("broken.jpg", True)):
        made.overrule(rows[name].id, keep)
    result = made.curate()
    after = by_name(made)
    assert after["zz-same.jpg"].kept is True
    assert (after[f"{A}-001.jpg"].kept, after[f"{A}-001.jpg"].verdict) == (False, "by_hand")
    assert (after["broken.jpg"].kept, after["broken.jpg"].verdict) == (False, "unreadable")
    assert result["kept"] == before["kept"] and result["reasons"]["by_hand"] == 1
    assert any("kept by hand cannot be decoded" in note for note in result["notes"])
    changed = {name for name in rows if rows[name].kept != after[name].kept}
    assert changed == {"zz-same.jpg", f"{A}-001.jpg"}
    assert made.counts()["kept"] == result["kept"]
    made.overrule(rows["zz-same.jpg"].id, None)
    made.overrule(rows[f"{A}-001.jpg"].id, None)
    made.overrule(rows["broken.jpg"].id, None)
    assert made.curate() == before


def test_the_same_pictures_elsewhere_get_the_same_verdicts(faulty: Path, project, tmp_path):
    made = project(faulty)
    made.curate()
    verdicts = {name: (row.verdict, row.detail) for name, row in by_name(made).items()}
    made.delete()
    elsewhere = shutil.copytree(faulty, tmp_path / "moved")
    again = project(elsewhere)
    again.curate()
    assert {n: (r.verdict, r.detail) for n, r in by_name(again).items()} == verdicts


def test_a_class_without_a_kept_picture_is_an_error_and_nothing_is_lost(tmp_path: Path, project):
    folder = write_folder(tmp_path / "data", (A,), 9)
    (folder / "blank").mkdir()
    for shade in (10, 90):
        Image.new("RGB", (100, 80), (shade,) * 3).save(folder / "blank" / f"{shade}.png")
    made = project(folder)
    with pytest.raises(DataError) as caught:
        made.curate()
    assert "'blank'" in caught.value.what and "low_information 2" in caught.value.what
    assert "--keep" in caught.value.do
    rows = by_name(made)
    assert rows["10.png"].verdict == "low_information" and rows[f"{A}-000.jpg"].kept
    made.overrule(rows["10.png"].id, True)
    assert made.curate()["classes"]["blank"]["kept"] == 1


def test_a_file_that_went_away_is_asked_for_again(tmp_path: Path, project):
    folder = write_folder(tmp_path / "data", (A, B), 9)
    made = project(folder)
    lost = folder / A / f"{A}-003.jpg"
    data = lost.read_bytes()
    lost.unlink()
    made.curate()
    row = by_name(made)[lost.name]
    assert (row.verdict, row.detail["reason"]) == ("unreadable", "missing")
    lost.write_bytes(data)
    made.curate()
    assert by_name(made)[lost.name].kept


def test_a_threshold_that_was_unknown_then_asks_no_test_picture_anew(faulty: Path, project):
    with project(faulty) as found:
        found.curate()
        context = found.context()
        last = context.catalog.finished("curate")
        assert last is not None and same_limits(context, last)
        without = {k: v for k, v in last["thresholds"].items() if k != "near_duplicate_likeness"}
        assert same_limits(context, {"thresholds": without})
        assert not same_limits(context, {"thresholds": {**without, "min_side": 1}})
        assert not same_limits(context, {})
