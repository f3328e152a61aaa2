"""A list is compared with the ledger by columns: what is as it was costs a look at its file."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tellapart.catalog import NewPicture, picture_digests, picture_id
from tellapart.doors import Batch
from tellapart.errors import InputError
from tellapart.plugins.formats import imagefolder
from tellapart.plugins.formats.places import Places, natural
from tellapart.steps import collect, fingerprint
from tellapart.steps.collect import local, outcome, scanning
from tellapart.steps.sweeping import sweeping

from .test_plain_steps import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in ("apple", "birch"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(4):
            picture(number).save(tmp_path / "data" / label / f"{number}.jpg")
    return tmp_path / "data"


def test_rows_are_made_of_what_is_new_or_has_changed_alone(
    folder: Path, project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project(folder)
    made.collect()
    before = {row.id: row for row in made.pictures()}
    rows: list[str] = []
    of = local.new_picture

    def counted(hit, *more) -> NewPicture:
        rows.append(hit.path.name)
        return of(hit, *more)

    monkeypatch.setattr(local, "new_picture", counted)
    made.collect()
    assert not rows and {row.id: row for row in made.pictures()} == before
    picture(50).save(folder / "apple" / "new.jpg")
    picture(51, 80).save(folder / "birch" / "2.jpg")
    (folder / "birch" / "3.jpg").unlink()
    made.collect()
    assert sorted(rows) == ["2.jpg", "new.jpg"]
    now = {Path(row.path).parent.name + "/" + Path(row.path).name: row for row in made.pictures()}
    assert now["birch/3.jpg"].status == "missing" and now["birch/2.jpg"].width == 80
    assert len(now) == 9


@pytest.mark.parametrize("most", [2.0, 0.0])
def test_what_a_scan_touched_is_told_as_if_all_were_read(
    folder: Path, project, monkeypatch: pytest.MonkeyPatch, most: float
) -> None:
    monkeypatch.setattr(scanning, "_MOST_TOUCHED", most)
    told: list[tuple[object, str]] = []

    def compared(catalog: Any, scan: scanning.Scan | None) -> tuple[Any, str]:
        assert scan is not None
        found = outcome.outcomes(catalog, scan)
        assert found == outcome.outcomes(catalog)
        told.append(found)
        return found

    monkeypatch.setattr(collect, "outcomes", compared)
    made = project(folder)
    made.collect()
    made.collect()
    (folder / "birch" / "3.jpg").unlink()
    picture(60).save(folder / "birch" / "new.jpg")
    (folder / "cherry").mkdir()
    shutil.copy(folder / "apple" / "1.jpg", folder / "cherry" / "same.jpg")
    (folder / "apple" / "2.jpg").write_bytes(b"no picture")
    made.collect()
    assert told[0] == told[1] != told[2]
    here = sorted((row.label, row.sha256) for row in made.pictures() if row.status == "ok")
    assert len(here) == 8 and told[2][1] == fingerprint(here)


@given(st.text(max_size=4), st.lists(st.text(max_size=4), max_size=4), st.sampled_from(["", "u"]))
def test_names_of_a_folder_are_pictures_of_the_same_ids(
    below: str, names: list[str], owner: str
) -> None:
    found = picture_digests("many", "ä", "folder", below, names, owner)
    ids = [picture_id("many", "ä", "folder", below + name, owner) for name in names]
    assert [digest.hex() for digest in found] == ids


_NAMES = st.sampled_from(["1.jpg", "1.JPG", "2.png", "10.png", "b.jpeg", "note.txt", ".hid.jpg"])
_FOLDERS = st.sampled_from(["a", "B", "b", "a/x", "a/X", "a/x/5", "train/a", "test/a"])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(_FOLDERS, _NAMES, st.sampled_from(["file", "file", "in", "out", "dir"]))))
@example(drawn=[("b", "2.png", "file"), ("a/x", "1.jpg", "file"), ("a/X", "1.JPG", "file")])
@example(drawn=[("b", "2.png", "file"), ("a", "1.jpg", "file"), ("a", "1.JPG", "file")])
def test_pictures_of_a_folder_come_together_as_they_come_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, str]]
) -> None:
    """Case twins, links into the data and out of it, and folders called like pictures too."""
    root = tmp_path_factory.mktemp("tree")
    for folder, name, kind in drawn:
        file = root / "data" / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() or file.is_symlink():
            continue
        if kind == "dir":
            file.mkdir()
        elif kind == "file":
            file.write_bytes(b"x")
        else:
            (root / "there.jpg").touch()
            file.symlink_to(root / ("there.jpg" if kind == "out" else "data"))
    (root / "data").mkdir(exist_ok=True)

    def told(read: Callable[[Path], Any]) -> list[Any]:
        try:
            return list(read(root / "data"))
        except InputError as error:
            return [error.what]

    found = told(imagefolder.ImageFolder().read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Places, "are_plain", lambda *_: False)
        assert found == told(imagefolder.ImageFolder().read)


def test_plain_pictures_come_by_the_folder(folder: Path) -> None:
    (folder / "apple" / "more").mkdir()
    picture(70).save(folder / "apple" / "2x.jpg")
    picture(71).save(folder / "apple" / "more" / "9.jpg")
    (folder / "birch" / "link.jpg").symlink_to(folder / "apple" / "0.jpg")
    found = list(imagefolder.ImageFolder().batches(folder))
    batches = [one for one in found if isinstance(one, Batch)]
    assert [list(one.names) for one in batches] == [
        ["0.jpg", "1.jpg", "2.jpg", "2x.jpg", "3.jpg"],
        ["9.jpg"],
    ]
    assert [one.rank for one in found] == [0, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("useless_first", [True, False])
def test_the_first_row_of_a_picture_counts(folder: Path, project, useless_first: bool) -> None:
    made = project(folder)
    made.collect()
    file = folder / "apple" / "0.jpg"

    def row(problem: str) -> scanning.Listed:
        def whole() -> NewPicture:
            status = "refused" if problem else "pending"
            return NewPicture(
                label="apple",
                source="folder",
                key="apple/0.jpg",
                path=str(file),
                status=status,  # type: ignore[arg-type]
                reason=problem,
            )

        return scanning.Listed("apple", "apple/0.jpg", "" if problem else str(file), "", whole)

    context = made.context()
    scan = scanning.Scan(context.catalog, "folder")
    scan.take([row("outside"), row("")] if useless_first else [row(""), row("outside")])
    scan.finish()
    context.close()
    (one,) = (row for row in made.pictures() if row.path == str(file))
    assert (one.status, one.reason) == (("refused", "outside") if useless_first else ("ok", ""))
    assert sum(row.status == "missing" for row in made.pictures()) == 7


@given(st.lists(st.text("aA01９.-", min_size=1, max_size=5), unique=True, max_size=6))
def test_names_alike_but_for_digits_come_in_their_natural_order_too(names: list[str]) -> None:
    assert imagefolder._ordered(names) == sorted(names, key=natural)


def test_garbage_is_looked_for_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError), sweeping():
        assert gc.get_threshold()[0] > before[0]
        raise ValueError
    assert gc.get_threshold() == before
