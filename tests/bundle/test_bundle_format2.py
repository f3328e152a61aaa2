"""Manifests of format 2, right and wrong: never taken for what they are not, never a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from PIL import Image

from tellapart.bundle import Bundle, golden, verify
from tellapart.bundle.manifest import Manifest, PictureInput, RowInput, to_json
from tellapart.bundle.write import write_zip
from tellapart.errors import PictureError, TellapartError, VerificationError
from tellapart.tables import Column, Schema

Maker = Callable[..., dict[str, bytes]]
Change = Callable[[dict[str, Any]], Any]
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["picture", "row", "gray", "RGB", "number", "category", 2, 10**400, -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def manifest_of(files: dict[str, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files["manifest.json"])
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value below `value`."""
    found = [path] if path else []
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += places(value[key], (*path, key))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def test_both_kinds_are_read(table_files: Maker, gray_files: Maker) -> None:
    rows, problems = Manifest.parse(table_files()["manifest.json"])
    assert (problems, rows is not None) == ([], True)
    assert rows is not None
    assert isinstance(rows.input, RowInput)
    assert rows.rows is not None
    assert rows.rows.names == ("width", "height", "color")
    assert (rows.picture, rows.finished, rows.outputs) == (None, True, ("probabilities",))
    assert rows.golden[0].row is not None
    gray, problems = Manifest.parse(gray_files()["manifest.json"])
    assert problems == []
    assert gray is not None
    assert gray.input == PictureInput((6, 9), "squash", "gray")
    assert (gray.rows, gray.finished) == (None, False)
    assert gray.golden[0].familiarity is None


WRONG_ROWS: list[tuple[Change, str]] = [
    (lambda m: m.pop("task"), "`task`"),
    (lambda m: m.pop("finished"), "`finished`"),
    (lambda m: m.update(outputs=["logits"]), "`outputs`"),
    (lambda m: m.update(outputs=None), "`outputs`"),
    (lambda m: m["input"].update(kind="sound"), "`input.kind`"),
    (lambda m: m["input"].update(columns=[]), "`input.columns`"),
    (lambda m: m["input"].update(target=7), "`input.target`"),
    (lambda m: m["input"].update(left_out="who"), "`input.left_out`"),
    (lambda m: m["input"]["columns"][1].update(name="width"), "`input.columns[1].name`"),
    (lambda m: m["input"]["columns"][1].update(kind="date"), "`input.columns[1].kind`"),
    (lambda m: m["input"]["columns"][1].update(low="0"), "`input.columns[1].low`"),
    (lambda m: m["input"]["columns"][1].update(missing=-1), "`input.columns[1].missing`"),
    (lambda m: m["input"]["columns"][2].update(categories=["a", "a"]), "].categories`"),
    (lambda m: m["input"]["columns"][2].pop("words"), "`input.columns[2].words`"),
    (lambda m: m["golden"][0].update(row=[1, 2, 3]), "`golden[0].row`"),
    (lambda m: m["golden"][0]["row"].update(width=[1]), "`golden[0].row`"),
    (lambda m: m["golden"][0].update(file="a.png"), "`golden[0].file`"),
    (lambda m: m["golden"][0].update(probabilities=[1]), "`golden[0].probabilities`"),
    (lambda m: m.update(golden=[]), "`golden`"),
    (lambda m: m["golden"][0]["row"].update(width="wide"), "golden row 0 gets no answer"),
    (lambda m: m["golden"][0]["row"].pop("width"), "golden row 0 gets no answer"),
    (lambda m: m["golden"][2].update(probabilities=[0.5, 0.5]), "golden row 2 is answered"),
    (lambda m: m["input"]["columns"].pop(), "golden row 0 gets no answer"),
    (lambda m: m.update(formats={"coreml": {"files": ["coreml/a.mlpackage"]}}), "a.mlpackage'"),
]

