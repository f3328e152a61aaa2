from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tellapart.demo.listing import BUSY, FAULTS
from tellapart.demo.picture_web import Answer, PictureWeb
from tellapart.errors import DataError, FetchError, InputError, StorageError
from tellapart.store.files import FileStore

At = Callable[..., Any]
ONE = {"sources": ["openverse"], "per_class": 8}


def files(web: PictureWeb) -> Counter[str]:
    return Counter({k: v for k, v in web.requests.items() if k.startswith(("/files", "/private"))})


def searches(web: PictureWeb) -> Counter[str]:
    return Counter({k: v for k, v in web.requests.items() if "?" in k})


def test_the_first_by_rank_are_taken_with_their_origin(web: PictureWeb, at: At) -> None:
    bench = at(web)
    result = bench.collect(classes=["apple", "boat"], **ONE)
    rows = bench.rows(label="apple")
    assert [r.rank for r in rows if r.status == "ok"] == list(range(8))
    assert {r.status for r in rows if r.rank >= 8} == {"surplus"}
    assert result["classes"]["apple"] == {"different": 8, "ok": 8, "surplus": 12}
    assert result["notes"] == [] and not result["unfinished"]
    first, entry = rows[0], web.openverse["apple"][0]
    assert first.file_url == web.url(entry)
    assert (first.source, first.query, first.position) == ("openverse", "apple", 0)
    assert (first.license, first.license_version) == (entry.license, entry.license_version)
    assert first.creator == "Tellapart" and first.page_url.startswith(f"http://{web.host}/pages/")
    assert first.attribution and first.license_url and first.title and first.fetched_at
    assert (first.width, first.height) == (64, 48)
    data = FileStore(bench.settings.files_dir).get(first.sha256)
    assert len(data) == first.bytes
    assert bench.progress[-1].done == bench.progress[-1].total == 16


def test_nothing_is_asked_for_twice(web: PictureWeb, at: At) -> None:
    bench = at(web)
    first = bench.collect(classes=["apple", "boat"], **ONE)
    before = web.requests.copy()
    assert bench.collect(classes=["boat", "apple"], **ONE) == first
    assert web.requests == before
    assert max(files(web).values()) == 1
    # The ledger alone, without the step's stored result, is enough to know it.
    bench.context().catalog.finish("collect", "another", {})
    assert bench.collect(classes=["apple", "boat"], **ONE) == first
    assert web.requests["/robots.txt"] <= 2
    assert files(web) == Counter({k: v for k, v in before.items() if k.startswith("/files")})


def test_a_word_added_fetches_its_own_pictures_only(web: PictureWeb, at: At) -> None:
    bench = at(web)
    bench.collect(classes=["apple", "boat", "star", "house", "fish"], **ONE)
    before, kept = web.requests.copy(), bench.taken()
    bench.collect(classes=["apple", "boat", "star", "house", "fish", "sun"], **ONE)
    new = {k for k, v in (web.requests - before).items() if not k.startswith("/robots")}
    sun = {e.path for e in web.openverse["sun"]} | {"/v1/images/?sun"}
    assert new <= sun and len(new) == 9
    assert set(kept) <= set(bench.taken())
    # Taken out again, its pictures stay here unused; put back, they are not fetched again.
    before = web.requests.copy()
    bench.collect(classes=["apple", "boat"], **ONE)
    assert {r.label for r in bench.rows(status="ok")} == {"apple", "boat"}
    assert {r.reason for r in bench.rows(label="sun")} == {"class"}
    bench.collect(classes=["apple", "sun"], **ONE)
    assert len(bench.rows(label="sun", status="ok")) == 8
    assert files(web) == Counter({k: v for k, v in before.items() if k.startswith("/files")})


def test_the_wanted_number_up_and_down(web: PictureWeb, at: At) -> None:
    bench = at(web)
    bench.collect(classes=["apple", "boat"], sources=["openverse"], per_class=5)
    assert sum(files(web).values()) == 10
    bench.collect(classes=["apple", "boat"], sources=["openverse"], per_class=25)
    assert sum(files(web).values()) == 50
    assert [r.rank for r in bench.rows(label="boat", status="ok")] == list(range(25))
    bench.collect(classes=["apple", "boat"], sources=["openverse"], per_class=3)
    assert [r.rank for r in bench.rows(label="boat", status="ok")] == [0, 1, 2]
    bench.collect(classes=["apple", "boat"], sources=["openverse"], per_class=20)
    assert [r.rank for r in bench.rows(label="boat", status="ok")] == list(range(20))
    assert max(files(web).values()) == 1
    assert searches(web)["/v1/images/?boat"] == 2


