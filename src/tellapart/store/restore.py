"""Put a backup back: checked whole before anything is replaced, and what was there is kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa

from tellapart.errors import InputError, StorageError, VerificationError
from tellapart.settings import Settings
from tellapart.store import lock
from tellapart.store.backup import (
    DATABASE,
    DUMP,
    FORMAT,
    HOME,
    MANIFEST,
    RUNS,
    run_tool,
    tool,
)
from tellapart.store.database import exists, open_database, reading, url_of, writing
from tellapart.store.inserting import insert_new
from tellapart.store.migrations import REVISIONS
from tellapart.store.schema_decks import decks
from tellapart.store.schema_forgetting import forgotten

_BLOCK = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)  # Windows' alone
_DRAFT = ".restoring"


@dataclass(frozen=True)
class Restored:
    """What was put back, and where what was there before lies now (None: nothing was)."""

    home: Path
    created: str
    entries: int
    before: Path | None
    #: Digests of what was forgotten here and is not in the backup's list: refused all the same.
    refused: int = 0

    def to_dict(self) -> dict[str, Any]:
        before = None if self.before is None else str(self.before)
        return {
            "home": str(self.home),
            "created": self.created,
            "entries": self.entries,
            "before": before,
            "refused": self.refused,
        }


def is_used(settings: Settings) -> bool:
    """Whether there is something that a restored backup would replace."""
    if url_of(settings).get_backend_name() != "sqlite":
        return bool(_tables(settings)) or _has_entries(settings.home)
    return exists(settings) or _has_entries(settings.home)


def restore(
    settings: Settings, source: Path, watch: Callable[[int, int], None] | None = None
) -> Restored:
    """Put the backup `source` into the home (and the database) of `settings`.

    What the home held is moved into `before-restore-TIME` in it; a PostgreSQL database's tables
    are replaced. Raises `InputError` for a file that is no backup or one for another database,
    `VerificationError` for a damaged one, `BusyError` where a server, a worker or a command uses
    the home, `StorageError`. Nothing is replaced then.
    """
    home = settings.home
    with ExitStack() as held:
        held.enter_context(lock.home_lock(home, alone=True))
        for file in [*home.glob("projects/*/*.lock"), *home.glob("accounts/*/projects/*/*.lock")]:
            if file.name == lock.FILE:
                held.enter_context(lock.project_lock(file.parent))
        draft = home / _DRAFT
        shutil.rmtree(draft, ignore_errors=True)
        try:
            manifest = unpack(source, draft, watch)
            _fits(manifest, settings)
            refused = _refused(settings)
            done = _take(settings, draft, manifest)
            return replace(done, refused=_refuse(settings, refused))
        except OSError as error:
            raise StorageError(
                f"The backup could not be put into {str(home)!r} ({error.strerror or error}).",
                expected="a folder that this user may write to, with space for all of it",
                do="Free some space, or set TELLAPART_HOME to another folder.",
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def unpack(
    source: Path, folder: Path | None, watch: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Check every entry against the manifest, and write them below `folder` where one is given.

    Returns the manifest. Raises `InputError`, `VerificationError`.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            manifest = _manifest(archive, source)
            entries = manifest["entries"]
            if {info.filename for info in archive.infolist()} != {*entries, MANIFEST}:
                raise _damaged(source, "its list does not name what it holds")
            total, done = sum(int(entry["bytes"]) for entry in entries.values()), 0
            for name, entry in entries.items():
                target = None if folder is None else folder / _safe(name, source)
                if _digest(archive, name, target) != entry["sha256"]:
                    raise _damaged(source, f"{name} is not what was written")
                done += int(entry["bytes"])
                if watch is not None:
                    watch(done, total)
            return manifest
    except FileNotFoundError:
        raise InputError(
            f"There is no file {str(source)!r}.",
            expected="a file that `tellapart backup` wrote",
            do="Correct its name.",
        ) from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise _damaged(source, str(error)) from error


def _manifest(archive: zipfile.ZipFile, source: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
        known = manifest["format"] == FORMAT and manifest["revision"] in REVISIONS
        whole = all({"sha256", "bytes"} <= set(entry) for entry in manifest["entries"].values())
    except (KeyError, TypeError, AttributeError, ValueError):
        raise InputError(
            f"{str(source)!r} is no backup of ours.",
            expected="a file that `tellapart backup` wrote",
            do="Choose another file.",
        ) from None
    if not known or not whole:
        raise InputError(
            f"The backup {str(source)!r} was written by a newer tellapart.",
            expected=f"format {FORMAT}, revision {REVISIONS[-1]} or older",
            do="Upgrade the program, then run the same command again.",
        )
    return manifest


def _damaged(source: Path, why: str) -> VerificationError:
    return VerificationError(
        f"The backup {str(source)!r} is damaged: {why}.",
        expected="the bytes that `tellapart backup` wrote",
        do="Take another copy of it, or another backup; nothing was changed.",
    )


def _safe(name: str, source: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    plain = name in (DATABASE, DUMP, RUNS) or name.startswith(HOME)
    if not plain or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise _damaged(source, f"an entry is called {name!r}")
    return path


def _digest(archive: zipfile.ZipFile, name: str, target: Path | None) -> str:
    """The entry's SHA-256; its bytes go to `target`."""
    digest = hashlib.sha256()
    with ExitStack() as files:
        entry = files.enter_context(archive.open(name))
        out = None
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # For its owner alone, as the backup itself is: a key that others may read is refused.
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
            out = files.enter_context(os.fdopen(handle, "wb"))
        while block := entry.read(_BLOCK):
            digest.update(block)
            if out is not None:
                out.write(block)
    return digest.hexdigest()


