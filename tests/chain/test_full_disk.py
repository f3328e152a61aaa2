"""A disk that fills up, in one step after another: said as such, and nothing is lost."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tellapart.demo.picture_web import PictureWeb

ASKED = ("make", "apple", "boat", "--name", "full", "--per-class", "10")
MB = 2**20


@dataclass(frozen=True)
class Disk:
    """A file system of its own, in memory, in a mount namespace of its own."""

    #: Where the commands run by `enter` see it, and where this process does.
    inside: Path
    outside: Path
    enter: tuple[str, ...]

    def leave(self, free: int) -> None:
        """Fill the disk up to `free` bytes."""
        ballast = self.outside / "ballast"
        ballast.unlink(missing_ok=True)
        there = os.statvfs(self.outside)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, there.f_bavail * there.f_frsize - free)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """The namespace, and all in it, goes with the process that holds it, however tests end."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("no unshare and nsenter here: a full disk cannot be had")
    script = f"mount -t tmpfs -o size=200m tmpfs {shlex.quote(str(folder))} && echo there && cat"
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != b"there\n":
            pytest.skip("no right to mount a file system here: a full disk cannot be had")
        outside = Path(f"/proc/{holder.pid}/root") / folder.relative_to("/")
        yield Disk(folder, outside, ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt"))


@pytest.fixture
def web() -> Iterator[PictureWeb]:
    with PictureWeb(["apple", "boat"], n=14, size=(120, 90), faults=False) as web:
        yield web


@pytest.mark.slow
def test_every_step_says_that_the_disk_is_full_and_goes_on_later(
    disk: Disk, web: PictureWeb, place: Callable[..., Any]
) -> None:
    calm = place("calm", web=web)
    undisturbed = calm.run(*ASKED).bundle.read_bytes()
    shutil.copytree(calm.home / "cache" / "backbones", disk.outside / "home/cache/backbones")
    here = replace(place(web=web), home=disk.inside / "home", prefix=disk.enter)
    stopped = []
    for free in (0, 0.7, 40):
        disk.leave(int(free * MB))
        done = here.run(*ASKED)
        if done.code == 0:
            break
        error = done.failed(7, "storage")
        assert "same command" in error["do"] or "TELLAPART_HOME" in error["do"], error
        lines = [line for line in done.err.splitlines() if " stopped after " in line]
        stopped.append(lines[0].split(":")[0] if lines else "start")
        print(free, stopped[-1], error["what"])
    (disk.outside / "ballast").unlink()
    bundle = here.run(*ASKED).bundle.relative_to(disk.inside)
    assert (disk.outside / bundle).read_bytes() == undisturbed
    assert {"collect", "package"} <= set(stopped)
    assert not [
        p for p in (disk.outside / "home").rglob("*") if "partial" in p.name or ".part" in p.name
    ]
