"""A bundle that is not exactly what was written is never taken for one."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tellapart.bundle import Bundle, verify
from tellapart.bundle.manifest import Manifest, read_sums, sha256, sums_text, to_json
from tellapart.bundle.write import write_zip
from tellapart.errors import TellapartError, VerificationError

Maker = Callable[..., dict[str, bytes]]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def refused(path: Path, *words: str) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(path)
    assert caught.value.expected
    assert caught.value.do
    for word in words:
        assert word in caught.value.what, caught.value.what
    return caught.value.what


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_whole_bundle_passes(tiny_zip: Path, engine: str) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    report = verify(tiny_zip, engine=engine)  # type: ignore[arg-type]
    assert (report.name, report.version, report.golden) == ("colors", 1, 2)
    assert report.max_difference < 1e-5
    with zipfile.ZipFile(tiny_zip) as archive:
        assert report.files == len(archive.namelist()) - 1


def test_a_folder_passes_and_one_packed_anew_too(
    tmp_path: Path, tiny_zip: Path, unpack: Callable[[Path, Path], Path]
) -> None:
    folder = unpack(tiny_zip, tmp_path / "bundle")
    assert verify(folder).files == verify(tiny_zip).files
    again = shutil.make_archive(str(tmp_path / "again"), "zip", folder)
    assert verify(again).files == verify(tiny_zip).files


@profile(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_flipped_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, tiny_zip: Path, data: st.DataObject
) -> None:
    whole = bytearray(tiny_zip.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.zip"
    path.write_bytes(whole)
    with pytest.raises(TellapartError):
        verify(path)
    with contextlib.suppress(TellapartError):  # raised where the part that it reads was hit
        Bundle.load(path)


def test_every_byte_of_the_zips_own_frame_is_watched(tmp_path: Path, tiny_zip: Path) -> None:
    """The last bytes hold the directory's end and the seal: each one matters."""
    whole = tiny_zip.read_bytes()
    path = tmp_path / "a.zip"
    chosen = random.Random(0)
    for at in range(len(whole) - 103, len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= chosen.randint(1, 255)
        path.write_bytes(flipped)
        with pytest.raises(TellapartError):
            verify(path)


@given(st.integers(1, 2000))
@profile(max_examples=40, deadline=None)
def test_a_cut_off_bundle_is_refused(
    tmp_path_factory: pytest.TempPathFactory, tiny_zip: Path, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.zip"
    path.write_bytes(tiny_zip.read_bytes()[:-cut])
    with pytest.raises(TellapartError):
        verify(path)


def test_bytes_behind_the_end_are_refused(tmp_path: Path, tiny_zip: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(tiny_zip.read_bytes() + b"more")
    refused(path, "something was added")


def test_missing_extra_and_changed_files_are_all_named(
    tmp_path: Path, tiny_zip: Path, unpack: Callable[[Path, Path], Path]
) -> None:
    folder = unpack(tiny_zip, tmp_path / "bundle")
    (folder / "labels.txt").write_text("cat\ndog\n")
    (folder / "extra.txt").write_text("hello")
    (folder / "golden" / "00-red.png").unlink()
    what = refused(folder, "'labels.txt'", "'extra.txt' is not in", "'golden/00-red.png' is miss")
    assert "3 problems" in what


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "labels.txt", "SHA256SUMS"])
def test_a_missing_part_is_named(
    tmp_path: Path, tiny_zip: Path, unpack: Callable[[Path, Path], Path], name: str
) -> None:
    folder = unpack(tiny_zip, tmp_path / "bundle")
    (folder / name).unlink()
    refused(folder, f"{name!r} is missing")


def test_a_newer_format_says_what_to_do(tmp_path: Path, tiny_files: Maker) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, tiny_files(format=3))
    refused(path, "format 3", "pip install --upgrade")
    with pytest.raises(VerificationError, match="format 3"):
        Bundle.load(path)


def test_a_newer_format_is_named_even_where_it_sums_in_another_way(
    tmp_path: Path, tiny_files: Maker
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**tiny_files(format=9), "SHA256SUMS": b"blake3 abc\n"}.items():
            archive.writestr(name, data)
    refused(path, "format 9", "newer Tellapart")
    with pytest.raises(VerificationError, match="format 9"):
        Bundle.load(path)


def test_labels_must_agree_everywhere(tmp_path: Path, tiny_files: Maker) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, {**tiny_files(), "labels.txt": b"blue\nred\ngreen\n"})
    refused(path, "labels.txt and manifest.json")
    write_zip(path, tiny_files(labels=["blue", "red", "green"]))
    refused(path, "labels.txt and manifest.json", "the model's metadata")


