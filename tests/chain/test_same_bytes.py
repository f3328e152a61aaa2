"""The same pictures give the same bundle, byte for byte, wherever and however it is made."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ASKED = ("--name", "same", "--quiet")


def _scattered(folder: Path, there: Path) -> Path:
    """A copy whose files are made in another order, with other times and rights."""
    for number, file in enumerate(sorted(folder.rglob("*.jpg"), reverse=True)):
        copy = there / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        os.utime(copy, (10**9 + 7919 * number % 86400, 10**9))
        copy.chmod(0o444)
    return there


@pytest.mark.slow
def test_nothing_of_the_machine_reaches_a_bundle(
    place: Callable[..., Any], drawn: Path, tmp_path: Path
) -> None:
    one = place("one", TELLAPART_THREADS="1", PYTHONHASHSEED="0", TZ="UTC", LC_ALL="C.UTF-8")
    other = place(
        "a home/with spaces ä",
        TELLAPART_THREADS="2",
        PYTHONHASHSEED="4242",
        TZ="Pacific/Kiritimati",
        LC_ALL="C",
        LANG="tr_TR.UTF-8",
        OMP_NUM_THREADS="2",
    )
    moved = _scattered(drawn, tmp_path / "elsewhere" / "ünder" / "dinge")
    first = one.run("train", str(drawn), *ASKED, umask=0o022)
    second = other.run("train", os.path.relpath(moved, tmp_path), *ASKED, umask=0o077, cwd=tmp_path)
    members, others = first.members, second.members
    assert not {n for n in members.keys() | others.keys() if members.get(n) != others.get(n)}
    assert first.bundle.read_bytes() == second.bundle.read_bytes()
    words = {str(tmp_path), str(drawn), str(drawn.parent), str(Path.home()), socket.gethostname()}
    words |= {f"/{getpass.getuser()}/", "site-packages", str(Path.cwd())}
    named = {
        (name, word)
        for name, data in others.items()
        for word in words
        if len(word) > 3 and word.encode() in data
    }
    assert not named
