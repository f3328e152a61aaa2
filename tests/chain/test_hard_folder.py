"""A folder full of oddities: hard pictures, broken ones, links, loops and names that hurt."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.parity import compare, hard_pictures
from tellapart.demo.drawing import draw, write_folder
from tellapart.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with everything in them."""
    root = write_folder(tmp_path / "odd", ["apple", "car"], 14)
    for word in ("apple", "car"):
        hard_pictures(root / word / "hard", word)
    apple, car = root / "apple", root / "car"
    whole = next(apple.glob("*.jpg")).read_bytes()
    (apple / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    draw("apple", 950, (4000, 600)).resize((4000, 1)).save(apple / "sliver.png")
    (apple / "empty.jpg").touch()
    (apple / "page.jpg").write_text("<!DOCTYPE html><html></html>")
    (apple / "folder.jpg").mkdir()
    (apple / "loop").symlink_to(root, target_is_directory=True)
    (apple / "self.jpg").symlink_to("self.jpg")
    (apple / "passwd.jpg").symlink_to("/etc/passwd")
    outside = tmp_path / "outside.jpg"
    draw("apple", 951).save(outside)
    (apple / "outside.jpg").symlink_to(outside)
    os.mkfifo(apple / "pipe.jpg")
    for number, name in enumerate(
        [
            "new\nline.jpg",
            "quo'te\".jpg",
            "caf\u00e9.jpg",
            "cafe\u0301.jpg",
            "<b>&amp;.jpg",
            "-rf.jpg",
        ]
    ):
        draw("car", 960 + number).save(car / name)
    with open(os.fsencode(car) + b"/not-utf8-\xff\xfe.jpg", "wb") as file:
        draw("car", 970).save(file, "JPEG")
    return root


def test_oddities_are_named_and_the_bundle_answers_as_the_model(
    place: Callable[..., Any], folder: Path
) -> None:
    here = place()
    done = here.run("train", str(folder), "--quiet")
    assert done.code == 0, done.err
    rows = {Path(row["path"]).name: row for row in here.pictures("odd")}
    why = {name: row["reason"] for name, row in rows.items() if not row["kept"]}
    assert why["truncated.jpg"] in {"unreadable", "truncated"}
    assert why["empty.jpg"] == "empty" and why["page.jpg"] == "not_a_picture"
    assert why["sliver.png"] == "too_small"
    for name in ("passwd.jpg", "outside.jpg", "self.jpg", "pipe.jpg"):
        assert name not in rows or not rows[name]["kept"], (name, rows[name])
    assert rows["cmyk.jpg"]["status"] == "ok"
    looped = [row for row in rows.values() if "loop" in row["path"].split(str(folder))[-1]]
    assert [(Path(row["path"]).name, row["kept"]) for row in looped] == [("loop", False)]
    for name in ("caf\u00e9.jpg", "cafe\u0301.jpg", "new\nline.jpg"):
        assert rows[name]["status"] == "ok"
    _same_answers(here, done.bundle, folder)


def _same_answers(here: Any, bundle: Path, folder: Path) -> None:
    """The zip alone, and the trained model, on every hard picture and a broken one."""
    pictures = [*sorted((folder / "car" / "hard").iterdir()), folder / "apple" / "truncated.jpg"]
    found = compare(bundle, Settings(here.home), "odd", pictures)
    assert found["pictures"] == len(pictures) - 1 and found["errors"] == ["truncated.jpg"]
    assert found["top1_agreement"] == 1.0
    assert found["max_difference"] <= 1e-3
