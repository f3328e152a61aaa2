"""Training: it learns, repeats, stops after a batch, survives a kill, keeps the best weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from pydantic import TypeAdapter  # noqa: E402

from tellapart.errors import InputError  # noqa: E402
from tellapart.learn.deep import build, fit, numbers  # noqa: E402
from tellapart.learn.deep.deployed import Pictures, Rows  # noqa: E402
from tellapart.learn.deep.feeding import SHIFT, Feed  # noqa: E402
from tellapart.learn.deep.learning import FILE, cuts  # noqa: E402
from tellapart.recipe.layers import AnyLayer  # noqa: E402
from tellapart.recipe.network import trace  # noqa: E402

LAYERS: TypeAdapter[Any] = TypeAdapter(tuple[AnyLayer, ...])
SPEC = [
    {"conv2d": {"filters": 4, "kernel_size": 3, "activation": "relu"}},
    "max_pool2d",
    "batch_norm",
    {"dropout": {"rate": 0.25}},
    "flatten",
    {"dense": {"units": 3, "activation": "softmax"}},
]


def pictures(n: int = 97) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright bar whose place tells the class."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    x = rng.integers(0, 120, (n, 8, 8, 1), dtype=np.uint8)
    for number, place in enumerate(y):
        x[number, :, 1 + 2 * place : 3 + 2 * place] += 100
    return x, y.astype(np.int64)


def feed(n: int = 97, held: int = 24) -> Feed:
    x, y = pictures(n)
    return Feed(x, y, np.arange(held, n), np.arange(held), Pictures(8, 8, 1))


def net(seed: int = 0, spec: list[Any] | None = None) -> build.Net:
    return build.build(trace(LAYERS.validate_python(spec or SPEC), (8, 8, 1), 3), seed)


def train(folder: Path, options: fit.Options, key: str = "k", **more: Any) -> fit.Fitted:
    return fit.fit(net(), more.pop("feed", None) or feed(), options, folder=folder, key=key, **more)


def weights(fitted: fit.Fitted) -> dict[str, Any]:
    return dict(fitted.net.state_dict())


def equal(one: fit.Fitted, other: fit.Fitted) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def after(batches: int) -> Callable[[], bool]:
    """A stop request that comes with the given batch."""
    asked = iter(range(1, 10**6))
    return lambda: next(asked) >= batches


OPTIONS = fit.Options(optimizer="adam", learning_rate=0.01, epochs=4, batch_size=16, seed=5)


@pytest.mark.parametrize("optimizer", ["adam", "adadelta", "rmsprop", "sgd", "nadam"])
def test_it_learns_and_says_so(tmp_path: Path, optimizer: str) -> None:
    ticks: list[fit.Tick] = []
    rate = {"sgd": 0.3, "adadelta": 1.0}.get(optimizer, 0.01)
    options = fit.Options(optimizer=optimizer, learning_rate=rate, epochs=12, batch_size=8)
    fitted = train(tmp_path, options, watch=ticks.append)
    assert fitted.finished and len(fitted.history) == 12
    line = fitted.history[fitted.best_epoch - 1]
    assert line["validation_accuracy"] > 0.85 and line["loss"] < fitted.history[0]["loss"]
    assert line["validation_loss"] == min(h["validation_loss"] for h in fitted.history)
    ends = [tick for tick in ticks if tick.line is not None]
    assert [tick.epoch for tick in ends] == list(range(1, 13))
    assert [tick.line for tick in ends] == fitted.history
    assert [tick.done for tick in ticks] == sorted(tick.done for tick in ticks)
    assert ends[-1].done == ends[-1].total and ends[-1].seconds_left == 0
    assert not fitted.net.training


def test_the_figures_are_those_of_the_network(tmp_path: Path) -> None:
    given = feed()
    fitted = train(tmp_path, OPTIONS, feed=given)
    with torch.no_grad():
        logits, _ = fitted.net(given.inputs(given.validation))
        y = given.y[given.validation]
        loss = torch.nn.functional.cross_entropy(logits, y).item()
    line = fitted.history[fitted.best_epoch - 1]
    assert line["validation_loss"] == pytest.approx(loss, abs=1e-5)
    assert line["validation_accuracy"] == pytest.approx(
        (logits.argmax(1) == y).float().mean().item(), abs=1e-6
    )


@pytest.mark.parametrize("more", [{}, {"augment": "shift", "average": 0.9, "flip": True}])
def test_equal_seeds_give_equal_networks(tmp_path: Path, more: dict[str, Any]) -> None:
    options = fit.Options(**{**OPTIONS.__dict__, **more})
    before = torch.get_rng_state()
    one, same = (train(tmp_path / str(i), options) for i in range(2))
    other = train(tmp_path / "2", fit.Options(**{**options.__dict__, "seed": 6}))
    assert equal(one, same) and not equal(one, other)
    strip = [{k: v for k, v in h.items() if k != "seconds"} for h in one.history]
    assert strip == [{k: v for k, v in h.items() if k != "seconds"} for h in same.history]
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("batches", [1, 7, 5])
def test_a_stop_ends_after_the_batch_and_is_gone_on_with(tmp_path: Path, batches: int) -> None:
    whole = train(tmp_path / "whole", OPTIONS)
    ticks: list[fit.Tick] = []
    cut = train(tmp_path / "cut", OPTIONS, stop=after(batches), watch=ticks.append)
    assert not cut.finished
    assert len(cut.history) == -(-batches // 5)  # five batches an epoch
    assert bool(cut.history[-1].get("partial")) is (batches % 5 != 0)
    assert max(tick.done for tick in ticks) == batches
    assert cut.best_epoch >= 1
    rest = train(tmp_path / "cut", OPTIONS)
    assert rest.finished and equal(rest, whole)
    assert [h["loss"] for h in rest.history] == [h["loss"] for h in whole.history]


def test_another_recipe_begins_anew(tmp_path: Path) -> None:
    train(tmp_path, OPTIONS, stop=after(7))
    assert (tmp_path / FILE).is_file()
    fresh = train(tmp_path, OPTIONS, key="other")
    assert equal(fresh, train(tmp_path / "clean", OPTIONS))
    (tmp_path / FILE).write_bytes(b"not a checkpoint")
    assert equal(fresh, train(tmp_path, OPTIONS))


def test_a_checkpoint_of_another_network_is_left_alone(tmp_path: Path) -> None:
    more = [*SPEC[:-1], {"dense": {"units": 7, "activation": "relu"}}, SPEC[-1]]
    for spec in (more, SPEC):  # the last one has weights of the first one's names and other shapes
        torch.manual_seed(1)
        fitted = fit.fit(net(spec=spec), feed(), OPTIONS, folder=tmp_path / "a", key="k")
    assert equal(fitted, train(tmp_path / "b", OPTIONS))


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_deep_fit as t
def watch(tick):
    if tick.line is not None:
        print(tick.epoch, flush=True)
        if tick.epoch == 2:
            time.sleep(60)
t.train(Path(sys.argv[2]), t.OPTIONS, watch=watch)
"""


