"""Every layer against its formula, written out in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pydantic import TypeAdapter  # noqa: E402

from tellapart.learn.deep import build, layers, starts  # noqa: E402
from tellapart.recipe.layers import AnyLayer  # noqa: E402
from tellapart.recipe.network import trace  # noqa: E402
from tellapart.recipe.words import ACTIVATIONS, INITIALIZERS  # noqa: E402

LAYERS: TypeAdapter[Any] = TypeAdapter(tuple[AnyLayer, ...])


def make(spec: list[Any], shape: tuple[int, ...], classes: int | None = None) -> Any:
    return build.build(trace(LAYERS.validate_python(spec), shape, classes), seed=3)


def outputs(spec: list[Any], x: np.ndarray, train: bool = False) -> dict[str, np.ndarray]:
    """Every layer's output, (n, h, w, c) or (n, f), of x in the same order; a dense layer ends."""
    net = make([*spec, "flatten", {"dense": {"units": 2}}], x.shape[1:])
    net.train(train)
    t = torch.tensor(x, dtype=torch.float32)
    with torch.no_grad():
        found = net.looks(t.permute(0, 3, 1, 2) if t.dim() == 4 else t)
    return {k: (v.permute(0, 2, 3, 1) if v.dim() == 4 else v).numpy() for k, v in found.items()} | {
        "net": net
    }


def around(x: np.ndarray, k: int, s: int, value: float) -> tuple[np.ndarray, int]:
    """TensorFlow's same padding of (n, h, w, c), and the output's side."""
    side = x.shape[1]
    out = -(-side // s)
    total = max((out - 1) * s + k - side, 0)
    pads = (total // 2, total - total // 2)
    return np.pad(x, ((0, 0), pads, pads, (0, 0)), constant_values=value), out


def windows(x: np.ndarray, k: int, s: int, padding: str, value: float) -> np.ndarray:
    """(n, oh, ow, k, k, c)."""
    if padding == "same":
        x, out = around(x, k, s, value)
    else:
        out = (x.shape[1] - k) // s + 1
    rows = [[x[:, i * s : i * s + k, j * s : j * s + k] for j in range(out)] for i in range(out)]
    return np.stack([np.stack(row, 1) for row in rows], 1)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("side", "k", "s"), [(7, 3, 1), (8, 3, 2), (7, 3, 2), (7, 2, 2), (9, 4, 3)]
)
def test_convolution_and_pooling(padding: str, side: int, k: int, s: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, side, side, 3))
    conv = {"filters": 4, "kernel_size": k, "stride": s, "padding": padding, "name": "c"}
    got = outputs([{"conv2d": {**conv, "bias_initializer": "ones"}}], x)
    weight = dict(got["net"].named_parameters())["walk.0.inner.conv.weight"].detach().numpy()
    seen = windows(x, k, s, padding, 0)
    expected = np.einsum("nijklc,ockl->nijo", seen, weight) + 1
    np.testing.assert_allclose(got["c"], expected, atol=1e-5)
    pool = {"pool_size": k, "stride": s, "padding": padding, "name": "p"}
    np.testing.assert_allclose(
        outputs([{"max_pool2d": pool}], x)["p"],
        windows(x, k, s, padding, -np.inf).max((3, 4)),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        outputs([{"avg_pool2d": pool}], x)["p"],
        np.nanmean(windows(x, k, s, padding, np.nan), axis=(3, 4)),
        atol=1e-6,
    )


