"""What `train` takes its word for: a path, a data set, a project; and options without a value."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

import tellapart
from tellapart.cli import main
from tellapart.cli.making import _column, _meant
from tellapart.cli.options import fill_in
from tellapart.errors import NotFoundError, TellapartError
from tellapart.recipe import check

LAYERS = ["flatten", {"dense": {"units": 10, "activation": "softmax"}}]


@pytest.fixture(autouse=True)
def here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def make(**recipe: object) -> None:
    with tellapart.Project.create(check(recipe)):
        pass


@pytest.mark.parametrize("word", ["mnist", "MNIST", "Fashion-MNIST", "breast cancer"])
def test_a_data_set_by_name(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _meant(word, quiet=False) is None
    err = capsys.readouterr().err
    assert err.startswith(f"{word}: taken as the data set ") and len(err.splitlines()) == 1


def test_a_folder_of_that_name_comes_first(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mnist").mkdir()
    assert _meant("mnist", quiet=False) is None
    assert "taken as the file or folder here" in capsys.readouterr().err
    with pytest.raises(TellapartError, match="holds no class folders"):
        tellapart.train("mnist")


def test_the_same_word_again_goes_on_with_the_data_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(data="digits", layers=LAYERS)
    assert tellapart.Project.names() == ["digits"]
    assert _meant("digits", quiet=False) is None
    assert "taken as the data set digits" in capsys.readouterr().err


def test_a_project_of_that_name_with_other_data_is_the_project(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(name="digits", classes=["apple", "pear"])
    project = _meant("digits", quiet=False)
    assert project.name == "digits"
    assert "taken as the project of that name, not as the data set" in capsys.readouterr().err
    make(name="fruit", classes=["apple", "pear"])
    assert _meant("fruit", quiet=True).name == "fruit"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("word", "near"), [("mnst", "data set 'mnist'"), ("fruits", "'fruit'")])
def test_a_word_that_is_nothing_names_the_nearest(word: str, near: str) -> None:
    make(name="fruit", classes=["apple", "pear"])
    with pytest.raises(NotFoundError) as caught:
        _meant(word, quiet=False)
    assert near in caught.value.do


@pytest.mark.parametrize(
    ("text", "column"), [("species", "species"), ("4", 4), ("-1", -1), ("1e3", "1e3"), (None, None)]
)
def test_a_column_by_name_or_number(text: str | None, column: str | int | None) -> None:
    assert _column(text) == column


def test_a_table_that_is_not_there_makes_no_project(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = check({"data": str(home / "none.csv"), "target": "kind"})
    with pytest.raises(TellapartError, match="does not exist"):
        tellapart.run(recipe)
    assert not home.exists()


def test_the_layout_option_may_stand_alone(here: Path) -> None:
    (here / "spec.json").write_text("{}")
    bare = "--quickml-layout=saved-models"
    assert fill_in([]) == []
    for argv in (
        ["run", "spec.json", "--quickml-layout"],
        ["run", "spec.json", "--quickml-layout", "--json"],
        ["run", "--quickml-layout", "spec.json"],
    ):
        assert fill_in(argv) == [bare if word == "--quickml-layout" else word for word in argv]
    for argv in (["run", "spec.json", "--quickml-layout", "models"], ["run", "spec.json"]):
        assert fill_in(argv) == argv


def test_the_layout_is_for_networks_alone(
    here: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "words.yaml").write_text("classes: [apple, pear]\n")
    assert main(["run", "words.yaml", "--quickml-layout"]) == 2
    assert "trains no network" in capsys.readouterr().err
    assert not home.exists()
    with contextlib.suppress(FileNotFoundError):
        assert not list((here / "saved-models").iterdir())
