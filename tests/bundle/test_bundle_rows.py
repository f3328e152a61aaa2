"""Bundles for tables: rows by name and by place, what is wrong with them, and whole files."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tellapart.bundle import Bundle, verify
from tellapart.bundle.answering import answer, notes
from tellapart.bundle.row_files import FileRow, open_rows
from tellapart.bundle.write import write_zip
from tellapart.errors import InputError, NotFoundError, TellapartError

Maker = Callable[..., dict[str, bytes]]
Run = Callable[..., subprocess.CompletedProcess[str]]
LARGE = {"width": 9.0, "height": 1.0, "color": "red"}
SMALL = {"width": 0.5, "height": 1.0, "color": "blue"}


@pytest.fixture(scope="module")
def bundle(table_zip: Path) -> Bundle:
    return Bundle.load(table_zip)


def read(bundle: Bundle, data: bytes) -> list[FileRow]:
    with open_rows(io.BytesIO(data), bundle.row_reader) as rows:
        return list(rows)


def cells(bundle: Bundle, data: bytes) -> list[tuple[str | None, ...]]:
    found = read(bundle, data)
    assert [row.error for row in found] == [None] * len(found)
    return [row.cells for row in found]


def test_a_row_by_name_by_place_and_in_a_list(bundle: Bundle) -> None:
    assert bundle.columns == ("width", "height", "color")
    found = bundle.predict(LARGE)
    assert found.label == "large"
    # 2 * 9 + 1 + 2 - 9, twice, through a softmax of two.
    assert found.probabilities["small"] == pytest.approx(1 / (1 + np.exp(24)), abs=1e-9)
    assert found.familiarity is None
    assert found.to_dict()["familiarity"] is None
    predict: Any = bundle.predict
    assert predict([9.0, 1.0, "red"]).probabilities == found.probabilities
    assert bundle.predict(np.array([9.0, 1.0, np.nan])).label == "large"
    several = bundle.predict([LARGE, SMALL, {**LARGE, "size": "large", "number": 7}])
    assert [each.label for each in several] == ["large", "small", "large"]
    assert [each.label for each in bundle.predict([(9, 1, "red"), [0, 1, "blue"]])] == [
        "large",
        "small",
    ]
    assert [each.label for each in predict(np.array([[9.0, 1, 2], [0, 1, 0]]))] == [
        "large",
        "small",
    ]
    assert bundle.predict([]) == []


def test_missing_cells_and_words_never_seen(bundle: Bundle) -> None:
    bare = bundle.predict({"width": 4.5, "height": None, "color": None}).probabilities
    assert bare["large"] == pytest.approx(0.5, abs=1e-6)
    for height in (float("nan"), "", "NA", "?", "-", np.float32("nan")):
        row = {"width": 4.5, "height": height, "color": "mauve"}
        assert bundle.predict(row).probabilities == bare


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"width": 1, "color": "red"}, ["lacks the column 'height'"]),
        ({**LARGE, "hight": 1}, ["has the column 'hight' the model does not know"]),
        ({"width": 1, "Height": 1, "color": "red"}, ["'height'", "'Height'"]),
        ({}, ["columns 'width', 'height', 'color'"]),
        ({3: 4}, ["'3'"]),
        ({**LARGE, "height": "tall"}, ["'tall'", "'height'"]),
        ({**LARGE, "width": float("inf")}, ["'inf'", "'width'"]),
        ([1, 2], ["2 cells"]),
        ([1, 2, 3, 4], ["4 cells"]),
        ("a.png", ["'a.png'"]),
        (None, ["None"]),
        (7, ["7"]),
    ],
)
def test_a_wrong_row_is_said(bundle: Bundle, row: object, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        bundle.predict(row)  # type: ignore[call-overload]
    assert caught.value.expected
    assert caught.value.do
    for word in words:
        assert word in caught.value.what, caught.value.what
    mixed = bundle.predict(cast(Any, [LARGE, row, SMALL]))
    assert [each.label for each in mixed] == ["large", None, "small"]
    assert str(mixed[1].error) == str(caught.value)


def test_a_misspelled_column_is_put_right(bundle: Bundle) -> None:
    with pytest.raises(InputError) as caught:
        bundle.predict({"widht": 1, "height": 1, "color": "red"})
    assert caught.value.do == "Rename 'widht' to 'width'."


def test_pictures_and_maps_are_no_matter_of_a_table(bundle: Bundle, tiny_zip: Path) -> None:
    with pytest.raises(InputError, match="no map"):
        bundle.predict(LARGE, why=True)
    with pytest.raises(InputError, match="rows of a table, not pictures"):
        bundle.why("a.png")
    with pytest.raises(InputError, match="answers pictures"):
        _ = Bundle.load(tiny_zip).row_reader
    assert Bundle.load(tiny_zip).columns is None


@profile(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
    | st.fixed_dictionaries(
        {name: st.none() | st.floats() | st.text() | st.integers() for name in LARGE}
    )
)
def test_anything_as_a_row_is_answered_or_refused(bundle: Bundle, item: object) -> None:
    try:
        found = bundle.predict(item)  # type: ignore[call-overload]
    except TellapartError:
        return
    for each in found if isinstance(found, list) else [found]:
        assert each.error is not None or sum(each.probabilities.values()) == pytest.approx(1)


def test_rows_are_streamed(bundle: Bundle) -> None:
    taken = 0

    def rows() -> Iterator[dict[str, object]]:
        nonlocal taken
        for _ in range(100_000):
            taken += 1
            yield LARGE

    assert next(bundle.stream(rows())).label == "large"
    assert taken <= 1024


# -- files -----------------------------------------------------------------------------------


HEAD = b"width,height,color,size\n"


@pytest.mark.parametrize(
    "data",
    [
        b"width,height,color\n9,1.5,red\n0.5,,blue\n",
        b"\xef\xbb\xbfwidth,height,color\r\n9,1.5,red\r\n0.5,NA,blue",
        b"color,size,width,number,height\nred,large,9,1,1.5\nblue,small,0.5,2,\n",
        b"color;width;height\nred;9;1,5\nblue;0,5;\n",
        b"color\twidth\theight\nred\t9\t1.5\nblue\t0.5\t-\n".replace(b"\t-", b"\t"),
        b'\n"width", "height", "color"\n\n9, 1.5, red\n\n0.5, , blue\n\n',
        "width,height,color\n9,1.5,red\n0.5,?,blue\n".encode("utf-16"),
        b"WIDTH,Height ,_color_\n9,1.5,red\n0.5,,blue\n",
        b"9,1.5,red\n0.5,,blue\n",
        b"9,1.5,red,large\n0.5,,blue,small\n",
        b"large,9,1.5,red\nsmall,0.5,,blue\n",
        b"9 1.5 red\n0.5 ? blue \n",
        b"width,height,color,extra\n9,1.5,red,1\n0.5,,blue,2\n",
    ],
)
def test_every_form_of_a_file_gives_the_same_rows(bundle: Bundle, data: bytes) -> None:
    assert cells(bundle, data) == [("9", "1.5", "red"), ("0.5", None, "blue")]


def test_windows_text_is_read(bundle: Bundle) -> None:
    data = "width,height,color\n1,2,grün\n".encode("cp1252")
    assert cells(bundle, data) == [("1", "2", "grün")]


def test_the_class_of_a_row_is_set_aside(bundle: Bundle) -> None:
    found = read(bundle, HEAD + b"9,1,red,large\n0,1,blue,\n9,1,red,huge\n")
    assert [row.answer for row in found] == ["large", None, "huge"]
    assert [row.number for row in found] == [1, 2, 3]
    assert [row.line for row in found] == [2, 3, 4]


def test_numbered_columns_are_taken_by_their_place(tmp_path: Path, table_files: Maker) -> None:
    given = json.loads(table_files()["manifest.json"])["input"]
    for column, name in zip(given["columns"], ("column_1", "column_3", "column_4"), strict=True):
        column["name"] = name
    given |= {"target": "column_0", "left_out": ["column_2"]}
    path = tmp_path / "a.zip"
    write_zip(path, table_files(input=given))
    bundle = Bundle.load(path)
    found = read(bundle, b"large,9,x,1.5,red\nsmall,0,y,1,blue\n")
    assert [(row.cells, row.answer) for row in found] == [
        (("9", "1.5", "red"), "large"),
        (("0", "1", "blue"), "small"),
    ]
    assert cells(bundle, b"9,1.5,red\n") == [("9", "1.5", "red")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ["no rows"]),
        (b"\n \n", ["no rows"]),
        (b"\xff\xfe", ["no rows"]),
        (b"PK\x03\x04\0\0\0", ["zero bytes"]),
        (b"width,height\n1,2\n", ["lacks the column 'color'"]),
        (b"width,hight,color\n1,2,red\n", ["'height'", "'hight' is not known"]),
        (b"a,b,c,d\n1,2,3,4\n", ["'width', 'height', 'color'"]),
        (b"1,2\n", ["lacks the columns"]),
        (b"1,2,red,blue,9\n", ["lacks the columns"]),
        (b'width,height,color\n1,2,"red\n3,4,blue\n', ["line 3"]),
    ],
)
def test_a_wrong_file_is_said(bundle: Bundle, data: bytes, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read(bundle, data)
    assert caught.value.expected
    assert caught.value.do
    for word in words:
        assert word in caught.value.what, caught.value.what


def test_a_file_that_is_not_there(bundle: Bundle, tmp_path: Path) -> None:
    for path, kind in ((tmp_path / "no.csv", NotFoundError), (tmp_path, InputError)):
        with pytest.raises(kind), open_rows(path, bundle.row_reader):
            pass


def test_a_damaged_end_is_said_after_what_could_be_read(bundle: Bundle) -> None:
    data = "width,height,color\n9,1,red\n".encode("utf-16") + b"\x00"
    with pytest.raises(InputError, match="damaged"):
        read(bundle, data)


def answered(bundle: Bundle, data: bytes, form: str) -> tuple[list[str], list[str], object]:
    out: list[str] = []
    errors: list[str] = []
    with open_rows(io.BytesIO(data), bundle.row_reader) as rows:
        tally = answer(
            bundle,
            rows,
            form,  # type: ignore[arg-type]
            out.append,
            lambda error: errors.append(str(error)),
        )
        return out, errors + notes(rows, tally), tally


MIXED = HEAD + b"9,1,red,large\n1,1,blue,large\n9,tall,red,large\n9,1\n9,1,mauve,\n"


def test_bad_lines_are_named_and_the_others_answered(bundle: Bundle) -> None:
    out, errors, tally = answered(bundle, MIXED, "table")
    assert out[0].split() == ["row", "answer", "large", "small", "given"]
    assert [line.split()[1] for line in out[1:]] == ["large", "small", "not", "not", "large"]
    assert "(differs)" in out[2]
    assert "line 4: 'tall' in the column 'height'" in errors[0]
    assert "line 5: 2 cells" in errors[1]
    assert errors[2].startswith("1 row with a word in 'color'")
    assert tally.sentence() == (  # type: ignore[attr-defined]
        "5 rows, 2 of them not answered: accuracy 50.0 % (1 of 2 are as the file says)"
    )


def test_json_lines_and_csv(bundle: Bundle) -> None:
    rows = [json.loads(line) for line in answered(bundle, MIXED, "json")[0]]
    assert [row["row"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row.get("label") for row in rows] == ["large", "small", None, None, "large"]
    assert rows[0]["given"] == "large"
    assert rows[2]["error"]["code"] == "input"
    table = list(csv.DictReader(answered(bundle, MIXED, "csv")[0]))
    assert list(table[0]) == ["row", "label", "given", "p_large", "p_small"]
    assert [row["label"] for row in table] == ["large", "small", "", "", "large"]
    assert float(table[1]["p_small"]) == pytest.approx(rows[1]["probabilities"]["small"], abs=1e-6)
    assert "given" not in answered(bundle, b"9,1,red\n", "csv")[0][0]


def test_memory_stays_bounded(bundle: Bundle) -> None:
    """Of 20,000 rows no more is held than of the batch that is being answered."""
    data = io.BytesIO(HEAD + b"9,1.25,red,large\n0.5,-1,blue,small\n" * 10_000)
    answered(bundle, HEAD + b"1,1,red,small\n", "csv")
    with open_rows(data, bundle.row_reader) as rows:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tally = answer(bundle, rows, "csv", lambda _: None, lambda _: None)
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
    assert (tally.rows, tally.right) == (20_000, 20_000)
    assert peak < 3 * 2**20


@profile(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_as_a_file_are_answered_or_refused(bundle: Bundle, data: bytes) -> None:
    for start in (b"", HEAD):
        try:
            out, _, _ = answered(bundle, start + data, "json")
        except TellapartError:
            continue
        assert all(json.loads(line)["row"] for line in out)


# -- by itself -------------------------------------------------------------------------------


def test_the_zip_answers_files_by_itself(bare: Run, table_zip: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(MIXED)
    found = bare(table_zip, "predict", path)
    assert found.returncode == 2
    assert found.stdout.splitlines()[1].split()[:2] == ["1", "large"]
    assert "accuracy 50.0 %" in found.stdout
    assert "line 4" in found.stderr
    assert "Traceback" not in found.stderr
    path.write_bytes(HEAD + b"9,1,red,large\n")
    lines = bare(table_zip, "predict", "--json", path).stdout.splitlines()
    assert json.loads(lines[0])["label"] == "large"
    assert json.loads(lines[1])["accuracy"] == 1.0
    piped = bare(table_zip, "predict", "--csv", "-", input="9,1,red\n0,0,blue\n")
    assert piped.returncode == 0, piped.stderr
    assert [line.split(",")[1] for line in piped.stdout.splitlines()] == ["label", "large", "small"]
    assert "2 rows" in piped.stderr


def test_what_does_not_fit_the_kind_is_said(
    bare: Run, table_zip: Path, tiny_zip: Path, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_bytes(HEAD)
    for arguments in (
        (tiny_zip, "predict", "--csv", tmp_path / "rows.csv"),
        (table_zip, "predict", "--why", tmp_path / "a.png", tmp_path / "rows.csv"),
        (table_zip, "predict", tmp_path / "none.csv"),
    ):
        found = bare(*arguments)
        assert found.returncode in (2, 3), found.stderr
        assert "do next" in found.stderr
        assert "Traceback" not in found.stderr


def test_the_zip_proves_itself(bare: Run, table_zip: Path, gray_zip: Path) -> None:
    report = verify(table_zip)
    assert (report.kind, report.finished, report.golden) == ("row", True, 8)
    assert "8 golden rows" in bare(table_zip, "verify").stdout
    report = verify(gray_zip)
    assert (report.kind, report.finished, report.golden) == ("picture", False, 6)
    assert "stopped before its end" in bare(gray_zip, "verify").stdout


def test_torch_and_pandas_are_not_needed(table_zip: Path) -> None:
    program = (
        f"import sys, tellapart; b = tellapart.Bundle.load({str(table_zip)!r});"
        f"b.predict({LARGE!r}); print([m for m in ('torch', 'sklearn', 'pandas', 'onnx')"
        " if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr
