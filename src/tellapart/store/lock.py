"""One writing process a project."""

from __future__ import annotations

import os
import secrets
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tellapart.errors import BusyError, StorageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FILE = "project.lock"
HOME_FILE = "home.lock"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def project_lock(folder: Path) -> Iterator[int]:
    """Hold the project whose folder this is, until the block ends or the process dies.

    Gives the open lock's descriptor: a child that is handed it holds the project too, and after a
    killed parent until its own end.

    The operating system releases the lock of a killed process, so none is ever left over; the
    file itself stays. Raises `BusyError`, which names the holder's process id, where another
    process (or another holder in this one) has it.
    """
    path = folder / FILE
    with _opened(path) as file:
        if not _take(file):
            holder = path.read_text(encoding="ascii", errors="replace").strip()
            raise BusyError(
                f"Another process{f' (pid {holder})' if holder else ''} is working on the "
                f"project {folder.name!r}.",
                expected="one process a project at a time",
                do="Wait until it is done"
                + (f", or end it (kill {holder})" if holder else "")
                + ", then run the same command again.",
            )
        _write_pid(file)
        try:
            yield file.fileno()
        finally:
            _release(file)


def place(folder: Path) -> str:
    """Names this folder's lock: the same for two processes only where one holds it against the
    other, in one running system."""
    boot = ""
    with suppress(OSError):
        boot = _BOOT.read_text(encoding="ascii").strip()
    with suppress(OSError):
        seen = (folder / FILE).stat()
        return f"{boot or uuid.getnode()}:{seen.st_dev:x}:{seen.st_ino:x}"
    return secrets.token_hex(16)  # nobody else's


@contextmanager
def home_lock(home: Path, *, alone: bool = False) -> Iterator[None]:
    """Say that a server or a worker uses this home; `alone`: that nobody else may meanwhile.

    Raises `BusyError` where somebody else does. On Windows nothing is locked.
    """
    path = home / HOME_FILE
    with _opened(path) as file:
        if not _share(file, alone=alone):
            raise BusyError(
                f"The home {str(home)!r} is in use"
                f"{' by a running server or worker' if alone else ': it is being restored'}.",
                expected="no server and no worker" if alone else "a home at rest",
                do="Stop `tellapart up` and every `tellapart worker` of this home, then run the "
                "same command again."
                if alone
                else "Wait until `tellapart restore` is done.",
            )
        yield  # closing the file lets go


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="ascii")
    except OSError as error:
        raise StorageError(
            f"The lock {path} cannot be written ({error.strerror or error}).",
            expected="a folder that this user may write to, on a disk with free space",
            do="Set TELLAPART_HOME to another folder.",
        ) from error


def _write_pid(file: IO[str]) -> None:
    try:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    except OSError:
        pass  # a full disk: the lock holds without the holder's name


if sys.platform == "win32":
    # Far behind the process id, which others must be able to read.
    _BYTE = 1 << 20

    def _take(file: IO[str]) -> bool:
        file.seek(_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _share(file: IO[str], *, alone: bool) -> bool:
        return True

    def _release(file: IO[str]) -> None:
        file.seek(_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:

    def _take(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _share(file: IO[str], *, alone: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _release(file: IO[str]) -> None:
        file.seek(0)
        file.truncate(0)
        fcntl.flock(file, fcntl.LOCK_UN)
