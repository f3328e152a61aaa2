"""A tuning as a whole: it learns, keeps to its plan, and goes on after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("lightning")

from tellapart.errors import InputError  # noqa: E402
from tellapart.learn.deep import tuning  # noqa: E402
from tellapart.learn.deep.tuning import Augmentation, Plan, Stage, learning  # noqa: E402

NAME = "test_efficientnet"
SIZE = 40
ALL = Augmentation(True, 1.1, 10, 0.05, 0.7, 0.2, 0.5)


def _plan(*stages: Stage, **options: Any) -> Plan:
    chosen = stages or (Stage(epochs=2, lr=3e-3, size=SIZE),)
    return Plan(NAME, chosen, **{"batch_size": 8, "threads": 1, "precision": "fp32", **options})


@pytest.fixture(scope="module")
def tensors() -> Any:
    torch.manual_seed(0)
    return {k: v.numpy() for k, v in timm.create_model(NAME, num_classes=0).state_dict().items()}


def _tune(plan: Plan, feed: Any, folder: Path, tensors: Any = None, **options: Any) -> Any:
    return tuning.tune(plan, tensors, feed, folder=folder, key="test", **options)


def _weights(tuned: Any) -> dict[str, Any]:
    return {k: v.clone() for k, v in tuned.net.state_dict().items()}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_learns_drawn_pictures_and_tells_each_epoch(make_feed: Any, tmp_path: Path) -> None:
    ticks: list[Any] = []
    plan = _plan(Stage(epochs=10, lr=1e-2, size=SIZE), ema=0.9)
    tuned = _tune(plan, make_feed(), tmp_path, watch=ticks.append)
    best = tuned.history[tuned.best_epoch - 1]
    assert best["validation_accuracy"] >= 0.9
    assert best["validation_scaled_loss"] == min(e["validation_scaled_loss"] for e in tuned.history)
    lines = [tick.line for tick in ticks if tick.line is not None]
    assert lines == tuned.history and [line["epoch"] for line in lines] == list(range(1, 11))
    assert ticks[-1].done == ticks[-1].total == 60 and ticks[-1].seconds_left == 0
    assert tuned.finished and tuned.pictures_per_second > 0 and tuned.size == SIZE
    logits = tuning.predict(tuned, make_feed(), np.arange(42, 60), tmp_path)
    right = (logits.argmax(1) == make_feed().y[42:]).mean()
    assert right == pytest.approx(best["validation_accuracy"], abs=0.06)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_frozen_groups_stay_bit_for_bit(
    make_feed: Any, tmp_path: Path, tensors: Any, precision: str
) -> None:
    stages = Stage("body", 1, 1e-2, SIZE), Stage(3, 1, 1e-2, SIZE)
    plan = _plan(*stages, precision=precision, ema=0.5, weight_decay=0.1, best_weights=False)
    tuned = _tune(plan, make_feed(), tmp_path, tensors)
    frozen = [group["frozen"] for group in tuned.stages[1]["groups"]]
    assert frozen == [True] * 3 + [False] * (len(frozen) - 3)
    assert [group["frozen"] for group in tuned.stages[0]["groups"]] == [True] * 6 + [False]
    state = tuned.net.body.state_dict()
    first = ("conv_stem", "bn1", "blocks.0.", "blocks.1.")
    kept = {k for k in tensors if np.array_equal(state[k].numpy(), tensors[k])}
    assert {k for k in tensors if k.startswith(first)} <= kept
    changed = {k for k in tensors if k.startswith(("blocks.2", "blocks.3", "conv_head"))}
    assert not changed & kept - {"num_batches_tracked"}


def test_a_frozen_body_keeps_its_running_statistics(
    make_feed: Any, tmp_path: Path, tensors: Any
) -> None:
    tuned = _tune(_plan(Stage("body", 1, 1e-2, SIZE)), make_feed(), tmp_path, tensors)
    state = tuned.net.body.state_dict()
    assert all(np.array_equal(state[k].numpy(), v) for k, v in tensors.items())


def test_norms_keep_their_statistics_where_asked(
    make_feed: Any, tmp_path: Path, tensors: Any
) -> None:
    tuned = _tune(_plan(freeze_norm=True), make_feed(), tmp_path, tensors)
    state = tuned.net.body.state_dict()
    same = {k for k, v in tensors.items() if np.array_equal(state[k].numpy(), v)}
    assert {k for k in same if "running" not in k and "num_batches" not in k} == set()
    assert {k for k in tensors if "running" in k} <= same


def test_groups_learn_at_the_planned_rates(
    make_feed: Any, tmp_path: Path, tensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[tuple[float, int]]] = []
    plain = learning.Stepper.step

    def spied(self: Any, *args: Any) -> Any:
        found = plain(self, *args)
        groups = self.optimizer.param_groups
        seen.append([(group["lr"], sum(p.numel() for p in group["params"])) for group in groups])
        return found

    monkeypatch.setattr(learning.Stepper, "step", spied)
    stage = Stage("none", 1, 0.01, SIZE, schedule="constant")
    tuned = _tune(_plan(stage, decay_by_layer=0.5), make_feed(), tmp_path, tensors)
    shares = [group["share"] for group in tuned.stages[0]["groups"]]
    assert shares == [0.5**n for n in range(6, -1, -1)]
    rates = sorted({rate for rate, _ in seen[0]})
    assert rates == pytest.approx([0.01 * share for share in shares])
    assert sum(count for _, count in seen[0]) == sum(p.numel() for p in tuned.net.parameters())


def test_cycles_run_as_planned_and_stand_in_the_facts(make_feed: Any, tmp_path: Path) -> None:
    first = Stage("body", 0, 1e-4, SIZE, cycles=3, cycle_mult=2)
    second = Stage("body", 0, 1e-3, SIZE + 5, cycles=2)
    tuned = _tune(_plan(first, second, head="concat512"), make_feed(), tmp_path)
    assert [stage["cycles"] for stage in tuned.stages] == [[1, 2, 4], [1, 1]]
    assert [stage["size"] for stage in tuned.stages] == [SIZE, SIZE + 5]
    assert [stage["epochs"] for stage in tuned.stages] == [7, 2]
    points = tuned.stages[0]["rates"]
    starts = [at for at, rate in points if rate == pytest.approx(1e-4)]
    assert starts == [0, 1, 3]  # the peak comes back where a cycle begins, and nowhere else
    between = [rate for at, rate in points if 3 <= at < 7]
    assert between == sorted(between, reverse=True) and between[-1] < 1e-6
    assert max(rate for _, rate in tuned.stages[1]["rates"]) == pytest.approx(1e-3)
    assert len(tuned.history) == 9 and tuned.history[7]["stage"] == 2
    assert tuned.size == SIZE + 5


def test_a_search_finds_a_sane_rate_and_leaves_the_network_as_it_was(
    make_feed: Any, tmp_path: Path, tensors: Any
) -> None:
    plan = _plan(Stage("none", 1, "find", SIZE))
    tuned = _tune(plan, make_feed(), tmp_path / "a", tensors)
    stage = tuned.stages[0]
    assert stage["lr_found"] and 1e-5 < stage["lr"] < 3e-2
    rates = [rate for rate, _ in tuned.lr_plots[1]]
    assert rates == sorted(rates) and len(rates) > 20
    given = _plan(Stage("none", 1, stage["lr"], SIZE))
    assert _same(_weights(tuned), _weights(_tune(given, make_feed(), tmp_path / "b", tensors)))


class _KillError(Exception):
    """In place of a kill: nothing may be written after it."""


def test_killed_at_random_batches_it_ends_as_if_it_had_not_been(
    make_feed: Any, tmp_path: Path, tensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stage("body", 1, "find", SIZE), Stage(2, 2, 3e-3, SIZE + 8)
    plan = _plan(*stages, head="concat512", ema=0.9, augmentation=ALL, decay_by_layer=0.8)
    whole = _tune(plan, make_feed(), tmp_path / "whole", tensors)
    monkeypatch.setattr(learning, "_SAVE", 0.0)  # a checkpoint after every batch
    plain, draws, told = learning.Stepper.step, np.random.default_rng(1), []
    left = [0]

    def dies(self: Any, *args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise _KillError
        return plain(self, *args)

    monkeypatch.setattr(learning.Stepper, "step", dies)
    kills, tuned = 0, None
    while tuned is None:
        left[0] = int(draws.integers(2, 14))
        try:
            tuned = _tune(
                plan,
                make_feed(),
                tmp_path / "cut",
                tensors,
                watch=lambda tick: told.append(tick.line) if tick.line else None,
            )
        except _KillError:
            kills += 1
    assert kills >= 5
    assert _same(_weights(tuned), _weights(whole))
    assert [line["epoch"] for line in told] == [1, 2, 3]  # no epoch ended twice
    without = [{k: v for k, v in line.items() if k != "seconds"} for line in tuned.history]
    assert without == [{k: v for k, v in line.items() if k != "seconds"} for line in whole.history]
    assert [stage["search"] for stage in tuned.stages] == [s["search"] for s in whole.stages]
    assert tuned.best_epoch == whole.best_epoch


def test_a_stop_keeps_what_was_learned_and_the_next_run_goes_on(
    make_feed: Any, tmp_path: Path, tensors: Any
) -> None:
    plan, asked = _plan(Stage(epochs=3, lr=3e-3, size=SIZE)), [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] > 9

    cut = _tune(plan, make_feed(), tmp_path / "a", tensors, stop=stop)
    assert not cut.finished and len(cut.history) == 2 and cut.history[1]["partial"]
    gone_on = _tune(plan, make_feed(), tmp_path / "a", tensors)
    whole = _tune(plan, make_feed(), tmp_path / "b", tensors)
    assert gone_on.finished and _same(_weights(gone_on), _weights(whole))
    other = _tune(replace(plan, seed=1), make_feed(), tmp_path / "a", tensors)
    assert not _same(_weights(other), _weights(whole))  # another plan begins anew


def test_a_stop_before_anything_was_learned_gives_the_start(
    make_feed: Any, tmp_path: Path, tensors: Any
) -> None:
    tuned = _tune(_plan(), make_feed(), tmp_path, tensors, stop=lambda: True)
    assert not tuned.finished and len(tuned.history) <= 1


class _Clock:
    """Time that passes with batches and with nothing else."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("seconds", [12.0, 45.0])
