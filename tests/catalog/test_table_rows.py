"""The rows of a table in the catalog: stored, changed, decided on, forgotten."""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.catalog import Catalog, NewRow, RowSplit, RowVerdict
from tellapart.settings import Settings
from tellapart.store import database, schema


def _new(number: int, *cells: str | None, label: str = "a", hint: str = "") -> NewRow:
    return NewRow(number=number, cells=cells, label=label, sha256="|".join(map(str, cells)))


def test_rows_come_back_as_they_were_stored(settings: Settings) -> None:
    catalog = Catalog.create(database.open_database(settings), "plants", {})
    rows = [_new(1, "5.1", None, label="rose"), _new(0, "4", "red")]
    assert catalog.save_rows(rows) == 2
    assert catalog.save_rows(rows) == 0
    first, second = catalog.rows()
    assert (first.number, first.cells, first.label) == (0, ("4", "red"), "a")
    assert (second.cells, second.label, second.kept, second.split) == (
        ("5.1", None),
        "rose",
        None,
        "",
    )


def test_verdicts_and_splits_are_stored_by_difference(settings: Settings) -> None:
    catalog = Catalog.create(database.open_database(settings), "plants", {})
    catalog.save_rows([_new(i, str(i)) for i in range(4)])
    verdicts = [
        RowVerdict(number=i, kept=i < 3, reason="" if i < 3 else "no_label") for i in range(4)
    ]
    assert catalog.save_row_verdicts(verdicts) == 4
    assert catalog.save_row_verdicts(verdicts) == 0
    assert [row.number for row in catalog.rows(kept=True)] == [0, 1, 2]
    assert catalog.rows(kept=False)[0].reason == "no_label"
    splits = [
        RowSplit(number=i, split="test" if i == 2 else "train", group=f"g{i}") for i in range(3)
    ]
    assert catalog.save_row_splits(splits) == 3
    assert catalog.save_row_splits([RowSplit(number=9, split="test")]) == 0
    (test,) = catalog.rows(split="test")
    assert (test.number, test.group) == (2, "g2")
    counts = catalog.counts()
    assert (counts["found"], counts["kept"], counts["reasons"]) == (4, 3, {"no_label": 1})
    assert counts["splits"] == {"train": 2, "test": 1}


def test_what_was_decided_goes_with_a_rows_content(settings: Settings) -> None:
    catalog = Catalog.create(database.open_database(settings), "plants", {})
    catalog.save_rows([_new(0, "x"), _new(1, "y"), _new(2, "z")])
    catalog.save_row_verdicts([RowVerdict(number=i, kept=True) for i in range(3)])
    catalog.save_row_splits([RowSplit(number=2, split="test", group="g")])
    # A row is put before, one is gone: `z` moves to another place and stays a test row.
    assert catalog.save_rows([_new(0, "new"), _new(1, "x"), _new(2, "z2"), _new(3, "z")]) == 4
    assert [(row.cells[0], row.kept, row.split) for row in catalog.rows()] == [
        ("new", None, ""),
        ("x", True, ""),
        ("z2", None, ""),
        ("z", True, "test"),
    ]
    # Another class is another verdict, but the cells were seen: they stay in their split.
    catalog.save_rows([_new(0, "z", label="b")])
    (row,) = catalog.rows()
    assert (row.kept, row.split, row.group) == (None, "test", "g")


def test_projects_do_not_see_each_others_rows_and_take_theirs_along(settings: Settings) -> None:
    engine = database.open_database(settings)
    one, two = Catalog.create(engine, "one", {}), Catalog.create(engine, "two", {})
    one.save_rows([_new(0, "x")])
    two.save_rows([_new(0, "y"), _new(1, "z")])
    one.save_row_verdicts([RowVerdict(number=0, kept=True)])
    assert two.rows()[0].kept is None
    Catalog.delete(engine, "two")
    with database.reading(engine) as connection:
        left = connection.scalar(sa.select(sa.func.count()).select_from(schema.rows))
    assert left == 1
    assert [row.cells for row in one.rows()] == [("x",)]


def test_a_large_table_is_stored_and_read(settings: Settings) -> None:
    catalog = Catalog.create(database.open_database(settings), "large", {})
    rows = [_new(i, str(i), "word", None, label=str(i % 3)) for i in range(50_000)]
    assert catalog.save_rows(rows) == 50_000
    assert catalog.save_rows([*rows[:-1], _new(49_999, "changed")]) == 1
    found = catalog.rows()
    assert len(found) == 50_000
    assert found[-1].cells == ("changed",)
