"""Choosing among models of a table's rows, and what is said of the choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tellapart.errors import DataError, InputError
from tellapart.learn import tabular
from tellapart.learn.tabular import columns, comparing, crossing, logistic
from tellapart.learn.tabular.importance import permutation

Rows = tuple[NDArray[np.float32], NDArray[np.int64]]


def _lines(n: int = 150, seed: int = 0) -> Rows:
    """Two classes on either side of a line, and a column of noise."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, 3)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] + 0.3 * draw.normal(size=n) > 0).astype(np.int64)
    return x, y


def _chess(n: int = 300, seed: int = 0) -> Rows:
    """Two classes as on a chessboard: no line tells them apart."""
    draw = np.random.default_rng(seed)
    x = draw.uniform(-2, 2, size=(n, 2)).astype(np.float32)
    return x, (np.floor(x).sum(axis=1) % 2).astype(np.int64)


def test_a_line_is_left_to_logistic_regression() -> None:
    x, y = _lines()
    found = tabular.fit(x, y, n_classes=2, categories=[0, 0, 0])
    by_name = {one.name: one for one in found.candidates}
    assert set(by_name) == {"logistic regression", "gradient boosting", "average of both"}
    line, trees = by_name["logistic regression"], by_name["gradient boosting"]
    assert line.score is not None
    assert trees.score is not None
    assert line.score.accuracy > trees.score.accuracy
    assert found.chosen.name != "gradient boosting"
    fresh, truth = _lines(2000, seed=1)
    assert (found.probabilities(fresh).argmax(axis=1) == truth).mean() > 0.9


def test_a_chessboard_is_left_to_trees_and_the_difference_is_beyond_noise() -> None:
    x, y = _chess()
    found = tabular.fit(x, y, n_classes=2, categories=[0, 0])
    assert found.chosen.name == "gradient boosting"
    line = next(one for one in found.candidates if one.kind == "logistic")
    assert line.difference is not None
    assert line.difference.beyond_noise
    assert line.difference.accuracy < -0.1
    assert "more than chance" in line.why
    assert "of the rows that were held out" in found.chosen.why
    assert found.chosen.difference is None


def test_noise_is_called_noise() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(120, 4)).astype(np.float32), draw.integers(0, 2, 120)
    found = tabular.fit(x, y, n_classes=2, categories=[0] * 4)
    others = [one.difference for one in found.candidates if one.difference is not None]
    assert len(others) == 2
    assert not all(one.beyond_noise for one in others)
    # Nothing can be learned: the probabilities must not pretend otherwise.
    assert found.probabilities(draw.normal(size=(500, 4))).max(axis=1).mean() < 0.65


def test_probabilities_mean_what_they_say() -> None:
    x, y = _lines(400)
    found = tabular.fit(x, y, n_classes=2, categories=[0, 0, 0])
    fresh, truth = _lines(4000, seed=2)
    odds = found.probabilities(fresh)
    assert np.abs(odds.max(axis=1).mean() - (odds.argmax(axis=1) == truth).mean()) < 0.03
    np.testing.assert_allclose(odds.sum(axis=1), 1)


def test_every_row_is_judged_by_models_that_had_not_seen_it() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(200, 40)).astype(np.float32), draw.integers(0, 2, 200)
    found = tabular.fit(x, y, n_classes=2, categories=[0] * 40)
    # Chance alone; had rows been seen, the trees would know all of them.
    assert (found.out_of_fold.argmax(axis=1) == y).mean() < 0.65


def test_groups_are_held_out_whole() -> None:
    draw = np.random.default_rng(0)
    one = draw.normal(size=(40, 6))
    x = np.repeat(one, 5, axis=0).astype(np.float32) + 1e-3
    y = np.repeat(draw.integers(0, 2, 40), 5)
    teams = np.repeat(np.arange(40), 5)
    torn = tabular.fit(x, y, n_classes=2, categories=[0] * 6)
    whole = tabular.fit(x, y, n_classes=2, categories=[0] * 6, groups=teams)
    assert torn.chosen.score is not None
    assert whole.chosen.score is not None
    assert torn.chosen.score.accuracy > 0.95
    assert whole.chosen.score.accuracy < 0.75


