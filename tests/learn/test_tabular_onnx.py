"""The ONNX of a table answers as the trained model, whatever the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tellapart import telemetry
from tellapart.bundle.session import Session
from tellapart.errors import VerificationError
from tellapart.learn import tabular
from tellapart.learn.tabular import boosting, crossing, graph
from tellapart.learn.tabular.proof import prove

telemetry.off()


def _table(
    draw: np.random.Generator, n: int, kinds: list[int], classes: int, missing: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows whose columns are numbers (0), constants (-1) or categories (their number)."""
    x = np.empty((n, len(kinds)), np.float32)
    for column, kind in enumerate(kinds):
        if kind > 0:
            x[:, column] = draw.integers(0, kind, n)
        elif kind < 0:
            x[:, column] = 7.25
        else:
            size = 10.0 ** float(draw.integers(-30, 31))
            values = draw.normal(size=n) * size
            # Values that come often are where thresholds lie.
            x[:, column] = np.round(values / size, 1) * size if draw.random() < 0.5 else values
    x[draw.random(x.shape) < missing] = np.nan
    y = draw.integers(0, classes, n)
    y[:classes] = np.arange(classes)
    return x, y


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(6, 70),
    kinds=st.lists(st.sampled_from([0, 0, 0, -1, 1, 2, 5, 40]), min_size=1, max_size=5),
    classes=st.integers(2, 6),
    missing=st.sampled_from([0.0, 0.0, 0.2, 0.8]),
    grouped=st.booleans(),
)
def test_any_table_gives_a_model_that_answers_alike(
    seed: int, n: int, kinds: list[int], classes: int, missing: float, grouped: bool
) -> None:
    draw = np.random.default_rng(seed)
    x, y = _table(draw, n, kinds, classes, missing)
    if np.isnan(x).all():
        x[0, 0] = 0
    teams = draw.integers(0, max(2, n // 3), n) if grouped else None
    found = tabular.fit(
        x,
        y,
        n_classes=classes,
        categories=[max(kind, 0) for kind in kinds],
        groups=teams,
        stop=_after(2),
    )
    # Rows never seen: far away, unknown categories, all cells empty.
    strange, _ = _table(draw, 20, kinds, classes, 0.3)
    edge = np.array([[np.nan], [3.4e38], [-3.4e38], [0.0], [999.0]], np.float32)
    rows = np.concatenate([x, strange, np.repeat(edge, len(kinds), axis=1)])
    for candidate in found.candidates:
        model = graph.assemble(
            found.columns,
            [(found.models[key], factor) for key, factor in candidate.parts],
            raw_columns=len(kinds),
            n_classes=classes,
            metadata={},
        )
        expected = found.probabilities(rows, candidate).astype(np.float32)
        assert np.isfinite(expected).all()
        ids = [str(place) for place in range(len(rows))]
        proof = prove(model, rows, expected, ids, [str(k) for k in range(classes)], 1)
        assert max(proof.max_difference.values()) <= 1e-4


@pytest.mark.parametrize("classes", [2, 3])
def test_a_value_on_a_threshold_goes_the_same_way(classes: int) -> None:
    draw = np.random.default_rng(0)
    # Neighbors in single precision: their middle is no such number, and rounding it to the
    # nearest gives one of them in half of the cases.
    x = np.float32(1) + np.arange(40, dtype=np.float32)[:, None] * np.finfo(np.float32).eps
    x = np.repeat(x, 5, axis=0)
    y = draw.integers(0, classes, 40)[np.repeat(np.arange(40), 5)]
    fitted = boosting.fit(x, y, classes, crossing.BOOSTINGS["default"], 0)
    found = boosting.trees(fitted)
    exact = np.concatenate(
        [
            tree.nodes["num_threshold"][tree.nodes["is_leaf"] == 0]
            for rounds in fitted.model._predictors
            for tree in rounds
        ]
    )
    rounded = exact.astype(np.float32)
    assert (rounded > exact).any()  # what the nearest number would get wrong is there
    assert (found.threshold[~found.is_leaf] <= exact).all()
    assert (np.nextafter(found.threshold[~found.is_leaf], np.float32(9)) > exact).all()
    model = graph.assemble(
        tabular.fitting.columns.learn(x, [0]),
        [(fitted, 1.0)],
        raw_columns=1,
        n_classes=classes,
        metadata={},
    )
    logits = Session(model).run(np.unique(x)[:, None], ("logits",))["logits"]
    np.testing.assert_allclose(logits, fitted.logits(np.unique(x)[:, None]), atol=1e-5)


def test_names_shapes_and_opsets_stand() -> None:
    x, y = _table(np.random.default_rng(0), 60, [0, 3], 3, 0.1)
    found = tabular.fit(x, y, n_classes=3, categories=[0, 3])
    data = found.to_onnx({"task": "classify", "names": "{}"})
    model = onnx.load_from_string(data)
    assert [one.name for one in model.graph.input] == ["rows"]
    assert [one.name for one in model.graph.output] == ["logits", "probabilities"]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert (shape[0].dim_param, shape[1].dim_value) == ("N", 2)
    assert {one.domain: one.version for one in model.opset_import}.items() <= {
        "": 17,
        "ai.onnx.ml": 3,
    }.items()
    assert {one.key: one.value for one in model.metadata_props} == {
        "names": "{}",
        "task": "classify",
    }
    assert data == found.to_onnx({"names": "{}", "task": "classify"})
    other = graph.describe(data, {"task": "other"})
    assert onnx.load_from_string(other).metadata_props[0].value == "other"
    assert graph.describe(other, {"task": "classify", "names": "{}"}) == data
    assert Session(data).run(np.zeros((0, 2), np.float32), ("probabilities",))[
        "probabilities"
    ].shape == (0, 3)


def test_a_model_without_trees_runs_on_both_engines() -> None:
    pytest.importorskip("openvino")
    draw = np.random.default_rng(0)
    x, _ = _table(draw, 200, [0, 4, 0], 2, 0.2)
    x[:, 2] = draw.normal(size=200)
    y = (x[:, 2] > 0).astype(np.int64)
    found = tabular.fit(x, y, n_classes=2, categories=[0, 4, 0])
    line = next(one for one in found.candidates if one.kind == "logistic")
    model = graph.assemble(
        found.columns,
        [(found.models[key], factor) for key, factor in line.parts],
        raw_columns=3,
        n_classes=2,
        metadata={},
    )
    expected = found.probabilities(x, line).astype(np.float32)
    proof = prove(model, x, expected, [str(k) for k in range(200)], ["no", "yes"], 1)
    assert proof.engines == ("onnxruntime", "openvino")
    assert not proof.notes


def test_a_model_that_answers_otherwise_is_refused() -> None:
    x, y = _table(np.random.default_rng(0), 80, [0, 0], 2, 0.0)
    found = tabular.fit(x, y, n_classes=2, categories=[0, 0])
    expected = found.probabilities(x).astype(np.float32)
    expected[17] = expected[17, ::-1]
    expected[17, 0] += 0.01
    ids = [f"row-{place}" for place in range(80)]
    with pytest.raises(VerificationError, match="row-17"):
        prove(found.to_onnx(), x, expected, ids, ["a", "b"], 1)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["abalone", "banknote_authentication", "wine"])
def test_real_tables_answer_alike(shared_data: Path, name: str) -> None:
    text = np.genfromtxt(shared_data / "tabular" / f"{name}.csv", delimiter=",", dtype=str)
    if name == "abalone":
        text = np.roll(text, -1, axis=1)
    x, y = text[:, :-1].astype(np.float32), np.unique(text[:, -1], return_inverse=True)[1]
    classes = int(y.max()) + 1
    found = tabular.fit(x, y, n_classes=classes, categories=[0] * x.shape[1], stop=_after(5))
    for candidate in found.candidates:
        model = graph.assemble(
            found.columns,
            [(found.models[key], factor) for key, factor in candidate.parts],
            raw_columns=x.shape[1],
            n_classes=classes,
            metadata={},
        )
        expected = found.probabilities(x, candidate)
        proof = prove(
            model,
            x,
            expected.astype(np.float32),
            [str(k) for k in range(len(x))],
            [str(k) for k in range(classes)],
            2,
        )
        assert set(proof.agreement.values()) == {1.0}
        assert max(proof.max_difference.values()) < 1e-5


def _after(folds: int) -> Callable[[], bool]:
    """A stop request after so many folds, to save time."""
    calls = iter(range(1000))
    return lambda: next(calls) >= folds
