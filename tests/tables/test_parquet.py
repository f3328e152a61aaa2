"""Parquet files become the same tables as CSV."""

from __future__ import annotations

import builtins
import datetime
from pathlib import Path
from typing import Any

import pytest

from tellapart import tables
from tellapart.datasets.reading import read_table
from tellapart.errors import InputError, MissingExtraError


def _write(path: Path, columns: dict[str, list[Any]]) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow writes the files of this test")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet_and_csv_of_the_same_rows_are_the_same(tmp_path: Path) -> None:
    parquet = _write(
        tmp_path / "t.parquet",
        {
            "length": [5.1, None, 6.0, float("nan")],
            "count": [1, 2, None, 4],
            "ripe": [True, False, None, True],
            "day": [datetime.date(2026, 1, 2), None, datetime.date(2026, 1, 2), None],
            "kind": ["rose", "aster", "rose", None],
        },
    )
    csv = tmp_path / "t.csv"
    csv.write_text(
        "length,count,ripe,day,kind\n5.1,1,true,2026-01-02,rose\n,2,false,,aster\n"
        "6,,,2026-01-02,rose\n,4,true,,\n"
    )
    one, other = read_table(parquet), read_table(csv)
    assert (one.columns, one.rows) == (other.columns, other.rows)
    schema = tables.infer(one, "kind")
    assert schema.to_dict() == tables.infer(other, "kind").to_dict()
    assert [column.kind for column in schema.columns] == [
        "number",
        "number",
        "category",
        "category",
    ]


def test_a_damaged_or_empty_or_nested_parquet_file_is_told(tmp_path: Path) -> None:
    whole = _write(tmp_path / "t.parquet", {"a": [1, 2, 3], "b": ["x", "y", "x"]}).read_bytes()
    for i in (0, 4, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        (tmp_path / "cut.parquet").write_bytes(whole[:i])
        with pytest.raises(InputError, match="cannot be read as Parquet"):
            read_table(tmp_path / "cut.parquet")
    with pytest.raises(InputError, match="holds no rows"):
        read_table(_write(tmp_path / "none.parquet", {"a": []}))
    with pytest.raises(InputError, match="holds list values"):
        read_table(_write(tmp_path / "nested.parquet", {"a": [[1], [2]], "b": ["x", "y"]}))


def test_without_its_reader_the_line_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1")
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="Parquet") as caught:
        read_table(path)
    assert "tellapart[parquet]" in caught.value.do


def test_a_path_that_is_no_file_is_told(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "none.csv", "does not exist")):
        with pytest.raises(InputError, match=said):
            read_table(path)


def test_a_tsv_is_divided_by_tabs_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a,b\tkind\n1,2\tx\n3,4\ty\n")
    assert read_table(path, "kind").columns == ("a,b", "kind")


def test_columns_of_one_name_or_none_are_told_apart_as_in_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow writes the files of this test")
    from pyarrow import parquet

    columns = [pyarrow.array(c) for c in ([1, 2], [3, 4], [5, 6], [7, 8], ["x", "y"])]
    names = ["a", "a", "", " a\nb", "kind"]
    parquet.write_table(pyarrow.Table.from_arrays(columns, names=names), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text('a,a,,"a\nb",kind\n1,3,5,7,x\n2,4,6,8,y\n')
    one, other = read_table(tmp_path / "t.parquet"), read_table(tmp_path / "t.csv", "kind")
    assert one.columns == other.columns == ("a", "a_2", "column_2", "a b", "kind")
    assert one.rows == other.rows
    assert one.notes == other.notes and "'a'" in one.notes[0]
