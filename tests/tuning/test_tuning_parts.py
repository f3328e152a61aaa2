"""Parts of a tuning: gradients of depthwise convolutions, averages, losses, the search."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from torch import nn  # noqa: E402

from tellapart.errors import InputError, VerificationError  # noqa: E402
from tellapart.learn.deep.tuning import Plan, Stage, depthwise, finding, network  # noqa: E402
from tellapart.learn.deep.tuning.judging import Best, look  # noqa: E402
from tellapart.learn.deep.tuning.stepping import class_weights, soft_cross_entropy  # noqa: E402
from tellapart.learn.deep.tuning.weights import Average, read, write  # noqa: E402


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [12, 13])
def test_quick_gradients_are_the_gradients(same: bool, kernel: int, stride: int, side: int) -> None:
    from timm.layers import create_conv2d

    torch.manual_seed(0)
    padding = "same" if same else ""
    conv = create_conv2d(6, 6, kernel, stride=stride, padding=padding, depthwise=True)
    conv, net = conv.double(), nn.Sequential(conv)
    x = torch.randn(2, 6, side, side, dtype=torch.double, requires_grad=True)
    found = []
    for quick in (False, True):
        with depthwise.quick(net) if quick else torch.enable_grad():
            kind = type(conv)
            out = net(x)
            loss = (out * torch.arange(out.numel()).reshape(out.shape)).sum()
            found.append([out.detach(), *torch.autograd.grad(loss, [x, conv.weight])])
    assert kind.__name__ in ("Plain", "Same") and type(conv) is not kind
    for usual, ours in zip(*found, strict=True):
        assert torch.allclose(usual, ours)


@pytest.mark.parametrize(("side", "stride"), [(12, 1), (12, 2), (13, 2), (5, 1)])
def test_a_large_kernel_of_half_precision_has_its_gradient_too(side: int, stride: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 6, 5, stride, 2, groups=6, bias=False)
    net, x = nn.Sequential(conv), torch.randn(4, 6, side, side)
    usual = torch.autograd.grad(net(x).square().sum(), conv.weight)[0]
    with depthwise.quick(net), torch.autocast("cpu", torch.bfloat16):
        ours = torch.autograd.grad(net(x).float().square().sum(), conv.weight)[0]
    assert ours.dtype == torch.float32
    assert float((ours - usual).abs().max() / usual.abs().max()) < 0.02


def test_other_convolutions_are_left_alone() -> None:
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3, groups=2), nn.Conv2d(8, 8, 1))
    with depthwise.quick(net):
        assert {type(layer) for layer in net} == {nn.Conv2d}


def test_an_average_follows_by_its_formula() -> None:
    net = nn.Linear(1, 1, bias=False)
    average = Average(0.5)
    values = [3.0, 5.0, -1.0, 7.0]
    with torch.no_grad():
        net.weight.fill_(1.0)
        average.begin(net, ())
        expected = 1.0
        for step, value in enumerate(values):
            net.weight.fill_(value)
            average.follow()
            decay = min(0.5, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * value
    assert float(average.values["weight"]) == pytest.approx(expected)
    with average.inside(net):
        assert net.weight.item() == pytest.approx(expected)
    assert net.weight.item() == 7.0


def test_the_loss_of_soft_targets_is_the_cross_entropy_of_hard_ones() -> None:
    torch.manual_seed(0)
    logits, y = torch.randn(9, 4), torch.randint(4, (9,))
    hard = nn.functional.one_hot(y, 4).float()
    assert torch.allclose(soft_cross_entropy(logits, hard), nn.functional.cross_entropy(logits, y))
    soft = torch.softmax(torch.randn(9, 4), 1)
    assert torch.allclose(
        soft_cross_entropy(logits, soft), nn.functional.cross_entropy(logits, soft)
    )


def test_a_class_counts_as_much_in_small_batches_as_in_all_at_once() -> None:
    """A batch of one class alone must not lose that class's weight."""
    torch.manual_seed(0)
    y = torch.tensor([0] * 9 + [1] + [2] * 2)
    logits, hard = torch.randn(12, 3), nn.functional.one_hot(y, 3).float()
    weights = class_weights(Plan("x", (), class_weight="balanced"), hard.numpy())
    assert weights is not None
    rows = hard @ torch.from_numpy(weights)
    whole = soft_cross_entropy(logits, hard, rows)
    of_torch = nn.functional.cross_entropy(logits, y, torch.from_numpy(weights))
    assert torch.allclose(whole, of_torch)
    for size in (1, 2, 3, 4):
        parts = [
            soft_cross_entropy(*(part[n : n + size] for part in (logits, hard, rows)))
            for n in range(0, 12, size)
        ]
        assert torch.allclose(torch.stack(parts).mean(), whole), size


def test_balanced_weights_give_every_class_the_same_sum() -> None:
    targets = np.eye(3, dtype=np.float32)[[0] * 19 + [1]]
    weights = class_weights(Plan("x", (), class_weight="balanced"), targets[:, :2])
    assert weights is not None and np.allclose(targets.sum(0)[:2] * weights, 10)
    assert class_weights(Plan("x", ()), targets) is None
    given = class_weights(Plan("x", (), class_weight=(1.0, 4.0, 9.0)), targets)
    assert given is not None and np.allclose(given / given[0], [1, 4, 9])
    unseen = class_weights(Plan("x", (), class_weight="balanced"), targets)
    for found in (weights, given, unseen):
        assert found is not None and np.isfinite(found).all()
        assert (targets[:, : len(found)] @ found).mean() == pytest.approx(1), "rates mean the same"


