"""Charts of the pages: each with its figures as a table, foreign words never as HTML."""

from __future__ import annotations

import re

import pytest

from tellapart.recipe import check, trace
from tellapart.report.learned import Epoch
from tellapart.web import charts

EVIL = '<script>alert("x")</script>'


def test_the_confusion_table_holds_the_counts() -> None:
    drawn = str(charts.confusion([[3, 1], [0, 5]], ["apple", "boat"]))
    assert drawn.count("<svg") == 1 and drawn.count("<table>") == 1
    assert re.findall(r'<td class="num">(\d+)</td>', drawn) == ["3", "1", "0", "5"]


def test_of_many_classes_only_what_was_confused_is_listed() -> None:
    n = 60
    counts = [[10 if i == j else 0 for j in range(n)] for i in range(n)]
    counts[3][4], counts[5][6] = 2, 7
    drawn = str(charts.confusion(counts, [f"class {i}" for i in range(n)]))
    listed = re.findall(
        r'<th scope="row" class="name">(.*?)</th><td>(.*?)</td><td class="num">(\d+)', drawn
    )
    assert listed == [("class 5", "class 6", "7"), ("class 3", "class 4", "2")]


def test_words_of_others_are_text() -> None:
    pairs = [
        charts.confusion([[1, 0], [1, 0]], [EVIL, "b"]),
        charts.probabilities([(EVIL, 0.9), ("b", 0.1)]),
        charts.Table([EVIL], [[EVIL]], caption=EVIL).html(),
        charts.columns(
            [{"name": EVIL, "kind": "number", "values": EVIL, "missing": 0, "importance": 0.1}]
        ),
    ]
    for drawn in pairs:
        assert "<script" not in str(drawn)
        assert "&lt;script&gt;" in str(drawn)


def test_learning_is_told_by_epoch() -> None:
    history = [Epoch(n, 1 / n, 0.5, None if n == 1 else 2 / n, 0.4) for n in (1, 2)]
    drawn = str(charts.training(history, 2))
    assert drawn.count("<svg") == 2
    rows = re.findall(r"<tr><th scope=\"row\" class=\"name\">(\d)</th>(.*?)</tr>", drawn)
    assert [number for number, _ in rows] == ["1", "2"]
    assert "–" in rows[0][1] and "1.0000" in rows[1][1]


def test_a_table_with_nothing_in_its_head_has_no_empty_header() -> None:
    assert "<td></td></tr></thead>" in str(charts.Table(["a", ""], []).html())


def test_layers_and_their_totals() -> None:
    layers = [{"dense": {"units": 8}}, {"dense": {"units": 3, "activation": "softmax"}}]
    recipe = check({"name": "net", "data": "iris", "layers": layers})
    assert recipe.layers
    network = trace(recipe.layers, (4,))
    told = str(charts.layers(network))
    assert str(network.parameters) in told and told.count("<tr>") == 5
    assert 'class="network"' in str(charts.network(network))


@pytest.mark.parametrize(("value", "said"), [(0.9137, "91.4 %"), (None, "–"), (1.0, "100.0 %")])
def test_shares_in_words(value: float | None, said: str) -> None:
    assert charts.percent(value) == said


def test_of_many_epochs_some_are_drawn() -> None:
    history = [Epoch(n, 1 / n, 0.5, 1 / n, 0.5) for n in range(1, 1001)]
    numbers = [one.number for one in charts.thinned(history, 777)]
    assert len(numbers) < 70 and {1, 777, 1000} <= set(numbers)
    assert len(str(charts.training(history, 777))) < 80_000
    assert charts.thinned(history[:60]) == history[:60]
