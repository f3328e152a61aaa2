"""Open the database: made, migrated to this program's revision, and safe for several processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tellapart.errors import InputError, StorageError
from tellapart.settings import Settings
from tellapart.store import (  # noqa: F401
    schema,
    schema_accounts,
    schema_acts,
    schema_decks,
    schema_forgetting,
    schema_labels,
    schema_people,
    schema_robots,
    schema_runs,
    schema_sources,
)
from tellapart.store.errors import translated
from tellapart.store.metadata import metadata
from tellapart.store.migrations import HEAD, REVISIONS

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

#: Seconds a process waits for another one's write before it raises `BusyError`.
BUSY_SECONDS = 30.0
#: Connections that stay open, and that are opened for a rush: a new one costs ten statements.
_KEPT, _MORE = 10, 38
_WRITE = "tellapart_write"
_MIGRATE = "tellapart_migrate"
#: The advisory lock of whoever makes or migrates tables: any number nobody else takes.
_MAKING = 7_311_306_114


def url_of(settings: Settings) -> sa.URL:
    """Where the database lies: `database_url`, else the file in the home folder.

    Raises `InputError` for a URL that names neither SQLite nor PostgreSQL. A password in it is
    never quoted.
    """
    if settings.database_url is None:
        return sa.URL.create("sqlite", database=str(settings.database_path))
    try:
        url = sa.make_url(settings.database_url)
    except (sa.exc.ArgumentError, ValueError):
        raise _no_url("it cannot be read") from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise _no_url(f"it begins with {url.drivername!r}")
    if not url.database or url.database == ":memory:":
        raise _no_url("it names no database")
    return url


def _no_url(why: str) -> InputError:
    return InputError(
        f"TELLAPART_DATABASE_URL is no database that can be opened: {why}.",
        expected="postgresql://USER:PASSWORD@HOST/NAME, or sqlite:////FOLDER/NAME.sqlite",
        do="Correct it (signs such as @ or / in a password are written %40 and %2F), or unset it.",
    )


def exists(settings: Settings) -> bool:
    """Whether there may be something to open: only a file can be told to be missing."""
    url = url_of(settings)
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).exists()


def open_database(settings: Settings) -> sa.Engine:
    """Open the database (`TELLAPART_HOME/tellapart.sqlite` unless a URL is set), made or migrated.

    Raises `StorageError` where it cannot be reached or written, is damaged, or was written by a
    newer program; `BusyError` where another process holds it for longer than 30 seconds;
    `InputError` for a URL that cannot be read.
    """
    url = url_of(settings)
    if url.get_backend_name() != "sqlite":
        return open_url(url)
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {path.parent} cannot be made ({error.strerror or error}).",
            expected="a folder that this user may write to, on a disk with free space",
            do="Set TELLAPART_HOME to another folder.",
        ) from error
    return open_url(url)


def open_url(url: str | sa.URL) -> sa.Engine:
    """Open the database at an SQLAlchemy URL (SQLite or PostgreSQL); see `open_database`."""
    url = sa.make_url(url)
    # A server may have been restarted since a connection was last used; a file has no such thing.
    remote = url.get_backend_name() != "sqlite"
    engine = sa.create_engine(
        url,
        connect_args=_connect_args(url),
        pool_pre_ping=remote,
        pool_size=_KEPT,
        max_overflow=_MORE,
        future=True,
    )
    if url.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _on_connect)
        sa.event.listen(engine, "begin", _on_begin)
    try:
        _bring_to_head(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent view of the database; writers are not held up."""
    with translated(where(engine)), engine.connect() as connection:
        if not _is_file(engine):
            # Else each statement would see what others wrote since the one before.
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def writing(engine: sa.Engine, *, durable: bool = False) -> Iterator[sa.Connection]:
    """One transaction: all of it is stored, or nothing.

    `durable`: it outlasts a power failure too, which the last transactions in a file may not.

    On SQLite the write lock is taken at once: a transaction that reads first and then wants to
    write would otherwise fail without waiting if another process wrote in between.
    """
    with translated(where(engine)), engine.connect() as plain:
        connection = plain.execution_options(**{_WRITE: True})
        durable = durable and _is_file(engine)
        if durable:
            _synchronous(connection, "FULL")
        try:
            with connection.begin():
                yield connection
        finally:
            if durable:
                _synchronous(connection, "NORMAL")


