"""A disk that fills up, in one step after another: said as such, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tellapart.demo.picture_web import PictureWeb

ASKED = ("make", "apple", "boat", "--name", "full", "--per-class", "10")
MB = 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a file system here: a full disk cannot be had")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def web() -> Iterator[PictureWeb]:
    with PictureWeb(["apple", "boat"], n=14, size=(120, 90), faults=False) as web:
        yield web


def _leave(disk: Path, free: int) -> None:
    """Fill the disk up to `free` bytes."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    there = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, there.f_bavail * there.f_frsize - free)


def test_every_step_says_that_the_disk_is_full_and_goes_on_later(
    disk: Path, web: PictureWeb, place: Callable[..., Any]
) -> None:
    calm = place("calm", web=web).run(*ASKED)
    here = place("disk/home", web=web)
    stopped = []
    for free in (0, 0.3, 0.6, 8, 20):
        _leave(disk, int(free * MB))
        done = here.run(*ASKED)
        if done.code == 0:
            break
        error = done.failed(7, "storage")
        assert "same command" in error["do"] or "TELLAPART_HOME" in error["do"], error
        lines = [line for line in done.err.splitlines() if " stopped after " in line]
        stopped.append(lines[0].split(":")[0] if lines else "start")
        print(free, stopped[-1], error["what"])
    (disk / "ballast").unlink()
    later = here.run(*ASKED)
    one, other = calm.members, later.members
    assert not {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    assert later.bundle.read_bytes() == calm.bundle.read_bytes()
    assert {"collect", "package"} <= set(stopped)
    assert not [p for p in (disk / "home").rglob("*") if "partial" in p.name or ".part" in p.name]
