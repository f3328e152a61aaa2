"""Looking after projects: list, show, path, clean, overruling, on a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tellapart
from tellapart import Project, Settings
from tellapart.catalog import NewPicture, Outcome, Verdict
from tellapart.cli import main
from tellapart.recipe import check
from tellapart.store.files import FileStore


def ask(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


def ask_json(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    code, out, err = ask(capsys, *argv, "--json")
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def fill(settings: Settings, name: str, *, shared: bool = False) -> Project:
    """A project with one kept, one dropped and one failed picture."""
    project = Project.create(check({"name": name, "classes": ["apple", "pear"]}), settings)
    catalog = project.context().catalog
    rows = [
        NewPicture(
            label=label, source="openverse", file_url=f"https://x.example/{n}", rank=n, license="by"
        )
        for n, label in enumerate(["apple", "apple", "pear"])
    ]
    catalog.add(rows)
    ids = [catalog.id_of(row) for row in rows]
    store = FileStore(settings.files_dir)
    first = store.put(b"the same" if shared else f"{name} one".encode())
    second = store.put(f"{name} two".encode())
    catalog.record(
        [
            Outcome(id=ids[0], status="ok", sha256=first, bytes=3, width=10, height=10),
            Outcome(id=ids[1], status="ok", sha256=second, bytes=3, width=10, height=10),
            Outcome(id=ids[2], status="refused", reason="robots"),
        ]
    )
    catalog.save_verdicts(
        [Verdict(id=ids[0], kept=True), Verdict(id=ids[1], kept=False, reason="too_small")]
    )
    return project


def test_an_empty_home_is_no_error_and_stays_empty(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask_json(capsys, "list") == {"projects": []}
    code, out, _ = ask(capsys, "list")
    assert code == 0 and "tellapart make" in out
    assert ask(capsys, "path") == (0, f"{home}\n", "")
    assert not home.exists()


def test_projects_are_listed_and_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(settings, "fruit")
    fill(settings, "another")
    found = ask_json(capsys, "list")["projects"]
    assert [item["name"] for item in found] == ["another", "fruit"]
    assert (found[0]["found"], found[0]["kept"], found[0]["version"]) == (2, 1, None)
    shown = ask_json(capsys, "show", "fruit")
    assert shown["pictures"]["set_aside"] == 1
    assert shown["recipe"]["name"] == "fruit"
    text = ask(capsys, "show", "fruit")[1]
    assert "2 found, 1 kept, 1 set aside (too_small 1)" in text
    assert "refused: robots 1" in text
    places = ask_json(capsys, "path", "fruit")
    assert places["path"] == str(settings.projects_dir / "fruit")
    assert places["database"] == str(settings.database_path)


def test_every_picture_is_told_with_its_fate(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(settings, "fruit")
    rows = ask_json(capsys, "show", "fruit", "--pictures")
    told = [(row["class"], row["kept"], row["reason"], row["status"]) for row in rows]
    assert told == [
        ("apple", True, "", "ok"),
        ("apple", False, "too_small", "ok"),
        ("pear", False, "robots", "refused"),
    ]
    assert Path(rows[0]["path"]).read_bytes() == b"fruit one"
    assert rows[2]["path"] == "" and rows[2]["file_url"] == "https://x.example/2"
    assert {"id", "sha256", "source", "license", "split"} <= set(rows[0])
    text = ask(capsys, "show", "fruit", "--pictures")[1].splitlines()
    assert len(text) == 4
    assert rows[1]["id"] in text[2] and "too_small" in text[2]


def test_an_unknown_project_is_not_found(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(settings, "fruit")
    for verb in ("show", "collect", "curate", "split", "evaluate", "compile", "package", "clean"):
        code, out, err = ask(capsys, verb, "fruits")
        assert code == 3 and out == "" and "'fruits'" in err, verb
    code, _, err = ask(capsys, "train", "friut")
    assert code == 3 and "Did you mean the project 'fruit'?" in err
    code, _, err = ask(capsys, "predict", "fruti", "a.jpg")
    assert code == 3 and "'fruit'" in err
    code, _, err = ask(capsys, "verify", "fruit")
    assert code == 3 and "tellapart package fruit" in err


def test_relabelling_by_the_beginning_of_an_id(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    project = fill(settings, "fruit")
    picture = project.pictures(label="apple")[0].id
    assert ask_json(capsys, "relabel", "fruit", picture[:10], "pear") == {
        "name": "fruit",
        "id": picture,
        "class": "pear",
    }
    assert [row.label for row in project.pictures() if row.id == picture] == ["pear"]
    for wrong in ("zzzz", ""):
        code, _, err = ask(capsys, "relabel", "fruit", wrong, "pear")
        assert code == 3 and "--pictures" in err


def test_curate_changes_nothing_where_one_id_is_wrong(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    project = fill(settings, "fruit")
    good = project.pictures()[1].id
    code, _, _ = ask(capsys, "curate", "fruit", "--keep", good, "--drop", "nope", "--min-side", "9")
    assert code == 3
    assert [row.overruled for row in project.pictures()] == [None, None, None]
    assert project.recipe.curate.min_side == 32


def test_a_wrong_threshold_is_a_recipe_error_and_not_stored(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    project = fill(settings, "fruit")
    code, out, _ = ask(
        capsys, "curate", "fruit", "--min-side", "many", "--off-topic", "7", "--json"
    )
    paths = [problem["path"] for problem in json.loads(out)["error"]["problems"]]
    assert code == 2 and paths == ["curate.min_side", "curate.off_topic"]
    assert project.recipe.curate.min_side == 32


def test_cleaning_one_project_keeps_what_others_need(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(settings, "fruit", shared=True)
    fill(settings, "other", shared=True)
    store = FileStore(settings.files_dir)
    assert len(list(store)) == 3
    code, _, err = ask(capsys, "clean", "fruit")
    assert code == 2 and "--yes" in err
    assert Project.names(settings) == ["fruit", "other"]
    ask_json(capsys, "clean", "fruit", "--yes")
    assert Project.names(settings) == ["other"]
    assert not (settings.projects_dir / "fruit").exists()
    kept = {row.sha256 for row in Project.open("other", settings).pictures() if row.sha256}
    assert set(store) == kept


def test_cleaning_leaves_strangers_files_alone(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(settings, "fruit")
    settings.cache_dir.mkdir()
    (settings.cache_dir / "features").write_bytes(b"x")
    (settings.home / "mine.txt").write_text("not tellapart's")
    assert ask_json(capsys, "clean")["removed"] == [str(settings.cache_dir)]
    assert Project.names(settings) == ["fruit"]
    assert ask(capsys, "clean", "--cache")[1] == "nothing to remove\n"
    ask_json(capsys, "clean", "--all", "--yes")
    assert [path.name for path in settings.home.iterdir()] == ["mine.txt"]
    assert tellapart.Project.names(settings) == []


def test_a_project_at_work_is_not_cleaned(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    from tellapart.store.lock import project_lock

    project = fill(settings, "fruit")
    with project_lock(project.folder):
        code, _, err = ask(capsys, "clean", "--all", "--yes")
    assert code == 10 and "'fruit'" in err
    assert settings.database_path.exists()
    assert len(project.pictures()) == 3


def test_the_doctor_finds_what_is_wrong(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = ask_json(capsys, "doctor")
    by_name = {check["name"]: check for check in report["checks"]}
    assert report["ok"] is True
    assert {"python", "tellapart", "packages", "home", "disk", "database"} <= set(by_name)
    assert "agree within" in by_name["engines"]["what"]
    assert "numpy" in by_name["packages"]["what"]
    assert "decks" not in by_name

    from tellapart.learn import engine

    monkeypatch.setattr(engine, "_has_bf16", lambda: False)
    monkeypatch.setenv("TELLAPART_SIGHT_PRECISION", "bf16")
    found = {check["name"]: check for check in ask_json(capsys, "doctor")["checks"]}["decks"]
    assert found["ok"] is None and found["what"].startswith("look in fp32: ")
    monkeypatch.setenv("TELLAPART_SIGHT_PRECISION", "fp16")
    code, _, err = ask(capsys, "doctor")
    assert code != 0 and "TELLAPART_SIGHT_PRECISION" in err
    monkeypatch.delenv("TELLAPART_SIGHT_PRECISION")

    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("TELLAPART_HOME", str(blocked / "home"))
    code, out, _ = ask(capsys, "doctor")
    assert code == 1
    assert "✗ home" in out and "TELLAPART_HOME" in out


def test_the_doctor_survives_a_damaged_database(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.home.mkdir(parents=True)
    settings.database_path.write_bytes(b"no database" * 500)
    code, out, _ = ask(capsys, "doctor")
    assert code == 1
    assert "✗ database" in out
