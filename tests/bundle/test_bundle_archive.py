"""Bundles made to harm: every one is refused with its reasons, and none is unpacked."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.bundle import Bundle, verify
from tellapart.bundle.archive import name_problem, names_problems, open_archive
from tellapart.bundle.write import write_zip
from tellapart.errors import NotFoundError, TellapartError, VerificationError


def zipped(path: Path, files: dict[str, bytes], **attributes: int) -> Path:
    """A zip as another program would write it: no order, no seal, any name."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.external_attr = attributes.get("external_attr", 0)
            archive.writestr(info, data)
    return path


def both_refuse(path: Path, *words: str) -> str:
    """`load` and `verify` refuse the bundle in three parts; return what happened."""
    for use in (Bundle.load, verify):
        with pytest.raises(VerificationError) as caught:
            use(path)
        assert caught.value.expected
        assert caught.value.do
        for word in words:
            assert word in caught.value.what
    return caught.value.what


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("../evil.txt", "leaves its folder"),
        ("a/../../evil.txt", "leaves its folder"),
        ("/etc/passwd", "absolute"),
        ("C:/windows/evil", "absolute"),
        ("a\\..\\evil", "backslash"),
        ("a//b", "leaves its folder"),
        ("./a", "leaves its folder"),
        ("a\x1bb", "control character"),
        ("CON", "every system"),
        ("aux.txt", "every system"),
        ("dir./a", "every system"),
        ("ab:stream", "every system"),
    ],
)
def test_unsafe_names_are_refused(
    tmp_path: Path, tiny_files: Callable[..., dict[str, bytes]], name: str, word: str
) -> None:
    both_refuse(zipped(tmp_path / "a.zip", {**tiny_files(), name: b"x"}), word)
    with pytest.raises(VerificationError):
        write_zip(tmp_path / "b.zip", {name: b"x"})
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize(
    "names",
    [
        ("Manifest.json", "manifest.json"),
        ("golden/x.png", "Golden/y.png"),
        ("caf\u00e9.txt", "cafe\u0301.txt"),
        ("a", "a/b"),
        ("A", "a/b"),
    ],
)
def test_names_that_clash_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert names_problems(names)
    path = zipped(tmp_path / "a.zip", dict.fromkeys(names, b"x"))
    with pytest.raises(VerificationError):
        open_archive(path)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", b"{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("manifest.json", b"{} ")
    both_refuse(path, "twice")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    both_refuse(
        zipped(tmp_path / "a.zip", {"model.onnx": b"/etc/passwd"}, external_attr=0o120777 << 16),
        "link",
    )


def test_links_in_a_folder_are_refused(
    tmp_path: Path, tiny_zip: Path, unpack: Callable[[Path, Path], Path]
) -> None:
    folder = unpack(tiny_zip, tmp_path / "bundle")
    assert verify(folder).golden == 2
    (folder / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    both_refuse(folder, "link")
    (folder / "model.onnx").unlink()
    (tmp_path / "elsewhere.onnx").rename(folder / "model.onnx")
    (folder / "dataset").symlink_to(tmp_path, target_is_directory=True)
    both_refuse(folder, "link")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_a_folder_is_refused(
    tmp_path: Path, tiny_zip: Path, unpack: Callable[[Path, Path], Path]
) -> None:
    folder = unpack(tiny_zip, tmp_path / "bundle")
    os.mkfifo(folder / "pipe")
    both_refuse(folder, "device")


def test_a_bomb_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"0" * 50_000_000)
    both_refuse(path, "would grow")


def test_a_size_that_lies_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("SHA256SUMS", b"0" * 3_000_000)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<L", 10)
    path.write_bytes(data)
    with open_archive(path) as archive, pytest.raises(VerificationError):
        archive.read("SHA256SUMS")


def test_overlapping_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"x" * 100)
        archive.writestr("b", b"x" * 100)
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    data[second + 42 : second + 46] = struct.pack("<L", 10)
    path.write_bytes(data)
    both_refuse(path, "overlaps")


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    what = both_refuse(zipped(tmp_path / "a.zip", {"../a": b"", "/b": b"", "C": b"", "c": b""}))
    assert "3 problems" in what


def test_encrypted_and_oddly_packed_files_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"manifest.json": b"{}"})
    for offset, value, word in ((8, 1, "encrypted"), (10, 99, "unknown method")):
        data = bytearray(path.read_bytes())
        at = data.index(b"PK\1\2")
        data[at + offset] = value
        other = tmp_path / f"{value}.zip"
        other.write_bytes(data)
        both_refuse(other, word)


def test_what_is_no_zip_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    both_refuse(tmp_path / "a.zip", "cannot be read")
    with pytest.raises(NotFoundError):
        verify(tmp_path / "none.zip")
    with pytest.raises(VerificationError):
        verify(tmp_path)


@given(st.text(max_size=30))
def test_a_name_that_passes_stays_in_its_folder(name: str) -> None:
    if name_problem(name) is None:
        assert not Path(name).is_absolute()
        assert os.path.normpath(name) == name
        assert ".." not in name.split("/")


@given(st.binary(max_size=400))
def test_any_bytes_are_no_bundle(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.zip"
    path.write_bytes(data)
    with pytest.raises(TellapartError):
        verify(path)
    with pytest.raises(TellapartError):
        Bundle.load(path)