def test_a_deadline_is_kept_in_batches_and_the_schedule_ends(
    make_feed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    clock, plain = _Clock(), learning.Stepper.step

    def slow(self: Any, *args: Any) -> Any:
        found = plain(self, *args)
        clock.now += 1.0
        return found

    monkeypatch.setattr(learning, "clock", clock)
    monkeypatch.setattr(learning.Stepper, "step", slow)
    plan = _plan(Stage("body", 2, 1e-3, SIZE), Stage("none", 20, 1e-3, SIZE))
    tuned = _tune(plan, make_feed(), tmp_path, deadline=clock.now + seconds)
    spent = clock.now - 1000
    assert seconds * 0.75 <= spent <= seconds
    assert tuned.finished and tuned.history[-1]["stage"] == 2
    assert tuned.history[-1]["learning_rate"] < 0.2e-3  # the cosine has come down
    assert tuned.stages[0]["epochs"] < 2 and tuned.stages[1]["epochs"] < 20
    assert "of the 22 epochs" in tuned.notes[0]


def test_seconds_are_counted_over_interruptions_and_may_have_run_out(
    make_feed: Any, tmp_path: Path, tensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, plain = _Clock(), learning.Stepper.step

    def slow(self: Any, *args: Any) -> Any:
        clock.now += 1.0
        return plain(self, *args)

    monkeypatch.setattr(learning, "clock", clock)
    monkeypatch.setattr(learning.Stepper, "step", slow)
    plan = _plan(Stage("body", 4, 1e-3, SIZE), Stage("none", 4, 1e-3, SIZE))

    def spent(key: str = "test") -> float:
        return tuning.spent(plan, make_feed(), folder=tmp_path, key=key)

    assert spent() == 0
    _tune(plan, make_feed(), tmp_path, tensors, stop=lambda: clock.now >= 1009)
    assert spent() == pytest.approx(9) and spent("another") == 0
    clock.now = 5000.0
    tuned = _tune(plan, make_feed(), tmp_path, tensors, deadline=5000.0)
    assert tuned.finished and len(tuned.history) == 2, "no time is left: the epoch at hand ends"
    assert "of the 8 epochs" in tuned.notes[0]


def test_soft_targets_teach_the_teacher(make_feed: Any, tmp_path: Path) -> None:
    soft = np.full((60, 3), 0.1)
    soft[np.arange(60), np.arange(60) % 3] = 0.8
    plan = _plan(Stage(epochs=10, lr=1e-2, size=SIZE))
    tuned = _tune(plan, make_feed(soft), tmp_path)
    chances = torch.softmax(
        torch.from_numpy(tuning.predict(tuned, make_feed(), np.arange(60), tmp_path)), 1
    )
    assert float(chances.max(1).values.mean()) == pytest.approx(0.8, abs=0.08)
    assert (chances.argmax(1).numpy() == np.arange(60) % 3).mean() > 0.9


def test_a_given_head_is_where_it_starts(make_feed: Any, tmp_path: Path, tensors: Any) -> None:
    draws = np.random.default_rng(0)
    head = draws.normal(0, 1, (3, 256)).astype(np.float32), np.zeros(3, np.float32)
    plan = _plan(Stage("body", 1, 1e-12, SIZE), best_weights=False, weight_decay=0.0)
    tuned = _tune(plan, make_feed(), tmp_path, tensors, head=head)
    assert np.allclose(tuned.net.last.weight.numpy(), head[0], atol=1e-6)
    with pytest.raises(ValueError, match="head"):
        _tune(plan, make_feed(), tmp_path / "b", tensors, head=(head[0][:, :9], head[1]))


def test_early_stopping_ends_the_stage_alone(make_feed: Any, tmp_path: Path) -> None:
    stages = Stage("body", 9, 1e-12, SIZE), Stage("none", 2, 1e-3, SIZE)
    tuned = _tune(_plan(*stages, early_stopping=2), make_feed(), tmp_path)
    assert len([line for line in tuned.history if line["stage"] == 1]) <= 4
    assert tuned.history[-1]["stage"] == 2


def test_without_validation_the_last_weights_are_kept(make_feed: Any, tmp_path: Path) -> None:
    tuned = _tune(_plan(), make_feed(validation=0), tmp_path)
    assert tuned.best_epoch == 2 and tuned.history[0]["validation_loss"] is None


def test_a_loss_that_is_no_number_is_an_error_in_three_parts(
    make_feed: Any, tmp_path: Path
) -> None:
    plan = _plan(Stage("none", 3, 1e30, SIZE, schedule="constant"), optimizer="sgd")
    with pytest.raises(InputError, match="not a number") as caught:
        _tune(plan, make_feed(), tmp_path)
    assert "1e+30" in caught.value.what and "lr" in caught.value.do and caught.value.expected


def test_devices_that_are_not_here_are_refused(make_feed: Any, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="cuda"):
            _tune(_plan(device="cuda"), make_feed(), tmp_path)
