"""A network of timm as a graph answers as the network itself, and always has the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="networks are exported by torch")
timm = pytest.importorskip("timm", reason="the networks are timm's")

from tellapart.errors import InputError  # noqa: E402
from tellapart.learn.deep import exported  # noqa: E402
from tellapart.learn.engine import Engine  # noqa: E402
from tellapart.learn.keeping import outline  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Network, side in pixels, what it is called with, and whether its features are a map's mean.
NETS: list[tuple[str, int, dict[str, Any], bool]] = [
    ("test_resnet", 96, {}, True),
    ("test_efficientnet", 64, {"pad_type": "same"}, True),
    ("test_convnext", 64, {}, False),  # normalized after pooling
    ("test_vit", 96, {"img_size": 96}, False),
]


def _network(name: str, args: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=3, **args).eval()
    for module in net.modules():  # fresh statistics would hide a forgotten normalization
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return net


def _prepared(batch: np.ndarray) -> Any:
    mean, std = (torch.tensor(each).reshape(3, 1, 1) for each in (MEAN, STD))
    return (torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - mean) / std


@pytest.mark.parametrize(("name", "size", "args", "mapped"), NETS)
def test_the_graph_answers_as_the_network(
    name: str, size: int, args: dict[str, Any], mapped: bool
) -> None:
    net = _network(name, args)
    data = exported.onnx_of(net, size, MEAN, STD)
    batch = np.random.default_rng(1).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    with torch.inference_mode():
        there = net.forward_features(_prepared(batch))
        features = net.forward_head(there, pre_logits=True).numpy()
    assert outline(data) == (size, features.shape[1], mapped)
    engine = Engine(data, threads=1)
    here = engine.run(batch, engine.outputs)
    np.testing.assert_allclose(here["features"], features, rtol=1e-3, atol=1e-4)
    assert features.std(axis=0).max() > 1e-3  # the three pictures differ
    if mapped:
        np.testing.assert_allclose(here["feature_map"], there.numpy(), rtol=1e-3, atol=1e-4)
        mean = here["feature_map"].mean((2, 3))
        np.testing.assert_allclose(mean, here["features"], rtol=1e-3, atol=1e-4)
    (entry,) = onnx.load_from_string(data).graph.input
    assert entry.name == "image"
    assert entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_the_same_network_gives_the_same_bytes_without_a_trace_of_the_machine() -> None:
    first, second = (exported.onnx_of(_network("test_resnet", {}), 64, MEAN, STD) for _ in range(2))
    assert first == second
    assert b"site-packages" not in first
    assert b"/home/" not in first


def test_a_size_that_a_network_does_not_take_is_said() -> None:
    class Fixed(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3 * 32 * 32, 4)

        def forward_features(self, x: Any) -> Any:
            return self.layer(x.flatten(1))[:, :, None, None]

    assert outline(exported.onnx_of(Fixed(), 32, MEAN, STD)) == (32, 4, True)
    with pytest.raises(InputError, match="64 pixels"):
        exported.onnx_of(Fixed(), 64, MEAN, STD)


def test_the_tensors_are_all_but_the_classifier() -> None:
    net = _network("test_resnet", {})
    found = exported.tensors_of(net, net.get_classifier())
    name = exported.classifier_of(net)
    assert set(net.state_dict()) - set(found) == {f"{name}.weight", f"{name}.bias"}
    weight = next(iter(found))
    np.testing.assert_array_equal(found[weight], net.state_dict()[weight].numpy())
