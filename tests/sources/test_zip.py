"""Archives as a source: read once unpacked, refused whole where they could do harm."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tellapart.errors import InputError
from tests.sources.conftest import Bench, write_folder, write_zip
from tests.sources.services import picture

BenchOf = Callable[..., Bench]


def refusal(bench_of: BenchOf, path: Path) -> str:
    bench = bench_of("zip", {"path": str(path)})
    hits, error = bench.find("apple")
    assert hits == [] and isinstance(error, InputError) and error.expected and error.do
    left = bench.settings.home / "unpacked"
    assert not left.exists() or not any(p.is_file() for p in left.rglob("*"))
    return error.what


def test_what_lies_in_it_keeps_its_name(bench_of: BenchOf, tmp_path: Path) -> None:
    bench = bench_of("zip", {"path": str(write_zip(tmp_path / "f.zip"))})
    hits, _ = bench.find("apple")
    assert [hit.key for hit in hits] == [f"f.zip/fruit/apple/{n}.jpg" for n in range(12)]
    assert hits[5].path is not None and hits[5].path.read_bytes() == picture("apple5")
    # Read again it is not unpacked again.
    written = hits[5].path.stat().st_ctime_ns
    assert bench.find("apple")[0] == hits and hits[5].path.stat().st_ctime_ns == written


def test_names_that_lead_out_are_refused(bench_of: BenchOf, tmp_path: Path) -> None:
    for name in ("../../evil.jpg", "/etc/evil.jpg", "apple/../../../evil.jpg"):
        path = tmp_path / "evil.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("apple/1.jpg", picture("1"))
            archive.writestr(name, b"x")
        refusal(bench_of, path)
    assert not list(tmp_path.rglob("evil.jpg"))


def test_links_are_refused(bench_of: BenchOf, tmp_path: Path) -> None:
    path = tmp_path / "links.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("apple/1.jpg", picture("1"))
        link = zipfile.ZipInfo("apple/2.jpg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "link" in refusal(bench_of, path)


def test_bombs_are_refused(bench_of: BenchOf, tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple/1.jpg", bytes(20_000_000))
    refusal(bench_of, path)


def test_encrypted_files_are_refused(bench_of: BenchOf, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "locked.zip")
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:  # the bit that says "encrypted", in the list and before the file
        flags, place = struct.unpack_from("<H", data, at + 8)[0], at + 42
        struct.pack_into("<H", data, at + 8, flags | 1)
        (head,) = struct.unpack_from("<I", data, place)
        struct.pack_into("<H", data, head + 6, flags | 1)
        at = data.find(b"PK\x01\x02", at + 4)
    path.write_bytes(data)
    assert "encrypt" in refusal(bench_of, path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_is_refused(data: bytes, bench_of: BenchOf, tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(data)
    refusal(bench_of, tmp_path / "broken.zip")


def test_a_cut_one_is_refused(bench_of: BenchOf, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "cut.zip")
    path.write_bytes(path.read_bytes()[:-2000])
    refusal(bench_of, path)


def test_a_folder_is_another_source(bench_of: BenchOf, tmp_path: Path) -> None:
    assert "a folder" in refusal(bench_of, write_folder(tmp_path / "fruit"))
    (tmp_path / "list.csv").write_text("x")
    assert ".csv" in refusal(bench_of, tmp_path / "list.csv")
    assert "does not exist" in refusal(bench_of, tmp_path / "none.zip")
    _, error = bench_of("zip", {}).find("apple")
    assert isinstance(error, InputError) and "`path`" in error.what