def _fits(manifest: dict[str, Any], settings: Settings) -> None:
    here = url_of(settings).get_backend_name()
    if manifest["database"] == here:
        return
    kinds = {"sqlite": "a file (SQLite)", "postgresql": "PostgreSQL"}
    there = kinds.get(str(manifest["database"]), "another database")
    raise InputError(
        f"The backup is of a home whose database was {there}; here it is {kinds[here]}.",
        expected="the same kind of database",
        do="Set TELLAPART_DATABASE_URL to an empty PostgreSQL database."
        if here == "sqlite"
        else "Unset TELLAPART_DATABASE_URL.",
    )


def _take(settings: Settings, draft: Path, manifest: dict[str, Any]) -> Restored:
    """Put what is unpacked and checked in its place: a few renames in one file system."""
    home = settings.home
    inner = draft / HOME.rstrip("/")
    inner.mkdir(exist_ok=True)
    if manifest["database"] == "sqlite":
        place = Path(str(url_of(settings).database)).absolute()
        if place.parent != home.absolute():
            _replace_elsewhere(draft / DATABASE, place)
        else:
            (draft / DATABASE).replace(inner / place.name)
        if (draft / RUNS).exists():
            (draft / RUNS).replace(inner / RUNS)
    else:
        command = [tool("pg_restore"), "--clean", "--if-exists", "--no-owner", "--exit-on-error"]
        run_tool([*command, "--single-transaction", str(draft / DUMP)], url_of(settings))
    before = None
    if _has_entries(home):
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        before = home / f"before-restore-{moment}"
        before.mkdir(mode=0o700)
        for path in _entries(home):
            path.replace(before / path.name)
    for path in sorted(inner.iterdir()):
        path.replace(home / path.name)
    _sound(settings)
    return Restored(home, str(manifest["created"]), len(manifest["entries"]), before)


def _replace_elsewhere(source: Path, place: Path) -> None:
    """A database outside the home: what was there stays beside it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for end in ("", "-wal", "-shm"):
        old = place.with_name(place.name + end)
        if old.exists():
            old.replace(old.with_name(f"{place.name}.before-restore-{moment}{end}"))
    shutil.move(source, place)


def _entries(home: Path) -> list[Path]:
    """What lies in a home and belongs to it; its cache stays."""
    if not home.is_dir():
        return []
    left = {lock.HOME_FILE, _DRAFT, "cache"}
    found = [path for path in home.iterdir() if path.name not in left]
    return sorted(path for path in found if not path.name.startswith("before-restore-"))


def _has_entries(home: Path) -> bool:
    return bool(_entries(home))


def _tables(settings: Settings) -> list[str]:
    engine = sa.create_engine(url_of(settings))
    try:
        return list(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def _refused(settings: Settings) -> list[dict[str, Any]]:
    """What was forgotten here: a backup of before does not know it."""
    url = url_of(settings)
    if not exists(settings) or (url.get_backend_name() == "sqlite" and not url.database):
        return []
    engine = sa.create_engine(url)
    try:
        if not sa.inspect(engine).has_table(forgotten.name):
            return []
        with engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.select(forgotten))]
    except sa.exc.SQLAlchemyError:
        return []  # a database that cannot be read is no reason not to restore it
    finally:
        engine.dispose()


def _refuse(settings: Settings, rows: list[dict[str, Any]]) -> int:
    """Take the list over; how many are new to the backup."""
    if not rows:
        return 0
    engine = open_database(settings)
    try:
        with writing(engine) as connection:
            return sum(insert_new(connection, forgotten, row) for row in rows)
    finally:
        engine.dispose()


def _land(engine: sa.Engine) -> None:
    """Switch off every deck: the backup does not know what was sent after it was made."""
    why = "Restored from a backup: what was sent since then is not known here."
    flying = decks.c.mode != "off"
    with writing(engine) as connection:
        values = {"mode": "off", "why": why, "next_turn": "", "holder": ""}
        connection.execute(decks.update().where(flying).values(**values))


def _sound(settings: Settings) -> None:
    """Migrate the database to this program's revision, and read it once."""
    engine = open_database(settings)
    try:
        with reading(engine) as connection:
            connection.execute(sa.text("SELECT count(*) FROM projects"))
        _land(engine)
    except sqlite3.Error as error:  # pragma: no cover - its bytes were compared
        raise StorageError(
            f"The restored database cannot be read ({error}).",
            expected="a whole database",
            do="Restore another backup.",
        ) from error
    finally:
        engine.dispose()