WRONG_PICTURES: list[tuple[Change, str]] = [
    (lambda m: m["input"].update(size=6), "`input.size`"),
    (lambda m: m["input"].update(size=[6]), "`input.size`"),
    (lambda m: m["input"].update(size=[6, 0]), "`input.size`"),
    (lambda m: m["input"].update(size=[6, True]), "`input.size`"),
    (lambda m: m["input"].update(color="BGR"), "`input.color`"),
    (lambda m: m["input"].pop("view"), "`input.view`"),
    (lambda m: m["golden"][0].update(row={}), "`golden[0].row`"),
    (lambda m: m["golden"][0].pop("file"), "`golden[0].file`"),
    (lambda m: m.update(outputs=["probabilities", "familiarity"]), "`golden[0].familiarity`"),
    (lambda m: m["input"].update(color="RGB"), "gets no answer"),
    (lambda m: m["input"].update(size=[9, 6]), "gets no answer"),
]


@pytest.mark.parametrize(
    ("kind", "change", "word"),
    [("row", *each) for each in WRONG_ROWS] + [("picture", *each) for each in WRONG_PICTURES],
)
def test_a_wrong_manifest_is_said_key_by_key(
    tmp_path: Path, table_files: Maker, gray_files: Maker, kind: str, change: Change, word: str
) -> None:
    files = table_files() if kind == "row" else gray_files()
    manifest = manifest_of(files)
    change(manifest)
    write_zip(tmp_path / "a.zip", {**files, "manifest.json": to_json(manifest)})
    with pytest.raises(VerificationError) as caught:
        verify(tmp_path / "a.zip")
    assert word in caught.value.what, caught.value.what


class Both(dict[str, dict[str, bytes]]):
    """The files of a bundle of each kind; shown in few words where a test fails."""

    def __repr__(self) -> str:
        return "both kinds"


@pytest.fixture(scope="module")
def both(table_files: Maker, gray_files: Maker) -> Both:
    return Both({"row": table_files(), "picture": gray_files()})


