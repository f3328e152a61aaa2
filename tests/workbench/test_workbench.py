"""The workbench on a real project of drawn pictures: what it sees, does and takes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tellapart
from tellapart import recipe
from tellapart.errors import DataError, InputError, NotFoundError, RecipeError
from tellapart.learn.workbench.shapes import Cluster
from tellapart.project import Project
from tests.workbench.conftest import CARDS, EACH


def cards(project: Project) -> Cluster:
    """The cluster of text cards."""
    (apples,) = project.workbench.clusters("apple")
    return next(part for part in apples.clusters if part.name.startswith("logo"))


def test_a_planted_cluster_is_found_named_and_dropped(planted: Project) -> None:
    found = planted.workbench.clusters()
    assert [one.label for one in found] == ["apple", "banana", "cup"]
    part = cards(planted)
    rows = {row.id: row for row in planted.pictures()}
    assert part.size == CARDS and part.suspect
    assert all("logo" in rows[id].path for id in part.ids)
    assert part.sentence == f"41 % of apple ({CARDS} of {EACH + CARDS}): logo"
    assert part.better.exclude == ("logo",) and "apple" in part.better.query
    done = planted.workbench.act("drop", cluster=part.key)
    assert done.changed == CARDS and done.act.note == part.sentence
    assert done.better == part.better
    # The key is made of the pictures alone: it still names them.
    assert cards(planted) == replace(part, kept=0, set_aside=CARDS)
    planted.curate()
    assert planted.counts()["classes"]["apple"]["kept"] == EACH
    assert planted.workbench.undo(done.act.number).changed == CARDS
    planted.curate()
    assert cards(planted) == part


def test_copies_name_the_best(planted: Project) -> None:
    (group,) = (one for one in planted.workbench.copies() if one.label == "banana")
    assert len(group.pictures) == 2
    best, other = group.pictures
    assert (best.width, other.width) == (320, 200)
    assert group.best == group.stays == best.id and "largest (320 × 240)" in group.why
    done = planted.workbench.act("keep", copies=group.key)
    words = {row.id: row.overruled for row in planted.pictures()}
    assert (words[best.id], words[other.id]) == (True, False)
    planted.workbench.undo(done.act.number)
    words = {row.id: row.overruled for row in planted.pictures()}
    assert (words[best.id], words[other.id]) == (None, None)


def test_a_planted_border_gives_its_class_away(planted: Project) -> None:
    found = planted.workbench.shortcuts()
    assert found.tried >= 9
    borders = [one for one in found.shortcuts if one.label == "cup"]
    assert [one.cue for one in borders] in (["border"], ["background"])
    assert borders[0].sentence.startswith(f"{EACH} of {EACH} pictures of 'cup'")
    assert borders[0].low > 0.75 and borders[0].p < 0.01
    assert len(borders[0].typical) == 12 and borders[0].do
    assert planted.workbench.shortcuts() == found


def test_slices_and_doubts(planted: Project) -> None:
    told = planted.workbench.slices()
    kept = planted.counts()["kept"]
    assert told.n == kept and told.low <= told.accuracy <= told.high
    for one in told.slices:
        assert one.n == sum(one.classes.values()) and one.low <= one.accuracy <= one.high
    doubts = planted.workbench.doubtful()
    assert doubts.asked >= kept and doubts.doubtful == len(doubts.items)
    assert [one.quality for one in doubts.items] == sorted(one.quality for one in doubts.items)
    with pytest.raises(NotFoundError):
        planted.workbench.slices("test")
    with pytest.raises(NotFoundError):
        planted.workbench.doubtful("plum")


def test_a_difference_is_shown_and_nothing_changed(planted: Project) -> None:
    before = planted.counts()
    found = planted.workbench.diff({"min_side": 200})
    assert found.settings == {"min_side": [32, 200]}
    small = next(one for one in found.moves if one.after == "too_small")
    assert (small.label, small.before, small.n) == ("banana", "near_duplicate", 1)
    assert (found.lost, found.gained, found.renamed) == (0, 0, 1)
    assert found.kept_before == found.kept_after == before["kept"]
    blind = planted.workbench.diff({"near_duplicate_bits": 0, "near_duplicate_cosine": 1})
    assert blind.gained >= 1 and blind.classes["banana"] == [EACH, EACH + 1]
    back = planted.workbench.diff({}, before={"near_duplicate_bits": 0, "near_duplicate_cosine": 1})
    assert back.lost == blind.gained
    assert planted.counts() == before and planted.recipe.curate.min_side == 32
    with pytest.raises(RecipeError, match="no threshold"):
        planted.workbench.diff({"min_sid": 3})
    with pytest.raises(RecipeError):
        planted.workbench.diff({"off_topic": 7})


def test_thresholds_are_acts_too(planted: Project) -> None:
    done = planted.workbench.act("settings", settings={"off_topic": 0.5})
    assert done.act.settings == {"off_topic": [0.65, 0.5]}
    assert planted.recipe.curate.off_topic == 0.5
    again = planted.workbench.act("settings", settings={"off_topic": 0.5})
    assert again.act.number == 0
    planted.workbench.undo()
    assert planted.recipe.curate.off_topic == 0.65
    with pytest.raises(RecipeError):
        planted.workbench.act("settings", settings={"off_topic": 7})


def test_acts_say_what_they_cannot_do(planted: Project) -> None:
    some = planted.pictures()[0].id
    for values in ({}, {"ids": [some], "cluster": "x"}):
        with pytest.raises(InputError):
            planted.workbench.act("drop", **values)  # type: ignore[arg-type]
    for values in ({"ids": ["0" * 16]}, {"cluster": "0" * 12}, {"copies": "0" * 12}):
        with pytest.raises(NotFoundError):
            planted.workbench.act("drop", **values)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no class"):
        planted.workbench.act("relabel", [some], label="aple")
    with pytest.raises(NotFoundError, match="no act 99"):
        planted.workbench.undo(99)


def test_what_is_no_curated_set_of_pictures_is_refused(planted: Project) -> None:
    new = recipe.check({"name": "new", "data": str(planted.recipe.data)})
    table = recipe.check({"name": "table", "data": "iris"})
    for asked in (new, table):
        with Project.create(asked, planted.settings) as project:
            for look in (project.workbench.clusters, project.workbench.copies):
                with pytest.raises(DataError):
                    look()
            with pytest.raises(DataError):
                project.workbench.diff({"min_side": 200})


def test_without_features_files_and_borders_are_looked_at(planted: Project) -> None:
    asked = recipe.check(
        {"name": "plain", "data": str(planted.recipe.data), "curate": {"features": False}}
    )
    with Project.create(asked, planted.settings) as project:
        project.collect()
        project.curate()
        assert [one.label for one in project.workbench.shortcuts().shortcuts] == ["cup"]
        assert any(one.label == "banana" for one in project.workbench.copies())
        assert project.workbench.diff({"min_side": 200}).moves
        for look in ("clusters", "doubtful", "slices"):
            with pytest.raises(DataError, match="without features"):
                getattr(project.workbench, look)()


def test_the_command_line_says_the_same(
    planted: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tellapart.cli.entry import main

    monkeypatch.setenv("TELLAPART_HOME", str(planted.settings.home))

    def said(*words: str) -> str:
        assert main(["curate", *words]) == 0
        return capsys.readouterr().out

    part = cards(planted)
    text = said("clusters", "planted")
    assert f" ! {part.key}  {part.sentence}" in text and "cup (20)" in text
    assert "largest (320 × 240)" in said("copies", "planted")
    assert "are doubtful" in said("doubtful", "planted", "--limit", "3")
    assert "all: " in said("slices", "planted")
    assert "pictures of 'cup' are told by" in said("shortcuts", "planted")
    assert "min_side: 32 → 200" in said("diff", "planted", "min_side=200")
    text = said("drop", "planted", "--cluster", part.key)
    assert f"changed: {CARDS}" in text and "without logo" in text
    assert part.sentence in said("acts", "planted")
    assert "undone" in said("undo", "planted")
    assert "done again" in said("redo", "planted")
    said("undo", "planted")
    assert "set off_topic 0.65 → 0.5" in said("set", "planted", "off_topic=0.5")
    said("undo", "planted")
    # The step itself, with and without its name.
    assert "pictures: " in said("planted")
    assert "pictures: " in said("run", "planted")
    assert main(["curate", "drop", "planted", "--cluster", "nothing"]) == 3
    assert "no cluster" in capsys.readouterr().err
    assert tellapart.Project.open("planted", planted.settings).recipe.curate.off_topic == 0.65
