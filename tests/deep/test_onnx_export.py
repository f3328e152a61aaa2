"""ONNX of a network: the same bytes each time, nothing of the machine, the same answers."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import export_parity as parity
from tellapart.bundle.session import Session
from tellapart.errors import InputError

torch = pytest.importorskip("torch")

from tellapart.learn.deep import onnx as exporter  # noqa: E402
from tellapart.learn.deep.deployed import (  # noqa: E402
    Deployed,
    Pictures,
    Prepare,
    Rows,
    predict,
    preparation,
)

SPEC: parity.Spec = (
    (9, 7, 1),
    [
        {"conv2d": {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "gelu"}},
        "batch_norm",
        {"max_pool2d": {"pool_size": 2, "padding": "same"}},
        "flatten",
        {"dense": {"units": 3, "activation": "softmax"}},
    ],
)
DIGEST = """
import hashlib
from benchmarks import export_parity as parity
from tellapart.learn.deep import onnx
from tellapart.learn.deep.deployed import Deployed
from tests.deep.test_onnx_export import SPEC
how, _ = parity.drawn(SPEC)
data = onnx.export(Deployed(parity.built(SPEC), how), {"b": "2", "a": "1"})
print(hashlib.sha256(data).hexdigest())
"""


@pytest.mark.slow
def test_the_file_is_the_same_in_another_process_and_tells_nothing_of_the_machine(
    tmp_path: Path,
) -> None:
    import onnx

    how, _ = parity.drawn(SPEC)
    data = exporter.export(Deployed(parity.built(SPEC), how), {"a": "1", "b": "2"})
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{DIGEST}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(data).hexdigest()
    for word in (str(root), sys.prefix, "site-packages", ".py", torch.__version__, "pytorch"):
        assert word.encode() not in data, word
    model = onnx.load_from_string(data)
    assert [(p.key, p.value) for p in model.metadata_props] == [("a", "1"), ("b", "2")]
    assert [out.name for out in model.graph.output] == ["logits", "probabilities", "features"]
    assert model.graph.input[0].name == "image"
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_batches_of_any_size_are_answered_as_torch_answers(engine: str) -> None:
    how, x = parity.drawn(SPEC)
    deployed = Deployed(parity.built(SPEC), how)
    session = Session(exporter.export(deployed, {}), engine=engine, threads=1)
    expected = predict(deployed, x)
    for count in (1, 7, 12):
        out = session.run(x[:count], ("probabilities", "logits", "features"))
        assert np.abs(out["probabilities"] - expected[:count]).max() < 1e-5
        assert out["logits"].shape == (count, 3)
        assert out["features"].shape[0] == count
    assert expected.std(axis=0).max() > 0.01  # the samples are told apart


def test_rows_are_scaled_encoded_and_filled_inside_the_model() -> None:
    """Against the same arithmetic in numpy."""
    rows = np.array(
        [[1, 0, 10], [3, 2, np.nan], [np.nan, 1, 30], [5, np.nan, 20]], dtype=np.float32
    )
    how = Rows.fit(rows, [0, 3, 0])
    assert how.mean == (3.0, 0.0, 20.0)
    assert how.width == 5
    encoded = Prepare(how)(torch.from_numpy(rows)).numpy()
    spread = np.std([1, 3, 5]), np.std([10, 30, 20])
    np.testing.assert_allclose(
        encoded,
        [
            [-2 / spread[0], 1, 0, 0, -10 / spread[1]],
            [0, 0, 0, 1, 0],
            [0, 0, 1, 0, 10 / spread[1]],
            [2 / spread[0], 0, 0, 0, 0],
        ],
        atol=1e-6,
    )
    torch.manual_seed(0)
    deployed = Deployed(torch.nn.Linear(5, 2), how)
    model = exporter.export(deployed, {})
    for engine in ("onnxruntime", "openvino"):
        found = Session(model, engine=engine, threads=1).run(rows, ("probabilities",))
        np.testing.assert_allclose(found["probabilities"], predict(deployed, rows), atol=1e-6)


def test_preparations_survive_json_and_scale_pictures_by_channel() -> None:
    for how in (Pictures(4, 5, 3, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)), Rows((1.0,), (2.0,), (0,))):
        assert preparation(json.loads(json.dumps(how.to_dict()))) == how
    how = Pictures(1, 1, 3, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    pixel = torch.tensor([[[[51, 102, 255]]]], dtype=torch.uint8)
    expected = [(0.2 - 0.1) / 0.5, (0.4 - 0.2) / 0.6, (1 - 0.3) / 0.7]
    np.testing.assert_allclose(Prepare(how)(pixel).flatten().numpy(), expected, rtol=1e-5)


def test_large_numbers_keep_the_digits_that_tell_them_apart() -> None:
    years = np.array([[2001], [2002], [2003]], dtype=np.float32) + 1e6
    encoded = Prepare(Rows.fit(years))(torch.from_numpy(years)).flatten().numpy()
    np.testing.assert_allclose(encoded, [-np.sqrt(1.5), 0, np.sqrt(1.5)], atol=1e-6)


def test_constant_and_empty_columns_are_not_divided_by_zero() -> None:
    rows = np.array([[4, np.nan], [4, np.nan]], dtype=np.float32)
    how = Rows.fit(rows)
    assert (how.mean, how.std) == ((4.0, 0.0), (1.0, 1.0))


def test_what_cannot_be_exported_is_said_in_three_parts() -> None:
    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.svdvals(x).flatten(1)

    with pytest.raises(InputError, match="cannot be written as ONNX") as caught:
        exporter.export(Deployed(Odd(), Pictures(2, 2, 1)), {})
    assert caught.value.expected
    assert caught.value.do
