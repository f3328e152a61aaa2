"""A network as text and as a picture: every layer, in order, with its own figures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tellapart.recipe import check
from tellapart.recipe.network import Network, trace
from tellapart.report.drawing import svg
from tellapart.report.layers import quantity
from tellapart.report.network import table

_SVG = "{http://www.w3.org/2000/svg}"
_CNN = [
    {"conv2d": {"filters": 32, "kernel_size": 3, "activation": "relu"}},
    {"conv2d": {"filters": 64, "kernel_size": [3, 5], "stride": 2}},
    {"max_pool2d": {"pool_size": 2}},
    {"dropout": {"rate": 0.25}},
    "flatten",
    {"dense": {"units": 128, "activation": "relu"}},
    {"dense": {"units": 10, "activation": "softmax"}},
]
_RESIDUAL = [
    {"conv2d": {"filters": 8, "kernel_size": 3, "padding": "same", "name": "first"}},
    "batch_norm",
    {"activation": {"function": "relu", "name": "inner"}},
    {"conv2d": {"filters": 8, "kernel_size": 3, "padding": "same"}},
    {"add": {"with": "inner"}},
    {"conv2d": {"filters": 8, "kernel_size": 1}},
    {"add": {"with": "first"}},
    "global_avg_pool",
    {"dense": {"units": 10, "activation": "softmax"}},
]


def _network(layers: Sequence[object], input: tuple[int, ...] = (28, 28, 1)) -> Network:
    recipe = check({"name": "n", "data": "mnist", "layers": list(layers)})
    assert recipe.layers is not None
    return trace(recipe.layers, input, 10)


@pytest.fixture(scope="module", params=[_CNN, _RESIDUAL], ids=["plain", "residual"])
def network(request: pytest.FixtureRequest) -> Network:
    return _network(request.param)


def test_the_table_has_a_line_for_each_layer_with_its_own_figures(network: Network) -> None:
    lines = table(network).splitlines()
    named = {line.split()[0]: line for line in lines if line.strip("─")}
    for layer in network.layers:
        line = named[layer.name]
        assert layer.kind in line
        assert " × ".join(f"{side:,}" for side in layer.output) in line
        assert f" {layer.parameters:,} " in line
    assert f"{network.parameters:,}" in named["total"]
    places = [lines.index(named[layer.name]) for layer in network.layers]
    assert places == sorted(places)


def test_the_tables_columns_stand_below_each_other(network: Network) -> None:
    head, rule, first, *rest = table(network).splitlines()
    assert set(rule) == {"─"}
    start = head.index("Output")
    end = head.index("Parameters") + len("Parameters")
    total = next(line for line in rest if line.startswith("total"))
    for line in [first, *rest]:
        if line.startswith("─") or "are trained" in line:
            continue
        assert line[start - 2 : start] == "  ", line
        if line.split()[0] not in ("input",):
            # Figures end where their column ends.
            assert line[end - 1].isdigit(), line
            assert line[end : end + 2] == "  ", line
            assert len(line) == len(total), line


def test_the_table_says_what_sets_layers_apart() -> None:
    text = table(_network(_CNN))
    for words in (
        "32 filters 3×3, relu",
        "64 filters 3×5, stride 2",
        "largest of 2×2",
        "25 % left out in training",
        "128 units, relu",
    ):
        assert words in text, words
    assert "dilation" not in text
    text = table(_network(_RESIDUAL))
    assert "adds inner" in text
    assert "16 are not" in text  # running means and variances of 8 channels


def test_the_drawing_is_xml_with_one_block_a_layer(network: Network) -> None:
    root = ElementTree.fromstring(svg(network))
    assert root.tag == f"{_SVG}svg"
    blocks = root.findall(f"{_SVG}g[@class='block']")
    assert [block.get("data-layer") for block in blocks] == [one.name for one in network.layers]
    assert [block.get("data-kind") for block in blocks] == [one.kind for one in network.layers]
    for block, layer in zip(blocks, network.layers, strict=True):
        words = "".join(block.itertext())
        assert layer.name in words
        assert f"{layer.parameters:,} parameters" in words
        shapes = [path for path in block.iter() if path.tag in (f"{_SVG}path", f"{_SVG}rect")]
        assert shapes or block.find(f".//{_SVG}circle") is not None
    label = root.get("aria-label") or ""
    assert f"{len(network.layers)} layers, {network.parameters:,} parameters" in label


def test_blocks_follow_each_other_within_the_picture(network: Network) -> None:
    root = ElementTree.fromstring(svg(network))
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    heights = [
        float(text.get("y") or "nan")
        for block in root.findall(f"{_SVG}g[@class='block']")
        for text in block.findall(f"{_SVG}text")[:1]
    ]
    assert heights == sorted(heights)
    for element in root.iter():
        for name, most in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            if element.tag != f"{_SVG}text" and element.get(name):
                assert -10 <= float(element.get(name) or 0) <= most


def test_boxes_grow_with_their_tensors_and_vectors_are_beads_or_bars() -> None:
    root = ElementTree.fromstring(svg(_network(_CNN)))
    blocks = {block.get("data-layer"): block for block in root.findall(f"{_SVG}g[@class='block']")}

    def face(name: str) -> float:
        path = blocks[name].find(f".//{_SVG}path[@class='n-face']")
        assert path is not None
        xs = [float(point.split()[0]) for point in re.split("[ML]", path.get("d") or "")[1:]]
        return max(xs) - min(xs)

    assert face("conv2d_1") > face("conv2d_2") > face("max_pool2d_1")
    assert len(blocks["dense_2"].findall(f".//{_SVG}circle")) == 10
    assert not blocks["dense_1"].findall(f".//{_SVG}circle")
    assert blocks["dense_1"].find(f".//{_SVG}rect[@class='n-bar']") is not None
    assert blocks["dropout_1"].find(f".//{_SVG}rect[@class='n-pill']") is not None


def test_each_add_has_an_arrow_in_a_lane_of_its_own() -> None:
    root = ElementTree.fromstring(svg(_network(_RESIDUAL)))
    arrows = root.findall(f"{_SVG}path[@class='n-skip']")
    assert [arrow.get("data-add") for arrow in arrows] == ["add_1", "add_2"]
    # They overlap: `first` lies before `inner`, its sum behind.
    lanes = [re.search(r"H([\d.]+)q", arrow.get("d") or "") for arrow in arrows]
    assert len({lane.group(1) for lane in lanes if lane}) == 2
    assert not ElementTree.fromstring(svg(_network(_CNN))).findall(f"{_SVG}path[@class='n-skip']")


def test_the_drawing_brings_light_and_dark_and_asks_for_nothing(network: Network) -> None:
    text = svg(network)
    assert "prefers-color-scheme:dark" in text
    for word in ("url(", "href", "<script", "var(", "@import"):
        assert word not in text
    root = ElementTree.fromstring(text)
    style = root.find(f"{_SVG}style")
    assert style is not None
    light, dark = (style.text or "").split("@media")
    used = {element.get("class") or "" for element in root.iter()} - {"", "network"}
    for name in {word for names in used for word in names.split() if word.startswith("n-")}:
        assert f".{name}" in light, name
        if name not in ("n-mid",):
            assert f".{name}" in dark, name


def test_a_strangers_name_stays_a_name() -> None:
    network = _network(_CNN)
    nasty = "<script>\"&'</script>"
    bad = replace(network, layers=(replace(network.layers[0], name=nasty), *network.layers[1:]))
    root = ElementTree.fromstring(svg(bad))
    assert not root.findall(f".//{_SVG}script")
    assert root.findall(f"{_SVG}g[@class='block']")[0].get("data-layer") == nasty


def test_hundreds_of_layers_and_huge_figures_are_drawn() -> None:
    network = _network(_CNN)
    body = replace(network.layers[1], parameters=10**9, flops=10**12)
    many = replace(network, layers=tuple(replace(body, name=f"n{i}") for i in range(300)))
    root = ElementTree.fromstring(svg(many))
    assert len(root.findall(f"{_SVG}g[@class='block']")) == 300
    assert "1,000,000,000" in table(many)
    assert "300 T" in table(many)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (1234, "1.23 k"),
        (12_345, "12.3 k"),
        (123_456, "123 k"),
        (999_999, "1.00 M"),
        (24_300_000, "24.3 M"),
        (5 * 10**12, "5.00 T"),
    ],
)
def test_quantities_have_three_figures_and_a_prefix(value: int, text: str) -> None:
    assert quantity(value) == text
