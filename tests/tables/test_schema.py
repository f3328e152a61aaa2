"""What columns are taken for, and rows as numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart import tables
from tellapart.errors import DataError, InputError
from tellapart.tables import Column, Schema, Table

SCHEMA = Schema(
    (
        Column("length", "number", low=1.0, high=7.0, words=("-",)),
        Column("color", "category", categories=("blue", "red")),
    ),
    target="kind",
    classes=("aster", "rose"),
)


def _table(*columns: list[str | None], names: str = "abcdefgh") -> Table:
    return Table(tuple(names[: len(columns)]), list(zip(*columns, strict=True)), source="'t.csv'")


def _labels(rows: int) -> list[str | None]:
    return ["yes" if i % 2 else "no" for i in range(rows)]


def test_rows_are_encoded_by_name_and_by_place() -> None:
    rows: list[Any] = [
        {"length": "1.5", "color": "red", "other": "x"},
        {"color": "green"},
        [2, "blue"],
        ("-", None),
        {"length": np.float64(3), "color": " red "},
    ]
    x = SCHEMA.encode(rows)
    assert x.dtype == np.float32
    expected = [[1.5, 1], [math.nan, math.nan], [2, 0], [math.nan, math.nan], [3, 1]]
    np.testing.assert_array_equal(x, np.array(expected, dtype=np.float32))
    assert SCHEMA.encode([]).shape == (0, 2)
    assert SCHEMA.unknown({"length": 1, "color": "green"}) == ("color",)
    assert SCHEMA.unknown({"color": "red"}) == ()


def test_a_row_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InputError, match=r"Row 2: 'long' in the column 'length' is no number"):
        SCHEMA.encode([[1, "red"], ["long", "red"]])
    for row in ([1], [1, "red", 2], "ab"):
        with pytest.raises(InputError, match="Row 1"):
            SCHEMA.encode([row])
    with pytest.raises(InputError, match="Row 1: 'inf'"):
        SCHEMA.encode([["inf", "red"]])


def test_a_table_is_encoded_by_its_names() -> None:
    table = Table(
        ("color", "x", "length"), [("red", "9", "4"), (None, "8", None)], source="'n.csv'"
    )
    np.testing.assert_array_equal(
        SCHEMA.encode_table(table), np.array([[4, 1], [math.nan, math.nan]], dtype=np.float32)
    )
    with pytest.raises(InputError, match=r"'n.csv' has no column 'length'. Did you mean 'lenght'"):
        SCHEMA.encode_table(Table(("color", "lenght"), [("red", "4")], source="'n.csv'"))


def test_a_schema_survives_json() -> None:
    schema = tables.infer(
        _table(
            ["1", "2", None] * 20, ["u", "v", "u"] * 20, [str(i) for i in range(60)], _labels(60)
        )
    )
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again == schema
    assert dict(schema.left_out) == {"c": "it numbers the rows"}
    for bad in ({}, {"columns": 3}, {"columns": [{"name": "a"}], "target": "b", "classes": []}):
        with pytest.raises(InputError, match="cannot be read"):
            Schema.from_dict(bad)


def test_numbers_categories_and_missing_values_are_told_apart() -> None:
    n = 60
    schema = tables.infer(
        _table(
            ["1.5", "-2e3", None] * 20,
            ["red", "blue", None] * 20,
            ["3", "4", "-"] + ["5"] * (n - 3),
            _labels(n),
        )
    )
    number, word, dashed = schema.columns
    assert (number.kind, number.missing, number.low, number.high) == ("number", 20, -2000.0, 1.5)
    assert (word.kind, word.categories, word.missing) == ("category", ("blue", "red"), 20)
    assert (dashed.kind, dashed.words, dashed.missing) == ("number", ("-",), 1)
    assert any("'-' count as missing" in note for note in schema.notes)
    assert (schema.target, schema.classes) == ("d", ("no", "yes"))


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([f"id{i}" for i in range(60)], "all different"),
        ([f"id{min(i, 57)}" for i in range(60)], "58 of its 60 are different"),
        ([str(i + 1) for i in range(60)], "numbers the rows"),
        ([str(i * 7 % 60) for i in range(60)], "numbers the rows"),
        ([f"{i * 7 % 60}.5" for i in range(60)], None),
        ([None] * 60, "empty"),
        ([f"w{i // 2}" if i % 30 else f"x{i}" for i in range(60)], None),
        ([str(i * i) for i in range(60)], None),
    ],
)
def test_columns_that_tell_nothing_are_left_out(
    cells: list[str | None], reason: str | None
) -> None:
    schema = tables.infer(_table(["1", "2", "3"] * 20, cells, _labels(60)))
    if reason is None:
        assert schema.names == ("a", "b")
    else:
        assert schema.names == ("a",)
        assert reason in schema.left_out["b"]
        assert any("'b' is left out" in note for note in schema.notes)


def test_a_number_of_the_row_is_found_where_classes_are_missing_too() -> None:
    labels = [None if i % 7 == 3 else label for i, label in enumerate(_labels(70))]
    schema = tables.infer(_table(["1", "2"] * 35, [str(i) for i in range(70)], labels))
    assert schema.names == ("a",)


def test_names_of_classes_and_columns_lie_on_one_line() -> None:
    table = tables.read_csv('"the\n size",kind\n1,"red\nrose"\n2,red  rose\n3,aster\n')
    assert table.columns == ("the size", "kind")
    schema = tables.infer(table)
    assert schema.classes == ("aster", "red rose")
    assert schema.label("red\nrose") == "red rose"


def test_rare_words_count_as_missing_and_many_are_bounded() -> None:
    cells: list[str | None] = ["u", "v"] * 49 + ["once", "alone"]
    schema = tables.infer(_table(["1", "2"] * 50, cells, _labels(100)))
    assert schema.columns[1].categories == ("u", "v")
    assert schema.columns[1].missing == 2
    assert "2 rare words" in schema.notes[0]
    many: list[str | None] = [f"w{i % 300}" for i in range(1200)]
    schema = tables.infer(_table(["1", "2"] * 600, many, _labels(1200)))
    assert len(schema.columns[1].categories) == 200


def test_constant_columns_and_numbers_too_alike_are_noted() -> None:
    schema = tables.infer(
        _table(["7"] * 40, [str(1_600_000_001 + i % 7) for i in range(40)], _labels(40))
    )
    assert "'a' is 7 in every row" in schema.notes[0]
    assert "single precision" in schema.notes[1]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["10", "9", "9.0", "10"], ("9", "10")),
        (["b", "a", None, "b"], ("a", "b")),
        (["true", "false", "true", "false"], ("false", "true")),
        (["1.5", "2.5", "1.5", "2.5"], ("1.5", "2.5")),
    ],
)
def test_classes_are_numbers_by_size_or_words_in_order(
    labels: list[str | None], classes: tuple[str, ...]
) -> None:
    assert tables.infer(_table(["1", "2", "4", "9"], labels)).classes == classes


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a"] * 60, "only the class 'a'"),
        ([None] * 60, "no class in any row"),
        ([f"{i / 7:.3f}" for i in range(60)], "60 different values in 60 rows"),
        ([f"{i % 30}.5" for i in range(60)], "30 different values"),
        ([f"name{i}" for i in range(60)], "60 different values"),
    ],
)
def test_a_target_that_is_no_class_is_told(labels: list[str | None], said: str) -> None:
    with pytest.raises(DataError, match=said):
        tables.infer(_table(["1", "2"] * 30, labels))


def test_a_table_without_a_column_to_learn_from_is_told() -> None:
    with pytest.raises(DataError, match="no column to learn from beside the target 'a'"):
        tables.infer(_table(_labels(20)))
    with pytest.raises(DataError, match="'a': its words are all different"):
        tables.infer(_table([f"id{i}" for i in range(20)], _labels(20)))


_CELLS = st.one_of(
    st.none(), st.sampled_from(["u", "v", "w", "-"]), st.floats(-1e6, 1e6).map(tables.clean)
)


@given(
    st.integers(4, 12).flatmap(lambda n: st.tuples(*[st.lists(_CELLS, min_size=n, max_size=n)] * 3))
)
def test_what_was_inferred_encodes_its_own_table(columns: tuple[list[str | None], ...]) -> None:
    table = _table(*columns, _labels(len(columns[0])))
    try:
        schema = tables.infer(table)
    except DataError:
        return
    x = schema.encode_table(table)
    assert x.shape == (len(table.rows), len(schema.columns))
    named = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    np.testing.assert_array_equal(schema.encode(named), x)
    for k, column in enumerate(schema.columns):
        assert int(np.isnan(x[:, k]).sum()) == column.missing
        if column.kind == "number" and column.low is not None and column.high is not None:
            assert np.nanmin(x[:, k]) == np.float32(column.low)
            assert np.nanmax(x[:, k]) == np.float32(column.high)
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    np.testing.assert_array_equal(again.encode_table(table), x)


@pytest.mark.parametrize(
    ("file", "rows", "features", "classes"),
    [
        ("iris", 150, 4, 3),
        ("wine", 178, 13, 3),
        ("pima-indians-diabetes", 768, 8, 2),
        ("banknote_authentication", 1372, 4, 2),
        ("sonar", 208, 60, 2),
        ("wheat-seeds", 210, 7, 3),
        ("abalone", 4177, 8, 28),
        ("ionosphere", 351, 34, 2),
    ],
)
def test_real_tables(shared_data: Path, file: str, rows: int, features: int, classes: int) -> None:
    table = tables.read_csv(shared_data / "tabular" / f"{file}.csv")
    schema = tables.infer(table)
    assert (table.header, len(table.rows)) == (False, rows)
    assert (len(schema.columns), len(schema.classes)) == (features, classes)
    kinds = {column.kind for column in schema.columns}
    assert kinds == ({"number", "category"} if file == "abalone" else {"number"})
    assert not np.isnan(schema.encode_table(table)).any()


def test_a_short_tables_column_of_names_is_left_out_though_one_comes_twice() -> None:
    names: list[str | None] = [f"Anna {max(i, 1)}" for i in range(24)]
    numbers: list[str | None] = [str(i % 5) for i in range(24)]
    schema = tables.infer(_table(numbers, names, _labels(24)))
    assert schema.names == ("a",)
    assert "23 of its 24 are different" in schema.left_out["b"]


def test_words_that_come_once_are_no_categories_where_most_do() -> None:
    often: list[str | None] = ["red", "red", "blue", "blue"]
    once: list[str | None] = [f"Anna {i}" for i in range(12)]
    numbers: list[str | None] = [str(i % 5) for i in range(16)]
    schema = tables.infer(_table(numbers, often + once, _labels(16)))
    assert schema.columns[1].categories == ("blue", "red")
    few: list[str | None] = ["red", "blue", "green", "red", "blue", "red"] * 2 + ["gold"]
    schema = tables.infer(_table(numbers[:13], few, _labels(13)))
    assert "gold" in schema.columns[1].categories, "one rare color is no list of names"
