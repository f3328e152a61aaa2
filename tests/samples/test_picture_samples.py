"""Pictures of the ledger as a network sees them, and pictures of another project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart import images
from tellapart.catalog import Assignment, NewPicture, Verdict
from tellapart.demo.drawing import write_folder
from tellapart.errors import DataError, InputError, NotFoundError
from tellapart.project import Project
from tellapart.steps import Progress, pixels
from tellapart.steps.samples import gather
from tellapart.store.files import FileStore

from .conftest import run

Make = Callable[..., Project]
LAYERS = ["flatten", {"dense": {"units": 2, "activation": "softmax"}}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "pictures", ["apple", "star"], 24)
    return tmp_path / "pictures"


def _prepared(samples: Any, made: Project, i: int, size: tuple[int, int], color: Any) -> np.ndarray:
    path = Path(made.context().catalog.picture(samples.ids[i]).path)
    return images.prepare(images.decode(path, hint=max(size)), size, samples.view, color)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_decoded_once_as_the_bundle_will(
    project: Make, folder: Path, channels: int
) -> None:
    made = project(data=str(folder), input=[20, 32, channels], layers=LAYERS)
    run(made)
    samples = gather(made.context())
    assert samples.x.shape[1:] == (20, 32, channels)
    assert samples.x.dtype == np.uint8
    assert isinstance(samples.x, np.memmap)
    assert samples.classes == ("apple", "star")
    kept = made.pictures(kept=True)
    assert sorted(samples.ids) == sorted(row.id for row in kept)
    color = "gray" if channels == 1 else "RGB"
    for i in (0, len(samples.ids) - 1):
        assert (samples.x[i] == _prepared(samples, made, i, (20, 32), color)).all()
    by_id = {row.id: row for row in kept}
    for i, id in enumerate(samples.ids):
        assert samples.classes[samples.y[i]] == by_id[id].label
        assert samples.split[i] == by_id[id].split
    seen: list[Progress] = []
    again = gather(made.context(seen.append))
    assert again.fingerprint == samples.fingerprint
    assert seen == []


def test_a_gathering_that_was_cut_off_goes_on(
    project: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "_BATCH", 8)
    made = project(data=str(folder), input=[16, 16, 3], layers=LAYERS)
    run(made)

    def cut(progress: Progress) -> None:
        if progress.note.startswith("preparing pictures (16 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather(made.context(cut))
    seen: list[Progress] = []
    samples = gather(made.context(seen.append))
    assert seen[0].note.startswith("preparing pictures (16 of ")
    assert samples.x.reshape(len(samples.x), -1).any(axis=1).all()
    assert (samples.x[0] == _prepared(samples, made, 0, (16, 16), "RGB")).all()


def test_new_pictures_are_added_to_those_prepared(project: Make, folder: Path) -> None:
    made = project(data=str(folder), input=[16, 16, 3], layers=LAYERS)
    run(made)
    before = gather(made.context())
    known = {id: before.x[i].copy() for i, id in enumerate(before.ids)}
    write_folder(folder.parent / "more", ["apple", "star"], 30)
    for path in sorted((folder.parent / "more").glob("*/*")):
        target = folder / path.parent.name / f"new-{path.name}"
        path.rename(target)
    run(made)
    seen: list[Progress] = []
    after = gather(made.context(seen.append))
    assert after.fingerprint != before.fingerprint
    assert len(after.ids) > len(before.ids)
    same = [id for id in after.ids if id in known]
    assert seen[0].note.startswith(f"preparing pictures ({len(same)} of {len(after.ids)})")
    for id in same:
        assert (after.x[after.ids.index(id)] == known[id]).all()
    files = sorted(path.suffix for path in (made.folder / "work").glob("pixels-*"))
    assert files == [".done", ".json", ".npy"]


def test_a_picture_that_changed_meanwhile_is_told(project: Make, folder: Path) -> None:
    made = project(data=str(folder), input=[16, 16, 3], layers=LAYERS)
    run(made)
    path = Path(made.pictures(kept=True)[0].path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match="changed since it was collected"):
        gather(made.context())


def test_a_damaged_cache_is_made_anew(project: Make, folder: Path) -> None:
    made = project(data=str(folder), input=[16, 16, 3], layers=LAYERS)
    run(made)
    whole = gather(made.context())
    expected = np.array(whole.x)
    del whole
    (path,) = (made.folder / "work").glob("pixels-*.npy")
    os.truncate(path, 300)
    assert (gather(made.context()).x == expected).all()
    (flags,) = (made.folder / "work").glob("pixels-*.done")
    flags.write_bytes(b"")
    assert (gather(made.context()).x == expected).all()


def test_another_projects_pictures_come_with_their_splits(project: Make, folder: Path) -> None:
    first = project(name="first", data=str(folder))
    run(first)
    second = project(name="second", data="project:first", input=[16, 16, 3], layers=LAYERS)
    said = run(second)
    theirs = {row.path: row for row in first.pictures(status="ok", kept=True)}
    ours = {row.path: row for row in second.pictures()}
    assert sorted(ours) == sorted(theirs)
    for path, row in ours.items():
        other = theirs[path]
        assert (row.label, row.split, row.group, row.kept) == (
            other.label, other.split, other.group, True,
        )  # fmt: skip
    assert said["split"]["splits"] == first.split()["splits"]
    samples = gather(second.context())
    assert len(samples.ids) == len(theirs)
    assert run(second) == said


def test_what_changes_there_changes_here(project: Make, folder: Path) -> None:
    curate = {"mislabelled": None, "off_topic": None}
    first = project(name="first", data=str(folder), curate=curate)
    run(first)
    second = project(name="second", data="project:first", input=[16, 16, 3], layers=LAYERS)
    run(second)
    dropped, moved, gone = first.pictures(label="apple", kept=True)[:3]
    first.overrule(dropped.id, False)
    first.relabel(moved.id, "star")
    Path(gone.path).unlink()
    first.curate()
    first.split()
    said = run(second)
    paths = {row.path: row for row in second.pictures(status="ok", kept=True) if row.split}
    assert dropped.path not in paths
    assert gone.path not in paths
    assert paths[moved.path].label == "star"
    assert any("1 pictures" in note and "first" in note for note in said["collect"]["notes"])
    assert len(gather(second.context()).ids) == len(paths)
    # Forgetting the second takes nothing from the first; its files stay where they are.
    second.delete()
    assert Path(moved.path).is_file()
    assert first.pictures(kept=True)


def test_a_project_that_cannot_be_taken_is_told(project: Make, folder: Path) -> None:
    with pytest.raises(NotFoundError, match="'frist'"):
        project(name="a", data="project:frist", layers=LAYERS, input=[8, 8, 3]).collect()
    with pytest.raises(InputError, match="from itself"):
        project(name="b", data="project:b", layers=LAYERS, input=[8, 8, 3]).collect()
    project(name="first", data=str(folder)).collect()
    with pytest.raises(DataError, match="no pictures that are kept and split"):
        project(name="c", data="project:first", layers=LAYERS, input=[8, 8, 3]).collect()
    project(name="rows", data="iris").collect()
    with pytest.raises(DataError, match="no pictures that are kept and split"):
        project(name="d", data="project:rows", layers=LAYERS, input=[8, 8, 3]).collect()


def test_fetched_pictures_are_shared_and_outlive_the_project_that_fetched_them(
    project: Make, folder: Path
) -> None:
    first = project(name="web", data=str(folder))
    context = first.context()
    files = FileStore(first.settings.files_dir)
    paths = sorted(folder.glob("*/*"))
    for i, path in enumerate(paths):
        sha = files.put(path.read_bytes())
        new = NewPicture(
            label=path.parent.name,
            source="openverse",
            file_url=f"https://pictures.example/{i}",
            license="by",
            creator="Ann",
            status="ok",
            sha256=sha,
            bytes=path.stat().st_size,
        )
        context.catalog.add([new])
        id = context.catalog.id_of(new)
        context.catalog.save_splits([Assignment(id=id, split=("train", "test")[i % 2], group=sha)])
    rows = context.catalog.pictures()
    context.catalog.save_verdicts([Verdict(id=row.id, kept=True) for row in rows])

    second = project(name="second", data="project:web", input=[16, 16, 3], layers=LAYERS)
    run(second)
    assert {row.creator for row in second.pictures()} == {"Ann"}
    first.delete()
    samples = gather(second.context())
    assert len(samples.ids) == len(paths)
    lost = second.pictures()[0].sha256
    files.remove(lost)
    for path in (second.folder / "work").glob("pixels-*"):
        path.unlink()
    with pytest.raises(DataError, match="cannot be prepared"):
        gather(second.context())
    second.delete()
    assert list(files) == []
