"""`stop`: asks a training that is under way, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import tellapart
from tellapart.cli import main
from tellapart.recipe import check
from tellapart.store.lock import project_lock

LAYERS = [{"dense": {"units": 3, "activation": "softmax"}}]


@pytest.fixture
def project(home: Path) -> Iterator[tellapart.Project]:
    recipe = check({"name": "iris-net", "data": "iris", "layers": LAYERS})
    with tellapart.Project.create(recipe) as project:
        yield project


def ask(capsys: pytest.CaptureFixture[str], name: str, code: int) -> dict[str, str]:
    capsys.readouterr()
    assert main(["stop", name, "--json"]) == code
    shape: dict[str, dict[str, str]] = json.loads(capsys.readouterr().out)
    return shape.get("error", {})


def files(project: tellapart.Project) -> tuple[Path, Path]:
    context = project.context()
    context.close()
    context.work.mkdir(parents=True, exist_ok=True)
    return context.training_file, context.stop_file


def test_a_project_at_rest_is_not_asked(
    project: tellapart.Project, capsys: pytest.CaptureFixture[str]
) -> None:
    training, stop = files(project)
    assert "nothing works on it" in ask(capsys, "iris-net", 2)["what"]
    training.touch()  # left by a run that was killed
    assert "nothing works on it" in ask(capsys, "iris-net", 2)["what"]
    assert not stop.exists()


def test_another_step_is_not_asked(
    project: tellapart.Project, capsys: pytest.CaptureFixture[str]
) -> None:
    _, stop = files(project)
    with project_lock(project.folder):
        assert "trains no network" in ask(capsys, "iris-net", 2)["what"]
    assert not stop.exists()


def test_a_training_is_asked(
    project: tellapart.Project, capsys: pytest.CaptureFixture[str]
) -> None:
    training, stop = files(project)
    with project_lock(project.folder):
        training.touch()
        assert ask(capsys, "iris-net", 0) == {}
        assert stop.exists()
        stop.unlink()
        tellapart.stop("iris-net")
        assert stop.exists()
        with tellapart.Project.open("iris-net") as again:
            context = again.context()
            assert context.stop_asked()
            context.close()


def test_an_unknown_project_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no project 'none'" in ask(capsys, "none", 3)["what"]
    assert not home.exists()
