"""Looking at a ledger by page agrees with reading all of it, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tellapart.catalog import Assignment, Catalog, NewPicture, Outcome, Verdict, looking, owners
from tellapart.catalog.catalog import count
from tellapart.catalog.looking import PictureFilter
from tellapart.errors import InputError, NotFoundError
from tellapart.store.database import open_url

LABELS = ("Äpfel", "apple", "pear's", "zoo")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def catalog(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Catalog]:
    """A project with pictures of all kinds, beside another owner's of the same name."""
    url = f"sqlite:///{tmp_path_factory.mktemp('looking') / 'db.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").database()
    engine = open_url(url)
    made = Catalog.create(engine, "garden", {"name": "garden"}, "u_a")
    for one in (made, Catalog.create(engine, "garden", {"name": "garden"}, "u_b")):
        _fill(one)
    yield made
    engine.dispose()


def _fill(catalog: Catalog) -> None:
    new = [
        NewPicture(label=LABELS[at % 4], source="made", key=f"k{at}", rank=at // 8, position=at % 2)
        for at in range(60)
    ]
    catalog.add(new)
    ids = [catalog.id_of(row) for row in new]
    states = ["ok"] * 50 + ["failed"] * 5 + ["pending"] * 5
    catalog.record(
        Outcome(
            id=id,
            status=state,  # type: ignore[arg-type]
            reason="timeout" if state == "failed" else "",
            sha256=f"{at // 2:064x}" if state == "ok" else "",
            bytes=1000,
        )
        for at, (id, state) in enumerate(zip(ids, states, strict=True))
    )
    verdicts = [Verdict(id=id, kept=True) for id in ids[:30]]
    verdicts += [
        Verdict(id=id, kept=False, reason="near_duplicate", detail={"of": ids[0]})
        for id in ids[30:34]
    ]
    # A copy of a near duplicate: both stand for the same one that stays.
    verdicts.append(
        Verdict(id=ids[34], kept=False, reason="exact_duplicate", detail={"of": ids[33]})
    )
    verdicts += [Verdict(id=id, kept=False, reason="off_topic") for id in ids[35:40]]
    verdicts.append(Verdict(id=ids[40], kept=False, reason="unreadable"))
    catalog.save_verdicts(verdicts)
    catalog.save_splits([Assignment(id=id, split="test") for id in ids[:10]])
    catalog.overrule(ids[1], False)
    catalog.overrule(ids[35], True)
    catalog.overrule(ids[40], True)
    catalog.overrule(ids[41], False)


def test_what_is_counted_is_what_all_rows_say(catalog: Catalog) -> None:
    rows = catalog.pictures()
    assert catalog.counts() == count(rows)
    assert [row.id for row in looking.every(catalog)] == [row.id for row in rows]
    held = owners.holdings(catalog.engine, "u_a")
    assert held == {"projects": 1, "pictures": 50, "bytes": 25_000}
    assert owners.holdings(catalog.engine, "nobody")["pictures"] == 0


@pytest.mark.parametrize(
    "shown",
    [
        PictureFilter(),
        PictureFilter(status=None),
        PictureFilter(status="failed"),
        PictureFilter(kept=True),
        PictureFilter(kept=False),
        PictureFilter(reason="by_hand"),
        PictureFilter(reason="unreadable", kept=False),
        PictureFilter(by_hand=True),
        PictureFilter(by_hand=False, split="test"),
        PictureFilter(label="pear's", source="made"),
        PictureFilter(label="' OR 1=1 --"),
        PictureFilter(order="newest"),
    ],
    ids=repr,
)
def test_pages_hold_each_match_once(catalog: Catalog, shown: PictureFilter) -> None:
    wanted = {
        row.id
        for row in catalog.pictures()
        if shown.label in (None, row.label)
        and shown.status in (None, row.status)
        and shown.kept in (None, row.kept)
        and shown.reason in (None, row.verdict)
        and shown.split in (None, row.split)
        and shown.by_hand in (None, row.overruled is not None)
    }
    found: list[str] = []
    after = None
    while True:
        rows, after = looking.page(catalog, shown, limit=7, after=after)
        found += [row.id for row in rows]
        if after is None:
            break
    assert len(found) == len(set(found)) and set(found) == wanted
    assert looking.total(catalog, shown) == len(wanted)
    skipped, _ = looking.page(catalog, shown, limit=5, offset=3)
    assert [row.id for row in skipped] == found[3:8]


def test_groups_join_copies_with_what_they_copy(catalog: Catalog) -> None:
    groups = looking.duplicates(catalog)
    assert {root: len(ids) for root, ids in groups.items()} == {next(iter(groups)): 5}
    rows = looking.by_ids(catalog, [*groups, *next(iter(groups.values()))])
    assert rows[0].kept and len(rows) == 6


def test_words_on_many_are_one_transaction(catalog: Catalog) -> None:
    mine = Catalog.create(catalog.engine, "words", {"name": "words"}, "u_c")
    _fill(mine)
    ids = [row.id for row in mine.pictures(kept=True)]
    assert looking.overrule(mine, ids, False) == len(ids)
    assert looking.overrule(mine, ids, False) == 0
    assert not mine.pictures(kept=True)
    with pytest.raises(NotFoundError):
        looking.overrule(mine, [*ids, "0" * 16], None)
    assert all(row.overruled is False for row in looking.by_ids(mine, ids))
    theirs = catalog.pictures()[0].id
    with pytest.raises(NotFoundError):
        looking.overrule(mine, [theirs], False)
    with pytest.raises(NotFoundError):
        looking.relabel(mine, [theirs], "apple")
    others = sum(row.label != "zoo" for row in looking.by_ids(mine, ids))
    assert 0 < looking.relabel(mine, ids, "zoo") == others < len(ids)


def test_a_word_after_a_version_makes_it_old(catalog: Catalog) -> None:
    assert looking.changed_since(catalog, "2000-01-01T00:00:00Z")
    assert not looking.changed_since(catalog, "2999-01-01T00:00:00Z")


def test_a_cursor_is_of_its_own_order(catalog: Catalog) -> None:
    _, place = looking.page(catalog, PictureFilter(), limit=1)
    _, newest = looking.page(catalog, PictureFilter(order="newest"), limit=1)
    for shown, cursor in ((PictureFilter(order="newest"), place), (PictureFilter(), newest)):
        with pytest.raises(InputError):
            looking.page(catalog, shown, limit=1, after=cursor)


def test_projects_are_listed_with_their_newest_version(catalog: Catalog) -> None:
    engine = catalog.engine
    mine = Catalog.create(engine, "garden", {"name": "garden"}, "u_d")
    for version in (1, 2, 10):
        mine.save_version(version, f"f{version}", f"garden-{version}.zip", {"n": version})
    for name in ("b", "c", "a"):
        Catalog.create(engine, name, {"name": name}, "u_d")
    rows, number = owners.projects(engine, "u_d", limit=2)
    assert ([row.name for row in rows], number) == (["a", "b"], 4)
    rows, _ = owners.projects(engine, "u_d", limit=9, after="b")
    assert [(row.name, row.version) for row in rows] == [("c", None), ("garden", 10)]
    assert rows[1].metrics == {"n": 10}
    assert owners.projects(engine, "u_d", limit=1, name="nosuch") == ([], 4)
