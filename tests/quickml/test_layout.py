"""The older program's folder: safe names, no stale model, never another model's folder."""

from __future__ import annotations

import json
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart import Progress, Result
from tellapart.errors import InputError, StorageError
from tellapart.learn import outcome
from tellapart.learn.outcome import Outcome
from tellapart.quickml import Layout, folder_name
from tellapart.recipe import Recipe, check

LAYERS = [{"dense": {"units": 3, "activation": "softmax"}}]
HISTORY = [
    {"epoch": 1, "loss": 0.9, "accuracy": 0.6},
    {"epoch": 2, "loss": 0.5, "accuracy": 0.8},
    {"epoch": 3, "loss": 0.6, "accuracy": 0.7},
]


def recipe(title: str = "", **more: Any) -> Recipe:
    values = {"data": "iris", "layers": LAYERS, **more}
    return check({**values, "title": title} if title else values)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder after a training that was stopped in its third epoch."""
    work = tmp_path / "project" / "work"
    work.mkdir(parents=True)
    facts = {"history": HISTORY, "best_epoch": 2, "epochs_asked": 12, "finished": False}
    probabilities = np.ones((1, 3), np.float32) / 3
    outcome.save(work, Outcome("network", ("a", "b", "c"), ("0",), probabilities, facts))
    return work


def bundle(folder: Path, files: dict[str, bytes], coreml: dict[str, Any]) -> Path:
    path = folder / "iris-1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"formats": {"coreml": coreml}}))
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def result(path: Path) -> Result:
    return Result("iris", 1, path, {}, {}, {"accuracy": 0.93})


# -- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["simple CNN", "Test-v0", "net", "Net_2.1", "яблоко", "é"])
def test_a_name_that_every_file_system_holds_stays(name: str) -> None:
    assert folder_name(name) == unicodedata.normalize("NFC", name)


HOSTILE = [
    *("", " ", ".", "..", "../x", "..\\x", "/etc/passwd", "C:\\x", "a/b", "a\0b", "a\nb", "-rf"),
    *("CON", "con", "con.txt", "NUL", "Com1", "LPT9.mlmodel", "aux ", "trailing.", "trailing "),
    *("🍎", "🍎🍐", "x" * 10_000, "я" * 300, "e\u0301", "\ud800", "a:b", "a*b", "<b>", ".hidden"),
    *("~", "$HOME", "%TEMP%", "net-0123abcd", "\u202etxt", "ﬁ", "\u200b"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_other_name_is_made_safe(name: str, tmp_path: Path) -> None:
    safe = folder_name(name)
    assert _harmless(safe)
    assert safe == folder_name(name)
    (tmp_path / safe).mkdir()  # this file system takes it
    assert [path.name for path in tmp_path.iterdir()] == [safe]


def _harmless(safe: str) -> bool:
    stem = safe.split(".")[0].strip().upper()
    return (
        0 < len(safe) <= 64
        and len(safe.encode()) <= 255
        and not set(safe) & set('/\\:*?"<>|\0')
        and all(unicodedata.category(c)[0] != "C" for c in safe)
        and safe[0] not in ". -"
        and safe[-1] not in ". "
        and stem not in {"CON", "NUL", "AUX", "PRN", "COM1", "LPT9"}
    )


def test_hostile_names_are_folders_of_their_own() -> None:
    assert len({folder_name(name) for name in HOSTILE}) == len(HOSTILE)


@given(st.text(max_size=80), st.text(max_size=80))
def test_two_names_are_never_one_folder(first: str, second: str) -> None:
    assert _harmless(folder_name(first))
    assert (folder_name(first) == folder_name(second)) == (first == second)


def test_a_name_cannot_be_chosen_to_hit_the_folder_of_another() -> None:
    taken = folder_name("a/b")
    assert folder_name(taken) != taken


# -- the folder -------------------------------------------------------------------------------


def test_begin_removes_what_an_earlier_run_left(tmp_path: Path, work: Path) -> None:
    layout = Layout(tmp_path / "models", recipe("simple CNN"), work, b'{"model": 1}')
    layout.begin()
    assert layout.folder == tmp_path / "models" / "simple CNN"
    (layout.folder / "simple CNN.mlmodel").write_bytes(b"old")
    (layout.folder / "simple CNN.mlpackage").mkdir()
    (layout.folder / "train_info.json").write_text("{}")
    (layout.folder / "progress.json").write_text("{}")
    (layout.folder / "my notes.txt").write_text("kept")
    layout.begin()
    found = {path.name for path in layout.folder.iterdir()} - {".model_name"}
    assert found == {"user_request.json", "my notes.txt"}
    assert (layout.folder / "user_request.json").read_bytes() == b'{"model": 1}'


def test_a_request_that_is_no_json_is_written_as_json(tmp_path: Path, work: Path) -> None:
    layout = Layout(tmp_path, recipe("net"), work, b"data: iris\nlayers: [flatten]\n")
    layout.begin()
    written = json.loads((layout.folder / "user_request.json").read_bytes())
    assert written["data"] == "iris" and written["layers"] == LAYERS


def test_the_folder_of_another_model_is_left_alone(tmp_path: Path, work: Path) -> None:
    old = tmp_path / "net"
    old.mkdir()
    request = {"model": {"model_name": "Net"}}  # as on a file system that ignores case
    (old / "user_request.json").write_text(json.dumps(request))
    (old / "Net.mlmodel").write_bytes(b"another")
    with pytest.raises(InputError, match=r"holds the model 'Net', so 'net' cannot"):
        Layout(tmp_path, recipe("net"), work).begin()
    assert (old / "Net.mlmodel").read_bytes() == b"another"
    request["model"]["model_name"] = "net"
    (old / "user_request.json").write_text(json.dumps(request))
    Layout(tmp_path, recipe("net"), work).begin()  # of the older program, the same model
    assert not (old / "Net.mlmodel").exists()


def test_a_folder_that_holds_no_model_is_left_alone(tmp_path: Path, work: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="something other than a saved model"):
        Layout(tmp_path, recipe("net"), work).begin()
    (tmp_path / "file").write_text("")
    with pytest.raises((InputError, StorageError)):
        Layout(tmp_path / "file", recipe("net"), work).begin()
    assert [path.name for path in (tmp_path / "net").iterdir()] == ["thesis.tex"]


def test_progress_advances_with_the_training_and_is_never_an_old_one(
    tmp_path: Path, work: Path
) -> None:
    source = work / outcome.PROGRESS
    source.write_text('{"epoch": 99}')  # of a run before
    layout = Layout(tmp_path, recipe("net"), work)
    layout.begin()
    mine = layout.folder / "progress.json"
    layout(Progress("train", 0, 9))
    assert not mine.exists()
    for epoch in (1, 2):
        now = json.dumps({"loss": 1 / epoch, "acc": 0.5, "epoch": epoch, "total_epochs": 2})
        outcome.replace(source, now.encode())
        layout(Progress("train", epoch, 9))
        assert mine.read_text() == now
    outcome.replace(source, b"later")
    layout(Progress("compile", 0))
    assert mine.read_text() != "later"


def test_finish_writes_what_the_older_program_wrote(tmp_path: Path, work: Path) -> None:
    files = {"coreml/net.mlmodel": b"model", "coreml/net.mlpackage/Manifest.json": b"{}"}
    layout = Layout(tmp_path / "models", recipe("net"), work, b"{}")
    layout.begin()
    path = bundle(tmp_path, files, {"files": sorted(files)})
    assert layout.finish(result(path), path) == ""
    folder = layout.folder
    assert (folder / "net.mlmodel").read_bytes() == b"model"
    assert not (folder / "net.mlpackage").exists()
    info = json.loads((folder / "train_info.json").read_text())
    assert info == {"train_acc": 0.8, "test_acc": 0.93, "finished": False, "dataset": "iris"}
    progress = json.loads((folder / "progress.json").read_text())
    assert progress == {"loss": 0.6, "acc": 0.7, "epoch": 3, "total_epochs": 12}


def test_a_package_is_written_whole_where_there_is_no_single_file(
    tmp_path: Path, work: Path
) -> None:
    files = {
        "coreml/net.mlpackage/Manifest.json": b"{}",
        "coreml/net.mlpackage/Data/com.apple.CoreML/model.mlmodel": b"program",
    }
    layout = Layout(tmp_path / "models", recipe("net"), work, b"{}")
    for _ in range(2):
        layout.begin()
        path = bundle(tmp_path, files, {})
        assert layout.finish(result(path), path) == ""
        package = layout.folder / "net.mlpackage"
        inner = {
            str(p.relative_to(package)): p.read_bytes() for p in package.rglob("*.*") if p.is_file()
        }
        assert inner == {
            "Manifest.json": b"{}",
            "Data/com.apple.CoreML/model.mlmodel": b"program",
        }
        assert not list(layout.folder.glob(".*partial"))


def test_without_a_core_ml_file_the_reason_is_given(tmp_path: Path, work: Path) -> None:
    layout = Layout(tmp_path / "models", recipe("net"), work, b"{}")
    layout.begin()
    path = bundle(tmp_path, {}, {"skipped": "an operator is unknown"})
    assert layout.finish(result(path), path) == "an operator is unknown"
    assert (layout.folder / "train_info.json").exists()
    assert not list(layout.folder.glob("*.ml*"))
