"""One file that holds a whole home: the database, the pictures, the projects.

A zip, written while the server runs. The databases come first, each as one moment's snapshot;
then the files, so that none is missing that a row names, unless it was deleted meanwhile. What can
be made again (`cache/`) is left out, and what lies elsewhere (folders given as data). The last
entry lists every other one with its SHA-256. Nothing is compressed: pictures and models are
already.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from tellapart.errors import InputError, MissingExtraError, StorageError
from tellapart.settings import Settings
from tellapart.store import lock
from tellapart.store.database import open_database, url_of
from tellapart.store.migrations import HEAD

FORMAT = 1
MANIFEST = "tellapart-backup.json"
#: Entries of the databases; those of the home begin with `home/`.
DATABASE, DUMP, RUNS, HOME = "database.sqlite", "database.dump", "runs.sqlite", "home/"
_BLOCK = 1 << 20
#: In the home: made again (cache), the databases (copied by themselves), of running processes.
_LEFT = ("cache", "tmp", lock.HOME_FILE)


@dataclass(frozen=True)
class Written:
    """What a backup holds."""

    file: Path
    entries: int
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        return {"file": str(self.file), "entries": self.entries, "bytes": self.bytes}


def back_up(
    settings: Settings, target: Path, watch: Callable[[int, int], None] | None = None
) -> Written:
    """Write the home of `settings` to the new file `target`; servers and workers may run on.

    `watch` hears bytes written and bytes to write (about). Raises `InputError` where the file is
    there already or lies in the home, `StorageError` where it cannot be written,
    `MissingExtraError` without `pg_dump` for a database on PostgreSQL.
    """
    target = target.absolute()
    if target.exists():
        raise InputError(
            f"There is a file {str(target)!r} already.",
            expected="the name of a new file",
            do="Choose another name, or move that one away.",
        )
    if target.is_relative_to(settings.home.absolute()):
        raise InputError(
            f"{str(target)!r} lies in the home that is to be backed up.",
            expected="a place outside, best on another disk",
            do="Choose another folder.",
        )
    open_database(settings).dispose()  # whole and of this program's revision, or told why not
    partial = target.with_name(f".{target.name}.partial")
    try:
        written = _write(settings, partial, watch)
        partial.replace(target)
    except (OSError, zipfile.BadZipFile, sqlite3.Error) as error:
        raise StorageError(
            f"The backup could not be written to {str(target)!r} ({error}).",
            expected="a folder that this user may write to, with space for everything in the home",
            do="Free some space or choose another folder; nothing was changed.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return Written(target, *written)


def _write(
    settings: Settings, partial: Path, watch: Callable[[int, int], None] | None
) -> tuple[int, int]:
    # It holds passwords' hashes and the key of stored credentials: for its owner alone.
    handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w+b") as file, tempfile.TemporaryDirectory(dir=partial.parent) as temp:
        snapshots = _snapshots(settings, Path(temp))
        places = [*snapshots, *_files(settings)]
        total = sum(_size(path) for _, path in places)
        free = shutil.disk_usage(partial.parent).free
        if total > free:
            raise OSError(f"{total / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free")
        sums: dict[str, Any] = {}
        done = 0
        with zipfile.ZipFile(file, "w") as archive:
            for name, path in places:
                entry = _put(archive, name, path)
                if entry is not None:
                    sums[name] = entry
                    done += int(entry["bytes"])
                if watch is not None:
                    watch(done, max(done, total))
            manifest = {
                "format": FORMAT,
                "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "revision": HEAD,
                "database": url_of(settings).get_backend_name(),
                "entries": sums,
            }
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
        file.flush()
        os.fsync(file.fileno())
    return len(sums), partial.stat().st_size


def _snapshots(settings: Settings, folder: Path) -> list[tuple[str, Path]]:
    """Copies of the databases.

    That of the runs' engine first: where the two differ by a moment, ours knows more, and a step
    that ours has finished is passed over when the engine walks it again.
    """
    found = []
    url = url_of(settings)
    runs = settings.home / RUNS
    if url.get_backend_name() == "sqlite":
        if runs.exists():
            _copy(runs, folder / RUNS)
            found.append((RUNS, folder / RUNS))
        _copy(Path(str(url.database)), folder / DATABASE)
        found.append((DATABASE, folder / DATABASE))
    else:
        _dump(url, folder / DUMP)
        found.append((DUMP, folder / DUMP))
    return found


def _copy(source: Path, target: Path) -> None:
    """A snapshot by SQLite's own backup, in one step: writers wait for nothing (WAL)."""
    with (
        closing(sqlite3.connect(source, timeout=30)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        (state,) = new.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        raise sqlite3.DatabaseError(f"{source} is damaged: {state}")


def tool(name: str) -> str:
    """PostgreSQL's program. Raises `MissingExtraError`."""
    found = shutil.which(name)
    if found is None:
        raise MissingExtraError(
            f"There is no {name} on this machine.",
            expected="PostgreSQL's client programs, not older than its server",
            do="Install them (Debian: apt install postgresql-client).",
        )
    return found


def run_tool(command: list[str], url: sa.URL) -> None:
    """Run one of PostgreSQL's programs on a database; its password goes by the environment."""
    plain = url.set(drivername="postgresql", password=None).render_as_string()
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    command = [*command, f"--dbname={plain}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        name = Path(command[0]).name
        raise StorageError(
            f"{name} failed: {lines[0]}",
            expected="a server that answers, and client programs not older than it",
            do="Mend that, then run the same command again.",
        )


def _dump(url: sa.URL, target: Path) -> None:
    run_tool([tool("pg_dump"), "--format=custom", "--no-owner", f"--file={target}"], url)


def _files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every file of the home that belongs into a backup, with its entry's name."""
    home, url = settings.home, url_of(settings)
    databases = [settings.database_path.name, RUNS]
    if url.get_backend_name() == "sqlite":
        databases.append(Path(str(url.database)).name)
    for top in sorted(home.iterdir()):
        if top.name in _LEFT or top.name.startswith((".", "before-restore-", *databases)):
            continue
        for path in [top] if not top.is_dir() else _below(top):
            passing = path.name.startswith(".partial-") or path.name.endswith(".partial")
            if path.is_file() and not path.is_symlink() and path.name != lock.FILE and not passing:
                yield HOME + path.relative_to(home).as_posix(), path


def _below(folder: Path) -> list[Path]:
    """What lies in a folder and its folders; one that goes meanwhile is passed over."""
    return sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _put(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any] | None:
    """Write one file; its digest and size, None where it has been deleted since it was listed."""
    try:
        source: IO[bytes] = path.open("rb")
    except FileNotFoundError:
        return None
    digest, size = hashlib.sha256(), 0
    with source, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
        while block := source.read(_BLOCK):
            digest.update(block)
            size += len(block)
            entry.write(block)
    return {"sha256": digest.hexdigest(), "bytes": size}