def test_the_same_rows_give_the_same_bytes_on_any_number_of_threads() -> None:
    x, y = _chess(3000)
    x = np.concatenate([x, np.random.default_rng(1).normal(size=(3000, 78))], axis=1)
    found = [
        tabular.fit(x, y, n_classes=2, categories=[0] * 80, threads=threads, stop=_soon())
        for threads in (1, 2)
    ]
    assert found[0].chosen.kind != "logistic"
    assert found[0].to_onnx() == found[1].to_onnx()


def _soon() -> Callable[[], bool]:
    """A stop request after the first fold, to save time."""
    calls = iter(range(100))
    return lambda: next(calls) >= 1


def test_a_stop_keeps_what_was_learned_so_far() -> None:
    x, y = _chess()
    found = tabular.fit(x, y, n_classes=2, categories=[0, 0], stop=_soon())
    assert not found.finished
    assert any("Stopped" in note for note in found.notes)
    assert (found.probabilities(x).argmax(axis=1) == y).mean() > 0.8
    at_once = tabular.fit(x, y, n_classes=2, categories=[0, 0], stop=lambda: True)
    assert at_once.chosen.score is None
    assert at_once.probabilities(x).shape == (300, 2)


def test_rare_categories_share_no_column_and_missing_ones_are_no_category() -> None:
    many = columns.MOST_VALUES + 10
    x = np.repeat(np.arange(many), 2).astype(np.float32)[:, None]
    x = np.concatenate([x, x[-10:], [[np.nan]]])
    shape = columns.learn(x, [many])
    (column, values) = shape.categories[0]
    assert column == 0
    assert len(values) == columns.MOST_VALUES
    assert many - 1 in values  # more frequent than the first ones
    expanded = shape.expand(np.array([[np.nan], [float(many - 1)], [1e9]], np.float32))
    assert expanded.sum(axis=1).tolist() == [0, 1, 0]


def test_a_category_decides() -> None:
    draw = np.random.default_rng(0)
    word = draw.integers(0, 5, 200)
    x = np.stack([draw.normal(size=200), word], axis=1).astype(np.float32)
    y = np.isin(word, (1, 4)).astype(np.int64)  # as a number it would need several steps
    found = tabular.fit(x, y, n_classes=2, categories=[0, 5])
    line = next(one for one in found.candidates if one.kind == "logistic")
    assert line.score is not None
    assert line.score.accuracy == 1.0


def test_missing_numbers_may_tell_the_class() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(200, 2)).astype(np.float32), draw.integers(0, 2, 200)
    x[y == 1, 0] = np.nan
    found = tabular.fit(x, y, n_classes=2, categories=[0, 0])
    assert all(one.score is not None and one.score.accuracy == 1 for one in found.candidates)


def test_figures_far_from_zero_and_constant_columns_do_not_hurt() -> None:
    x, _ = _lines()
    x = x * np.array([1e-20, 1e20, 1], np.float32) + np.array([0, 0, 5e6], np.float32)
    x[:, 2] = 16777216.0
    prepared = logistic.scaling(x).apply(x)
    assert np.abs(prepared[:, :2].std(axis=0) - 1).max() < 1e-3
    assert (prepared[:, 2] == 0).all()
    huge = np.array([[3e38], [-3e38], [1.0]] * 10, np.float32)
    assert np.isfinite(logistic.scaling(huge).apply(huge)).all()


