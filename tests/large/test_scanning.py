"""A list is compared with the ledger by columns: what is as it was costs a look at its file."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.catalog import NewPicture
from tellapart.plugins.formats import imagefolder
from tellapart.plugins.formats.places import natural
from tellapart.steps.collect import local, scanning
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
