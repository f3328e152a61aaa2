"""Report and card say what a model of people must not be used for, whatever kind of model."""

from __future__ import annotations

import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tellapart.bundle import card_people
from tellapart.catalog import Catalog
from tellapart.recipe import asked, check
from tellapart.report.data import ReportData
from tellapart.report.learned import LearnedData
from tellapart.report.learned_page import render as render_learned
from tellapart.report.page import render
from tellapart.report.people import Faces
from tellapart.settings import Settings
from tellapart.steps import collect as collect_step
from tellapart.steps import open_context
from tellapart.steps.evaluate import faces
from tellapart.store.database import open_database

_MAY = (("Credit:", "3 pictures ask for it."), ("", "Nothing else <was> recorded."))


def _head(**more: Any) -> str:
    counts = {"found": 3, "kept": 3, "set_aside": 0, "splits": {}, "failures": {}, "reasons": {}}
    counts |= {"classes": {}}
    return render(ReportData(name="p", classes=["a", "b"], counts=counts, **more))


def _learned(**more: Any) -> str:
    counts = {"a": {"train": 2}, "b": {"train": 1}}
    data = LearnedData("p", "", "network", "picture", ["a", "b"], counts, **more)
    return render_learned(data)


@pytest.mark.parametrize("made", [_head, _learned])
def test_every_report_says_it(made: Any) -> None:
    page = unescape(made(faces=Faces(10, 6), may_i=_MAY))
    for use in card_people.NOT_FOR:
        assert use in page
    assert "6 of 10" in page
    for seen in (None, Faces(10, 5), Faces(0, 0)):
        assert "must not be used" not in made(faces=seen)


@pytest.mark.parametrize("made", [_head, _learned])
def test_every_report_answers_whether_one_may(made: Any) -> None:
    page = made(may_i=_MAY)
    assert "May I use this?" in page
    assert "<strong>Credit:</strong> 3 pictures ask for it." in page
    assert "Nothing else &lt;was&gt; recorded." in page
    assert "May I use this?" not in made()


@pytest.mark.shared
def test_faces_are_counted_for_networks_as_for_heads(
    home: Path, tmp_path: Path, shared_data: Path
) -> None:
    detectors = sorted((shared_data / "face_models/yunet").glob("*.onnx"))
    settings = Settings(home=home, faces=detectors[0])
    portraits = sorted((shared_data / "congress_faces/img").glob("*.jpg"))[:4]
    for number, path in enumerate(portraits):
        folder = tmp_path / "people" / ("left", "right")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    recipe = check({"name": "p", "data": str(tmp_path / "people")})
    Catalog.create(open_database(settings), "p", asked(recipe))
    context = open_context(settings, "p")
    collect_step.run(context)
    rows = context.catalog.pictures()
    assert faces.looked(context, rows) == (4, 4)
    assert faces.looked(context, []) is None