@pytest.mark.parametrize(
    ("rows", "y", "categories", "error", "word"),
    [
        ([[1.0], [2.0]], [0, 0], [0], DataError, "[2, 0]"),
        ([[1.0], [2.0]], [0, 2], [0], InputError, "2 classes"),
        ([[1.0], [2.0]], [0], [0], InputError, "1 class numbers"),
        ([[1.0], [2.0]], [0, 1], [0, 0], InputError, "2 columns"),
        ([[1.0], [np.inf]], [0, 1], [0], InputError, "row 1"),
        ([[np.nan], [np.nan]], [0, 1], [3], DataError, "empty"),
        ([[], []], [0, 1], [], InputError, "0 columns"),
    ],
)
def test_what_cannot_be_learned_from_is_said(
    rows: list[list[float]],
    y: list[int],
    categories: list[int],
    error: type[Exception],
    word: str,
) -> None:
    with pytest.raises(error, match=word.replace("[", r"\[")):
        tabular.fit(np.array(rows, np.float32), y, n_classes=2, categories=categories)


def test_the_smallest_table_of_all() -> None:
    found = tabular.fit([[0.0], [1.0]], [0, 1], n_classes=2, categories=[0])
    assert found.chosen.score is None
    assert found.probabilities([[0.0], [1.0]]).argmax(axis=1).tolist() == [0, 1]
    assert found.chosen.to_dict()["cross_validation"] is None


def test_a_class_of_one_row_is_learned_and_not_counted() -> None:
    x, y = _lines(60)
    x = np.concatenate([x, [[30.0, -30.0, 30.0]]])
    y = np.concatenate([y, [2]])
    found = tabular.fit(x, y, n_classes=3, categories=[0, 0, 0])
    assert np.isnan(found.out_of_fold[-1]).all()
    assert not np.isnan(found.out_of_fold[:-1]).any()
    assert np.isfinite(found.probabilities(x)).all()


def test_few_rows_are_repeated_and_many_are_thinned() -> None:
    few = crossing.plan(np.arange(100) % 2, None, 0)
    assert (few.repeats, few.folds) == (3, 5)
    assert not (few.fold_of[0] == few.fold_of[1]).all()
    many = crossing.plan(np.arange(crossing.MOST_ROWS + 2) % 2, None, 0)
    assert many.repeats == 1
    assert len(many.rows) == crossing.MOST_ROWS // 2 + 1
    assert abs(np.mean(many.rows % 2) - 0.5) < 1e-3


def test_an_interval_counts_groups_and_not_their_rows() -> None:
    draw = np.random.default_rng(0)
    own = np.repeat(draw.random(30), 10)

    def score(hits: NDArray[np.float64]) -> crossing.Score:
        return crossing.Score(0, 0, 0, 1, hits, np.zeros((len(hits), 2)))

    teams = np.repeat(np.arange(30), 10)
    alone = comparing.against(score(own), score(np.zeros(300)), None)
    whole = comparing.against(score(own), score(np.zeros(300)), teams)
    assert alone.accuracy == whole.accuracy
    assert (whole.high - whole.low) / (alone.high - alone.low) == pytest.approx(10**0.5, rel=1e-3)


def test_importance_finds_the_columns_that_count() -> None:
    x, y = _lines(600)
    found = tabular.fit(x[:300], y[:300], n_classes=2, categories=[0] * 3)
    told = permutation(found.probabilities, x[300:], y[300:], ["left", "right", "noise"], seed=0)
    assert [one["column"] for one in told][-1] == "noise"
    assert told[0]["drop"] > 0.1
    assert abs(told[-1]["drop"]) < 0.03
    assert told == permutation(
        found.probabilities, x[300:], y[300:], ["left", "right", "noise"], seed=0
    )
    assert permutation(found.probabilities, x[:0], y[:0], ["a", "b", "c"], seed=0) == []


@pytest.mark.shared
@pytest.mark.parametrize(("name", "least"), [("iris", 0.94), ("sonar", 0.8), ("wine", 0.96)])
def test_real_tables(shared_data: Path, name: str, least: float) -> None:
    text = np.genfromtxt(shared_data / "tabular" / f"{name}.csv", delimiter=",", dtype=str)
    x, y = text[:, :-1].astype(np.float32), np.unique(text[:, -1], return_inverse=True)[1]
    found = tabular.fit(x, y, n_classes=int(y.max()) + 1, categories=[0] * x.shape[1])
    assert found.chosen.score is not None
    assert found.chosen.score.accuracy >= least
