"""Prepared pictures of trainings that were broken off go with the next training of any kind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tellapart.errors import DataError
from tellapart.learn.ladder import kept
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps import train
from tellapart.steps.train import stages

QUICK: dict[str, Any] = {}
GOOD: dict[str, Any] = {"effort": "good"}
STAGED: dict[str, Any] = {"train": {"backbone": "resnet18", "stages": [{"epochs": 1}]}}


class _Empty:
    """A catalog without pictures: every training ends with that, and what goes before is seen."""

    name = "x"

    def pictures(self, **_: object) -> list[Any]:
        return []

    def finished(self, *_: object) -> None:
        return None


@pytest.mark.parametrize(
    ("recipe", "stays"),
    [(QUICK, set()), (GOOD, {"ladder"}), (STAGED, {"tuning"})],
    ids=["quick", "good", "stages"],
)
def test_only_what_the_same_kind_goes_on_from_stays(
    settings: Settings, tmp_path: Path, recipe: dict[str, Any], stays: set[str]
) -> None:
    folders = {
        "ladder": tmp_path / kept.FOLDER / "net-320" / "training" / "0",
        "tuning": tmp_path / stages.TUNING,
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "pixels.npy").write_bytes(b"pictures")
    finished = folders["ladder"].parent.parent / "fold-0.json"
    finished.write_text("{}")
    context: Any = SimpleNamespace(
        work=tmp_path,
        settings=settings,
        catalog=_Empty(),
        recipe=check({"name": "x", "classes": ["a", "b"], **recipe}),
    )
    with pytest.raises(DataError, match="no picture"):
        train.run(context)
    assert {name for name, folder in folders.items() if folder.exists()} == stays
    assert finished.is_file()  # what was trained to its end is no picture
