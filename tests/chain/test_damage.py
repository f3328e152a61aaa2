"""Files damaged, gone or changed between runs: made anew or said, never a wrong answer."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tellapart.store.lock import project_lock


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, drawn: Path, warm_cache: Path) -> Path:
    """A home in which the drawn folder was trained once; not to be changed."""
    from tellapart import train
    from tellapart.settings import Settings

    home = tmp_path_factory.mktemp("made") / "home"
    shutil.copytree(warm_cache, home / "cache")
    train(drawn, settings=Settings(home), name="things")
    return home


@pytest.fixture
def again(made: Path, place: Callable[..., Any], tmp_path: Path) -> Any:
    """A copy of that home."""
    shutil.copytree(made, tmp_path / "again")
    return place("again")


def _bundle(home: Path) -> Path:
    return home / "projects" / "things" / "versions" / "things-1.zip"


def _train(here: Any, drawn: Path) -> Any:
    return here.run("train", str(drawn), "--name", "things", "--quiet")


def _garbage(path: Path) -> None:
    path.chmod(0o644)
    size = path.stat().st_size
    path.write_bytes((b"garbage " * (size // 8 + 1))[:size])


def _half(path: Path) -> None:
    path.chmod(0o644)
    data = path.read_bytes()
    path.unlink()  # not through a link to another home
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.slow
def test_damaged_work_and_caches_are_made_anew(again: Any, made: Path, drawn: Path) -> None:
    whole = _bundle(made).read_bytes()
    cache, work = again.home / "cache", again.home / "projects" / "things" / "work"
    [graph] = (cache / "backbones").glob("*.onnx")
    rounds: list[list[Callable[[], Any]]] = [
        [
            lambda: _garbage(cache / "features-v1.sqlite"),
            lambda: _half(graph),
            lambda: [_half(work / name) for name in ("pairs.npz", "scenes.npz")],
            lambda: _garbage(work / "head.safetensors"),
            lambda: _forget(again.home),
        ],
        [
            lambda: _half(cache / "features-v1.sqlite"),
            lambda: [_garbage(blob) for blob in (cache / "openvino").rglob("*.blob")],
            lambda: _half(work / "head.safetensors"),
            lambda: [_garbage(work / name) for name in ("metrics.json", "report.html")],
            lambda: _garbage(work / "model.onnx"),
            lambda: _garbage(work / "golden.json"),
            lambda: _half(_bundle(again.home)),
        ],
    ]
    for number, harms in enumerate(rounds):
        for harm in harms:
            harm()
        assert _train(again, drawn).bundle.read_bytes() == whole, number


def _forget(home: Path) -> None:
    """Let every step run again."""
    connection = sqlite3.connect(home / "tellapart.sqlite")
    with connection:
        connection.execute("UPDATE steps SET fingerprint = 'another' WHERE step != 'split'")
    connection.close()


@pytest.mark.slow
def test_a_picture_changed_on_disk_is_looked_at_again(
    again: Any, tmp_path: Path, drawn: Path
) -> None:
    folder = tmp_path / "things"
    shutil.copytree(drawn, folder)
    first = again.run("train", str(folder), "--name", "own", "--quiet")
    victim = sorted((folder / "apple").iterdir())[0]
    victim.write_bytes(b"\xff\xd8\xff\xe0 not a picture any more")
    other = sorted((folder / "car").iterdir())[0]
    other.unlink()
    second = again.run("curate", "own")
    assert second.code == 0, second.err
    rows = {(row["class"], Path(row["path"]).name): row for row in again.pictures("own")}
    assert not rows["apple", victim.name]["kept"]
    assert rows["apple", victim.name]["reason"] in {"unreadable", "truncated", "not_a_picture"}
    assert rows["car", other.name]["reason"] in {"not_listed", "no_such_file"}
    shutil.rmtree(folder)
    again.run("train", str(folder), "--name", "own").failed(3, "not_found")
    error = again.run("curate", "own").failed(2, "input")
    assert str(folder) in error["what"]
    shutil.copytree(drawn, folder)
    third = again.run("curate", "own")
    assert third.shape["pictures"]["kept"] == first.shape["pictures"]["kept"]


def test_two_at_once_a_foreign_and_a_newer_database(again: Any, drawn: Path) -> None:
    with project_lock(again.home / "projects" / "things"):
        error = _train(again, drawn).failed(10, "busy")
    assert "pid" in error["what"]
    database = again.home / "tellapart.sqlite"
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    error = _train(again, drawn).failed(7, "storage")
    assert "9999" in error["what"] and "newer" in error["do"]
    for side in ("-wal", "-shm"):
        Path(f"{database}{side}").unlink(missing_ok=True)
    database.write_bytes(b"this is no database at all, whatever it is called" * 100)
    error = _train(again, drawn).failed(7, "storage")
    assert "damaged" in error["what"]
