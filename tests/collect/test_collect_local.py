import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tellapart.demo.drawing import draw, write_folder
from tellapart.demo.picture_web import PictureWeb
from tellapart.errors import DataError, InputError
from tellapart.steps.collect import scanning

At = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", ["apple", "boat"], 6)


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were read; the reading itself goes on as ever."""
    names: list[str] = []
    real = scanning.read_local

    def watch(row: Any) -> Any:
        names.append(Path(row.path).name)
        return real(row)

    monkeypatch.setattr(scanning, "read_local", watch)
    return names


def test_a_folder_is_referenced_in_place(bench: Any, folder: Path) -> None:
    result = bench.collect(data=str(folder))
    rows = bench.rows()
    assert Counter(r.label for r in rows) == {"apple": 6, "boat": 6}
    assert {r.status for r in rows} == {"ok"} and {r.source for r in rows} == {"folder"}
    assert all(Path(r.path).is_relative_to(folder) and r.file_url == "" for r in rows)
    assert {(r.width, r.height) for r in rows} == {(320, 240)}
    assert not list(bench.settings.files_dir.glob("**/*.jpg"))
    assert result["found"] == 12 and result["notes"] == []
    assert bench.progress[-1].done == 12


def test_the_ledger_is_the_same_wherever_the_folder_lies(
    bench: Any, folder: Path, tmp_path: Path
) -> None:
    bench.collect(name="a", data=str(folder))
    first = {(r.label, r.sha256, r.rank) for r in bench.rows("a")}
    (tmp_path / "other").mkdir()
    folder.rename(tmp_path / "other" / "moved")
    bench.collect(name="b", data=str(tmp_path / "other" / "moved"))
    assert {(r.label, r.sha256, r.rank) for r in bench.rows("b")} == first


def test_only_what_changed_is_read_again(bench: Any, folder: Path, read_files: list[str]) -> None:
    bench.collect(data=str(folder))
    assert len(read_files) == 12
    read_files.clear()
    first = bench.taken()
    assert bench.collect(data=str(folder))["found"] == 12
    assert read_files == [] and bench.taken() == first
    draw("apple", 77).save(folder / "apple" / "apple-003.jpg")
    draw("boat", 78).save(folder / "boat" / "new.jpg")
    (folder / "boat" / "boat-000.jpg").unlink()
    bench.collect(data=str(folder))
    assert sorted(read_files) == ["apple-003.jpg", "new.jpg"]
    missing = bench.rows(status="missing")
    assert [Path(r.path).name for r in missing] == ["boat-000.jpg"]
    assert missing[0].reason and missing[0].sha256
    assert len(bench.rows(status="ok")) == 12
    draw("boat", 0).save(folder / "boat" / "boat-000.jpg", quality=88)
    bench.collect(data=str(folder))
    assert len(bench.rows(status="ok")) == 13
    assert set(first) - set(bench.taken()) != set()


def test_touching_a_file_costs_one_look(bench: Any, folder: Path, read_files: list[str]) -> None:
    bench.collect(data=str(folder))
    first = bench.taken()
    read_files.clear()
    os.utime(folder / "apple" / "apple-001.jpg", ns=(1, 1))
    bench.collect(data=str(folder))
    assert read_files == ["apple-001.jpg"] and bench.taken() == first


def test_broken_files_are_refused_with_their_reason(bench: Any, folder: Path) -> None:
    (folder / "apple" / "empty.jpg").write_bytes(b"")
    (folder / "apple" / "page.jpg").write_bytes(b"<html>hello</html>" * 10)
    (folder / "boat" / "link.jpg").symlink_to("/etc/hosts")
    result = bench.collect(data=str(folder))
    reasons = {Path(r.path).name: (r.status, r.reason) for r in bench.rows() if r.reason}
    assert reasons == {
        "empty.jpg": ("refused", "empty"),
        "page.jpg": ("refused", "not_a_picture"),
        "link.jpg": ("refused", "link_outside"),
    }
    assert result["unusable"] == {"empty": 1, "link_outside": 1, "not_a_picture": 1}
    assert bench.collect(data=str(folder)) == result


def test_official_splits_and_groups_reach_the_ledger(bench: Any, tmp_path: Path) -> None:
    write_folder(tmp_path / "pictures", ["apple", "boat"], 2)
    (tmp_path / "list.csv").write_text(
        "image_path;class;split;group;license\n"
        "pictures/apple/apple-000.jpg;apple;train;g1;CC0\n"
        "pictures/boat/boat-000.jpg;boat;val;;\n"
        "pictures/boat/boat-001.jpg;;train;;\n"
        "../secret.jpg;boat;train;;\n"
    )
    bench.collect(data=str(tmp_path / "list.csv"))
    found = [
        (r.label, r.status, r.reason, r.split_hint, r.group_hint, r.license) for r in bench.rows()
    ]
    assert sorted(found) == [
        ("", "refused", "no_label", "train", "", ""),
        ("apple", "ok", "", "train", "g1", "cc0"),
        ("boat", "ok", "", "validation", "", ""),
        ("boat", "refused", "outside", "train", "", ""),
    ]


def test_a_csv_may_name_pictures_of_the_web(web: PictureWeb, at: At, tmp_path: Path) -> None:
    bench = at(web)
    write_folder(tmp_path, ["apple"], 1)
    urls = [web.url(e) for e in web.openverse["boat"][:3]]
    lines = ["path,label", "apple/apple-000.jpg,apple", *(f"{u},boat" for u in urls)]
    lines += [f"http://{web.host}/nothing,boat", "http://169.254.169.254/x.jpg,boat"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    result = bench.collect(data=str(tmp_path / "list.csv"))
    assert result["found"] == 4
    assert result["unusable"] == {"http_404": 1, "private_address": 1}
    before = web.requests.copy()
    bench.collect(data=str(tmp_path / "list.csv"))
    assert web.requests == before


def test_lists_of_urls_as_a_source_beside_others(web: PictureWeb, at: At, tmp_path: Path) -> None:
    bench = at(web)
    listed = [web.url(e) for e in web.openverse["boat"][:4]]
    (tmp_path / "list.csv").write_text(
        "url,label\n" + "".join(f"{u},apple\n" for u in listed) + "http://x/,\n"
    )
    urls = {"urls": {"file": str(tmp_path / "list.csv")}}
    bench.collect(classes=["apple", "boat"], sources=[urls, "openverse"], per_class=6)
    rows = bench.rows(label="apple", status="ok")
    assert Counter(r.source for r in rows) == {"urls": 4, "openverse": 2}
    assert [r.file_url for r in rows if r.source == "urls"] == listed
    assert [(r.status, r.reason) for r in bench.rows(label="")] == [("refused", "no_label")]
    before = web.requests.copy()
    bench.collect(classes=["apple", "boat"], sources=[urls, "openverse"], per_class=6)
    assert web.requests == before


def test_a_plain_list_needs_the_class_named(web: PictureWeb, at: At, tmp_path: Path) -> None:
    bench = at(web)
    (tmp_path / "list.txt").write_text("\n".join(web.url(e) for e in web.openverse["boat"][:4]))
    with pytest.raises(InputError, match="names a class"):
        bench.collect(
            classes=["apple", "boat"], sources=[{"urls": {"file": str(tmp_path / "list.txt")}}]
        )
    named = {"urls": {"file": str(tmp_path / "list.txt"), "label": "boat"}}
    bench.collect(classes=["apple", "boat"], sources=[named, "openverse"], per_class=3)
    assert {r.source for r in bench.rows(label="boat", status="ok")} == {"urls"}
    with pytest.raises(InputError, match="does not exist"):
        bench.collect(classes=["apple", "boat"], sources=[{"urls": {"file": "/nowhere.csv"}}])


def test_a_folder_as_a_source_is_capped_by_rank(web: PictureWeb, at: At, folder: Path) -> None:
    bench = at(web)
    source = {"folder": {"path": str(folder)}}
    bench.collect(classes=["apple", "star"], sources=[source, "openverse"], per_class=4)
    rows = bench.rows(label="apple", status="ok")
    assert [Path(r.path).name for r in rows] == [f"apple-00{i}.jpg" for i in range(4)]
    (folder / "apple" / "apple-000.jpg").unlink()
    bench.collect(classes=["apple", "star"], sources=[source, "openverse"], per_class=4)
    rows = bench.rows(label="apple", status="ok")
    assert [Path(r.path).name for r in rows] == [f"apple-00{i}.jpg" for i in range(1, 5)]
    assert {r.source for r in bench.rows(label="star", status="ok")} == {"openverse"}


def test_empty_and_unknown_classes(bench: Any, folder: Path) -> None:
    (folder / "star").mkdir()
    with pytest.raises(DataError, match="'star'") as error:
        bench.collect(data=str(folder))
    assert "empty_class" in error.value.what and error.value.exit_code == 4
    assert len(bench.rows(status="ok")) == 12
    (folder / "star").rmdir()
    assert bench.collect(data=str(folder))["found"] == 12


@pytest.mark.parametrize("name", ["nowhere", "notes.md"])
def test_data_that_is_none(bench: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.md").write_text("hello")
    with pytest.raises(InputError) as error:
        bench.collect(data=str(tmp_path / name))
    assert name in error.value.what and error.value.do


def test_the_same_picture_in_two_classes_is_two_rows(bench: Any, folder: Path) -> None:
    data = (folder / "apple" / "apple-000.jpg").read_bytes()
    (folder / "boat" / "same.jpg").write_bytes(data)
    bench.collect(data=str(folder))
    shas = Counter(r.sha256 for r in bench.rows(status="ok"))
    assert sorted(shas.values())[-1] == 2 and len(shas) == 12


def test_real_sets(bench: Any, shared_data: Path) -> None:
    result = bench.collect(data=str(shared_data / "grocery_10"))
    assert result["found"] == 1163 and result["unusable"] == {}
    hints = Counter(r.split_hint for r in bench.rows())
    assert hints == {"train": 663, "test": 420, "validation": 80}


def test_a_file_that_is_far_too_large_is_never_read(bench: Any, folder: Path) -> None:
    huge = folder / "apple" / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that takes no room
    result = bench.collect(data=str(folder))
    row = next(r for r in bench.rows() if r.path == str(huge))
    assert (row.status, row.reason, row.bytes) == ("refused", "too_large", 1 << 40)
    assert result["found"] == 12 and result["unusable"] == {"too_large": 1}
