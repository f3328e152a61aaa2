"""The report on networks and tables: the page says the figures, and nothing that it may not."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellapart.learn import metrics
from tellapart.recipe import check
from tellapart.recipe.network import Network, trace
from tellapart.report import Choice, Mistake, Shot, curves, mosaics
from tellapart.report.learned import (
    Candidate,
    Epoch,
    Feature,
    Fit,
    Layer,
    LearnedData,
    Looks,
    WrongRow,
)
from tellapart.report.learned_page import render
from tellapart.report.learned_plots import write_plots

_CLASSES = ("one", "two", "three")
_VOID = {"meta", "img", "br"}


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self._open: list[str] = []
        self._words: list[str] = []
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
        if "style" not in self._open:
            self._words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self._words))


def _network() -> Network:
    layers = [
        {"conv2d": {"filters": 4, "kernel_size": 3, "activation": "relu"}},
        {"dropout": {"rate": 0.5}},
        "flatten",
        {"dense": {"units": 10, "activation": "softmax"}},
    ]
    recipe = check({"name": "n", "data": "mnist", "layers": layers})
    assert recipe.layers is not None
    return trace(recipe.layers, (6, 6, 1), 10)


def _measured(n: int = 60) -> dict[str, object]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    chances = rng.dirichlet(np.ones(3), n)
    chances[np.arange(n), y] += 0.7
    return metrics.evaluate(chances / chances.sum(axis=1, keepdims=True), y, _CLASSES)


def _pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (6, 6, 1)).astype(np.uint8)


def _picture_data(**changes: object) -> LearnedData:
    rng = np.random.default_rng(2)
    shot = Shot("test-0007", mosaics.uri(mosaics.crisp(_pixels())), "one")
    data = LearnedData(
        name="digits",
        title="simple CNN",
        kind="network",
        samples="picture",
        classes=_CLASSES,
        counts={name: {"train": 70, "validation": 11, "test": 20} for name in _CLASSES},
        metrics=_measured(),
        reliability=[(0.6, 0.5, 10), (0.9, 0.95, 50)],
        fits=[
            Fit("train", 210, 207, 0.985714, 0.9589, 0.9951, 0.0512),
            Fit("test", 60, 51, 0.85, 0.7390, 0.9190, 0.4321),
        ],
        network=_network(),
        history=[
            Epoch(1, 1.25, 0.5, 1.1, 0.55),
            Epoch(2, 0.75, 0.8, 0.6543, 0.7777),
            Epoch(3, 0.5, 0.9, 0.7, 0.75),
        ],
        best_epoch=2,
        epochs_asked=3,
        looks=Looks(
            filters=rng.normal(size=(4, 3, 3, 1)).astype(np.float32),
            filters_layer="conv2d_1",
            picture=_pixels(),
            caption="A test picture of “one”.",
            answers=[("one", 0.875), ("two", 0.125)],
            layers=[Layer("conv2d_1", "conv2d", rng.normal(size=(4, 4, 4)).astype(np.float32))],
        ),
        mistakes=[Mistake(shot, "two", 0.91, 0.08)],
        origin=[("License", "CC BY 4.0")],
        training=[("Optimizer", "adadelta")],
        choices=[Choice("seed", "0", "asked for")],
        notes=["A note to read."],
    )
    return replace(data, **changes)  # type: ignore[arg-type]


def _table_data(**changes: object) -> LearnedData:
    data = LearnedData(
        name="flowers",
        title="",
        kind="table",
        samples="row",
        classes=_CLASSES,
        counts={name: {"train": 70, "test": 20} for name in _CLASSES},
        metrics=_measured(),
        candidates=[
            Candidate("logistic regression", 0.81, 0.75, 0.86, 0.51, 210, False, "5.0% behind"),
            Candidate("gradient boosting", 0.86, 0.81, 0.9, 0.41, 210, True, "the most of all"),
        ],
        verdict="Gradient boosting was taken.",
        features=[
            Feature("length", "number", "1 to 9", 0, 0.231, 0.02),
            Feature("town", "category", "Graz, Lyon", 17, -0.004, 0.001),
        ],
        wrong_rows=[WrongRow("484", ("6.25", "Lyon"), "one", "three", 0.93, 0.05)],
        set_aside={"no_label": 2},
    )
    return replace(data, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [_picture_data(), _table_data()], ids=["network", "table"])
def test_the_page_is_whole_and_loads_nothing(data: LearnedData) -> None:
    text = render(data)
    page = _Page(text)
    assert not page.tags & {"script", "link", "iframe", "object", "base", "form", "video"}
    loads = [value for _, name, value in page.attributes if name in ("src", "srcset", "data")]
    assert all(value.startswith("data:image/png;base64,") for value in loads)
    assert not [name for _, name, _ in page.attributes if name in ("href", "xlink:href")]
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    assert "{{" not in page.text
    assert "{%" not in page.text
    assert render(data) == text


def test_a_networks_page_says_its_figures() -> None:
    data = _picture_data()
    page = _Page(render(data))
    assert data.metrics is not None
    for share in ("accuracy", "low", "high", "baseline", "balanced_accuracy", "ece"):
        assert f"{100 * data.metrics[share]:.1f}" in page.text, share
    network = data.network
    assert network is not None
    for words in (
        "simple CNN",
        "a network of 4 layers",
        f"{network.parameters:,} parameters",
        "The weights after epoch 2 were kept.",
        "epoch 2: training 0.7500, validation 0.6543",
        "epoch 2: training 80.00%, validation 77.77%",
        "best: epoch 2",
        "98.6 %",
        "95.9 % to 99.5 %",
        "0.432",
        "dropout makes it harder",
        "A test picture of “one”.",
        "87.5 %",
        "two 91 %",
        "is one 8 %",
        "test-0007",
        "A note to read.",
        "adadelta",
        "CC BY 4.0",
        "303 pictures, of which 210 to learn from, 33 to check on while learning, 60 to measure on",
    ):
        assert words in page.text, words
    assert "Unfinished" not in page.text
    assert "Which model is better" not in page.text
    blocks = [value for tag, name, value in page.attributes if (tag, name) == ("g", "data-layer")]
    assert blocks == [layer.name for layer in network.layers]


def test_a_tables_page_says_its_figures() -> None:
    page = _Page(render(_table_data())).text
    for words in (
        "Gradient boosting was taken.",
        "taken : the most of all",
        "5.0% behind",
        "86.0 %",
        "length: 23.1 points lost, give or take 2.0",
        "town: −0.4 points lost",
        "Graz, Lyon",
        "484 one three 93 % 6.25 Lyon",
        "Set aside before: 2 without a class.",
    ):
        assert words in page, words
    assert "How it learned" not in page
    assert "pictures" not in page


def test_what_is_unfinished_is_marked_first_of_all() -> None:
    page = _Page(render(_picture_data(finished=False, epochs_asked=12))).text
    assert "Unfinished. The training was stopped after 3 of 12 epochs" in page
    assert page.index("Unfinished.") < page.index("test pictures that took no part")
    history = [Epoch(1, 1.0, 0.5, 1.0, 0.5), Epoch(2, 0.9, 0.6, None, None, partial=True)]
    page = _Page(render(_picture_data(finished=False, history=history, epochs_asked=12))).text
    assert "stopped in epoch 2 of 12:" in page


def test_without_test_samples_the_rest_is_told_all_the_same() -> None:
    page = _Page(render(_table_data(metrics=None, wrong_rows=()))).text
    assert "There are no figures" in page
    assert "Gradient boosting was taken." in page


def test_what_is_withheld_is_said() -> None:
    page = _Page(render(_table_data(wrong_rows=(), withheld=9))).text
    assert "The 9 surest wrong answers are not shown here" in page
    assert "484" not in page


def test_how_many_of_the_wrong_answers_are_shown_is_said() -> None:
    data = _picture_data()
    assert data.metrics is not None
    wrong = data.metrics["n"] - data.metrics["correct"]
    assert wrong > 2
    many = [data.mistakes[0]] * wrong
    for shown, withheld, words in (
        (many[:2], 0, "The 2 wrong answers it was surest of"),
        (many[:1], 3, "1 of the 4 wrong answers it was surest of"),
        (many, 0, f"All {wrong} wrong answers, the surest first"),
    ):
        page = _Page(render(replace(data, mistakes=shown, withheld=withheld))).text
        assert words in page


def test_many_layers_and_classes_are_folded_away() -> None:
    data = _picture_data()
    assert data.network is not None
    body = data.network.layers[0]
    long = replace(data.network, layers=(body,) * 40)
    names = [f"class {k}" for k in range(100)]
    y = np.arange(200) % 100
    found = metrics.evaluate(np.eye(100)[y], y, names)
    page = _Page(
        render(
            replace(
                data,
                network=long,
                classes=names,
                metrics=found,
                counts={name: {"train": 2} for name in names},
            )
        )
    )
    assert page.text.count("All 100 classes") == 2
    assert ("figure", "class", "long") in page.attributes
    short = _Page(render(data))
    assert ("figure", "class", "long") not in short.attributes


def test_strangers_words_stay_words() -> None:
    nasty = """<script>alert("1")</script> & 'x' {{ 7 * 7 }}"""
    shot = Shot(nasty, "", nasty)
    rows = [WrongRow(nasty, (nasty, nasty), nasty, nasty, 0.9, 0.1)]
    features = [Feature(nasty, "category", nasty, 1, 0.1, 0.1), Feature("b", "number", "", 0)]
    for data in (
        _picture_data(
            name=nasty, title=nasty, notes=[nasty], mistakes=[Mistake(shot, nasty, 1, 0)]
        ),
        _table_data(
            classes=(nasty, "b", "c"),
            features=features,
            wrong_rows=rows,
            verdict=nasty,
            candidates=[Candidate(nasty, 0.8, 0.7, 0.9, 0.5, 10, True, nasty)],
            set_aside={nasty: 1},
        ),
    ):
        page = _Page(render(data))
        assert "script" not in page.tags
        assert "{{ 7 * 7 }}" in page.text


def _points(drawn: str, kind: str) -> list[tuple[float, float]]:
    path = ElementTree.fromstring(drawn).find(f".//path[@class='{kind}']")
    assert path is not None
    pairs = [pair.split() for pair in re.split("[ML]", path.get("d") or "")[1:]]
    return [(float(x), float(y)) for x, y in pairs]


def test_curves_go_as_the_figures_go() -> None:
    history = _picture_data().history
    training = _points(curves.loss(history, 2), "line")
    assert len(training) == 3
    assert [y for _, y in training] == sorted(y for _, y in training)  # loss falls: down the page
    validation = _points(curves.loss(history, 2), "line second")
    assert validation[1][1] == max(y for _, y in validation)
    rising = [y for _, y in _points(curves.accuracy(history, 2), "line")]
    assert rising == sorted(rising, reverse=True)
    best = ElementTree.fromstring(curves.loss(history, 2)).find(".//line[@class='best']")
    assert best is not None
    assert float(best.get("x1") or 0) == training[1][0]


@pytest.mark.parametrize("n", [1, 2, 31, 100, 1000])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_curves_stay_in_their_frame(n: int, scale: float) -> None:
    history = [Epoch(k, scale / k, 1 - 0.9 / k, None, 1 - 0.95 / k) for k in range(1, n + 1)]
    for drawn in (curves.loss(history, 1), curves.accuracy(history, n)):
        root = ElementTree.fromstring(drawn)
        assert len(root.findall(".//rect[@class='hover']")) == n
        ticks = [one.text for one in root.findall(".//text[@class='tick mid']")]
        assert 1 <= len(ticks) <= 10
        assert len(ticks) == len(set(ticks))
        for circle in root.findall(".//circle"):
            assert 45 <= float(circle.get("cx") or 0) <= 407
            assert 25 <= float(circle.get("cy") or 0) <= 259


def test_bars_are_as_long_as_what_they_tell() -> None:
    features = [
        Feature("half", "number", "", 0, 0.1),
        Feature("whole", "number", "", 0, 0.2),
        Feature("unmeasured", "number", "", 0),
    ]
    root = ElementTree.fromstring(curves.importance(features))
    bars = [float(bar.get("width") or 0) for bar in root.findall(".//rect[@class='bar']")]
    names = [name.text for name in root.findall(".//text[@class='name end']")]
    assert names == ["whole", "half"]
    assert bars[0] == pytest.approx(2 * bars[1], abs=0.2)


def _decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_enlarged_pictures_keep_every_pixel_sharp() -> None:
    small = _pixels()
    large = np.asarray(_decoded(mosaics.uri(mosaics.crisp(small, 60))))
    assert large.shape == (60, 60)
    assert np.array_equal(large[::10, ::10], small[:, :, 0])
    assert np.array_equal(large, np.kron(small[:, :, 0], np.ones((10, 10), np.uint8)))


def test_filters_are_brown_below_zero_and_teal_above() -> None:
    weights = np.zeros((2, 1, 1, 1), np.float32)
    weights[:, 0, 0, 0] = [-3, 0.5]
    sheet = mosaics.filters(weights)
    width = sheet.shape[1] // 2
    below, above = sheet[0, width // 2, :3].astype(int), sheet[0, -1, :3].astype(int)
    assert below[0] > below[2]
    assert above[2] > above[0]
    assert set(np.unique(sheet[:, :, 3])) <= {0, 255}


def test_of_many_channels_the_most_active_are_shown() -> None:
    values = np.zeros((4, 4, 100), np.float32)
    values[0, 0, 70:] = 1
    sheet, shown = mosaics.activation(values)
    assert shown == mosaics.TILES
    bright = (sheet[:, :, 0] > 200) & (sheet[:, :, 3] == 255)
    assert bright.any()
    flat, many = mosaics.activation(np.arange(10, dtype=np.float32))
    assert many == 10
    assert flat.shape[1] > 9 * flat.shape[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_activations_without_a_range_are_drawn(bad: float) -> None:
    for values in (np.full((3, 3, 2), bad, np.float32), np.full(5, bad, np.float32)):
        sheet, _ = mosaics.activation(values)
        assert sheet.dtype == np.uint8


def test_plots_are_drawn_once_and_the_same_each_time(tmp_path: Path) -> None:
    data = _picture_data()
    first = write_plots(data, tmp_path / "one", tmp_path / "cache")
    second = write_plots(data, tmp_path / "two", tmp_path / "cache")
    assert [path.name for path in first] == [
        "learning_curves.png",
        "confusion.png",
        "reliability.png",
        "first_filters.png",
        "activations.png",
        "network.svg",
    ]
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()
        if a.suffix == ".png":
            with Image.open(a) as picture:
                assert picture.width > 400
                assert len(picture.convert("L").getcolors() or []) > 10
    left = write_plots(_table_data(), tmp_path / "one", tmp_path / "cache")
    assert {path.name for path in (tmp_path / "one").iterdir()} == {path.name for path in left}
    assert {path.name for path in left} == {"confusion.png", "importance.png"}
