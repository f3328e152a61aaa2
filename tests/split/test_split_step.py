"""The step split on drawn pictures, as it really runs."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tellapart.demo.drawing import WORDS, draw, write_folder
from tellapart.errors import DataError, InputError

A, B, C = WORDS[:3]


def rows(project) -> dict[str, object]:
    return {row.path.split("/data/")[1]: row for row in project.pictures()}


def split_of(project) -> dict[str, str]:
    return {name: row.split for name, row in rows(project).items()}


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", (A, B), 20)


def run(project) -> dict:
    project.curate()
    return project.split()


def test_every_kept_picture_has_a_split_and_no_group_crosses(drawn: Path, project):
    draw(A, 500).save(drawn / A / "x.png")
    draw(A, 500).resize((150, 110)).save(drawn / A / "y.jpg")  # set aside: has no split
    made = project(drawn)
    result = run(made)
    found = rows(made)
    assert {name for name, row in found.items() if not row.split} == {f"{A}/y.jpg"}
    groups = defaultdict(set)
    for row in found.values():
        if row.split:
            groups[row.group].add(row.split)
    assert all(len(splits) == 1 for splits in groups.values())
    assert result["groups"] == len(groups)
    counted = Counter(row.split for row in found.values() if row.split)
    assert {split: n for split, n in result["splits"].items() if n} == dict(counted)
    assert sum(result["splits"].values()) == 41 and result["splits"]["aside"] == 0
    assert result["splits"]["test"] == 8 and result["classes"][B] == {
        "train": 14,
        "validation": 2,
        "test": 4,
        "aside": 0,
    }
    assert made.split() == result


def test_added_pictures_leave_the_test_alone_and_its_twins_are_set_aside(drawn: Path, project):
    made = project(drawn)
    run(made)
    before = split_of(made)
    held = next(name for name, split in before.items() if split == "test" and name.startswith(A))
    learned = next(n for n, split in before.items() if split == "train" and n.startswith(A))
    seeds = {f"{A}/{A}-{i:03d}.jpg": i for i in range(20)}
    # Larger and better copies: they must not push the test picture out.
    draw(A, seeds[held], (640, 480)).save(drawn / A / "better-test.png")
    draw(A, seeds[learned], (640, 480)).save(drawn / A / "better-train.png")
    for i in range(30, 40):
        draw(B, i).save(drawn / B / f"new-{i}.jpg")
    made.collect()
    run(made)
    after = split_of(made)
    tests = {name for name, split in before.items() if split == "test"}
    assert tests <= {name for name, split in after.items() if split == "test"}
    assert after[f"{A}/better-test.png"] in ("", "aside")
    assert {n: s for n, s in after.items() if n in before and n != learned} == {
        n: s for n, s in before.items() if n != learned
    }
    assert after[f"{A}/better-train.png"] in ("", "train")


def test_a_kept_twin_of_a_test_picture_is_aside(drawn: Path, project):
    made = project(drawn)
    run(made)
    held = next(n for n, s in split_of(made).items() if s == "test" and n.startswith(A))
    shutil.copy(drawn / held, drawn / A / "zz-twin.jpg")
    made.collect()
    made.curate()
    twin = rows(made)[f"{A}/zz-twin.jpg"]
    assert twin.verdict == "exact_duplicate"
    made.overrule(twin.id, True)
    result = run(made)
    twin = rows(made)[f"{A}/zz-twin.jpg"]
    assert (twin.split, twin.group) == ("aside", rows(made)[held].group)
    assert result["splits"]["aside"] == 1 and result["aside"] == {"linked to test": 1}
    assert any("1 new pictures are set aside" in note for note in result["notes"])


def test_a_dropped_picture_moves_nobody_and_comes_back_to_its_place(drawn: Path, project):
    made = project(drawn)
    first = run(made)
    before = split_of(made)
    name, row = next((n, r) for n, r in rows(made).items() if r.split == "test")
    made.overrule(row.id, False)
    second = run(made)
    assert second["splits"]["test"] == first["splits"]["test"] - 1
    assert name not in {
        Path(r.path).parent.name + "/" + Path(r.path).name
        for r in made.pictures(kept=True, split="test")
    }
    made.overrule(row.id, None)
    assert run(made)["splits"] == first["splits"]
    assert split_of(made) == before
    made.overrule(row.id, False)
    made.update({"seed": 3})  # dealt anew: what is not kept has no place
    run(made)
    assert split_of(made)[name] == ""


def test_another_seed_deals_anew_and_says_so(drawn: Path, project):
    made = project(drawn)
    first = run(made)
    before = split_of(made)
    made.update({"seed": 7})
    second = run(made)
    assert split_of(made) != before
    assert any("anew" in note for note in second["notes"])
    assert second["splits"] == first["splits"]
    made.update({"seed": 0})
    run(made)
    assert split_of(made) == before


def test_the_same_pictures_elsewhere_are_dealt_alike(drawn: Path, project, tmp_path: Path):
    made = project(drawn)
    run(made)
    before = split_of(made)
    made.delete()
    moved = project(shutil.copytree(drawn, tmp_path / "b" / "data"))
    run(moved)
    assert split_of(moved) == before


def table(folder: Path, columns: str, lines: list[str]) -> Path:
    path = folder / "pictures.csv"
    path.write_text("\n".join([columns, *lines]) + "\n")
    return path


def test_pictures_of_one_page_and_of_one_group_stay_together(drawn: Path, project):
    lines = []
    for word in (A, B):
        for i in range(20):
            page = f"https://pages.test/{word}/{i // 2}" if i < 6 else ""
            group = f"g{i // 5}" if i >= 10 else ""
            lines.append(
                f"{word}/{word}-{i:03d}.jpg,{word},{page},{word}{group}"
                if group
                else f"{word}/{word}-{i:03d}.jpg,{word},{page},"
            )
    made = project(table(drawn, "path,label,page_url,group", lines))
    result = run(made)
    together = defaultdict(set)
    for row in made.pictures():
        if row.split:
            together[row.page_url or row.id].add(row.split)
            together[row.group_hint or row.id].add(row.split)
    assert all(len(splits) == 1 for splits in together.values())
    assert len(together) > 20
    assert result["largest_group"] >= 5


def test_the_data_sets_own_page_is_not_a_group(drawn: Path, project):
    lines = [f"{w}/{w}-{i:03d}.jpg,{w},https://data.test/set" for w in (A, B) for i in range(20)]
    made = project(table(drawn, "path,label,page_url", lines))
    result = run(made)
    assert result["splits"]["test"] == 8
    assert any("https://data.test/set" in note for note in result["notes"])


def test_a_class_in_one_group_is_said_not_lost(drawn: Path, project):
    write_folder(drawn, (C,), 10)
    lines = [f"{w}/{w}-{i:03d}.jpg,{w}," for w in (A, B) for i in range(20)]
    lines += [f"{C}/{C}-{i:03d}.jpg,{C},film" for i in range(10)]
    result = run(project(table(drawn, "path,label,group", lines)))
    assert result["classes"][C]["test"] == 0 and result["classes"][C]["train"] > 0
    assert any(f"'{C}' lies in one group" in note for note in result["notes"])


def test_nothing_to_test_on_is_an_error_and_nothing_is_lost(drawn: Path, project):
    lines = [f"{w}/{w}-{i:03d}.jpg,{w},{w}" for w in (A, B) for i in range(20)]
    made = project(table(drawn, "path,label,group", lines))
    made.curate()
    with pytest.raises(DataError) as caught:
        made.split()
    assert "nothing to test on" in caught.value.what and f"'{A}'" in caught.value.what
    assert caught.value.do
    assert {row.split for row in made.pictures() if row.kept} == {"train"}


def test_a_class_of_one_picture_is_an_error_and_nothing_is_lost(drawn: Path, project):
    write_folder(drawn, (C,), 1)
    made = project(drawn)
    made.curate()
    with pytest.raises(DataError) as caught:
        made.split()
    assert f"Of class '{C}' only one picture is kept" in caught.value.what
    assert "two pictures" in caught.value.expected and "--keep" in caught.value.do
    assert caught.value.exit_code == 4
    assert {row.split for row in made.pictures()} == {""}
    assert sum(bool(row.kept) for row in made.pictures()) == 41
    for i in range(30, 40):  # the same project goes on when more are there
        draw(C, i).save(drawn / C / f"{i}.png")
    made.collect()
    assert run(made)["classes"][C]["test"] > 0


@pytest.mark.parametrize("n", [2, 3])
def test_classes_of_two_and_three_pictures_are_trained_and_tested(drawn: Path, project, n: int):
    write_folder(drawn, (C,), n)
    made = project(drawn)
    places = run(made)["classes"][C]
    assert places["train"] >= 1 and places["test"] >= 1
    notes = made.train()["notes"]
    assert any(f"Class '{C}' has" in note and "to learn from" in note for note in notes)
    found = made.evaluate()["metrics"]
    assert found["n"] == sum(row.split == "test" for row in made.pictures())


def test_an_official_split_is_kept_and_its_twins_leave_train(tmp_path: Path, project):
    data = tmp_path / "data"
    write_folder(data / "train", (A, B), 16, seed=1)
    write_folder(data / "test", (A, B), 6, seed=2)
    draw(A, 2 * 1_000_003, (640, 480)).save(data / "train" / A / "twin.png")  # of test -000
    made = project(data)
    result = run(made)
    found = rows(made)
    assert result["official"] is True
    assert {r.split for n, r in found.items() if n.startswith("test/") and r.kept} == {"test"}
    assert result["splits"]["test"] == 12
    assert found[f"train/{A}/twin.png"].split in ("", "aside")
    assert result["splits"]["validation"] > 0
    assert any("no validation" in note for note in result["notes"])
    made.update({"split": {"official": False}})
    assert run(made)["official"] is False


def test_without_verdicts_it_says_what_to_do_first(drawn: Path, project):
    with pytest.raises(DataError, match="No picture is kept") as caught:
        project(drawn).split()
    assert "curate" in caught.value.do


def test_a_named_column_holds_pictures_together(drawn: Path, project):
    lines = [f"{w}/{w}-{i:03d}.jpg,{w},{w}{i // 4}" for w in (A, B) for i in range(20)]
    listed = table(drawn, "path,label,Shot By", lines)
    made = project(listed, split={"group_by": "shot-by"})
    run(made)
    together = defaultdict(set)
    for row in made.pictures(kept=True):
        together[row.group_hint].add(row.split)
    assert len(together) == 10
    assert all(len(splits) == 1 for splits in together.values())


def test_grouping_may_be_asked_for_later(drawn: Path, project):
    lines = [f"{w}/{w}-{i:03d}.jpg,{w},{w}{i // 4}" for w in (A, B) for i in range(20)]
    made = project(table(drawn, "path,label,profile", lines))
    assert run(made)["largest_group"] < 4
    made.update({"split": {"group_by": "profile"}})
    made.collect()
    result = run(made)
    assert result["largest_group"] >= 4 and any("anew" in note for note in result["notes"])


def test_a_column_that_is_not_there_is_told_with_the_nearest(drawn: Path, project):
    lines = [f"{w}/{w}-{i:03d}.jpg,{w},x" for w in (A, B) for i in range(3)]
    with pytest.raises(InputError, match="Did you mean 'profile'") as caught:
        project(table(drawn, "path,label,profile", lines), split={"group_by": "profil"})
    assert "label" in caught.value.expected
