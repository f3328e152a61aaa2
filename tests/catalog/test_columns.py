"""The ledger by columns says what the ledger says row by row, and is written alike."""

from collections.abc import Iterator

import numpy as np
import pytest

from tellapart.catalog import (
    Assignment,
    Catalog,
    NewPicture,
    Outcome,
    PictureRow,
    Verdict,
    acts,
    bulk,
    columns,
)
from tellapart.store.database import open_url

_NAMES = ("id", "sha256", "path", "label", "status", "position", "rank", "bytes", "split_hint")
_BESIDE = ("kept", "verdict", "overruled", "split", "group")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Catalog, Catalog]]:
    """Two owners' projects of all kinds of pictures."""
    url = f"sqlite:///{tmp_path_factory.mktemp('columns') / 'db.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").database()
    engine = open_url(url)
    made = [Catalog.create(engine, "garden", {}, owner) for owner in ("u_a", "u_b")]
    for number, one in enumerate(made):
        _fill(one, 30 + 7 * number)
    yield made[0], made[1]
    engine.dispose()


def _fill(catalog: Catalog, count: int) -> None:
    catalog.add(
        NewPicture(
            label="ab"[at % 2],
            source="made",
            key=f"k{at}",
            path=f"/data/{at}.jpg",
            rank=at,
            split_hint="test" if at % 5 == 0 else "",
        )
        for at in range(count)
    )
    ids = [row.id for row in sorted(catalog.pictures(), key=lambda row: row.rank)]
    catalog.record(
        Outcome(id=id, status="ok", sha256=f"{at // 2 + 1:064x}", bytes=at if at % 3 else None)
        for at, id in enumerate(ids[:-2])
    )
    reasons = ("", "", "unreadable", "blurred")
    catalog.save_verdicts(
        [
            Verdict(id=id, kept=not reasons[at % 4], reason=reasons[at % 4])
            for at, id in enumerate(ids[:-6])
        ]
    )
    acts.decide(catalog, {id: bool(at % 2) for at, id in enumerate(ids) if at % 3 == 0})
    catalog.save_splits(
        [
            Assignment(id=id, split=("train", "test")[at % 2], group=f"g{at // 2}")
            for at, id in enumerate(ids)
            if at % 7
        ]
    )


def _said(table: columns.Columns) -> dict[str, tuple[object, ...]]:
    truth = {-1: None, 0: False, 1: True}
    parts = [
        [columns.name_of(id) for id in table.ids.tolist()],
        [columns.sha_of(sha) if sha else "" for sha in table.shas.tolist()],
        table.paths,
        *(table.words(name).each() for name in ("label", "status", "split_hint")),
        *(table.words(name).each() for name in ("verdict", "split")),
        [name.decode() for name in table.groups.tolist()],
        *(table.numbers(name).tolist() for name in ("position", "rank")),
        *([truth[n] for n in table.numbers(name).tolist()] for name in ("kept", "overruled")),
        [None if n == -1 else n for n in table.numbers("bytes").tolist()],
    ]
    return {str(row[0]): row[1:] for row in zip(*parts, strict=True)}


def _of(row: PictureRow) -> tuple[object, ...]:
    return (
        *(row.sha256, row.path, row.label, row.status, row.split_hint, row.verdict, row.split),
        *(row.group, row.position, row.rank, row.kept, row.overruled, row.bytes),
    )


@pytest.mark.parametrize("strangers", [0, 100])
@pytest.mark.parametrize("kept", [None, True, False])
@pytest.mark.parametrize("status", [None, "ok"])
def test_columns_say_what_the_rows_say(
    both: tuple[Catalog, Catalog],
    monkeypatch: pytest.MonkeyPatch,
    strangers: int,
    kept: bool | None,
    status: str | None,
) -> None:
    monkeypatch.setattr(columns, "_STRANGERS", strangers)
    monkeypatch.setattr(columns, "AT_ONCE", 4)
    for catalog in both:
        rows = catalog.pictures(status=status, kept=kept)  # type: ignore[arg-type]
        table = columns.read(catalog, (*_NAMES, *_BESIDE), status=status, kept=kept)  # type: ignore[arg-type]
        assert len(table) == len(rows) > 2
        assert _said(table) == {row.id: _of(row) for row in rows}
        assert columns.paths(catalog, table.ids) == table.paths


def test_some_rows_read_by_themselves_join_the_others(both: tuple[Catalog, Catalog]) -> None:
    catalog, other = both
    names = ("sha256", "label", "status", "rank", "path")
    whole = columns.read(catalog, names)
    ids = [columns.name_of(id) for id in whole.ids.tolist()]
    foreign = columns.read(other, ("id",)).ids[:3]
    some = columns.of(catalog, [*ids[:7], *map(columns.name_of, foreign.tolist())], names)
    assert sorted(some.ids.tolist()) == sorted(whole.ids[:7].tolist())
    rest = whole.at(np.arange(7, len(whole)))
    table = columns.joined(rest, some)
    order, wanted = np.argsort(table.ids), np.argsort(whole.ids)
    for name in ("label", "status"):
        found = list(table.at(order).words(name).each())
        assert found == list(whole.at(wanted).words(name).each())
    assert (table.shas[order] == whole.shas[wanted]).all()
    assert table.at(order).paths == whole.at(wanted).paths
    assert len(columns.of(catalog, [], names)) == 0


def test_what_nobody_judged_or_dealt_is_not_looked_up(both: tuple[Catalog, Catalog]) -> None:
    table = columns.read(both[0], ("label",))
    with pytest.raises(KeyError):
        table.numbers("kept")
    assert columns.paths(both[0], np.array([1], dtype=np.uint64)) == [""]


@pytest.mark.parametrize("strangers", [0, 100])
def test_verdicts_of_very_many_are_written_as_those_of_few(
    both: tuple[Catalog, Catalog], monkeypatch: pytest.MonkeyPatch, strangers: int
) -> None:
    monkeypatch.setattr(columns, "_STRANGERS", strangers)
    monkeypatch.setattr(columns, "AT_ONCE", 4)
    catalog, other = both
    before = {row.id: (row.verdict, row.detail) for row in other.pictures()}
    table = columns.read(catalog, ("id",), status="ok")
    names = [columns.name_of(id) for id in table.ids.tolist()]
    turns: list[dict[int, tuple[str, dict[str, object]]]] = [
        {1: ("blurred", {"blur": 0.5}), 4: ("too_small", {})},
        {1: ("blurred", {"blur": 0.25}), 5: ("blurred", {})},
        {},
    ]
    for aside in turns:
        rows = [
            Verdict(
                id=name,
                kept=place not in aside,
                reason=aside.get(place, ("", {}))[0],
                detail=aside.get(place, ("", {}))[1],
            )
            for place, name in enumerate(names)
        ]
        assert bulk.save_verdicts(catalog, bulk.Verdicts(table.ids, aside)) > 0
        assert bulk.save_verdicts(catalog, bulk.Verdicts(table.ids, aside)) == 0
        assert catalog.save_verdicts(rows) == 0
    # Pictures that are not among them have none any longer; another's keep theirs.
    assert bulk.save_verdicts(catalog, bulk.Verdicts(table.ids[3:], {})) == 3
    assert catalog.save_verdicts([Verdict(id=name, kept=True) for name in names[3:]]) == 0
    assert {row.id: (row.verdict, row.detail) for row in other.pictures()} == before