def test_the_next_source_fills_what_the_first_lacks(web: PictureWeb, at: At) -> None:
    bench = at(web)
    result = bench.collect(classes=["apple", "boat"], per_class=40)
    counts = Counter(r.source for r in bench.rows(label="apple", status="ok"))
    assert counts == {"openverse": 30, "commons": 10}
    rows = bench.rows(label="apple", status="ok")
    commons = [r for r in rows if r.source == "commons"]
    assert [r.rank for r in commons] == list(range(10))
    by_rank = [web.url(e) for e in web.commons["apple"][:10]]
    assert [r.file_url for r in commons] == by_rank
    assert {r.creator for r in commons} == {"Drawn by Tellapart"}
    assert {r.license for r in commons} <= {"by", "by-sa", "cc0", "pdm"}
    assert result["notes"] == []


def test_queries_are_tried_in_their_order(web: PictureWeb, at: At) -> None:
    bench = at(web)
    classes = {"fruit": {"queries": ["star apple", "boat"]}, "sun": {}}
    bench.collect(classes=classes, sources=["openverse"], per_class=35)
    rows = bench.rows(label="fruit", status="ok")
    assert Counter(r.query for r in rows) == {"star apple": 30, "boat": 5}
    assert sorted(r.rank for r in rows if r.query == "boat") == [0, 1, 2, 3, 4]
    assert len({r.position for r in rows}) == 2


def test_every_fault_gets_a_row_with_its_reason(faulty_web: PictureWeb, at: At) -> None:
    bench = at(faulty_web)
    result = bench.collect(classes=["apple", "boat"], sources=["openverse"], per_class=40)
    entries = {faulty_web.url(e): e for es in faulty_web.openverse.values() for e in es}
    rows = bench.rows()
    assert {r.file_url for r in rows} == set(entries)
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(entries[row.file_url].kind, set()).add(row.reason or row.status)
    told_later = {"exact_duplicate", "near_duplicate", "off_topic", "mislabelled", "truncated"}
    for kind, words in FAULTS.items():
        assert found[kind] <= ({"ok"} if kind in told_later else words), kind
    assert found["good"] == found[BUSY] == {"ok"}
    statuses = {r.reason: r.status for r in rows if r.reason}
    assert statuses["opted_out"] == statuses["robots"] == statuses["private_address"] == "refused"
    assert statuses["not_a_picture"] == statuses["too_large"] == "refused"
    assert statuses["http_404"] == "failed"
    # Never sent: the page robots.txt closes, the mature one.
    silent = {e.path for e in entries.values() if e.kind in {"robots", "mature"}}
    assert not silent & set(faulty_web.requests)
    assert [note.split(":")[0] for note in result["notes"]] == ["apple", "boat"]
    assert not result["unfinished"]


def test_exact_duplicates_do_not_count(calm_web: PictureWeb, at: At) -> None:
    bench = at(calm_web)
    bench.collect(classes=["apple", "boat"], sources=["openverse"], per_class=20)
    for label in ("apple", "boat"):
        rows = bench.rows(label=label, status="ok")
        assert len({r.sha256 for r in rows}) == 20
        # The picture before the last one that counts was needed: nothing beyond was taken.
        last = max(r.rank for r in rows)
        assert not bench.rows(label=label, status="pending")
        assert len({r.sha256 for r in rows if r.rank < last}) == 19


@pytest.mark.parametrize("connections", [1, 3, 32])
def test_arrival_order_changes_nothing(
    calm_web: PictureWeb, at: At, connections: int, tmp_path: Path
) -> None:
    reference = at(calm_web, home=tmp_path / "reference")
    reference.collect(classes=["apple", "boat"], sources=["openverse"], per_class=20)
    other = at(calm_web, max_connections=connections, max_per_host=connections)
    other.collect(classes=["boat", "apple"], sources=["openverse"], per_class=20)
    assert other.taken() == reference.taken()
    assert {(r.id, r.status, r.reason) for r in other.rows()} == {
        (r.id, r.status, r.reason) for r in reference.rows()
    }


def test_licenses_and_mature_are_filters_that_can_change(web: PictureWeb, at: At) -> None:
    bench = at(web)
    bench.collect(classes=["apple", "boat"], **ONE)
    bench.collect(classes=["apple", "boat"], licenses=["cc0"], sources=["openverse"], per_class=2)
    assert {r.license for r in bench.rows(status="ok")} == {"cc0"}
    assert len(bench.rows(status="ok")) == 4
    bench.collect(classes=["apple", "boat"], **ONE)
    assert len(bench.rows(status="ok")) == 16
    assert len({r.license for r in bench.rows(status="ok")}) > 1
    assert max(files(web).values()) == 1