def _curve(best: float) -> list[tuple[float, float]]:
    """Losses of a search: flat, a fall around `best`, then up and away."""
    points = []
    for step in range(finding.STEPS):
        rate = finding.rate("adam", step)
        at = math.log10(rate / best)
        loss = 2 - 1.2 / (1 + math.exp(-4 * at)) + 8 * max(0.0, at - 1.2) ** 2
        points.append((rate, loss + 0.02 * math.sin(37 * step)))
    return points


@pytest.mark.parametrize("best", [1e-5, 1e-4, 1e-3])
def test_the_search_finds_where_the_loss_falls_fastest(best: float) -> None:
    points = _curve(best)
    assert points[0][0] == pytest.approx(1e-6) and points[-1][0] == pytest.approx(1)
    assert best / 3 < finding.chosen(points, "adam") < best * 3


def test_a_search_in_vain_gives_a_small_rate_and_ends_early_when_it_diverges() -> None:
    rising = [(finding.rate("adam", n), 1 + n**2) for n in range(20)]
    assert finding.chosen(rising, "adam") == pytest.approx(1e-4)
    assert finding.chosen([], "sgd") == pytest.approx(1e-3)
    assert finding.over([1.0] * 30 + [50.0] * 3) and not finding.over([1.0] * 30)
    assert finding.over([1.0, float("nan")]) and finding.over([1.0] * finding.STEPS)


def test_an_epoch_is_judged_after_its_best_temperature() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    modest = np.array([[1, -1], [1, -1], [-1, 1], [1, -1]], np.float32)
    seen, surer = look(modest, targets), look(modest * 8, targets)
    assert seen.accuracy == surer.accuracy == 0.75
    assert surer.loss is not None and seen.loss is not None and surer.loss > 2 * seen.loss
    assert surer.scaled_loss == pytest.approx(seen.scaled_loss, abs=1e-3)
    assert look(np.full((4, 2), np.nan, np.float32), targets).loss == math.inf
    assert look(modest[:0], targets[:0]).loss is None


def test_the_best_epoch_of_a_new_size_replaces_that_of_the_old(tmp_path: Path) -> None:
    best = Best(tmp_path)
    assert best.judge(1, 64, 0.5, {"w": torch.ones(1)})
    assert not best.judge(2, 64, 0.6, {"w": torch.zeros(1)})
    assert best.values()["w"] == 1
    assert best.judge(3, 96, 0.7, {"w": torch.full((1,), 3.0)})
    best.tidy()
    assert [path.name for path in tmp_path.iterdir()] == ["best-3.pt"]


def test_a_damaged_checkpoint_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    write(path, {"a": torch.ones(2)})
    assert read(path)["a"].tolist() == [1, 1]
    path.write_bytes(path.read_bytes()[:200])
    assert read(path) is None and read(tmp_path / "none.pt") is None


def _plan(**options: Any) -> Plan:
    return Plan("test_efficientnet", (Stage(),), **options)


def test_groups_hold_every_weight_once_from_the_pictures_to_the_head() -> None:
    for name in ("test_efficientnet", "test_resnet", "test_vit", "resnext50_32x4d"):
        net = network.build(Plan(name, ()), None, 3)
        found = network.groups(net)
        members = [parameter for group in found for parameter in group.parameters]
        assert sorted(members) == sorted(name for name, _ in net.named_parameters())
        assert found[-1].name == "head" and len(found) >= 5
        assert len({group.name for group in found}) == len(found)
    assert [group.name for group in found] == [
        *("conv1", "layer1", "layer2", "layer3", "layer4", "head")
    ]


def test_only_groups_that_are_there_can_be_frozen() -> None:
    found = network.groups(network.build(_plan(), None, 3))
    assert network.frozen_groups(found, "body") == len(found) - 1
    assert network.frozen_groups(found, 2) == 2 and network.frozen_groups(found, "none") == 0
    for wrong in (-1, len(found)):
        with pytest.raises(InputError, match=str(wrong)):
            network.frozen_groups(found, wrong)
    assert network.rates(found, 0.5)[-3:] == [0.25, 0.5, 1.0]


def test_weights_go_in_whole_and_wrong_ones_are_refused() -> None:
    body = timm.create_model("test_efficientnet", num_classes=10)
    tensors = {name: tensor.numpy() for name, tensor in body.state_dict().items()}
    net = network.build(_plan(), tensors, 3)
    assert torch.equal(net.body.conv_stem.weight, body.conv_stem.weight)
    del tensors["conv_stem.weight"]
    with pytest.raises(VerificationError, match="conv_stem"):
        network.build(_plan(), tensors, 3)
    with pytest.raises(InputError, match="no_such_net"):
        network.build(Plan("no_such_net", ()), None, 3)


def test_the_head_of_old_has_both_poolings_and_starts_by_the_seed() -> None:
    net = network.build(_plan(head="concat512"), None, 3)
    kinds = [type(layer).__name__ for layer in net.head.hidden]
    assert kinds == ["BatchNorm1d", "Dropout", "Linear", "ReLU", "BatchNorm1d", "Dropout"]
    assert [net.head.hidden[n].p for n in (1, 5)] == [0.25, 0.5]
    assert net.head.hidden[2].out_features == 512 and net.last.in_features == 512
    assert net.head.hidden[2].in_features == 2 * net.body.num_features
    again = network.build(_plan(head="concat512"), None, 3)
    assert torch.equal(net.last.weight, again.last.weight)
    other = network.build(_plan(head="concat512", seed=1), None, 3)
    assert not torch.equal(net.last.weight, other.last.weight)