def test_grouped_and_dilated_convolution() -> None:
    x = np.random.default_rng(1).normal(size=(1, 9, 9, 4))
    spec = {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "groups": 2, "name": "c"}
    got = outputs([{"conv2d": {**spec, "use_bias": False, "padding": "same"}}], x)
    weight = dict(got["net"].named_parameters())["walk.0.inner.conv.weight"].detach().numpy()
    assert weight.shape == (6, 2, 3, 3)
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    expected = np.zeros((1, 9, 9, 6))
    for o in range(6):
        part = padded[..., 2 * (o // 3) : 2 * (o // 3) + 2]
        for a in range(3):
            for b in range(3):
                shifted = part[:, 2 * a : 2 * a + 9, 2 * b : 2 * b + 9]
                expected[..., o] += shifted @ weight[o, :, a, b]
    np.testing.assert_allclose(got["c"], expected, atol=1e-5)


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x < 0, 0.2 * x, x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * (np.exp(x) - 1)),
    "gelu": lambda x: np.array(
        [0.5 * v * (1 + __import__("math").erf(v / 2**0.5)) for v in x.flat]
    ).reshape(x.shape),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "linear": lambda x: x,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    for x in (np.linspace(-8, 8, 24).reshape(2, 2, 2, 3), np.linspace(-8, 8, 24).reshape(4, 6)):
        got = outputs([{"activation": {"function": name, "name": "a"}}], x)["a"]
        np.testing.assert_allclose(got, FORMULAS[name](x), atol=1e-5)


def test_batch_norm_in_training_and_after() -> None:
    x = np.random.default_rng(2).normal(3, 2, size=(8, 4, 4, 3))
    spec = [{"batch_norm": {"momentum": 0.9, "epsilon": 0.01, "name": "b"}}]
    got = outputs(spec, x, train=True)
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(got["b"], (x - mean) / np.sqrt(var + 0.01), atol=1e-4)
    norm = got["net"].walk["0"]
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * mean, atol=1e-5)
    kept = 0.9 + 0.1 * x.reshape(-1, 3).var(0, ddof=1)
    np.testing.assert_allclose(norm.running_var.numpy(), kept, atol=1e-4)
    default = make(["batch_norm", {"dense": {"units": 2}}], (5,)).walk["0"]
    assert (default.eps, round(default.momentum, 6)) == (1e-3, 0.01)


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.1, 0.9])
def test_dropout_keeps_the_mean_and_the_gradient(rate: float) -> None:
    torch.manual_seed(0)
    layer = layers.Dropout(rate).train()
    for shape in ((40, 8, 16, 16), (400, 201)):
        x = torch.ones(shape).requires_grad_()
        if len(shape) == 4:
            x = torch.ones(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
        y = layer(x)
        kept = y != 0
        assert abs(kept.float().mean().item() - (1 - rate)) < 0.01
        assert torch.allclose(y[kept], torch.tensor(1 / (1 - rate)))
        y.sum().backward()
        assert torch.equal(x.grad, y.detach())
    assert torch.equal(layer.eval()(x), x)


def test_dropout_takes_the_highest_rates() -> None:
    torch.manual_seed(0)
    for rate in (0.99999, 0.999993, 0.9999999):
        assert (layers.Dropout(rate).train()(torch.ones(100, 100)) == 0).float().mean() > 0.99


def test_dropout_shares_a_draw() -> None:
    torch.manual_seed(0)
    y = layers.Dropout(0.5, (1, 1, 6)).train()(torch.ones(9, 6, 4, 5))
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(y, y[:, :, :1, :1].expand_as(y))


def test_flatten_and_reshape_keep_the_order_of_keras() -> None:
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    spec = [{"flatten": {"name": "f"}}, {"reshape": {"dim": [4, 3, 2], "name": "r"}}]
    got = outputs(spec, x)
    assert got["f"].tolist() == [list(range(24))]
    assert np.array_equal(got["r"], x.reshape(1, 4, 3, 2))
    mean = outputs([{"global_avg_pool": {"name": "g"}}], x)["g"]
    np.testing.assert_allclose(mean, x.mean((1, 2)))


def test_add_takes_the_earlier_output_with_its_activation() -> None:
    x = np.random.default_rng(3).normal(size=(2, 6, 6, 1))
    conv = {"filters": 2, "kernel_size": 3, "padding": "same", "activation": "relu"}
    spec = [
        {"conv2d": {**conv, "name": "one"}},
        {"conv2d": {**conv, "name": "two"}},
        {"add": {"with": "one", "name": "sum"}},
    ]
    for train in (False, True):
        got = outputs(spec, x, train)
        np.testing.assert_allclose(got["sum"], got["one"] + got["two"], atol=1e-6)
        assert got["one"].min() == 0


def test_relu_after_the_pool_is_the_same_network() -> None:
    x = torch.randn(4, 1, 10, 10)
    conv = {"filters": 3, "kernel_size": 3, "name": "c"}
    end = ["flatten", {"dense": {"units": 3}}]
    inside = make([{"conv2d": {**conv, "activation": "relu"}}, "max_pool2d", *end], (10, 10, 1))
    apart = make(
        [{"conv2d": conv}, {"activation": {"function": "relu"}}, "max_pool2d", *end], (10, 10, 1)
    )
    answers = []
    for net in (inside, apart):
        c = net.walk["0"](x)
        assert (c < 0).any(), "the activation comes later"
        pooled = torch.nn.functional.max_pool2d(c.relu(), 2)
        dense = build.plain(list(net.walk.values())[-1])
        expected = dense(pooled.permute(0, 2, 3, 1).flatten(1))
        assert torch.allclose(net(x)[0], expected, atol=1e-6)
        assert net.looks(x)["c"].shape[1:] == (3, 8, 8)
        answers.append(net(x)[0])
    assert torch.equal(*answers)
    assert inside.looks(x)["c"].min() == 0


@pytest.mark.parametrize("final", [None, "softmax", "sigmoid", "relu", "tanh"])
@pytest.mark.parametrize("apart", [False, True])
def test_logits_stand_for_the_last_activation(final: str | None, apart: bool) -> None:
    x = torch.randn(5, 4)
    dense: dict[str, Any] = {"units": 3}
    spec: list[Any] = [{"dense": {"units": 6, "activation": "tanh"}}]
    if apart and final:
        spec += [{"dense": dense}, {"activation": {"function": final}}]
    else:
        spec += [{"dense": {**dense, "activation": final}}]
    net = make(spec, (4,), 3).eval()
    scores, hidden = net.scores(x)
    logits, features = net(x)
    z = scores.detach().numpy()
    if final == "sigmoid":
        p = FORMULAS["sigmoid"](z)
        expected = p / p.sum(1, keepdims=True)
    else:
        expected = FORMULAS["softmax"](FORMULAS[final or "linear"](z) if final != "softmax" else z)
    np.testing.assert_allclose(torch.softmax(logits, 1).detach(), expected, atol=1e-5)
    assert features.shape == (5, 6) and torch.equal(features, hidden)
    assert torch.allclose(net.walk["1"].inner(features) if spec else x, scores, atol=1e-6)


def test_the_same_seed_gives_the_same_weights() -> None:
    spec = [{"dense": {"units": 8}}, {"dense": {"units": 2}}]
    network = trace(LAYERS.validate_python(spec), (4,), 2)
    one, same, other = (build.build(network, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["walk.0.inner.weight"], other["walk.0.inner.weight"])


FANS = {"glorot": (300 * 9 + 400 * 9) / 2, "he": 300 * 9 / 2, "lecun": 300 * 9}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializers(name: str) -> None:
    weight = torch.empty(400, 300, 3, 3)
    starts.initialize(weight, name, torch.Generator().manual_seed(0))
    spread, largest = weight.std().item(), weight.abs().max().item()
    kind, _, form = name.partition("_")
    if kind in FANS:
        expected = FANS[kind] ** -0.5
        assert abs(spread / expected - 1) < 0.01
        limit = 3**0.5 * expected if form == "uniform" else 2 * expected / 0.87962566103423978
        assert 0.99 * limit < largest <= limit * 1.0001
    elif name in ("zeros", "ones"):
        assert weight.unique().tolist() == [float(name == "ones")]
    elif name == "orthogonal":
        flat = weight.flatten(1)
        assert torch.allclose(flat @ flat.T, torch.eye(400), atol=1e-4)
    elif name == "random_uniform":
        assert 0.0499 < largest <= 0.05
    else:
        cut = 0.87962566103423978 if name == "truncated_normal" else 1
        assert abs(spread / (0.05 * cut) - 1) < 0.01
        assert (largest <= 0.1) is (name == "truncated_normal")
