"""Figures against scikit-learn, published values and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import DataError, InputError
from tellapart.learn import calibration, metrics


def _some(n: int = 300, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[y]
    return calibration.softmax(logits), y


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(k: int, n: int, low: float, high: float) -> None:
    assert metrics.wilson(k, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_the_share(k: int, n: int) -> None:
    k = min(k, n)
    low, high = metrics.wilson(k, n)
    assert 0 <= low <= (k / n if n else 0.5) + 1e-6 and (k / n if n else 0.5) - 1e-6 <= high <= 1
    mirrored = metrics.wilson(n - k, n)
    assert (low, high) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]), abs=2e-6)


def test_figures_are_those_of_scikit_learn() -> None:
    from sklearn import metrics as reference

    chances, y = _some()
    predicted = chances.argmax(axis=1)
    names = ["a", "b", "c", "d"]
    found = metrics.evaluate(chances, y, names)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y, predicted), abs=1e-6)
    assert found["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(y, predicted), abs=1e-6
    )
    assert found["log_loss"] == pytest.approx(reference.log_loss(y, chances), abs=1e-6)
    auc = reference.roc_auc_score(y, chances, multi_class="ovr", average="macro")
    assert found["auc"] == pytest.approx(auc, abs=1e-6)
    assert found["confusion"] == reference.confusion_matrix(y, predicted).tolist()
    parts = reference.precision_recall_fscore_support(y, predicted)
    for key, values in zip(("precision", "recall", "f1", "support"), parts, strict=True):
        assert [row[key] for row in found["per_class"]] == pytest.approx(values, abs=1e-6)
    assert json.loads(json.dumps(found)) == found


def test_auc_counts_ties_half() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    scores, flags = rng.integers(0, 5, 200), rng.integers(0, 2, 200)
    assert metrics.auc(scores, flags) == pytest.approx(roc_auc_score(flags, scores))
    assert metrics.auc([1, 1, 1], [1, 0, 1]) == 0.5
    with pytest.raises(DataError):
        metrics.auc([1, 2], [1, 1])


def test_a_model_within_the_baseline_is_warned_of_and_a_better_one_not() -> None:
    y = np.array([0] * 81 + [1] * 19)
    always = np.tile([0.9, 0.1], (100, 1))
    found = metrics.evaluate(always, y, ["no", "yes"])
    assert found["baseline"] == 0.81 and found["baseline_class"] == "no"
    assert "always answering 'no'" in found["warning"]
    assert metrics.evaluate(np.eye(2)[y], y, ["no", "yes"])["warning"] is None


def test_a_class_without_pictures_is_named_and_left_out_of_the_means() -> None:
    chances, y = _some(60, 3)
    chances, y = chances[y < 2], y[y < 2]
    found = metrics.evaluate(chances, y, ["a", "b", "c"])
    assert found["absent_classes"] == ["c"]
    present = [row["recall"] for row in found["per_class"] if row["class"] != "c"]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(present), abs=1e-6)
    assert found["auc"] is not None
    alone = metrics.evaluate(chances[y == 0], y[y == 0], ["a", "b", "c"])
    assert alone["auc"] is None


def test_the_abstention_curve_keeps_the_surest() -> None:
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    found = metrics.evaluate(chances, [0, 0, 1, 1], ["a", "b"])
    curve = {point["coverage"]: point for point in found["abstention"]["curve"]}
    assert curve[0.5]["accuracy"] == 1.0 and curve[0.5]["confidence"] == 0.8
    assert curve[1.0]["accuracy"] == 0.5
    # Risks 0, 0, 1/3 and 1/2 at 1 to 4 pictures.
    assert found["abstention"]["area"] == pytest.approx((1 / 3 + 1 / 2) / 4, abs=1e-6)
    turned = metrics.evaluate(chances, [0, 0, 1, 1], ["a", "b"], confidence=[0, 1, 2, 3])
    assert {p["coverage"]: p["accuracy"] for p in turned["abstention"]["curve"]}[0.5] == 0.0


def test_abstaining_is_told_apart_from_the_headline() -> None:
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    found = metrics.evaluate(chances, [0, 0, 0, 1], ["a", "b"], [False, False, True, True])
    assert found["accuracy"] == 0.75
    assert found["abstained"] == {
        "n": 2,
        "share": 0.5,
        "wrong_among_them": 1,
        "answered": 2,
        "accuracy_answered": 1.0,
        "low_answered": found["abstained"]["low_answered"],
        "high_answered": 1.0,
    }
    silent = metrics.evaluate(chances, [0, 0, 0, 1], ["a", "b"], [True] * 4)["abstained"]
    assert silent["accuracy_answered"] is None and silent["answered"] == 0


def test_confident_errors_come_surest_first() -> None:
    chances = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.9, 0.1]])
    assert metrics.confident_errors(chances, [1, 1, 1, 1]) == [1, 3, 0]
    assert metrics.confident_errors(chances, [1, 1, 1, 1], most=1) == [1]


def test_nothing_to_measure_and_shapes_that_do_not_fit_are_errors() -> None:
    with pytest.raises(DataError, match="no picture"):
        metrics.evaluate(np.empty((0, 2)), [], ["a", "b"])
    with pytest.raises(InputError, match="shape"):
        metrics.evaluate(np.eye(2), [0, 1], ["a", "b", "c"])
