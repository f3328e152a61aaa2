"""One writing process a project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tellapart.errors import BusyError, StorageError
from tellapart.store.lock import FILE, project_lock

_HOLDER = """
import sys, time
from pathlib import Path
from tellapart.store.lock import project_lock
with project_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def _hold(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_told_who_holds_the_project(tmp_path: Path) -> None:
    holder = _hold(tmp_path / "fruit")
    try:
        with pytest.raises(BusyError) as caught, project_lock(tmp_path / "fruit"):
            pass
        assert f"pid {holder.pid}" in caught.value.what
        assert "'fruit'" in caught.value.what
    finally:
        holder.communicate("\n", timeout=30)
    with project_lock(tmp_path / "fruit"):
        assert (tmp_path / "fruit" / FILE).read_text() == str(os.getpid())


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    holder = _hold(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=30)
    with project_lock(tmp_path):
        pass


def test_one_process_holds_a_project_once(tmp_path: Path) -> None:
    with project_lock(tmp_path):
        with pytest.raises(BusyError, match=str(os.getpid())), project_lock(tmp_path):
            pass
        with project_lock(tmp_path / "another"):
            pass


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), project_lock(tmp_path / "file"):
        pass