def test_golden_pictures_must_get_their_answers(tmp_path: Path, tiny_files: Maker) -> None:
    path = tmp_path / "a.zip"
    files = tiny_files()
    golden = json.loads(files["manifest.json"])["golden"]
    golden[0]["probabilities"] = [0.0, 0.0, 1.0]  # 7e-4 away: still within
    write_zip(path, tiny_files(golden=golden))
    assert 5e-4 < verify(path).max_difference < 1e-3
    golden[0]["probabilities"] = [0.002, 0.0, 0.998]
    golden[1]["familiarity"] += 0.01
    write_zip(path, tiny_files(golden=golden))
    what = refused(path, "'golden/00-red.png' is answered", "'golden/01-gray.png' is answered")
    assert "2 problems" in what


def test_golden_pictures_that_are_gone_or_broken(tmp_path: Path, tiny_files: Maker) -> None:
    path = tmp_path / "a.zip"
    golden = json.loads(tiny_files()["manifest.json"])["golden"]
    golden[0]["file"] = "golden/none.png"
    write_zip(path, {**tiny_files(golden=golden), "golden/01-gray.png": b"junk"})
    refused(path, "'golden/none.png' is missing", "'golden/01-gray.png' gets no answer")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"labels": ["a"]}, "`labels`"),
        ({"labels": ["a", "a"]}, "`labels`"),
        ({"version": 0}, "`version`"),
        ({"version": True}, "`version`"),
        ({"format": None}, "`format`"),
        ({"input": {"size": -1, "view": "zoom"}}, "`input.view`"),
        ({"input": []}, "`input.size`"),
        ({"thresholds": {"familiarity": "low", "probability": None}}, "`thresholds.familiarity`"),
        ({"thresholds": {}}, "`thresholds.probability`"),
        ({"golden": []}, "`golden`"),
        ({"golden": [{"file": 3, "probabilities": [1], "familiarity": 0}]}, "probabilities`"),
    ],
)
def test_a_wrong_manifest_is_said_key_by_key(
    tmp_path: Path, tiny_files: Maker, change: dict[str, object], word: str
) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, tiny_files(**change))
    refused(path, word)


@given(_JSON)
def test_any_json_is_parsed_or_refused(value: object) -> None:
    manifest, problems = Manifest.parse(json.dumps(value).encode())
    assert (manifest is None) == bool(problems)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_manifest(data: bytes) -> None:
    assert Manifest.parse(data)[1]


def test_deep_json_is_refused() -> None:
    assert Manifest.parse(b"[" * 200_000)[1]


@given(
    st.dictionaries(
        st.text("abc./ é", min_size=1),
        st.text("0123456789abcdef", min_size=64, max_size=64),
        min_size=1,
    )
)
def test_sums_come_back_as_written(sums: dict[str, str]) -> None:
    assert read_sums(sums_text(sums)) == (sums, [])


@given(st.binary(max_size=300))
def test_any_bytes_as_sums(data: bytes) -> None:
    sums, problems = read_sums(data)
    assert sums == {} or sums_text(sums) != data or not problems


def test_json_holds_no_nan() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        to_json({"a": float("nan")})


GARBAGE = b"not a model"


def with_int8(
    path: Path, make: Maker, model: bytes | None, digest: str = "", **more: object
) -> Path:
    """A tiny bundle with `model` as its int8 model; None: the manifest alone names one."""
    file = "variants/int8.onnx"
    facts = {"file": file, "sha256": digest or sha256(model or b""), **more}
    files = make(variants={"int8": facts})
    write_zip(path, {**files, file: model} if model is not None else files)
    return path


def test_an_int8_model_is_proven_too(
    tmp_path: Path, tiny_files: Maker, make_model: Callable[..., bytes]
) -> None:
    path, rough = tmp_path / "a.zip", make_model(gain=6.0)
    report = verify(with_int8(path, tiny_files, rough))
    assert report.max_difference < 1e-5  # of the exact model
    refused(with_int8(path, tiny_files, None), "'variants/int8.onnx' is missing")
    refused(with_int8(path, tiny_files, rough, "0" * 64), "int8.onnx' is not what manifest.json")
    refused(with_int8(path, tiny_files, GARBAGE), "'int8'", "cannot be loaded")
    # A model of other classes, and one that says other things.
    refused(with_int8(path, tiny_files, make_model(("a", "b"))), "'int8'", "for 3 labels")
    other = make_model(gain=-8.0)
    refused(with_int8(path, tiny_files, other), "'int8'", "at most 0.5")
    recorded = {"agreement": {"largest": 0.9999}}
    verify(with_int8(path, tiny_files, other, **recorded))


def test_a_variant_that_was_left_out_is_no_file_too_few(tmp_path: Path, tiny_files: Maker) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, tiny_files(variants={"int8": {"left_out": "agrees on 90 %"}}))
    verify(path)


@pytest.mark.parametrize("odd", [[], 1, None, {"int8": 3}, {"int8": {"file": ["x"]}}])
def test_variants_in_another_form_are_refused(
    odd: object, tmp_path: Path, tiny_files: Maker
) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, tiny_files(variants=odd))
    refused(path)