def test_mature_hits_come_only_when_asked_for(calm_web: PictureWeb, at: At) -> None:
    bench = at(calm_web)
    options = {"classes": ["apple", "boat"], "sources": ["openverse"], "per_class": 40}
    bench.collect(**options)
    assert [r.status for r in bench.rows() if r.reason == "mature"] == ["refused", "refused"]
    bench.collect(**options, mature=True)
    mature = {calm_web.url(e) for e in calm_web.entries.values() if e.kind == "mature"}
    assert {r.status for r in bench.rows() if r.file_url in mature} == {"ok"}


def test_a_lost_file_is_fetched_again(web: PictureWeb, at: At) -> None:
    bench = at(web)
    bench.collect(classes=["apple", "boat"], **ONE)
    before, row = bench.taken(), bench.rows(label="apple", status="ok")[3]
    FileStore(bench.settings.files_dir).remove(row.sha256)
    counted = web.requests.copy()
    bench.collect(classes=["apple", "boat"], **ONE)
    assert bench.taken() == before
    assert list(files(web) - files_of(counted)) == [row.file_url.removeprefix(f"http://{web.host}")]


def files_of(counted: Counter[str]) -> Counter[str]:
    return Counter({k: v for k, v in counted.items() if k.startswith("/files")})


def test_a_source_out_of_order_falls_back_and_is_tried_again(web: PictureWeb, at: At) -> None:
    bench = at(web)
    web.script("/v1/images/", *[Answer(500, b"")] * 20)
    result = bench.collect(classes=["apple", "boat"], per_class=35)
    assert {r.source for r in bench.rows(status="ok")} == {"commons"}
    assert result["unfinished"] and "http_500" in result["notes"][0]
    web._scripted.clear()
    result = bench.collect(classes=["apple", "boat"], per_class=35)
    assert Counter(r.source for r in bench.rows(label="boat", status="ok")) == {
        "commons": 30,
        "openverse": 5,
    }
    assert not result["unfinished"] and max(files(web).values()) == 1


def test_no_source_answers(at: At) -> None:
    with PictureWeb(["apple"], n=1, size=(8, 8)) as web:
        pass  # its port is closed now
    with PictureWeb(["apple"], n=1, size=(8, 8)) as other:
        bench = at(web, commons_url=other.openverse_url, allow_hosts=(web.host, other.host))
        with pytest.raises(FetchError) as error:
            bench.collect(classes=["apple", "boat"], per_class=3)
    assert "openverse: connection" in error.value.what and "commons: http_404" in error.value.what
    assert "'apple', 'boat'" in error.value.what and "same command" in error.value.do
    assert error.value.exit_code == 5


def test_a_word_nobody_knows_costs_nothing_that_was_fetched(web: PictureWeb, at: At) -> None:
    bench = at(web)
    with pytest.raises(DataError, match="'zeppelin'") as error:
        bench.collect(classes=["apple", "zeppelin"], **ONE)
    assert not isinstance(error.value, FetchError) and error.value.exit_code == 4
    assert len(bench.rows(label="apple", status="ok")) == 8
    with pytest.raises(DataError):
        bench.collect(classes=["apple", "zeppelin"], **ONE)
    assert max(files(web).values()) == 1


def test_unknown_source_is_an_input_error(web: PictureWeb, at: At) -> None:
    with pytest.raises(InputError, match="openvers'"):
        at(web).collect(classes=["apple", "boat"], sources=["openvers"])


def test_a_full_disk_keeps_what_was_committed(
    web: PictureWeb, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = at(web)
    put, count = FileStore.put, [0]

    def full(self: FileStore, data: bytes) -> str:
        count[0] += 1
        if count[0] > 5:
            raise StorageError("No space left.", expected="space", do="Free some.")
        return put(self, data)

    monkeypatch.setattr(FileStore, "put", full)
    with pytest.raises(StorageError):
        bench.collect(classes=["apple", "boat"], **ONE)
    monkeypatch.undo()
    done = {r.file_url for r in bench.rows(status="ok")}
    counted = web.requests.copy()
    bench.collect(classes=["apple", "boat"], **ONE)
    assert len(bench.rows(status="ok")) == 16
    again = {f"http://{web.host}{path}" for path in files(web) - files_of(counted)}
    assert not done & again
