"""A tuned network as a backbone and a linear head, as every picture model is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")
pytest.importorskip("onnxscript")

from tellapart import telemetry  # noqa: E402
from tellapart.learn.deep import tuning  # noqa: E402
from tellapart.learn.deep.tuning import Plan, Stage  # noqa: E402


def _answers(path: Path, pixels: Any) -> dict[str, Any]:
    telemetry.off()
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": pixels}), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["linear", "concat512"])
def test_the_exported_network_answers_as_the_tuned_one(
    make_feed: Any, tmp_path: Path, head: str
) -> None:
    plan = Plan("test_efficientnet", (Stage("none", 1, 3e-3, 64),), head=head, threads=1)
    feed = make_feed()
    tuned = tuning.tune(plan, None, feed, folder=tmp_path / "work", key="k")
    backbone, weight, bias = tuning.tuned_backbone(tuned, tmp_path / "out", license="MIT")
    assert backbone.tuned and backbone.size == 64 and backbone.license == "MIT"
    assert backbone.has_map == (head == "linear")
    assert weight.shape == (3, backbone.dim) and bias.shape == (3,)
    pixels = feed.pixels(np.arange(42, 60), 64, tmp_path / "work")
    answers = _answers(backbone.onnx, np.array(pixels))
    logits = tuning.predict(tuned, feed, np.arange(42, 60), tmp_path / "work")
    assert np.abs(answers["features"] @ weight.T + bias - logits).max() < 1e-3
    if head == "linear":
        assert np.allclose(answers["feature_map"].mean((2, 3)), answers["features"], atol=1e-4)
        again, _, _ = tuning.tuned_backbone(tuned, tmp_path / "again", license="MIT")
        assert again.onnx.read_bytes() == backbone.onnx.read_bytes()
