"""Every optimizer against its formula in Keras 2.1, in numpy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tellapart.learn.deep import optimizers  # noqa: E402
from tellapart.recipe.training import OptimizerName  # noqa: E402

RATES = {
    "adadelta": 1.0,
    "adagrad": 0.01,
    "adam": 0.001,
    "adamax": 0.002,
    "adamw": 0.001,
    "nadam": 0.002,
    "rmsprop": 0.001,
    "sgd": 0.01,
}


def steps(name: str, p: np.ndarray, gradients: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The parameter after each step, as `keras/optimizers.py` 2.1.6 reckons it (AdamW: Keras 3)."""
    lr, e = RATES[name], 1e-7
    m, v, u = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    momentum = 1.0
    for t, g in enumerate(gradients, 1):
        if name == "sgd":
            p = p - lr * g
        elif name == "rmsprop":
            v = 0.9 * v + 0.1 * g**2
            p = p - lr * g / (np.sqrt(v) + e)
        elif name == "adagrad":
            v = v + g**2
            p = p - lr * g / (np.sqrt(v) + e)
        elif name == "adadelta":
            v = 0.95 * v + 0.05 * g**2
            step = g * np.sqrt(u + e) / np.sqrt(v + e)
            p = p - lr * step
            u = 0.95 * u + 0.05 * step**2
        elif name == "adamax":
            m = 0.9 * m + 0.1 * g
            u = np.maximum(0.999 * u, abs(g))
            p = p - lr / (1 - 0.9**t) * m / (u + e)
        elif name in ("adam", "adamw"):
            if name == "adamw":
                p = p - lr * 0.004 * p
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            p = p - lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + e)
        else:
            now, after = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * k)) for k in (t, t + 1))
            momentum *= now
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            bar = (1 - now) * g / (1 - momentum) + after * m / (1 - momentum * after)
            p = p - lr * bar / (np.sqrt(v / (1 - 0.999**t)) + e)
        yield p


@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_optimizers_by_their_formula(name: str) -> None:
    rng = np.random.default_rng(0)
    net = torch.nn.Linear(5, 3, bias=False, dtype=torch.float64)
    start = net.weight.detach().numpy().copy()
    gradients = [rng.normal(size=(3, 5)) for _ in range(5)]
    made = optimizers.optimizer(name, net, optimizers.default_rate(name))
    assert optimizers.default_rate(name) == RATES[name]
    for g, expected in zip(gradients, steps(name, start, gradients), strict=True):
        net.weight.grad = torch.tensor(g)
        made.step()
        np.testing.assert_allclose(net.weight.detach(), expected, rtol=1e-5, atol=1e-6)


def test_adadelta_agrees_with_torch_over_many_steps() -> None:
    one, other = torch.nn.Linear(7, 3), torch.nn.Linear(7, 3)
    other.load_state_dict(one.state_dict())
    ours = optimizers.optimizer("adadelta", one, 1.0)
    theirs = torch.optim.Adadelta(other.parameters(), lr=1.0, rho=0.95, eps=1e-7)
    torch.manual_seed(0)
    for _ in range(200):
        x = torch.randn(16, 7)
        for net, made in ((one, ours), (other, theirs)):
            made.zero_grad()
            net(x).square().mean().backward()
            made.step()
    assert torch.allclose(one.weight, other.weight, atol=1e-4)


def test_decay_spares_biases() -> None:
    net = torch.nn.Linear(4, 4)
    before = net.bias.detach().clone()
    made = optimizers.optimizer("adamw", net, 0.1, decay=0.5)
    weight = net.weight.detach().clone()
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    made.step()
    assert torch.equal(net.bias, before)
    assert torch.allclose(net.weight, weight * (1 - 0.1 * 0.5))


def test_one_cycle_climbs_and_falls() -> None:
    rates = [optimizers.rate_at("one_cycle", 1.0, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.04) and rates[25] == pytest.approx(1.0)
    assert rates[-1] < 0.01 and max(rates) == rates[25]
    assert all(a <= b for a, b in itertools.pairwise(rates[:26]))
    assert all(a >= b for a, b in itertools.pairwise(rates[25:]))
    assert optimizers.rate_at("constant", 0.3, 7, 100) == 0.3
    assert 0 < optimizers.rate_at("one_cycle", 1.0, 0, 1) < 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no optimizer"):
        optimizers.optimizer("lion", torch.nn.Linear(1, 1), 1.0)
