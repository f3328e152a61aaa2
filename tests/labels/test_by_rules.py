"""Classes from folders and from what an older catalog says, through collect."""

from __future__ import annotations

from pathlib import Path

import pytest

from tellapart import Project
from tellapart.errors import NotFoundError
from tellapart.recipe import check
from tellapart.settings import Settings
from tests.labels.conftest import Old

RULES = {
    "buckets": {"insta/ok": "YES", "insta/no": "NO", "tinder/dudes": "NO"},
    "disqualified": "NO",
    "face": True,
    "max_people": 2,
    "fail_on_male": True,
    "min_age": 20,
    "max_age": 40,
}
#: Name → class, or why it gets none.
EXPECTED = {
    "insta/ok/fine.jpg": "YES",
    "insta/ok/two.jpg": "YES",
    "insta/ok/crowd.jpg": "NO",
    "insta/ok/man.jpg": "NO",
    "insta/ok/old.jpg": "NO",
    "insta/ok/edge.jpg": "doubt_age",
    "insta/ok/nobody.jpg": "NO",
    "insta/ok/broken.jpg": "not_a_picture",
    "insta/no/fine.jpg": "NO",
    "insta/no/unseen.jpg": "NO",
    "tinder/dudes/a.PNG": "NO",
    "elsewhere/a.jpg": "no_bucket",
    "insta/ok/gone.jpg": "no_such_file",
}


def made(settings: Settings, data: Path, rules: dict[str, object]) -> Project:
    recipe = check({"name": "taste", "data": str(data), "rules": rules})
    project = Project.create(recipe, settings)
    project.collect()
    return project


def labels(project: Project, folder: Path) -> dict[str, str]:
    return {
        Path(row.path).relative_to(folder).as_posix(): row.label or row.reason
        for row in project.pictures()
        if row.path
    }


def test_an_older_catalog_gives_classes_in_the_stated_order(settings: Settings, old: Old) -> None:
    (old.folder / "insta/ok/unseen.jpg").unlink()  # else somebody has to look at it
    with made(settings, old.file, {**RULES, "age_error": 2}) as project:
        found = labels(project, old.folder)
        assert found.pop("insta/ok/unseen.jpg") == "no_such_file"
        assert found.pop("insta/ok/broken.jpg") in {"not_a_picture", "damaged", "unreadable"}
        assert found == {k: v for k, v in EXPECTED.items() if "broken" not in k}
        # An age at its word: 41 is more than 40.
        project.update({"rules": {**RULES, "age_error": 0}})
        project.collect()
        assert labels(project, old.folder)["insta/ok/edge.jpg"] == "NO"


def test_a_class_that_a_person_gave_stays(settings: Settings, old: Old) -> None:
    (old.folder / "insta/ok/unseen.jpg").unlink()
    with made(settings, old.file, RULES) as project:
        row = next(row for row in project.pictures() if row.path.endswith("ok/man.jpg"))
        assert row.label == "NO"
        project.relabel(row.id, "YES")
        project.collect()
        assert labels(project, old.folder)["insta/ok/man.jpg"] == "YES"


def test_folders_alone_need_nobody_to_look(settings: Settings, old: Old) -> None:
    rules = {"buckets": RULES["buckets"], "otherwise": "NO"}
    with made(settings, old.folder, rules) as project:
        found = labels(project, old.folder)
        assert found["insta/ok/unseen.jpg"] == "YES"
        assert found["elsewhere/a.jpg"] == "NO"
        assert found["tinder/dudes/a.PNG"] == "NO"
        ids = {row.path: row.id for row in project.pictures()}
        project.update({"rules": {**rules, "otherwise": None}})
        project.collect()
        assert labels(project, old.folder)["elsewhere/a.jpg"] == "no_bucket"
        assert {row.path: row.id for row in project.pictures()} == ids  # verdicts by hand hold


def test_rules_on_faces_say_what_they_lack(settings: Settings, old: Old) -> None:
    with pytest.raises(NotFoundError, match=r"face|model"):
        made(settings, old.folder, RULES)