def test_killed_and_gone_on_with_it_is_the_same_network(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", OPTIONS)
    here = str(Path(__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, here, str(tmp_path / "cut")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    assert child.stdout is not None
    assert [child.stdout.readline().strip() for _ in range(2)] == ["1", "2"]
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    ticks: list[fit.Tick] = []
    rest = train(tmp_path / "cut", OPTIONS, watch=ticks.append)
    assert ticks[0].epoch >= 2, "the first epoch is not learned again"
    assert equal(rest, whole)
    assert len(rest.history) == 4


def test_an_epoch_that_was_told_is_never_repeated(tmp_path: Path) -> None:
    def die(tick: fit.Tick) -> None:
        if tick.line is not None:
            raise SystemExit

    told: list[int] = []
    with pytest.raises(SystemExit):
        train(tmp_path, OPTIONS, watch=die)
    train(tmp_path, OPTIONS, watch=lambda tick: told.append(tick.epoch))
    assert told[0] == 2


def test_best_or_last_weights(tmp_path: Path) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 2.0, "epochs": 6, "batch_size": 8}
    best = train(tmp_path / "best", fit.Options(**wild))
    last = train(tmp_path / "last", fit.Options(**wild, best_weights=False))
    losses = [h["validation_loss"] for h in best.history]
    assert best.best_epoch == 1 + losses.index(min(losses))
    assert last.best_epoch == 6
    assert equal(best, last) is (best.best_epoch == 6)


def test_early_stopping(tmp_path: Path) -> None:
    x, y = pictures()
    y[:24] = (y[:24] + 1) % 3  # the better it learns, the worse it does on these
    wrong = Feed(x, y, np.arange(24, 97), np.arange(24), Pictures(8, 8, 1))
    options = fit.Options(learning_rate=0.01, epochs=60, early_stopping=3)
    fitted = train(tmp_path, options, feed=wrong)
    losses = [h["validation_loss"] for h in fitted.history]
    best = losses.index(min(losses))
    assert fitted.finished and len(losses) == best + 1 + 3 < 60
    assert fitted.best_epoch == best + 1


def test_without_a_validation_split(tmp_path: Path) -> None:
    x, y = pictures(40)
    alone = Feed(x, y, np.arange(40), np.arange(0), Pictures(8, 8, 1))
    fitted = train(tmp_path, OPTIONS, feed=alone)
    assert fitted.best_epoch == 4 and fitted.history[0]["validation_loss"] is None


def test_a_loss_that_is_no_number(tmp_path: Path) -> None:
    spec = [{"dense": {"units": 3}}]
    made = build.build(trace(LAYERS.validate_python(spec), (4,), 3), 0)
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32) * 1e3
    y = np.arange(30) % 3
    rows = Feed(x, y, np.arange(30), np.arange(0), Rows((0.0,) * 4, (1.0,) * 4, (0,) * 4))
    options = fit.Options(optimizer="sgd", learning_rate=1e38, epochs=3, batch_size=4)
    with pytest.raises(InputError, match="not a number any more in epoch 1") as caught:
        fit.fit(made, rows, options, folder=tmp_path, key="k")
    assert "learning_rate" in caught.value.do and "1e+38" in caught.value.what


def test_rows_penalties_and_limits(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y = np.arange(120) % 2
    x = (rng.normal(size=(120, 3)) + 3 * y[:, None]).astype(np.float32) * [1, 100, 1e4]
    x[::7, 1] = np.nan
    x = x.astype(np.float32)
    how = Rows.fit(x[20:])
    spec = [
        {"dense": {"units": 8, "activation": "relu", "kernel_constraint": {"max_norm": 0.5}}},
        {"dense": {"units": 2, "kernel_regularizer": "l2", "activity_regularizer": "l1"}},
    ]
    made = build.build(trace(LAYERS.validate_python(spec), (3,), 2), 0)
    given = Feed(x, y, np.arange(20, 120), np.arange(20), how)
    options = fit.Options(learning_rate=0.02, epochs=15, batch_size=16)
    fitted = fit.fit(made, given, options, folder=tmp_path, key="k")
    assert fitted.history[fitted.best_epoch - 1]["validation_accuracy"] > 0.9
    first = fitted.net.weighted()[0][1].weight
    assert first.norm(dim=1).max() <= 0.5 + 1e-5


def test_bf16_learns_as_well(tmp_path: Path) -> None:
    options = fit.Options(learning_rate=0.01, epochs=10, batch_size=16, precision="bf16")
    fitted = train(tmp_path, options)
    assert fitted.precision == "bf16"
    assert max(h["validation_accuracy"] for h in fitted.history) > 0.85
    assert all(p.dtype == torch.float32 for p in fitted.net.parameters())


def test_shifted_pictures_are_moved_pictures() -> None:
    x = np.zeros((64, 8, 8, 1), np.uint8)
    x[:, 3:5, 3:5] = 255
    given = Feed(x, np.zeros(64, np.int64), np.arange(64), np.arange(0), Pictures(8, 8, 1))
    moved = given.varied(given.train)
    assert moved.shape == (64, 1, 8, 8) and torch.all(moved.sum((1, 2, 3)) == 4)
    firsts = {tuple((m[0] > 0).nonzero()[0].tolist()) for m in moved}
    assert all(abs(a - 3) <= SHIFT and abs(b - 3) <= SHIFT for a, b in firsts)
    assert len(firsts) > 15


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert cuts(33, 16) == [(0, 16), (16, 33)]
    assert cuts(34, 16) == [(0, 16), (16, 32), (32, 34)]
    assert cuts(1, 16) == [(0, 1)] and cuts(0, 16) == []


def test_a_device_that_is_not_here() -> None:
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(InputError, match=missing) as caught:
        numbers.device_for(missing)
    assert "cpu" in caught.value.expected
    assert numbers.device_for("cpu") == "cpu"


QUIET = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
os.chdir(sys.argv[2])
import test_deep_fit as t
t.train(Path(sys.argv[2]) / "given", t.OPTIONS)
"""


def test_nothing_is_said_and_nothing_written_elsewhere(tmp_path: Path) -> None:
    start = time.time()
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert (done.stdout, done.stderr) == ("", "")
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_mtime >= start - 1]
    given = tmp_path / "given"
    assert given / FILE in written and all(p.is_relative_to(given) for p in written), written
