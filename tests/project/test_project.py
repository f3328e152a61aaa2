"""A project is opened, made, changed and relabelled; what cannot be leaves nothing behind."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import pytest

from tellapart import Project
from tellapart.catalog import NewPicture
from tellapart.errors import InputError, NotFoundError, RecipeError, StorageError
from tellapart.project import copy_bundle
from tellapart.recipe import asked, check
from tellapart.settings import Settings


def make(settings: Settings, **values: Any) -> Project:
    return Project.create(check({"name": "fruit", **values}), settings)


def test_opening_what_is_not_there_makes_nothing(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="nope"):
        Project.open("nope", settings)
    assert Project.names(settings) == []
    assert not settings.home.exists()


def test_the_nearest_name_is_guessed(settings: Settings) -> None:
    make(settings, classes=["apple", "pear"])
    with pytest.raises(NotFoundError, match="Did you mean 'fruit'"):
        Project.open("friut", settings)


def test_made_again_a_project_keeps_what_is_not_asked_for_anew(settings: Settings) -> None:
    shares = {"test": 0.3, "train": 0.6}
    project = make(settings, classes=["apple", "pear"], per_class=20, split=shares)
    project.update({"curate": {"min_side": 64}})
    again = make(settings, classes=["apple", "pear", "plum"], seed=7, split={"scene_cosine": 0.9})
    assert asked(again.recipe) == asked(Project.open("fruit", settings).recipe)
    recipe = again.recipe
    assert recipe.labels == ("apple", "pear", "plum")
    assert (recipe.per_class, recipe.seed, recipe.curate.min_side) == (20, 7, 64)
    assert (recipe.split.test, recipe.split.train, recipe.split.scene_cosine) == (0.3, 0.6, 0.9)


def test_made_again_classes_are_replaced_as_a_whole(settings: Settings) -> None:
    make(settings, classes={"apple": {"queries": ["apple fruit"]}, "pear": None, "plum": None})
    again = make(settings, classes=["apple", "pear"])
    assert again.recipe.labels == ("apple", "pear")
    assert again.recipe.classes["apple"].queries == ("apple",)


def test_made_again_in_contradiction_to_itself_nothing_changes(settings: Settings) -> None:
    before = make(settings, classes=["apple", "pear"], split={"test": 0.3, "train": 0.6}).recipe
    with pytest.raises(RecipeError, match="split"):
        make(settings, classes=["apple", "pear"], split={"test": 0.5})
    assert Project.open("fruit", settings).recipe == before


def test_a_change_replaces_lists_and_merges_groups(settings: Settings) -> None:
    project = make(settings, classes=["apple", "pear"], sources=["openverse"])
    project.update({"curate": {"min_side": 64}})
    recipe = project.update({"curate": {"off_topic": None}, "sources": ["commons"]})
    assert (recipe.curate.min_side, recipe.curate.off_topic) == (64, None)
    assert [source.name for source in recipe.sources] == ["commons"]


def test_other_data_under_the_same_name_is_refused(settings: Settings, tmp_path: Path) -> None:
    make(settings, classes=["apple", "pear"])
    with pytest.raises(InputError, match="holds other data"):
        make(settings, data=str(tmp_path))


def test_a_picture_goes_only_to_a_class_that_there_is(settings: Settings) -> None:
    project = make(settings, classes=["apple", "pear"])
    picture = NewPicture(label="apple", source="urls", file_url="https://example.org/1.jpg")
    catalog = project.context().catalog
    catalog.add([picture])
    id = catalog.id_of(picture)
    with pytest.raises(InputError, match="'paer'") as caught:
        project.relabel(id, "paer")
    assert "pear" in caught.value.do and project.pictures()[0].label == "apple"
    project.relabel(id, "pear")
    assert project.pictures()[0].label == "pear"
    with pytest.raises(NotFoundError):
        project.relabel("0" * 16, "apple")


def test_classes_of_given_data_are_those_of_its_pictures(
    settings: Settings, tmp_path: Path
) -> None:
    project = make(settings, data=str(tmp_path))
    rows = [NewPicture(label=label, source="folder", key=label) for label in ("cat", "dog")]
    catalog = project.context().catalog
    catalog.add(rows)
    project.relabel(catalog.id_of(rows[0]), "dog")
    with pytest.raises(InputError, match="'bird'"):
        project.relabel(catalog.id_of(rows[1]), "bird")


def test_the_bundle_is_copied_whole_or_not_at_all(tmp_path: Path) -> None:
    bundle = tmp_path / "fruit-1.zip"
    bundle.write_bytes(b"x" * 1000)
    (tmp_path / "out").mkdir()
    assert copy_bundle(bundle, tmp_path / "out") == tmp_path / "out" / "fruit-1.zip"
    assert (tmp_path / "out" / "fruit-1.zip").read_bytes() == bundle.read_bytes()
    assert copy_bundle(bundle, bundle) == bundle  # onto itself: it is there already
    assert bundle.stat().st_size == 1000
    with pytest.raises(StorageError, match="gone"):
        copy_bundle(bundle, tmp_path / "gone" / "a.zip")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fruit-1.zip"]


def test_no_connection_is_left_open(settings: Settings) -> None:
    """Listing, and running a step, close what they opened; a project does so when it is closed."""
    with make(settings, classes=["apple", "pear"]) as project:
        Project.names(settings)
        with pytest.raises(Exception, match="No picture is kept"):
            project.split()
        assert project.pictures() == []
    gc.collect()
    here = Path("/proc/self/fd")
    if here.is_dir():
        links = [str(path.readlink()) for path in here.iterdir() if path.is_symlink()]
        assert not [link for link in links if str(settings.home) in link]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert project.pictures() == []  # closing lets go; it does not forbid
    project.close()
