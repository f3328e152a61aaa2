"""The same content gives the same bytes: on any day, in any order, from any folder."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tellapart.bundle import verify
from tellapart.bundle import write as writing
from tellapart.bundle.write import Copy, write_zip
from tellapart.errors import DataError, StorageError

Maker = Callable[..., dict[str, bytes]]


def test_it_is_the_same_in_any_order_and_from_files(tmp_path: Path, tiny_files: Maker) -> None:
    files = tiny_files()
    one = write_zip(tmp_path / "one.zip", files)
    two = write_zip(tmp_path / "deep" / "two.zip", dict(reversed(files.items())))
    (tmp_path / "on disk.onnx").write_bytes(files["model.onnx"])
    three = write_zip(tmp_path / "three.zip", {**files, "model.onnx": tmp_path / "on disk.onnx"})
    assert one == two == three
    assert one == hashlib.sha256((tmp_path / "one.zip").read_bytes()).hexdigest()
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "three.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []


def test_it_is_the_same_in_another_zone_with_another_mask(
    tmp_path: Path, tiny_files: Maker
) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(tiny_files()["model.onnx"])
    here = write_zip(tmp_path / "here.zip", {"b.txt": b"hello", "a.onnx": source})
    os.utime(source, (0, 0))
    source.chmod(0o600)
    program = (
        "import os,sys;os.umask(0o077);from pathlib import Path;"
        "from tellapart.bundle.write import write_zip;"
        f"print(write_zip(Path({str(tmp_path / 'there.zip')!r}),"
        f"{{'a.onnx':Path({str(source)!r}),'b.txt':b'hello'}}))"
    )
    there = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert here == there


def test_text_is_packed_and_the_rest_is_not(tiny_zip: Path) -> None:
    with zipfile.ZipFile(tiny_zip) as archive:
        for info in archive.infolist():
            packed = info.compress_type == zipfile.ZIP_DEFLATED
            assert packed == (Path(info.filename).suffix not in (".onnx", ".png")), info.filename
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.external_attr == 0o100644 << 16


def test_a_file_that_changed_is_not_written(tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(b"one")
    good = hashlib.sha256(b"one").hexdigest()
    target = tmp_path / "out" / "a.zip"
    write_zip(target, {"a.jpg": Copy(source, good)})
    before = target.read_bytes()
    source.write_bytes(b"two")
    with pytest.raises(DataError, match="has changed"):
        write_zip(target, {"a.jpg": Copy(source, good)})
    source.unlink()
    with pytest.raises(DataError, match="gone"):
        write_zip(target, {"a.jpg": Copy(source, good)})
    assert [path.name for path in target.parent.iterdir()] == ["a.zip"]
    assert target.read_bytes() == before


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, tiny_files: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writing._chunks

    def full(path: Path) -> object:
        yield next(iter(real(path)))[:100]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = tmp_path / "model.onnx"
    source.write_bytes(tiny_files()["model.onnx"])
    monkeypatch.setattr(writing, "_chunks", full)
    with pytest.raises(StorageError, match="No space left"):
        write_zip(tmp_path / "out" / "a.zip", {**tiny_files(), "model.onnx": source})
    assert list((tmp_path / "out").iterdir()) == []


def test_large_files_pass_through_in_pieces(tmp_path: Path, tiny_files: Maker) -> None:
    source = tmp_path / "large.jpg"
    source.write_bytes(os.urandom(1 << 20) * 40)
    tracemalloc.start()
    try:
        write_zip(tmp_path / "a.zip", {**tiny_files(), "large.jpg": source})
        verify(tmp_path / "a.zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20
