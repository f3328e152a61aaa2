"""Everything into one file and back, on both databases; what is damaged or in use is refused."""

from __future__ import annotations

import json
import os
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tellapart.catalog import Catalog, NewPicture, Outcome
from tellapart.errors import BusyError, InputError, StorageError, VerificationError
from tellapart.settings import Settings
from tellapart.store.backup import MANIFEST, back_up
from tellapart.store.database import open_database
from tellapart.store.files import FileStore
from tellapart.store.lock import home_lock, project_lock
from tellapart.store.restore import is_used, restore, unpack


@pytest.fixture(params=["sqlite", "postgresql"])
def full(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """A home with two owners' projects, a fetched picture, a bundle and a cache."""
    if request.param == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_url"))
    engine = open_database(settings)
    sha = FileStore(settings.files_dir).put(b"a picture")
    for owner in ("", "u_a"):
        catalog = Catalog.create(engine, "fruit", {"of": owner}, owner)
        new = NewPicture(label="apple", source="web", file_url="http://a/1")
        catalog.add([new])
        catalog.record([Outcome(id=catalog.id_of(new), status="ok", sha256=sha, bytes=9)])
        versions = replace(settings, owner=owner).projects_dir / "fruit" / "versions"
        versions.mkdir(parents=True)
        (versions / "fruit-1.zip").write_bytes(b"bundle of " + owner.encode())
    (settings.home / "secret.key").write_text("hidden")
    (settings.cache_dir / "features").mkdir(parents=True)
    (settings.cache_dir / "features" / "large").write_bytes(b"made again")
    engine.dispose()
    return settings


def _emptied(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Another machine: an empty home, an empty database."""
    there = replace(settings, home=tmp_path / "there")
    if settings.database_url:
        cluster = request.getfixturevalue("postgres_cluster")
        there = replace(there, database_url=cluster.database())
    return there


def test_a_folder_that_goes_while_it_is_looked_through_stops_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(settings).dispose()
    (settings.home / "workers" / "w_gone").mkdir(parents=True)
    (settings.home / "workers" / "w_here").mkdir()
    (settings.home / "workers" / "w_here" / "file").write_text("x")
    look = os.scandir

    def scandir(path: Any = ".") -> Any:
        if str(path).endswith("w_gone"):  # its worker has just ended
            Path(path).rmdir()
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    written = back_up(settings, tmp_path / "b.zip")
    monkeypatch.undo()
    assert "home/workers/w_here/file" in unpack(written.file, None)["entries"]
    assert not (settings.home / "workers" / "w_gone").exists()


def test_all_of_it_comes_back_elsewhere(
    full: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    written = back_up(full, tmp_path / "b.zip")
    assert written.file.stat().st_mode & 0o077 == 0, "it holds secrets"
    assert unpack(written.file, None)["database"] == (
        "postgresql" if full.database_url else "sqlite"
    )
    names = zipfile.ZipFile(written.file).namelist()
    assert not [name for name in names if "cache" in name or name.endswith((".lock", "-wal"))]
    assert names[-1] == MANIFEST

    there = _emptied(full, tmp_path, request)
    assert not is_used(there)
    done = restore(there, written.file)
    assert done.before is None and done.entries == written.entries
    engine = open_database(there)
    assert Catalog.everyone(engine) == [("", "fruit"), ("u_a", "fruit")]
    for owner in ("", "u_a"):
        catalog = Catalog.open(engine, "fruit", owner)
        assert catalog.recipe == {"of": owner}
        (row,) = catalog.pictures()
        assert FileStore(there.files_dir).get(row.sha256) == b"a picture"
        file = replace(there, owner=owner).projects_dir / "fruit" / "versions" / "fruit-1.zip"
        assert file.read_bytes() == b"bundle of " + owner.encode()
    engine.dispose()
    assert (there.home / "secret.key").read_text() == "hidden"
    assert (there.home / "secret.key").stat().st_mode & 0o077 == 0
    assert is_used(there)


def test_what_was_there_is_kept_aside(full: Settings, tmp_path: Path) -> None:
    file = back_up(full, tmp_path / "b.zip").file
    engine = open_database(full)
    Catalog.create(engine, "later", {})
    engine.dispose()
    (full.projects_dir / "later").mkdir()
    done = restore(full, file)
    assert done.before is not None
    assert (done.before / "projects" / "later").is_dir()
    assert (done.before / "tellapart.sqlite").exists() is not bool(full.database_url)
    assert not (full.projects_dir / "later").exists()
    assert (full.cache_dir / "features" / "large").exists()
    engine = open_database(full)
    assert Catalog.names(engine) == ["fruit"]
    engine.dispose()
    again = back_up(full, tmp_path / "again.zip")
    names = zipfile.ZipFile(again.file).namelist()
    assert not [name for name in names if "before-restore" in name]


def test_it_is_one_moment_of_a_database_that_is_written_to(full: Settings, tmp_path: Path) -> None:
    if full.database_url:
        pytest.skip("pg_dump's own promise")
    engine = open_database(full)
    catalog = Catalog.open(engine, "fruit")
    ending = threading.Event()

    def work() -> None:
        for i in range(10_000):
            if ending.is_set():
                return
            # Both in one transaction: never one of them without the other.
            pair = (f"http://{kind}/{i}" for kind in "ab")
            catalog.add([NewPicture(label="pear", source="s", file_url=url) for url in pair])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        counts = []
        for i in range(3):
            there = replace(full, home=tmp_path / f"there{i}")
            restore(there, back_up(full, tmp_path / f"{i}.zip").file)
            copy = open_database(there)
            counts.append(len(Catalog.open(copy, "fruit").pictures(label="pear")))
            copy.dispose()
    finally:
        ending.set()
        thread.join()
        engine.dispose()
    assert all(count % 2 == 0 for count in counts)
    assert counts == sorted(counts) and counts[-1] > 0


def test_a_damaged_or_foreign_file_replaces_nothing(full: Settings, tmp_path: Path) -> None:
    file = back_up(full, tmp_path / "b.zip").file
    data = file.read_bytes()
    bad = tmp_path / "bad.zip"
    place = data.index(b"bundle of u_a")
    for damaged in (data[: len(data) // 2], data[:place] + b"B" + data[place + 1 :], b"no zip"):
        bad.write_bytes(damaged)
        with pytest.raises(VerificationError, match="damaged"):
            restore(full, bad)
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(InputError, match="no backup of ours"):
        restore(full, bad)
    with pytest.raises(InputError, match="no file"):
        restore(full, tmp_path / "none")
    assert not list(full.home.glob("before-restore-*"))
    assert not (full.home / ".restoring").exists()
    engine = open_database(full)
    assert Catalog.names(engine) == ["fruit"]
    engine.dispose()


@pytest.mark.parametrize("name", ["home/../../x", "/home/x", "other", "home/a\\b", "home/a/../b"])
def test_entries_lead_nowhere_else(settings: Settings, tmp_path: Path, name: str) -> None:
    open_database(settings).dispose()
    file = back_up(settings, tmp_path / "b.zip").file
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(bad, "w") as new:
        manifest = json.loads(old.read(MANIFEST))
        for entry in manifest["entries"]:
            new.writestr(entry, old.read(entry))
        sha = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        manifest["entries"][name] = {"sha256": sha, "bytes": 1}
        new.writestr(zipfile.ZipInfo(name), "x")
        new.writestr(MANIFEST, json.dumps(manifest))
    with pytest.raises(VerificationError, match=r"an entry is called|not name what it holds"):
        restore(settings, bad)
    assert not (tmp_path / "x").exists()


def test_a_home_in_use_is_not_replaced(settings: Settings, tmp_path: Path) -> None:
    engine = open_database(settings)
    Catalog.create(engine, "fruit", {})
    engine.dispose()
    file = back_up(settings, tmp_path / "b.zip").file
    both = home_lock(settings.home), home_lock(settings.home)
    with both[0], both[1], pytest.raises(BusyError, match="in use"):
        restore(settings, file)
    with project_lock(settings.projects_dir / "fruit"), pytest.raises(BusyError, match="fruit"):
        restore(settings, file)
    alone, shared = home_lock(settings.home, alone=True), home_lock(settings.home)
    with alone, pytest.raises(BusyError, match="being restored"):
        shared.__enter__()


def test_where_it_may_not_be_written_is_told(settings: Settings, tmp_path: Path) -> None:
    open_database(settings).dispose()
    with pytest.raises(InputError, match="lies in the home"):
        back_up(settings, settings.home / "b.zip")
    (tmp_path / "b.zip").touch()
    with pytest.raises(InputError, match="already"):
        back_up(settings, tmp_path / "b.zip")
    with pytest.raises(StorageError, match="could not be written"):
        back_up(settings, tmp_path / "none" / "b.zip")


def test_another_kind_of_database_is_refused(
    settings: Settings, postgres_url: str, tmp_path: Path
) -> None:
    open_database(settings).dispose()
    file = back_up(settings, tmp_path / "b.zip").file
    with pytest.raises(InputError, match="was a file"):
        restore(replace(settings, home=tmp_path / "there", database_url=postgres_url), file)
