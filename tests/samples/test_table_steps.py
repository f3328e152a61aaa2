"""A table goes through collect, curate and split, and comes out as samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tellapart.errors import DataError, InputError
from tellapart.project import Project
from tellapart.steps.samples import gather

from .conftest import run

Make = Callable[..., Project]


def _csv(path: Path, lines: list[str], header: str = "size,color,kind") -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def _lines(count: int = 120) -> list[str]:
    kinds = ("rose", "aster", "lily")
    return [f"{i * 0.37 % 9:.3f},{'red' if i % 2 else 'blue'},{kinds[i % 3]}" for i in range(count)]


def test_rows_are_collected_checked_dealt_and_gathered(project: Make, tmp_path: Path) -> None:
    path = _csv(tmp_path / "t.csv", [*_lines(), "1,red,", ",,rose", "2,red,tulip"])
    made = project(data=str(path), target="kind")
    said = run(made)
    assert said["collect"]["found"] == 123
    assert said["collect"]["unusable"] == {"no_label": 1}
    assert said["curate"]["reasons"] == {"no_label": 1, "no_values": 1, "only_one": 1}
    assert any("'tulip' there is only one row" in note for note in said["curate"]["notes"])
    assert said["split"]["splits"] == {"train": 84, "validation": 12, "test": 24, "aside": 0}
    assert said["split"]["classes"]["lily"] == {
        "train": 28, "validation": 4, "test": 8, "aside": 0,
    }  # fmt: skip
    samples = gather(made.context())
    assert (samples.kind, samples.x.shape, samples.x.dtype) == ("row", (120, 2), np.float32)
    assert samples.classes == ("aster", "lily", "rose")
    assert samples.schema is not None
    assert samples.schema.classes == samples.classes
    assert samples.x[1].tolist() == [np.float32(0.37), 1.0]
    assert samples.classes[samples.y[1]] == "aster"
    assert samples.ids[:2] == ("0", "1")
    assert samples.counts() == said["split"]["classes"]
    assert len(samples.rows_of("test")) == 24
    assert made.counts()["kept"] == 120


def test_the_same_again_does_nothing_and_gives_the_same(project: Make, tmp_path: Path) -> None:
    path = _csv(tmp_path / "t.csv", _lines())
    made = project(data=str(path), target=-1)
    first, before = run(made), gather(made.context())
    assert run(made) == first
    after = gather(made.context())
    assert after.fingerprint == before.fingerprint
    assert after.split.tolist() == before.split.tolist()
    other = project(name="other", data=str(_csv(tmp_path / "same.csv", _lines())), target="kind")
    run(other)
    assert gather(other.context()).split.tolist() == before.split.tolist()
    seeded = project(name="seeded", data=str(path), target=-1, seed=7)
    run(seeded)
    assert gather(seeded.context()).split.tolist() != before.split.tolist()


def test_test_rows_stay_test_rows_when_rows_are_added_and_moved(
    project: Make, tmp_path: Path
) -> None:
    lines = _lines()
    path = _csv(tmp_path / "t.csv", lines)
    made = project(data=str(path), target="kind")
    run(made)
    before = gather(made.context())
    place = dict(zip(lines, before.split.tolist(), strict=True))
    more = [f"{50 + i},red,{'rose' if i % 2 else 'lily'}" for i in range(40)]
    mixed = [*more, *reversed(lines)]
    _csv(path, mixed)
    said = run(made)
    after = dict(zip(mixed, gather(made.context()).split.tolist(), strict=True))
    assert {line: after[line] for line in lines} == place
    assert said["split"]["splits"]["test"] == 32


def test_equal_rows_never_cross_and_contradictions_are_said(project: Make, tmp_path: Path) -> None:
    lines = _lines(60)
    copies = [line.replace(",red,", ", red ,").replace("0.370", "0.37") for line in lines[:30]]
    other = lines[5].rsplit(",", 1)[0] + ",rose"
    made = project(data=str(_csv(tmp_path / "t.csv", [*lines, *copies, other])), target="kind")
    said = run(made)
    notes = " ".join(said["curate"]["notes"])
    assert "31 rows equal to another one" in notes
    assert "same values as a row of another class" in notes
    samples = gather(made.context())
    split, groups = samples.split.tolist(), samples.groups.tolist()
    assert split[:30] == split[60:90]
    assert groups[:30] == groups[60:90]
    assert groups[5] == groups[90]
    assert said["split"]["groups"] == 60


def test_tiny_classes_are_said(project: Make, tmp_path: Path) -> None:
    lines = [*_lines(60), "3.3,red,iris", "4.4,blue,iris", *["7.7,red,phlox"] * 3]
    made = project(data=str(_csv(tmp_path / "t.csv", lines)), target="kind")
    said = run(made)
    assert any("'iris' there are only two rows" in note for note in said["curate"]["notes"])
    assert said["split"]["classes"]["iris"] == {"train": 1, "validation": 0, "test": 1, "aside": 0}
    assert said["split"]["classes"]["phlox"]["test"] == 0
    assert any("'phlox' has no row in test" in note for note in said["split"]["notes"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["1,red,rose", "2,blue,rose", "3,red,aster"], "Only the class 'rose'"),
        (["1,red,rose", "3,red,aster"], "No class has two rows"),
        (["1,red,rose", "3,red,rose"], "only the class 'rose'"),
    ],
)
def test_too_few_rows_are_told(project: Make, tmp_path: Path, lines: list[str], said: str) -> None:
    made = project(data=str(_csv(tmp_path / "t.csv", lines)), target="kind")
    with pytest.raises(DataError, match=said) as caught:
        run(made)
    assert caught.value.do


def test_rows_that_are_all_equal_cannot_be_tested_on(project: Make, tmp_path: Path) -> None:
    lines = ["1,red,rose"] * 6 + ["2,blue,aster"] * 6
    made = project(data=str(_csv(tmp_path / "t.csv", lines)), target="kind")
    with pytest.raises(DataError, match="nothing to test on"):
        run(made)


def test_a_split_column_and_a_group_column_are_honored(project: Make, tmp_path: Path) -> None:
    lines = [
        f"{line},{'test' if i % 4 == 0 else 'Training'},p{i // 4}"
        for i, line in enumerate(_lines())
    ]
    path = _csv(tmp_path / "t.csv", lines, "size,color,kind,Split,person")
    made = project(data=str(path), target="kind")
    said = run(made)
    assert said["split"]["official"] is True
    samples = gather(made.context())
    assert samples.schema is not None
    assert samples.schema.names == ("size", "color", "person")
    assert [split == "test" for split in samples.split.tolist()] == [i % 4 == 0 for i in range(120)]
    assert said["split"]["splits"]["validation"] > 0
    own = project(
        name="grouped",
        data=str(path),
        target="kind",
        split={"official": False, "group_by": "person"},
    )
    said = run(own)
    samples = gather(own.context())
    assert samples.schema is not None
    assert samples.schema.names == ("size", "color", "Split")
    assert said["split"]["groups"] == 30
    together = [set(samples.split.tolist()[i : i + 4]) for i in range(0, 120, 4)]
    assert all(len(splits) == 1 for splits in together)
    with pytest.raises(InputError, match="no column 'persn'"):
        project(name="typo", data=str(path), target="kind", split={"group_by": "persn"}).collect()


def test_a_table_by_name(project: Make) -> None:
    made = project(data="iris")
    said = run(made)
    assert said["split"]["splits"] == {"train": 105, "validation": 15, "test": 30, "aside": 0}
    samples = gather(made.context())
    assert samples.classes == ("setosa", "versicolor", "virginica")
    assert said["split"]["classes"]["setosa"]["test"] == 10
    assert said["collect"]["origin"]["license"] == "CC BY 4.0"


def test_a_changed_target_is_another_table(project: Make, tmp_path: Path) -> None:
    path = _csv(tmp_path / "t.csv", _lines())
    made = project(data=str(path), target="kind")
    run(made)
    made.update({"target": "color"})
    run(made)
    samples = gather(made.context())
    assert samples.classes == ("blue", "red")
    assert samples.schema is not None
    assert samples.schema.names == ("size", "kind")


def test_gathering_before_the_split_is_told(project: Make) -> None:
    made = project(data="iris")
    with pytest.raises(DataError, match="No row has a split"):
        gather(made.context())


@pytest.mark.slow
def test_fifty_thousand_rows(project: Make, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(50_000, 6))
    lines = [
        ",".join(f"{value:.5f}" for value in row) + f",{'xyz'[int(row[0] > 0)]},{int(row[1] > 0)}"
        for row in x.tolist()
    ]
    path = _csv(tmp_path / "t.csv", lines, "a,b,c,d,e,f,g,kind")
    made = project(data=str(path), target="kind")
    said = run(made)
    splits = said["split"]["splits"]
    assert abs(splits["train"] - 35_000) + abs(splits["test"] - 10_000) < 5
    samples = gather(made.context())
    assert samples.x.shape == (50_000, 7)
    np.testing.assert_allclose(samples.x[:, :6], x, atol=1e-5)


def test_deleting_the_project_takes_its_rows_along(project: Make) -> None:
    made, other = project(data="iris"), project(name="other", data="wine")
    run(made)
    run(other)
    made.delete()
    assert len(other.context().catalog.rows()) == 178
    with made._engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM rows").scalar() == 178
