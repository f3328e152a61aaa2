"""Picture files by content, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tellapart.errors import InputError, NotFoundError, StorageError
from tellapart.store.files import FileStore


def test_what_is_put_is_found_again_under_its_hash(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "files")
    digest = store.put(b"pixels")
    assert digest == hashlib.sha256(b"pixels").hexdigest()
    assert store.get(digest) == b"pixels"
    assert store.path(digest).parent.name == digest[:2]
    assert store.has(digest)
    assert list(store) == [digest]


def test_the_same_bytes_are_written_once(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"pixels")
    before = store.path(digest).stat().st_ino
    assert store.put(b"pixels") == digest
    assert store.path(digest).stat().st_ino == before


def test_a_file_cut_short_is_put_right(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"pixels")
    store.path(digest).write_bytes(b"")
    store.put(b"pixels")
    assert store.get(digest) == b"pixels"


def test_a_missing_file_is_said_and_removing_it_frees_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"pixels")
    assert store.remove(digest) == 6
    assert store.remove(digest) == 0
    with pytest.raises(NotFoundError, match="is gone"):
        store.get(digest)


@given(st.one_of(st.text(), st.from_regex(r"\A[0-9a-fA-F/.]{60,68}\Z")))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_name_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    store = FileStore(tmp_path)
    try:
        path = store.path(name)
    except InputError:
        return
    assert path.parent.parent == tmp_path
    assert path.name == name


_FULL = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from tellapart.errors import StorageError
    from tellapart.store.files import FileStore

    store = FileStore(Path(sys.argv[1]))
    store.put(b"small")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        store.put(b"x" * 50_000)
    except StorageError as error:
        sys.exit(error.exit_code)
    """
)


def test_a_full_disk_is_a_storage_error_and_nothing_half_written_stays(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True)
    assert done.returncode == StorageError.exit_code, done.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in left] == [hashlib.sha256(b"small").hexdigest()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_the_systems_own_word_for_a_full_disk_is_told(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    write = store._write

    def _into_full(target: Path, data: bytes) -> None:
        with open("/dev/full", "wb") as file:
            file.write(data)
        write(target, data)

    store._write = _into_full  # type: ignore[method-assign]
    with pytest.raises(StorageError, match="No space left"):
        store.put(b"pixels")
    assert not store.has(hashlib.sha256(b"pixels").hexdigest())


def test_a_root_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        FileStore(tmp_path / "file").put(b"pixels")


def test_forgotten_files_go_and_wanted_ones_stay(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "files")
    named, forgotten, wanted, young = (store.put(data) for data in (b"a", b"b", b"c", b"d"))
    for sha in (named, forgotten, wanted):
        os.utime(store.path(sha), (1.0, 1.0))

    def names() -> set[str]:
        store.put(b"c")  # a run that finds it here, and has not named it yet
        return {named}

    assert store.sweep(names, 3600.0) == 1
    assert sorted(store) == sorted([named, wanted, young])
    assert store.sweep(lambda: {named}, 3600.0) == 0