@profile(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_hostile_manifest_is_proved_or_refused(
    tmp_path_factory: pytest.TempPathFactory, both: Both, data: st.DataObject
) -> None:
    """Any value at any place; whatever is loaded answers, or says why not."""
    files = both[data.draw(st.sampled_from(["row", "picture"]))]
    manifest = manifest_of(files)
    for _ in range(data.draw(st.integers(1, 3))):
        spots = places(manifest)
        if spots:
            put(manifest, data.draw(st.sampled_from(spots)), data.draw(_JSON))
    path = tmp_path_factory.getbasetemp() / "hostile.zip"
    small = {name: files[name] for name in files if not name.startswith("tellapart/")}
    write_zip(path, {**small, "manifest.json": json.dumps(manifest).encode()})
    try:
        bundle = Bundle.load(path)
        verify(path)
    except TellapartError:
        return
    items: list[Any] = [{"width": 1, "height": 2, "color": "red"}, np.zeros((3, 3, 3), np.uint8)]
    for item in items:
        try:
            found = bundle.predict(item)
        except TellapartError:
            continue
        assert set(found.probabilities) == set(bundle.labels)


@profile(max_examples=300)
@given(st.data())
def test_a_manifest_is_read_or_refused_with_reasons(both: Both, data: st.DataObject) -> None:
    raw = copy.deepcopy(manifest_of(both[data.draw(st.sampled_from(["row", "picture"]))]))
    put(raw, data.draw(st.sampled_from(places(raw))), data.draw(_JSON))
    manifest, problems = Manifest.parse(json.dumps(raw).encode())
    assert (manifest is None) == bool(problems)
    if manifest is not None and manifest.rows is not None:
        assert len(set(manifest.rows.names)) == len(manifest.rows.names) > 0


def test_gray_pictures_of_any_form(gray_zip: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(gray_zip)
    light = np.full((6, 9), 230, np.uint8)
    Image.fromarray(light).save(tmp_path / "a.png")
    forms: list[Any] = [
        light,
        light[..., None],
        np.stack([light] * 3, axis=-1),
        Image.fromarray(light),
        tmp_path / "a.png",
        (tmp_path / "a.png").read_bytes(),
    ]
    found = bundle.predict(forms)
    expected = 1 / (1 + np.exp(-16 * 230 / 255 + 8))
    for each in found:
        assert each.label == "light"
        assert each.probabilities["light"] == pytest.approx(expected, abs=1e-6)
    assert (bundle.prepare(light)[..., 0] == light).all()
    assert bundle.prepare(light).shape == (6, 9, 1)
    with pytest.raises(PictureError, match="type dict"):
        bundle.predict({"width": 1})


def test_a_model_that_answers_no_numbers_is_refused(tmp_path: Path, table_files: Maker) -> None:
    import onnx

    model = onnx.load_from_string(table_files()["model.onnx"])
    for constant in model.graph.initializer:
        if constant.name == "bias":
            constant.CopyFrom(
                onnx.numpy_helper.from_array(np.array([np.nan, 0], np.float32), "bias")
            )
    files = {**table_files(), "model.onnx": model.SerializeToString()}
    write_zip(tmp_path / "a.zip", files)
    with pytest.raises(VerificationError, match="no numbers"):
        Bundle.load(tmp_path / "a.zip").predict({"width": 1, "height": 1, "color": "red"})
    with pytest.raises(VerificationError, match="golden row 0 gets no answer"):
        verify(tmp_path / "a.zip")


# -- golden examples -------------------------------------------------------------------------


@pytest.mark.parametrize("color", ["RGB", "gray"])
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 20), (1, 3)])
def test_small_golden_pictures_are_seen_as_they_are(size: tuple[int, int], color: Any) -> None:
    from tellapart import images

    drawn = golden.small(size, color)
    assert drawn == golden.small(size, color)
    assert len(set(drawn.values())) >= (6 if min(size) > 2 else 2)
    for data in drawn.values():
        seen = images.load(data, size, "squash", color)
        assert seen.shape[:2] == size
        decoded = np.asarray(images.decode(data))
        assert (seen == (decoded[..., :1] if color == "gray" else decoded)).all()


class Echo:
    """Stands where a session would: takes rows, gives two shares that depend on them."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def run(self, batch: np.ndarray, outputs: Any) -> dict[str, np.ndarray]:
        self.seen.append(batch)
        share = np.nan_to_num(batch).sum(axis=1) % 1
        return {"probabilities": np.stack([share, 1 - share], axis=1)}


@pytest.mark.parametrize(
    "columns",
    [
        (Column("a", "number", low=3.0, high=3.0),),
        (Column("a", "category", ("only",)),),
        (Column("a", "category", ()), Column("b", "number")),
        (Column("a", "number", low=-1e30, high=1e30), Column("b", "number", low=1e-9, high=2e-9)),
        tuple(Column(f"c{k}", "number", low=0.0, high=1.0) for k in range(300)),
    ],
)
def test_golden_rows_of_any_columns(columns: tuple[Column, ...]) -> None:
    schema = Schema(columns, "y", ("u", "v"))
    echo: Any = Echo()
    found = golden.rows(schema, echo)
    assert found == golden.rows(schema, Echo())  # type: ignore[arg-type]
    assert len(found) == len(echo.seen) == 8
    json.dumps(found, allow_nan=False)
    for item, seen in zip(found, echo.seen, strict=True):
        assert set(item["row"]) == set(schema.names)
        assert (np.isnan(schema.encode([item["row"]])) == np.isnan(seen)).all()
        for column in columns:
            cell = item["row"][column.name]
            if isinstance(cell, float) and column.low is not None and column.high is not None:
                assert column.low <= cell <= column.high
    assert all(any(cell is None for cell in item["row"].values()) for item in found[-2:])
