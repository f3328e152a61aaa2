"""The report as a pure function: self-contained, safe, the same for the same data."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from tellapart.learn import metrics
from tellapart.report import Aside, Choice, Grouping, Mistake, Refusal, ReportData, Shot
from tellapart.report.page import render
from tellapart.report.pictures import SIDE, thumbnail
from tellapart.report.plots import write_plots

_VOID = {"meta", "img", "br"}
_NASTY = """<script>alert("1")</script> & 'x' {{ 7 * 7 }} {% raw %}"""


class _Page(HTMLParser):
    """Every attribute and the balance of all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _jpeg(color: str = "red", size: tuple[int, int] = (300, 200)) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "a camera that must not get out"
    Image.new("RGB", size, color).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def _data(n_classes: int = 3, n: int = 60, **changes: object) -> ReportData:
    rng = np.random.default_rng(n_classes)
    classes = [f"class {k:03d}" for k in range(n_classes)]
    y = rng.integers(0, n_classes, n)
    logits = rng.normal(size=(n, n_classes))
    logits[np.arange(n), y] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = metrics.evaluate(probabilities, y, classes, rng.random(n) < 0.05)
    shot = Shot(
        "0123456789abcdef", thumbnail(_jpeg()), classes[0], "A picture", "https://e.org/p", "Ann"
    )
    hidden = Shot("fedcba9876543210", "", classes[1], "", "javascript:alert(1)", "Bob")
    one = {"found": 9, "kept": 7, "set_aside": 2, "reasons": {"too_small": 2}, "failures": {}}
    one["splits"] = {"train": 7}
    data = ReportData(
        name="things",
        classes=classes,
        counts={
            **one,
            "failures": {"refused: opted_out": 3},
            "classes": dict.fromkeys(classes, one),
        },
        metrics=found,
        reliability=[(0.55, 0.5, 10), (0.95, 0.97, 50)],
        refusal=Refusal(0.5, 0.03, [(1.0, 0.8), (0.5, 0.9)], [(1.0, 0.8), (0.5, 0.85)]),
        grouping=Grouping((0.99, 0.97, 1.0), (0.9, 0.8, 0.95), [(0.9, 0.91, 0.85, 0.95, 0.1)], n),
        mistakes=[Mistake(shot, classes[1], 0.9, 0.1), Mistake(hidden, classes[0], 0.8, 0.2, True)],
        asides=[
            Aside("near_duplicate", shot, hidden, "3 bits"),
            Aside("too_small", shot, None, "9"),
        ],
        licenses=[("by", "CC BY", 5, "credit the creator")],
        choices=[Choice("seed", "0", "asked for")],
        training=[("Head", "logistic regression")],
        notes=["Class x lies in one group."],
    )
    return replace(data, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_classes", [2, 3, 24, 25, 100])
def test_the_page_is_whole_and_loads_nothing(n_classes: int) -> None:
    text = render(_data(n_classes, 40 * n_classes))
    page = _Page(text)
    assert not page.tags & {"script", "link", "iframe", "object", "base", "form", "video"}
    loads = [value for tag, name, value in page.attributes if name in ("src", "srcset", "data")]
    assert loads
    assert all(value.startswith("data:image/jpeg;base64,") for value in loads)
    links = [value for _, name, value in page.attributes if name in ("href", "xlink:href")]
    assert set(links) == {"https://e.org/p"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    assert ("meta", "content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in (
        page.attributes
    )
    assert "{{" not in page.text
    assert "{%" not in page.text


def test_the_page_says_what_matters() -> None:
    data = _data()
    page = _Page(render(data)).text
    assert data.metrics is not None
    for share in ("accuracy", "low", "high", "baseline", "balanced_accuracy", "ece"):
        assert f"{100 * data.metrics[share]:.1f}" in page, share
    for words in (
        "took no part in training",
        "would have claimed 99.0 %",
        "near copies of its training pictures",
        "9 found",
        "3 refused: opted out",
        "Nearly the same picture again",
        "CC BY",
        "logistic regression",
        "Class x lies in one group.",
        "asked for",
        "not shown",
        "refused as unfamiliar",
    ):
        assert words in re.sub(r"\s+", " ", page), words


def test_the_same_data_give_the_same_page() -> None:
    assert render(_data()) == render(_data())


def test_a_model_no_better_than_always_the_same_answer_is_called_so() -> None:
    sure = _Page(render(_data())).text
    assert "Do not trust this model yet" not in sure
    y = np.array([0, 0, 0, 1])
    found = metrics.evaluate(
        np.tile([0.6, 0.3, 0.1], (4, 1)), y, [f"class {k:03d}" for k in range(3)]
    )
    page = _Page(render(_data(metrics=found))).text
    assert "Do not trust this model yet" in page
    assert "no picture of class 002" in re.sub(r"\s+", " ", page)


def test_without_figures_the_pictures_are_told_all_the_same() -> None:
    data = _data(metrics=None, reliability=(), refusal=None, mistakes=(), grouping=None)
    page = _Page(render(replace(data, grouping_note="Too few."))).text
    assert "There are no figures" in page
    assert "Too few." in page
    assert "9 found" in page


def test_all_right_is_said_plainly() -> None:
    y = np.arange(30) % 3
    found = metrics.evaluate(np.eye(3)[y], y, [f"class {k:03d}" for k in range(3)])
    page = _Page(render(_data(metrics=found, mistakes=()))).text
    assert "Nothing, on these 30 test pictures." in page


@given(st.text(max_size=40) | st.just(_NASTY))
@hypothesis_settings(deadline=None, max_examples=40)
def test_strangers_words_stay_words(word: str) -> None:
    shot = Shot("0" * 16, "", word, word, word, word)
    text = render(
        _data(
            name=word,
            classes=[word, "b", "c"],
            mistakes=[Mistake(shot, word, 0.9, 0.1)],
            asides=[Aside(word, shot, shot, word)],
            notes=[word],
            choices=[Choice(word, word, word)],
            training=[(word, word)],
        )
    )
    page = _Page(text)
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]


def test_a_thumbnail_is_small_and_carries_no_metadata() -> None:
    import base64

    uri = thumbnail(_jpeg(size=(3000, 1000)))
    data = base64.b64decode(uri.partition(",")[2])
    picture = Image.open(io.BytesIO(data))
    assert picture.size == (SIDE, SIDE // 3)
    assert b"camera" not in data
    assert not picture.getexif()
    assert thumbnail(b"not a picture") == ""
    assert thumbnail(_jpeg()) == thumbnail(_jpeg())


def test_plots_are_the_same_in_every_process_and_stay_in_their_place(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[2]); import test_report as t;"
        "root = pathlib.Path(sys.argv[1]);"
        "t.write_plots(t._data(), root / 'plots', root / 'cache');"
        "import matplotlib; print(matplotlib.get_configdir(), matplotlib.get_cachedir())"
    )
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / run), str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            check=True,
            env={"HOME": str(tmp_path / "nobody"), "PATH": ""},
        )
        assert set(done.stdout.split()) == {str(tmp_path / run / "cache" / "matplotlib")}
    assert not (tmp_path / "nobody").exists()
    first, second = (sorted((tmp_path / run / "plots").iterdir()) for run in ("one", "two"))
    assert [path.name for path in first] == [
        "abstention.png",
        "confusion.png",
        "grouping.png",
        "reliability.png",
    ]
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()
        with Image.open(a) as picture:
            assert picture.width > 500
            assert len(picture.convert("L").getcolors() or []) > 10


def test_a_plot_without_figures_any_more_goes(tmp_path: Path) -> None:
    data = _data(100, 200)
    assert len(write_plots(data, tmp_path, tmp_path / "cache")) == 4
    (left,) = write_plots(replace(data, metrics=None), tmp_path, tmp_path / "cache")
    assert [path.name for path in tmp_path.glob("*.png")] == [left.name] == ["grouping.png"]