def _synchronous(connection: sa.Connection, how: str) -> None:
    """How far a commit goes on this connection; only possible between transactions."""
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA synchronous={how}")
    cursor.close()


def where(engine: sa.Engine) -> str:
    """The database's name for people: its path, or its URL without the password."""
    url = engine.url
    return url.database or "" if _is_file(engine) else url.render_as_string(hide_password=True)


def _is_file(engine: sa.Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _connect_args(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": BUSY_SECONDS}
    patience = f"-c lock_timeout={BUSY_SECONDS:.0f}s -c timezone=UTC"
    return {"connect_timeout": 10, "application_name": "tellapart", "options": patience}


def _on_connect(connection: DBAPIConnection, record: Any) -> None:
    # Transactions are begun by `_on_begin`; the driver's own rules would not begin one for reads.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "cache_size=-16384",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get(_MIGRATE):
        # Rebuilding a table would otherwise cascade into the tables that point at it. Only
        # possible before the transaction begins; checked again before it ends.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITE) else "BEGIN")


def _bring_to_head(engine: sa.Engine) -> None:
    with reading(engine) as connection:
        revision = _revision(connection, engine)
    if revision == HEAD:
        return
    if revision is None:
        with writing(engine) as connection:
            # Another process may have made the tables since the look above.
            _alone(connection, engine)
            if _revision(connection, engine) is None:
                _create(connection)
        return
    _migrate(engine)


def _alone(connection: sa.Connection, engine: sa.Engine) -> None:
    """One process at a time makes tables; a file's write lock sees to that already."""
    if not _is_file(engine):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")


def _revision(connection: sa.Connection, engine: sa.Engine) -> str | None:
    """The revision the database is at, None for an empty one."""
    tables = set(sa.inspect(connection).get_table_names())
    if "alembic_version" in tables:
        revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        if revision in REVISIONS:
            return str(revision)
        raise StorageError(
            f"The database {where(engine)} is at revision {revision!r}.",
            expected=f"a revision this program knows: {', '.join(REVISIONS)}",
            do="It was written by a newer tellapart: upgrade the program, or set TELLAPART_HOME "
            "(TELLAPART_DATABASE_URL, where that is set) to another place.",
        )
    if tables:
        raise StorageError(
            f"The database {where(engine)} holds tables that are not tellapart's: "
            f"{', '.join(sorted(tables)[:5])}.",
            expected="an empty database or one written by tellapart",
            do="Set TELLAPART_HOME to another folder, or TELLAPART_DATABASE_URL to an empty one.",
        )
    return None


def _create(connection: sa.Connection) -> None:
    """Make all tables at once: the same as running every migration (a test compares them)."""
    metadata.create_all(connection)
    connection.execute(
        sa.text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def _migrate(engine: sa.Engine) -> None:
    with translated(where(engine)), engine.connect() as plain:
        connection = plain.execution_options(**{_WRITE: True, _MIGRATE: True})
        try:
            with connection.begin():
                # Another process may have migrated while this one waited for the lock.
                _alone(connection, engine)
                if _revision(connection, engine) != HEAD:
                    if _is_file(engine):
                        _back_up(Path(str(engine.url.database)))
                    upgrade(connection)
                    _check_references(connection, engine)
        finally:
            # The pooled connection has its foreign keys off: never use it again.
            connection.invalidate()


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision` in the transaction of `connection`."""
    # Imported here because it takes 0.3 s and is needed once in a database's release.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tellapart.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _check_references(connection: sa.Connection, engine: sa.Engine) -> None:
    if not _is_file(engine):
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise StorageError(
            f"Migrating {where(engine)} would leave {len(broken)} rows without their owner, "
            f"first in table {broken[0][0]!r}.",
            expected="rows that name an existing project and existing pictures",
            do="Nothing was changed. Please report this; an older program still opens the file.",
        )


def _back_up(path: Path) -> None:
    """Copy the database beside itself through SQLite's own backup: complete, WAL included."""
    import sqlite3
    from contextlib import closing

    target = path.with_name(f"{path.name}.before-{HEAD}")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(partial)) as new:
            old.backup(new)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise StorageError(
            f"No backup could be written to {target} ({error}).",
            expected="free space for a second copy of the database",
            do="Free some space, then run the same command again; nothing was changed.",
        ) from error
