"""Picture data sets by name go through the steps and come out as samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tellapart.datasets import idx
from tellapart.errors import DataError
from tellapart.project import Project
from tellapart.steps.samples import gather

from .conftest import run

Make = Callable[..., Project]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small MNIST: 200 and 50 pictures; one test picture is in train, too, one comes twice."""
    folder = tmp_path / "originals"
    folder.mkdir()
    random = np.random.default_rng(3)
    test = random.integers(0, 256, (50, 28, 28), dtype=np.uint8)
    train = random.integers(0, 256, (200, 28, 28), dtype=np.uint8)
    train[0], train[11] = test[0], train[1]
    for stem, pixels in (("train", train), ("t10k", test)):
        labels = (np.arange(len(pixels)) % 10).astype(np.uint8)
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx.encode(pixels))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx.encode(labels))
    return folder


def test_the_official_test_part_stays_and_validation_comes_from_train(
    project: Make, folder: Path
) -> None:
    made = project({"datasets_dir": folder}, data="mnist")
    said = run(made)
    assert said["collect"]["found"] == said["curate"]["kept"] == 250
    assert said["collect"]["official"] == {"test": 50, "train": 200}
    assert said["split"]["official"] is True
    assert said["split"]["splits"]["test"] == 50
    assert said["split"]["splits"]["aside"] == 1
    assert 20 <= said["split"]["splits"]["validation"] <= 30
    samples = gather(made.context())
    assert (samples.kind, samples.x.shape, samples.x.dtype) == (
        "picture", (250, 28, 28, 1), np.uint8,
    )  # fmt: skip
    assert samples.split[200:].tolist() == ["test"] * 50
    assert samples.split[0] == "aside"
    assert (samples.split[1], samples.groups[1]) == (samples.split[11], samples.groups[11])
    assert samples.classes == tuple("0123456789")
    assert samples.y[:12].tolist() == [*range(10), 0, 1]
    assert samples.counts() == said["split"]["classes"]
    assert all(counts["validation"] for counts in samples.counts().values())
    assert gather(made.context()).fingerprint == samples.fingerprint
    assert run(made) == said


def test_without_the_official_split_all_pictures_are_dealt(project: Make, folder: Path) -> None:
    made = project({"datasets_dir": folder}, data="mnist", split={"official": False})
    said = run(made)
    assert said["split"]["official"] is False
    assert said["split"]["splits"]["aside"] == 0
    samples = gather(made.context())
    assert samples.split[0] == samples.split[200]
    assert "train" in samples.split[200:].tolist()


def test_digits_are_dealt_by_class(project: Make) -> None:
    made = project(data="digits")
    said = run(made)
    assert said["split"]["official"] is False
    for counts in said["split"]["classes"].values():
        assert abs(counts["test"] / sum(counts.values()) - 0.2) < 0.01


def test_a_data_set_that_changed_or_was_not_split_is_told(project: Make, folder: Path) -> None:
    made = project({"datasets_dir": folder}, data="mnist")
    made.collect()
    with pytest.raises(DataError, match="not split yet"):
        gather(made.context())
    run(made)
    gather(made.context())
    labels = folder / "t10k-labels-idx1-ubyte"
    data = bytearray(labels.read_bytes())
    data[-1] = 3
    labels.write_bytes(bytes(data))
    with pytest.raises(DataError, match="has changed"):
        gather(made.context())
    (made.folder / "work" / "split.npz").write_bytes(b"PK\x03\x04 no longer whole")
    with pytest.raises(DataError, match="not split yet"):
        gather(made.context())
    run(made)
    assert gather(made.context()).y[-1] == 3


def test_mnist_itself(project: Make, shared_data: Path) -> None:
    made = project({"datasets_dir": shared_data}, data="mnist")
    said = run(made)
    assert said["split"]["splits"] == {
        "train": 52_500, "validation": 7_500, "test": 10_000, "aside": 0,
    }  # fmt: skip
    samples = gather(made.context())
    assert samples.x.shape == (70_000, 28, 28, 1)
    context = made.context()
    assert gather(replace(context)).fingerprint == samples.fingerprint
