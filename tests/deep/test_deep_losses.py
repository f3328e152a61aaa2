"""Every loss, penalty and limit against its formula in the Keras reference, in numpy."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pydantic import TypeAdapter  # noqa: E402

from tellapart.learn.deep import build, limits, losses  # noqa: E402
from tellapart.recipe.layers import AnyLayer  # noqa: E402
from tellapart.recipe.network import trace  # noqa: E402
from tellapart.recipe.training import LossName  # noqa: E402

LAYERS: TypeAdapter[Any] = TypeAdapter(tuple[AnyLayer, ...])
Z = np.random.default_rng(0).normal(size=(6, 4)) * 2
Y = np.array([0, 1, 2, 3, 1, 0])


def keras(name: str, p: np.ndarray, t: np.ndarray) -> float:
    """`keras.losses`, for outputs p and one-hot targets t."""
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    if name in ("categorical_crossentropy", "kld"):
        shares = p / p.sum(1, keepdims=True)
        return float(-(t * np.log(np.clip(shares, 1e-7, 1))).sum(1).mean())
    if name == "binary_crossentropy":
        return float(-(t * np.log(clipped) + (1 - t) * np.log(1 - clipped)).mean())
    if name == "mse":
        return float(((p - t) ** 2).mean())
    if name == "mae":
        return float(abs(p - t).mean())
    if name == "huber":
        d = abs(p - t)
        return float(np.where(d <= 1, 0.5 * d**2, d - 0.5).mean())
    if name == "hinge":
        return float(np.maximum(1 - (2 * t - 1) * p, 0).mean())
    assert name == "categorical_hinge"
    return float(np.maximum(((1 - t) * p).max(1) - (t * p).sum(1) + 1, 0).mean())


@pytest.mark.parametrize("final", ["softmax", "sigmoid", ""])
@pytest.mark.parametrize("name", get_args(LossName))
def test_losses_by_their_formula(name: str, final: str) -> None:
    if final == "sigmoid":
        p = 1 / (1 + np.exp(-Z))
    else:
        p = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
    got = losses.loss(name, final)(torch.tensor(Z), torch.tensor(Y))
    assert got.item() == pytest.approx(keras(name, p, np.eye(4)[Y]), rel=1e-4)


def test_large_scores_stay_finite() -> None:
    z = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    for name in get_args(LossName):
        for final in ("softmax", "sigmoid"):
            value = losses.loss(name, final)(z, torch.tensor([1]))
            (gradient,) = torch.autograd.grad(value, z)
            assert torch.isfinite(value) and torch.isfinite(gradient).all(), (name, final)


def test_smoothing_spreads_the_target() -> None:
    t = np.eye(4)[Y] * 0.9 + 0.1 / 4
    p = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
    for name in ("categorical_crossentropy", "mse"):
        got = losses.loss(name, "softmax", 0.1)(torch.tensor(Z), torch.tensor(Y))
        assert got.item() == pytest.approx(keras(name, p, t), rel=1e-4)


def net(**options: Any) -> Any:
    spec = [
        {"conv2d": {"filters": 3, "kernel_size": 2, **options}},
        "flatten",
        {"dense": {"units": 2, **options}},
    ]
    return build.build(trace(LAYERS.validate_python(spec), (3, 3, 2), 2), 0)


def test_penalties_sum_over_weights() -> None:
    made = net(kernel_regularizer={"l1": 0.1, "l2": 0.2}, bias_regularizer="l2")
    with torch.no_grad():
        for _, module in made.weighted():
            module.bias.fill_(2)
    expected = 0.01 * 4 * (3 + 2)
    for _, module in made.weighted():
        w = module.weight.detach().numpy()
        expected += 0.1 * abs(w).sum() + 0.2 * (w**2).sum()
    assert limits.Penalties(made.weighted())().item() == pytest.approx(expected, rel=1e-5)
    assert not limits.Penalties(net().weighted())


def test_the_penalty_on_outputs_is_a_mean_over_the_batch() -> None:
    made = net(activity_regularizer={"l1": 0.5}, activation="relu").train()
    x = torch.randn(4, 2, 3, 3)
    scores, _ = made.scores(x)
    outputs = made.looks(x)
    first = outputs[made.network.layers[0].name]
    expected = 0.5 * (first.abs().sum() + scores.relu().sum()) / 4
    assert made.activity().item() == pytest.approx(expected.item(), rel=1e-5)
    assert net().train().activity() is None


@pytest.mark.parametrize("asked", ["non_neg", "unit_norm", {"max_norm": 0.3}])
def test_limits_along_the_first_axis_of_keras(asked: Any) -> None:
    made = net(kernel_constraint=asked)
    before = [m.weight.detach().clone() for _, m in made.weighted()]
    limits.Limits(made.weighted())()
    for w, (_, module) in zip(before, made.weighted(), strict=True):
        # As Keras lies: (h, w, in, out) or (in, out).
        kernel = w.permute(2, 3, 1, 0).numpy() if w.dim() == 4 else w.T.numpy()
        norm = np.sqrt((kernel**2).sum(0, keepdims=True))
        if asked == "non_neg":
            expected = kernel * (kernel >= 0)
        elif asked == "unit_norm":
            expected = kernel / (1e-7 + norm)
        else:
            expected = kernel * np.clip(norm, 0, 0.3) / (1e-7 + norm)
            assert (norm > 0.3).any()
        now = module.weight.detach()
        now = now.permute(2, 3, 1, 0).numpy() if now.dim() == 4 else now.T.numpy()
        np.testing.assert_allclose(now, expected, atol=1e-6)
