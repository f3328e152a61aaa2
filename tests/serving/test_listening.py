"""A Unix socket is one server's: two that begin at once do not both have it."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tellapart.errors import InputError
from tellapart.serving.listening import Listening
from tellapart.serving.options import Options


def test_a_socket_that_another_one_is_making_is_not_taken_for_one_left_behind(
    tmp_path: Path,
) -> None:
    path, begun = tmp_path / "s.sock", threading.Event()

    def listen() -> None:
        begun.set()
        Listening(Options(port=None, socket=path)).close()

    folder = os.open(tmp_path, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as other, ThreadPoolExecutor(1) as pool:
        fcntl.flock(folder, fcntl.LOCK_EX)  # as the other server does
        other.bind(str(path))
        later = pool.submit(listen)
        begun.wait()
        with pytest.raises(TimeoutError):
            later.result(0.3)
        other.listen()
        os.close(folder)
        with pytest.raises(InputError, match="Another server answers"):
            later.result()
    assert path.exists()


def test_one_that_was_left_behind_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    made = Listening(Options(port=None, socket=path))
    assert made.addresses == [f"unix:{path}"]
    made.close()
    assert not path.exists()
