"""A PostgreSQL of one's own for a while: a cluster in a temporary folder, on a free port.

The tests and the measurements use it. It runs as another user where this one is root, for
PostgreSQL refuses to; it listens on loopback alone and forgets everything at its end.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt")
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=100")


class MissingError(Exception):
    """No PostgreSQL that could be started here; the text says why."""


class Cluster:
    """A running cluster; `database()` makes an empty database and returns its URL."""

    def __init__(self, folder: Path, programs: Path, user: dict[str, Any]) -> None:
        self._folder, self._programs, self._user = folder, programs, user
        self._numbers = itertools.count()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    def database(self) -> str:
        """`postgresql://tellapart@127.0.0.1:PORT/NAME` of a new, empty database."""
        name = f"tellapart_{os.getpid()}_{next(self._numbers)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tellapart", name)
        return f"postgresql://tellapart@127.0.0.1:{self.port}/{name}"

    def drop(self, url: str) -> None:
        name = url.rpartition("/")[2]
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "tellapart")
        self._run("dropdb", "--force", "--if-exists", *where, name)

    def start(self) -> None:
        data = str(self._folder / "data")
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", *_QUICK]
        options.append(f"unix_socket_directories={self._folder}")
        words = " ".join(f"-c {option}" for option in options)
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", data, "-o", words, "-l", log, "-w", "-t", "30", "start")

    def stop(self, how: str = "fast") -> None:
        """`immediate` ends it as a crash would."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", how, "-w", "stop")

    def initialize(self) -> None:
        words = ("-A", "trust", "-U", "tellapart", "-E", "UTF8", "--locale=C", "--no-sync")
        self._run("initdb", "-D", str(self._folder / "data"), *words)

    def _run(self, program: str, *words: str) -> None:
        path = self._programs / program
        command = [str(path) if path.exists() else program, *words]
        # Files, not pipes: the server would keep a pipe open for as long as it runs.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                command, cwd=self._folder, stdout=said, stderr=said, timeout=60, **self._user
            )
            if done.returncode:
                said.seek(0)
                text = said.read().decode(errors="replace").strip()
                raise MissingError(f"{program} failed: {text[-500:]}")


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster for as long as the block runs. Raises `MissingError` where there can be none."""
    programs = _programs()
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="tellapart-pg-"))
    try:
        if user:
            os.chown(folder, user["user"], user["group"])
        made = Cluster(folder, programs, user)
        made.initialize()
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(MissingError, subprocess.TimeoutExpired):
                made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder with initdb and pg_ctl: of the newest version in the usual places, or PATH's."""
    found = [path for place in PLACES for path in Path(place).glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: _number(path.parent.parent.name)).parent
    named = shutil.which("initdb")
    if named is None:
        raise MissingError("no PostgreSQL here: initdb is neither on PATH nor in the usual places")
    return Path(named).parent


def _number(name: str) -> float:
    digits = "".join(sign for sign in name if sign.isdigit() or sign == ".")
    try:
        return float(digits)
    except ValueError:
        return 0.0


def _user() -> dict[str, Any]:
    """Who the server runs as: this user, or somebody without rights where this one is root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise MissingError("PostgreSQL does not run as root, and there is no user to run it as")
