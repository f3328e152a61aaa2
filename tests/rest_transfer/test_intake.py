"""Uploads: what is harmless comes through whole, what is not is refused with its reason."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from tellapart.datasets.unpacking import Limits, unpack
from tellapart.errors import InputError
from tellapart.recipe import check
from tellapart.runtime.intake import confine

PICTURE = b"\xff\xd8\xff\xe0 not really, but nobody looks into it here"


def _zip(path: Path, files: dict[str, bytes], **options: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = options.get("mode", stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)
    return path


def _refusal(path: Path, tmp_path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        unpack(path, tmp_path / "out", limits)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
    return str(caught.value)


def test_class_folders_come_out_whole(tmp_path: Path) -> None:
    names = ("apple/1.jpg", "birne/größe 2.jpg", "labels.csv")
    litter = ("apple/.DS_Store", "__MACOSX/apple/._1.jpg", "apple/Thumbs.db")
    path = _zip(tmp_path / "a.zip", {name: PICTURE + name.encode() for name in names + litter})
    found = unpack(path, tmp_path / "out")
    files = {p.relative_to(found.folder).as_posix() for p in found.folder.rglob("*") if p.is_file()}
    assert files == set(names)
    assert (found.files, found.passed_over) == (3, 3)
    assert found.bytes == sum((found.folder / name).stat().st_size for name in names)
    assert (found.folder / names[0]).read_bytes() == PICTURE + names[0].encode()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../etc/cron.d/x.jpg", "leaves its folder"),
        ("a/../../x.jpg", "leaves its folder"),
        ("/etc/x.jpg", "absolute"),
        ("C:/x.jpg", "absolute"),
        ("C:x.jpg", "absolute"),
        ("a\\..\\x.jpg", "backslash"),
        ("a/con.jpg", "every system"),
        ("a/x\x01.jpg", "control character"),
        ("apple/more.zip", "archive in the archive"),
        ("apple/more.tar.gz", "archive in the archive"),
        ("a/" * 20 + "x.jpg", "folders deep"),
        ("a/" + "ä" * 200 + ".jpg", "more than 255 bytes"),
    ],
)
def test_hostile_names_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    path = _zip(tmp_path / "a.zip", {"apple/1.jpg": PICTURE, name: PICTURE})
    assert reason in _refusal(path, tmp_path)


def test_clashes_are_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"apple/1.jpg": b"1", "Apple/2.jpg": b"2", "apple/1.JPG": b"3"})
    said = _refusal(path, tmp_path)
    assert "'apple/1.JPG'" in said and "clashes with" in said


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (stat.S_IFLNK | 0o777, "is a link"),
        (stat.S_IFCHR | 0o666, "device"),
        (stat.S_IFIFO | 0o666, "device or a pipe"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, mode: int, reason: str) -> None:
    path = _zip(tmp_path / "a.zip", {"apple/1.jpg": b"/etc/passwd"}, mode=mode)
    assert reason in _refusal(path, tmp_path)


def test_bombs_are_refused(tmp_path: Path) -> None:
    one = _zip(tmp_path / "one.zip", {"a/1.bmp": bytes(20_000_000)})
    assert "would grow" in _refusal(one, tmp_path)
    # Each small enough by itself, all together not.
    many = _zip(tmp_path / "many.zip", {f"a/{n}.bmp": bytes(4_000_000) for n in range(20)})
    assert "it would grow" in _refusal(many, tmp_path)
    few = _zip(tmp_path / "few.zip", {f"a/{n}.jpg": b"1" for n in range(11)})
    assert "holds 11 files, more than 10" in _refusal(few, tmp_path, Limits(members=10))
    assert "would unpack to 11 bytes" in _refusal(few, tmp_path, Limits(total=10))
    nested = tmp_path / "nested.zip"
    _zip(nested, {"a/1.jpg": one.read_bytes()})
    assert "is an archive in the archive" in _refusal(nested, tmp_path)


def test_overlapping_files_are_refused(tmp_path: Path) -> None:
    """The bomb whose files share their bytes: many entries of the list point to one place."""
    path = _zip(tmp_path / "a.zip", {"a/1.jpg": b"1" * 50, "a/2.jpg": b"2" * 50})
    data = bytearray(path.read_bytes())
    first = data.find(b"PK\1\2")
    second = data.find(b"PK\1\2", first + 1)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    path.write_bytes(data)
    assert "overlaps" in _refusal(path, tmp_path)


def test_encrypted_and_foreign_names_are_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"apple/1.jpg": PICTURE})
    data = bytearray(path.read_bytes())
    listed = data.find(b"PK\1\2")
    for at in (6, listed + 8):
        data[at] |= 1
    path.write_bytes(data)
    assert "is encrypted" in _refusal(path, tmp_path)
    _zip(path, {"apfel/gr__n.jpg": PICTURE})
    path.write_bytes(path.read_bytes().replace(b"gr__n", b"gr\x81\xffn"))
    assert "is not UTF-8" in _refusal(path, tmp_path)


def test_a_long_list_of_names_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with path.open("wb") as out:
        out.truncate(200_000_000)
        out.seek(0, 2)
        out.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 150_000_000, 50_000_000, 0))
    assert "its list of names alone has 150,000,000 bytes" in _refusal(path, tmp_path)


@tried(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damage_is_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    """Any bytes: an `InputError`, or files within the folder; nothing beside it."""
    inner = tmp_path / "inner"
    inner.mkdir(exist_ok=True)
    path = _zip(tmp_path / "a.zip", {"apple/1.jpg": PICTURE, "pear/2.jpg": bytes(3000)})
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(raw)))
    path.write_bytes(bytes(raw[:cut]))
    _harmless(path, inner)


@tried(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text("ab.\\/:~\0é\u0301 C", max_size=12), min_size=1, max_size=5, unique=True))
def test_no_name_leaves_its_folder(tmp_path: Path, names: list[str]) -> None:
    inner = tmp_path / "inner"
    inner.mkdir(exist_ok=True)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name or "x"), b"1")
    path = tmp_path / "a.zip"
    path.write_bytes(out.getvalue())
    _harmless(path, inner)


def _harmless(path: Path, inner: Path) -> None:
    target = inner / "out"
    try:
        found = unpack(path, target)
    except InputError as error:
        assert error.what and error.expected and error.do
        assert list(inner.iterdir()) == []
        return
    assert list(inner.iterdir()) == [target]
    files = [p for p in target.rglob("*") if not p.is_dir()]
    assert all(p.is_file() and not p.is_symlink() for p in files)
    assert len(files) == found.files
    for one in (target, *target.rglob("*")):
        assert one.resolve().is_relative_to(target.resolve())
    _remove(target)


def _remove(target: Path) -> None:
    for one in sorted(target.rglob("*"), reverse=True):
        one.rmdir() if one.is_dir() else one.unlink()
    target.rmdir()


def test_recipes_name_nothing_of_the_server(tmp_path: Path) -> None:
    def dumped(**values: object) -> dict[str, object]:
        return check(values, base=tmp_path).model_dump()

    confine(dumped(classes=["~tilde", "plain"]))
    confine(dumped(data="project:other"))
    confine(dumped(data=str(tmp_path / "pictures")), tmp_path)
    refused: list[Callable[[], dict[str, object]]] = [
        lambda: dumped(data="/etc"),
        lambda: dumped(data="../x"),
        lambda: dumped(classes=["a", "b"], train={"weights": "w.pth"}),
        lambda: dumped(classes=["a", "b"], sources=[{"urls": {"file": "l.csv"}}]),
        lambda: dumped(classes=["a", "b"], sources=[{"folder": {"path": "/etc"}}]),
    ]
    for make in refused:
        with pytest.raises(InputError, match="names files of the server"):
            confine(make())
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(InputError, match="names files of the server"):
        confine(dumped(data=str(tmp_path / "link")), tmp_path)
