"""Several devices at one tuning, here processes on the CPU that share each batch over gloo."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("lightning")

from tellapart.errors import InputError, WorkerError  # noqa: E402
from tellapart.learn.deep import tuning  # noqa: E402
from tellapart.learn.deep.tuning import Augmentation, Plan, Stage, crew  # noqa: E402

NAME = "test_efficientnet"
SIZE = 40


def _plan(*stages: Stage, **options: Any) -> Plan:
    chosen = {
        "batch_size": 8,
        "threads": 1,
        "precision": "fp32",
        "device": "cpu",
        "freeze_norm": True,
        "ema": 0.9,
        "augmentation": Augmentation(True, 1.1, 10, 0.05, 0.7),
        "class_weight": "balanced",
        **options,
    }
    return Plan(NAME, stages, **chosen)


@pytest.fixture(scope="module")
def tensors() -> Any:
    torch.manual_seed(0)
    return {k: v.numpy() for k, v in timm.create_model(NAME, num_classes=0).state_dict().items()}


def _tune(plan: Plan, feed: Any, folder: Path, tensors: Any, **options: Any) -> Any:
    return tuning.tune(plan, tensors, feed, folder=folder, key="test", **options)


def _away(one: Any, other: Any) -> float:
    """The largest difference of any weight."""
    pairs = zip(one.net.state_dict().values(), other.net.state_dict().values(), strict=True)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(make_feed: Any, tmp_path: Path, tensors: Any) -> None:
    """Begun by one, and interrupted within the second stage too; only the order of additions
    differs."""
    stages = Stage("body", 1, "find", SIZE), Stage(3, 2, 1e-3, SIZE + 8)
    one = _tune(_plan(*stages), make_feed(), tmp_path / "one", tensors)
    plan, told = _plan(*stages, devices=2), list[int]()
    ends = [1]

    def stop() -> bool:
        return told == ends

    def watch(tick: Any) -> None:
        told.extend([tick.line["epoch"]] if tick.line else [])

    begun = _tune(_plan(*stages), make_feed(), tmp_path / "two", tensors, stop=stop, watch=watch)
    assert not begun.finished
    ends.append(2)
    cut = _tune(plan, make_feed(), tmp_path / "two", tensors, stop=stop, watch=watch)
    assert not cut.finished
    assert told == [1, 2]
    two = _tune(plan, make_feed(), tmp_path / "two", tensors, watch=watch)
    assert two.finished
    assert told == [1, 2, 3]  # no epoch ended twice
    assert two.stages[0]["lr"] == one.stages[0]["lr"]
    for mine, theirs in zip(two.history, one.history, strict=True):
        assert mine["accuracy"] == pytest.approx(theirs["accuracy"], abs=0.03)
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
        assert mine["validation_loss"] == pytest.approx(theirs["validation_loss"], rel=1e-3)
    assert _away(two, one) < 1e-3
    other = _tune(_plan(*stages, seed=1), make_feed(), tmp_path / "other", tensors)
    assert _away(other, one) > 1e-2  # so that the small difference says something
    assert not torch.distributed.is_initialized()


def test_a_tuning_goes_on_on_other_devices(make_feed: Any, tmp_path: Path, tensors: Any) -> None:
    begun, feed, epochs = _plan(Stage("body", 9, 1e-3, SIZE)), make_feed(), list[Any]()

    def watch(tick: Any) -> None:
        epochs.extend([tick.line] if tick.line else [])

    cut = _tune(begun, feed, tmp_path, tensors, stop=lambda: bool(epochs), watch=watch)
    assert not cut.finished

    def spent(**changes: Any) -> float:
        plan = _plan(Stage("body", 9, 1e-3, SIZE), **changes)
        return tuning.spent(plan, feed, folder=tmp_path, key="test")

    assert spent() == spent(devices=2) == spent(devices=4, device="cuda") > 0
    assert spent(seed=1) == spent(precision="bf16") == 0


@pytest.mark.slow
def test_a_lost_process_is_an_error_and_leaves_none_behind(
    make_feed: Any, tmp_path: Path, tensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    begin = crew.Leading.__init__

    def noted(self: Any, *args: Any) -> None:
        begin(self, *args)
        found.extend(self._others)

    monkeypatch.setattr(crew.Leading, "__init__", noted)
    plan = _plan(Stage("body", 50, 1e-3, SIZE), devices=2)

    def kill(tick: Any) -> None:
        if tick.done > 2:
            os.kill(found[0].pid, signal.SIGKILL)

    with pytest.raises(WorkerError, match="device 2") as caught:
        _tune(plan, make_feed(), tmp_path, tensors, watch=kill)
    assert "goes on" in caught.value.do
    assert found[0].poll() is not None
    assert not torch.distributed.is_initialized()


def test_a_process_that_never_comes_is_not_waited_for(
    make_feed: Any, tmp_path: Path, tensors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = crew._process
    found: list[Any] = []

    def broken(said: list[str], *others: Any) -> Any:
        monkeypatch.setattr(sys, "executable", shutil.which("false") or "false")
        found.append(begin(said, *others))
        monkeypatch.undo()
        return found[-1]

    monkeypatch.setattr(crew, "_process", broken)
    with pytest.raises(WorkerError, match=r"device 2 \(exit status 1\)"):
        _tune(_plan(Stage("body", 1, 1e-3, SIZE), devices=2), make_feed(), tmp_path, tensors)
    assert found[0].poll() == 1
    assert not torch.distributed.is_initialized()


def test_a_batch_is_shared_out_whole(make_feed: Any) -> None:
    for count in (1, 2, 3, 5, 8, 17):
        for world in (1, 2, 3, 4):
            parts = [crew.Place(rank, world, "cpu").mine(count) for rank in range(world)]
            taken = [n for rows, counts in parts if counts for n in range(count)[rows]]
            assert taken == list(range(count))
            assert all(len(range(count)[rows]) >= min(2, count) for rows, _ in parts)
            # Each picture counts as much as in one batch, where processes' means are averaged.
            means = [counts / world / len(range(count)[rows]) for rows, counts in parts if counts]
            assert means == pytest.approx([1 / count] * len(means))


def test_more_devices_than_there_are_or_than_a_batch_feeds_are_refused(
    make_feed: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="batch of 8"):
        _tune(_plan(Stage(), devices=5), make_feed(), tmp_path, None)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="cuda"):
            _tune(_plan(Stage(), devices=2, device="cuda"), make_feed(), tmp_path, None)


def test_a_plan_survives_its_words() -> None:
    import json

    plan = _plan(Stage("body", 1, "find", SIZE), Stage(3), class_weight=(1.0, 2.0, 3.0))
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_rows_of_a_batch_are_varied_as_in_the_whole() -> None:
    from tellapart.learn.deep.tuning.augmenting import Augmenter

    how = Augmentation("hv", 1.2, 20, 0.2, 0.6)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (7, 24, 24, 3), np.uint8))
    for chosen in (how, Augmentation("hv", lighting=0.1)):
        augmenter = Augmenter(chosen, 24, (0.5,) * 3, (0.5,) * 3)
        whole = augmenter.varied(pixels, np.random.default_rng(5))
        for rows in (slice(0, 3), slice(3, 7)):
            part = augmenter.varied(pixels[rows], np.random.default_rng(5), 7, rows)
            torch.testing.assert_close(part, whole[rows])
