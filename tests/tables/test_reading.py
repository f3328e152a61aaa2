"""CSV as people write it: delimiters, encodings, quotes, headers; everything else is an error."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import InputError
from tellapart.tables import MISSING, Table, clean, label_of, number_of, read_csv

FLOWERS = "length,width,color,kind\n5.1,3.5,red,rose\n4.9,,blue,aster\n6,2.9,red,rose\n"


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(sign: str) -> None:
    table = read_csv(FLOWERS.replace(",", sign))
    assert table.columns == ("length", "width", "color", "kind")
    assert table.rows[1] == ("4.9", None, "blue", "aster")
    assert table.header


def test_blanks_divide_where_nothing_else_does() -> None:
    table = read_csv("1.5  2 a\n 3 4.25   b \n5 6 a\n")
    assert table.rows == [("1.5", "2", "a"), ("3", "4.25", "b"), ("5", "6", "a")]
    assert (table.header, table.columns) == (False, ("column_0", "column_1", "column_2"))


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,2\n3,4\n", True),
        ("1,2\n3,4\n", False),
        ("M,0.4,15\nF,0.5,7\n", False),
        ("kind,color\nrose,red\naster,blue\nrose,red\n", True),
        ("rose,red\naster,blue\nrose,red\n", False),
        (",x,y\n0,1.5,a\n1,2.5,b\n", True),
        ("x,x2,y\n,,a\n1,,b\n", True),
        ("a,b\n", False),
    ],
)
def test_whether_there_is_a_header_is_found(text: str, header: bool) -> None:
    assert read_csv(text).header is header


def test_a_named_target_settles_that_there_is_a_header() -> None:
    text = "2019,2020,kind\n1,2,a\n3,4,b\n"
    assert not read_csv(text).header
    assert read_csv(text, target="kind").columns == ("2019", "2020", "kind")
    assert read_csv(text, target=2).columns[0] == "column_0"
    assert read_csv(text, header=True).header
    assert not read_csv(FLOWERS, header=False).header


@pytest.mark.parametrize("word", [*sorted(MISSING), "NA", "NaN", "None", "  ", "NULL"])
def test_missing_words_are_missing(word: str) -> None:
    assert read_csv(f"a,b\n1,{word}\n2,3\n").rows[0] == ("1", None)


def test_quotes_hold_delimiters_quotes_and_line_ends() -> None:
    table = read_csv('a,b\n"1,5","say ""hi"""\n2,"two\nlines"\n')
    assert table.rows == [("1,5", 'say "hi"'), ("2", "two\nlines")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("größe,art\n1,Käse\n2,Öl\n".encode(encoding))
    table = read_csv(path)
    assert table.columns == ("größe", "art")
    assert table.rows[1] == ("2", "Öl")
    assert bool(table.notes) is (encoding == "cp1252")
    assert str(tmp_path) not in " ".join(table.notes)


def test_decimal_commas_are_numbers_where_another_sign_divides() -> None:
    table = read_csv("a;b;c\n1,5;x,y;2\n-2;z;3,25\n")
    assert table.rows == [("1.5", "x,y", "2"), ("-2", "z", "3.25")]
    assert "Decimal commas" in table.notes[0]


def test_what_spreadsheets_add_is_no_data() -> None:
    table = read_csv("sep=;\na;kind;\n1,5;x;\n2,5;y;\n")
    assert table.columns == ("a", "kind")
    assert table.rows == [("1.5", "x"), ("2.5", "y")]
    with pytest.raises(InputError, match="line 4"):
        read_csv("sep=;\na;kind\n1;x\n2;y;z\n")
    assert read_csv("a,b\n1,\n2,\n").columns == ("a", "b")


def test_names_are_made_different() -> None:
    table = read_csv("a,a,,b\n1,2,3,x\n4,5,6,y\n", header=True)
    assert table.columns == ("a", "a_2", "column_2", "b")
    assert "'a'" in table.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n1,2,3\n", "line 3: 3 cells, where the first line has 2"),
        ("a,b,c\n1,2\n", "line 2: 2 cells"),
        ('a,b\n1,"open\n2,3\n', "line 3"),
        ("", "no rows"),
        ("\n \n", "no rows"),
        ("a\0b,c\n", "zero bytes"),
        (",".join("x" * 10_001), "10,001 columns"),
        ("a,b\n" + "x" * 200_000 + ",1\n", "field larger"),
    ],
)
def test_what_is_no_table_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_csv(text, name="'t.csv'")
    assert "'t.csv'" in caught.value.what
    assert caught.value.expected
    assert caught.value.do


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_csv(tmp_path / "none.csv")


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_whatever_is_read_only_an_input_error_or_a_table_comes_out(text: str | bytes) -> None:
    try:
        table = read_csv(text)
    except InputError:
        return
    assert len(set(table.columns)) == len(table.columns) > 0
    assert all(len(row) == len(table.columns) for row in table.rows)


_WORD = st.text(
    st.characters(exclude_categories=["C"], exclude_characters=" \u2028\u2029\x85"),
    min_size=1,
    max_size=6,
).filter(lambda word: clean(word) == word)
_CELL = st.one_of(st.none(), _WORD, st.integers(-999, 999).map(str))


@given(
    st.integers(2, 4).flatmap(lambda n: st.lists(st.tuples(*[_CELL] * n), min_size=1, max_size=8))
)
def test_what_was_written_is_read(rows: list[tuple[str | None, ...]]) -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    names = [f"name {i}" for i in range(len(rows[0]))]
    writer.writerows([names, *[["" if cell is None else cell for cell in row] for row in rows]])
    table = read_csv(file.getvalue(), header=True, delimiter=",")
    assert table.columns == tuple(names)
    assert table.rows == rows


def test_a_column_is_found_by_name_and_number() -> None:
    table = Table(("a", "b", "3"), [("1", "2", "x")], source="'t.csv'")
    assert [table.place(c) for c in ("b", 0, -1, "3", "1", " -2 ")] == [1, 0, 2, 2, 1, 1]
    for wrong in ("bb", 3, -4, "9", ""):
        with pytest.raises(InputError, match="no column") as caught:
            table.place(wrong)
        assert "a, b, 3" in caught.value.expected
    with pytest.raises(InputError, match="mean 'width'"):
        Table(("length", "width"), []).place("widht")


def test_cells() -> None:
    assert [clean(c) for c in (None, " a ", 3, 3.0, 2.5, True, float("nan"), "N/A")] == [
        None, "a", "3", "3", "2.5", "true", None, None,
    ]  # fmt: skip
    assert [number_of(t) for t in ("1e3", "-0.5", "inf", "1e39", "1_0", "x")] == [
        1000.0, -0.5, None, None, None, None,
    ]  # fmt: skip
    assert [label_of(c) for c in ("1.0", 1, "1", "1.5", "x", None, True)] == [
        "1", "1", "1", "1.5", "x", None, "true",
    ]  # fmt: skip
    assert label_of("1.0", ("1.0",)) == "1.0"
