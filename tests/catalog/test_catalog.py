"""The catalog: what goes in comes out, once, in order, and fast."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tellapart.catalog import (
    Assignment,
    Catalog,
    NewPicture,
    Outcome,
    PictureRow,
    Search,
    Verdict,
    picture_id,
)
from tellapart.errors import InputError, NotFoundError, StorageError
from tellapart.settings import Settings
from tellapart.store.database import open_database


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(settings: Settings, request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    engine = open_database(replace(settings, database_url=url))
    yield engine
    engine.dispose()


@pytest.fixture
def catalog(engine: sa.Engine) -> Catalog:
    return Catalog.create(engine, "fruit", {"name": "fruit"})


def _new(label: str, rank: int, **more: object) -> NewPicture:
    return NewPicture(
        label=label, source="openverse", rank=rank, file_url=f"u/{label}/{rank}", **more
    )  # type: ignore[arg-type]


def _add(catalog: Catalog, count: int = 4) -> list[PictureRow]:
    catalog.add(_new("apple", rank) for rank in range(count))
    rows = catalog.pictures()
    catalog.record(Outcome(id=row.id, status="ok", sha256=f"{row.rank:064x}") for row in rows)
    return catalog.pictures()


def test_all_that_is_known_of_a_new_picture_comes_back(catalog: Catalog) -> None:
    new = NewPicture(
        label="apple",
        source="commons",
        query="apple fruit",
        rank=3,
        position=1,
        page_url="https://example.org/p",
        file_url="https://example.org/p.jpg",
        creator="Ann ☃",
        title='An apple\'s "title"',
        license="by-sa",
        license_version="4.0",
        license_url="https://creativecommons.org/licenses/by-sa/4.0/",
        attribution="by Ann",
        split_hint="test",
        group_hint="g",
        width=5,
        height=6,
    )
    assert catalog.add([new]) == 1
    (row,) = catalog.pictures()
    for name in NewPicture.__slots__:
        if name != "key":
            assert getattr(row, name) == getattr(new, name), name
    assert row.id == picture_id("fruit", "apple", "commons", new.file_url)
    assert len(row.id) == 16
    assert (row.status, row.kept, row.verdict, row.split, row.group) == (
        "pending",
        None,
        "",
        "",
        "",
    )
    assert row.detail == {}
    assert catalog.picture(row.id) == row


def test_ids_depend_on_content_alone() -> None:
    assert picture_id("fruit", "apple", "folder", "apple/1.jpg") == "96c390067837d6be"
    assert picture_id("fruit", "apple", "folder", "apple/\udce4.jpg")  # an undecodable file name


def test_adding_again_changes_nothing(catalog: Catalog) -> None:
    (row, *_) = _add(catalog)
    assert catalog.add([_new("apple", 0, title="another"), _new("apple", 9)]) == 1
    assert catalog.picture(row.id) == row
    assert catalog.add([]) == 0


def test_texts_that_are_no_text_are_marked_and_the_rest_goes_in(catalog: Catalog) -> None:
    odd = NewPicture(label="apple", source="folder", key="\udce4.jpg", path="/data/\udce4.jpg")
    assert catalog.add([odd, _new("apple", 1)]) == 2
    assert catalog.picture(catalog.id_of(odd)).path == "/data/\ufffd\ufffd\ufffd.jpg"
    assert catalog.add([odd]) == 0


def test_a_picture_without_a_name_of_its_own_is_refused(catalog: Catalog) -> None:
    with pytest.raises(InputError, match="neither a file URL nor a key"):
        catalog.add([NewPicture(label="apple", source="folder", path="/data/a.jpg")])
    assert catalog.pictures() == []


def test_pictures_come_by_label_position_rank_whatever_the_order_of_arrival(
    engine: sa.Engine,
) -> None:
    new = [
        NewPicture(
            label=label, source="s", position=position, rank=rank, file_url=f"{position}{rank}"
        )
        for label in ("Zebra", "apple", "äpple")
        for position in (0, 1)
        for rank in (0, 1, 10)
    ]
    orders = []
    for name, rows in {"one": new, "two": list(reversed(new))}.items():
        catalog = Catalog.create(engine, name, {})
        catalog.add(rows)
        orders.append([(row.label, row.position, row.rank) for row in catalog.pictures()])
    assert orders[0] == orders[1] == [(row.label, row.position, row.rank) for row in new]


def test_conditions_are_all_met(catalog: Catalog) -> None:
    rows = _add(catalog)
    catalog.add([_new("pear", 0)])
    catalog.save_verdicts(
        [
            Verdict(id=row.id, kept=row.rank > 0, reason="" if row.rank else "too_small")
            for row in rows
        ]
    )
    catalog.save_splits([Assignment(id=rows[1].id, split="test", group="g")])
    assert [row.rank for row in catalog.pictures(label="apple")] == [0, 1, 2, 3]
    assert [row.label for row in catalog.pictures(status="pending")] == ["pear"]
    assert [row.rank for row in catalog.pictures(kept=True)] == [1, 2, 3]
    assert [row.rank for row in catalog.pictures(kept=False)] == [0]
    assert [row.rank for row in catalog.pictures(kept=True, split="test")] == [1]
    assert catalog.pictures(label="pear", kept=True) == []


def test_an_outcome_is_recorded_with_its_time(catalog: Catalog) -> None:
    catalog.add([_new("apple", 0)])
    (row,) = catalog.pictures()
    assert row.fetched_at == ""
    catalog.record([Outcome(id=row.id, status="refused", reason="not_a_picture", bytes=12)])
    (row,) = catalog.pictures()
    assert (row.status, row.reason, row.bytes) == ("refused", "not_a_picture", 12)
    assert row.fetched_at.endswith("Z")
    assert len(row.fetched_at) == 20


def test_the_users_word_wins_over_the_verdict(catalog: Catalog) -> None:
    first, second, third, fourth = _add(catalog)
    catalog.save_verdicts(
        [
            Verdict(id=first.id, kept=True),
            Verdict(id=second.id, kept=False, reason="blurred", detail={"blur": 0.5}),
            Verdict(id=third.id, kept=False, reason="too_small"),
        ]
    )
    catalog.overrule(first.id, False)
    catalog.overrule(second.id, True)
    catalog.overrule(third.id, False)
    catalog.overrule(fourth.id, False)
    seen = [(row.kept, row.verdict, row.overruled) for row in catalog.pictures()]
    assert seen == [
        (False, "by_hand", False),
        (True, "by_hand", True),
        (False, "too_small", False),
        (False, "by_hand", False),
    ]
    assert catalog.picture(second.id).detail == {"blur": 0.5}
    catalog.save_verdicts([Verdict(id=second.id, kept=False, reason="unreadable")])
    broken = catalog.picture(second.id)  # no word makes a broken file a picture
    assert (broken.kept, broken.verdict, broken.overruled) == (False, "unreadable", True)
    assert second.id not in [row.id for row in catalog.pictures(kept=True)]
    catalog.save_verdicts([Verdict(id=second.id, kept=False, reason="blurred")])
    catalog.overrule(second.id, None)
    assert (catalog.picture(second.id).kept, catalog.picture(second.id).verdict) == (
        False,
        "blurred",
    )


def test_verdicts_write_only_differences_and_the_list_is_complete(catalog: Catalog) -> None:
    rows = _add(catalog)
    verdicts = [
        Verdict(id=row.id, kept=False, reason="off_topic", detail={"p": 0.5}) for row in rows
    ]
    assert catalog.save_verdicts(verdicts) == 4
    assert catalog.save_verdicts(verdicts) == 0
    changed = [
        *verdicts[:2],
        Verdict(id=rows[2].id, kept=False, reason="off_topic", detail={"p": 0.4}),
    ]
    assert catalog.save_verdicts(changed) == 2
    assert [row.kept for row in catalog.pictures()] == [False, False, False, None]


def test_splits_stay_until_they_are_taken_away(catalog: Catalog) -> None:
    rows = _add(catalog)
    given = [Assignment(id=row.id, split="train", group=f"g{row.rank}") for row in rows]
    assert catalog.save_splits(given) == 4
    assert catalog.save_splits(given[:1]) == 0
    assert catalog.save_splits([Assignment(id=rows[0].id, split="")]) == 1
    assert [(row.split, row.group) for row in catalog.pictures()][:2] == [("", ""), ("train", "g1")]


def test_scores_of_another_fingerprint_do_not_count(catalog: Catalog) -> None:
    rows = _add(catalog)
    catalog.save_scores("off_topic", "f1", {row.id: row.rank / 4 for row in rows})
    assert catalog.scores("off_topic", "f1")[rows[2].id] == 0.5
    assert catalog.scores("off_topic", "f2") == {}
    assert catalog.scores("mislabelled", "f1") == {}
    catalog.save_scores("off_topic", "f2", {rows[0].id: 1.0})
    assert catalog.scores("off_topic", "f2") == {rows[0].id: 1.0}
    assert catalog.scores("off_topic", "f1") == {}


def test_measurements_are_shared_by_content_and_replaced_by_version(engine: sa.Engine) -> None:
    one, two = (Catalog.create(engine, name, {}) for name in ("one", "two"))
    shas = [f"{i:064x}" for i in range(2000)]
    one.save_measurements("basic", 1, {sha: {"blur": 0.1, "format": "JPEG"} for sha in shas})
    found = two.measurements([*shas, "f" * 64], "basic", 1)
    assert len(found) == 2000
    assert found[shas[7]] == {"blur": 0.1, "format": "JPEG"}
    two.save_measurements("basic", 2, {shas[0]: {"blur": 0.2}})
    assert shas[0] not in one.measurements(shas, "basic", 1)
    assert one.measurements(shas, "basic", 2) == {shas[0]: {"blur": 0.2}}


def test_steps_are_finished_for_their_inputs_only(catalog: Catalog) -> None:
    assert catalog.finished("train", "f1") is None
    catalog.finish("train", "f1", {})
    assert catalog.finished("train", "f1") == {}
    assert catalog.finished("train", "f2") is None
    catalog.finish("train", "f2", {"C": 0.5})
    assert catalog.finished("train") == {"C": 0.5}
    assert catalog.finished("train", "f1") is None
    assert catalog.step_fingerprint("train") == "f2"
    assert catalog.step_fingerprint("split") is None


def test_searches_versions_and_recipe_are_kept(catalog: Catalog) -> None:
    catalog.save_search(Search(label="apple", source="s", query="q", reached=20))
    catalog.save_search(Search(label="apple", source="s", query="q", reached=40, exhausted=True))
    assert catalog.searches() == [
        Search(label="apple", source="s", query="q", reached=40, exhausted=True)
    ]
    assert catalog.latest_version() is None
    for version in (1, 2, 10):
        catalog.save_version(version, "f", f"fruit-{version}.zip", {"accuracy": 0.5})
    assert [item.version for item in catalog.versions()] == [1, 2, 10]
    latest = catalog.latest_version()
    assert latest is not None
    assert (latest.file, latest.metrics) == ("fruit-10.zip", {"accuracy": 0.5})
    catalog.save_recipe({"name": "fruit", "seed": 3})
    assert catalog.recipe == {"name": "fruit", "seed": 3}


def test_projects_are_made_once_and_found_by_name(engine: sa.Engine) -> None:
    Catalog.create(engine, "fruit", {})
    Catalog.create(engine, "birds", {})
    assert Catalog.names(engine) == ["birds", "fruit"]
    with pytest.raises(InputError, match="project 'fruit' already"):
        Catalog.create(engine, "fruit", {})
    with pytest.raises(NotFoundError, match="Did you mean 'fruit'"):
        Catalog.open(engine, "friut")


def test_owners_may_have_projects_of_one_name(engine: sa.Engine) -> None:
    new = _new("apple", 0)
    one, two = (Catalog.create(engine, "fruit", {"of": owner}, owner) for owner in ("", "u_b"))
    assert (one.add([new]), two.add([new])) == (1, 1)
    assert one.id_of(new) != two.id_of(new), "else the second picture would be taken for the first"
    assert Catalog.open(engine, "fruit", "u_b").recipe == {"of": "u_b"}
    with pytest.raises(NotFoundError):
        Catalog.open(engine, "fruit", "u_c")
    with pytest.raises(NotFoundError):
        one.picture(two.id_of(new))
    assert Catalog.names(engine, "u_b") == ["fruit"]
    assert Catalog.everyone(engine) == [("", "fruit"), ("u_b", "fruit")]
    Catalog.delete(engine, "fruit", "u_b")
    assert len(Catalog.open(engine, "fruit").pictures()) == 1
    assert Catalog.names(engine, "u_b") == []


def test_a_deleted_project_takes_its_rows_and_leaves_the_others(engine: sa.Engine) -> None:
    one, two = (Catalog.create(engine, name, {}) for name in ("one", "two"))
    for catalog in (one, two):
        rows = _add(catalog)
        catalog.save_verdicts([Verdict(id=row.id, kept=True) for row in rows])
        catalog.save_scores("s", "f", {row.id: 1.0 for row in rows})
    Catalog.delete(engine, "one")
    assert Catalog.names(engine) == ["two"]
    assert len(two.pictures(kept=True)) == 4
    assert len(two.scores("s", "f")) == 4
    again = Catalog.create(engine, "one", {})
    assert _add(again)[0].kept is None
    with pytest.raises(StorageError, match="contradicts"):
        Catalog(engine, "ghost", 999).add([_new("apple", 0)])


def test_clear_forgets_the_pictures_of_one_project(catalog: Catalog, engine: sa.Engine) -> None:
    other = Catalog.create(engine, "other", {})
    _add(catalog)
    _add(other)
    catalog.save_search(Search(label="apple", source="s", query="q", reached=20))
    catalog.finish("collect", "f", {})
    assert catalog.clear() == 4
    assert catalog.pictures() == []
    assert catalog.searches() == []
    assert catalog.finished("collect") is None
    assert len(other.pictures()) == 4


def test_a_picture_of_another_project_is_not_found(engine: sa.Engine) -> None:
    one, two = (Catalog.create(engine, name, {}) for name in ("one", "two"))
    (row, *_) = _add(one)
    for call in (
        lambda: two.picture(row.id),
        lambda: two.overrule(row.id, True),
        lambda: two.relabel(row.id, "pear"),
    ):
        with pytest.raises(NotFoundError, match=row.id):
            call()
    one.relabel(row.id, "pear")
    assert one.picture(row.id).label == "pear"
    assert one.add([_new("apple", 0)]) == 0  # a changed label does not bring the picture back


def test_counts_say_what_was_found_kept_and_set_aside(catalog: Catalog, engine: sa.Engine) -> None:
    rows = _add(catalog)
    catalog.add([_new("pear", 0), _new("pear", 1)])
    pear, other = catalog.pictures(label="pear")
    catalog.record(
        [
            Outcome(id=pear.id, status="failed", reason="timeout"),
            Outcome(id=other.id, status="surplus"),
        ]
    )
    catalog.save_verdicts(
        [
            Verdict(id=row.id, kept=row.rank < 2, reason="" if row.rank < 2 else "blurred")
            for row in rows
        ]
    )
    catalog.save_splits([Assignment(id=row.id, split="train") for row in rows])
    apple = {
        "found": 4,
        "kept": 2,
        "set_aside": 2,
        "reasons": {"blurred": 2},
        "statuses": {"ok": 4},
        "failures": {},
        "splits": {"train": 2},
    }
    counts = catalog.counts()
    assert counts["classes"]["apple"] == apple
    assert counts["classes"]["pear"]["found"] == 0
    assert counts["classes"]["pear"]["failures"] == {"failed: timeout": 1}
    assert (counts["found"], counts["kept"], counts["set_aside"]) == (4, 2, 2)
    assert counts["statuses"] == {"ok": 4, "failed": 1, "surplus": 1}
    assert Catalog.shas(engine) == {row.sha256 for row in rows}


def test_several_threads_use_one_catalog(catalog: Catalog) -> None:
    def work(who: int) -> None:
        for rank in range(10):
            catalog.add([_new(f"class{who}", rank)])
            catalog.pictures(label=f"class{who}")

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(catalog.pictures()) == 40


def test_ten_thousand_pictures_are_read_and_decided_whole(catalog: Catalog) -> None:
    catalog.add(_new("apple", rank, attribution="by someone" * 5) for rank in range(10_000))
    rows = catalog.pictures()
    catalog.save_verdicts([Verdict(id=row.id, kept=True) for row in rows])

    def decide() -> int:
        return catalog.save_verdicts(
            [
                Verdict(id=row.id, kept=row.rank % 5 != 0, reason="" if row.rank % 5 != 0 else "x")
                for row in rows
            ]
        )

    assert len(rows) == 10_000 and decide() == 2_000
    assert decide() == 0
    assert len(catalog.pictures(kept=False)) == 2_000


def test_rows_import_without_the_database() -> None:
    code = "import sys, tellapart.catalog; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
