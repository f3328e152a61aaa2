"""What an account's recipes and lists may read of the server: its own uploads alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tellapart.demo.drawing import write_folder
from tellapart.errors import InputError
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.runtime import Request, Runs
from tellapart.runtime.walking import Job
from tellapart.settings import Settings
from tellapart.store.database import open_database


def test_changes_of_a_recipe_are_read_from_the_accounts_uploads(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may run in any folder, also in its home, where everybody's uploads lie."""
    theirs = settings.home / "accounts" / "u_eve" / "uploads" / "up_x" / "data"
    write_folder(theirs, ["apple", "boat"], 2)
    monkeypatch.chdir(settings.home)
    ada = replace(settings, owner="u_ada")
    Project.create(check({"name": "mine", "classes": ["apple", "boat"]}), ada).close()
    engine = open_database(settings)
    runs = Runs(engine, settings)

    def begin(recipe: dict[str, object], kind: str) -> Path | None:
        asked = Request(recipe=recipe, owner="u_ada", kind=kind, project="mine")  # type: ignore[arg-type]
        job = Job(engine, settings, runs.submit(asked), "worker", lambda: None)
        try:
            job.take("begin")
        finally:
            job.close()
        with Project.open("mine", ada) as project:
            return project.recipe.data

    try:
        assert begin({"data": "accounts", "classes": "auto"}, "retrain") == (
            ada.owner_dir / "uploads" / "accounts"
        )
        for outside in (str(settings.home / "accounts"), "../../u_eve/uploads/up_x/data"):
            with pytest.raises(InputError, match="names files of the server"):
                begin({"data": outside}, "retrain")
        with pytest.raises(InputError, match="names files of the server"):
            begin({"name": "made", "data": str(theirs)}, "make")
        robots = {"name": "made", "classes": ["a", "b"], "ignore_robots": ["www.example.org"]}
        with pytest.raises(InputError, match=r"robots\.txt"):
            begin(robots, "make")
        sources = [{"folder": {"path": "accounts/u_eve/x:///data"}}]
        with pytest.raises(InputError, match="names files of the server"):
            begin({"name": "made", "classes": ["a", "b"], "sources": sources}, "make")
    finally:
        engine.dispose()


def test_a_list_in_an_upload_leads_nowhere_else(settings: Settings, tmp_path: Path) -> None:
    """Also one that was not looked at when it came: deep in a zip, named by its path."""
    ada = replace(settings, owner="u_ada")
    deep = ada.owner_dir / "uploads" / "up_y" / "data" / "deep"
    write_folder(deep, ["apple", "boat"], 2)
    write_folder(tmp_path / "secret", ["apple"], 2)
    [secret, *_] = sorted((tmp_path / "secret").rglob("*.*"))
    own = [(one, one.parent.name) for one in sorted(deep.rglob("*.*"))]
    rows = [f"{path},{label}" for path, label in [*own, (secret, "apple")]]
    (deep / "list.csv").write_text("\n".join(["path,label", *rows]))
    sources = [{"urls": {"file": str(deep / "list.csv")}}]
    for name, recipe in (
        ("listed", {"data": str(deep / "list.csv")}),
        ("searched", {"classes": ["apple", "boat"], "sources": sources, "per_class": 5}),
    ):
        with Project.create(check({"name": name, **recipe}), ada) as project:
            project.run("collect", spawn=False)
            found = project.pictures()
        assert {row.path for row in found if row.status == "ok"} == {str(path) for path, _ in own}
        assert str(secret) not in {row.path for row in found}
