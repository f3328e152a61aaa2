"""Turn what a database says into the project's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from tellapart.errors import BusyError, StorageError, TellapartError


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise `BusyError` or `StorageError` for whatever the database refuses inside.

    `where` is the database's name for people; it is quoted in the message.
    """
    try:
        yield
    except exc.DBAPIError as error:
        raise _explained(error, where) from error


def _explained(error: exc.DBAPIError, where: str) -> TellapartError:
    said = str(error.orig).strip() or type(error.orig).__name__
    if type(error.orig).__module__.startswith("psycopg"):
        return _of_a_server(error, said, where)
    low = said.lower()
    if "locked" in low or "busy" in low:
        return BusyError(
            f"The database {where} is locked by another process ({said}).",
            expected="a database that other processes release within some seconds",
            do="Wait until the other tellapart process is done, then run the same command again.",
        )
    if "full" in low or "disk i/o" in low:
        return StorageError(
            f"The database {where} could not be written ({said}).",
            expected="free space on the disk that holds it",
            do="Free some space (`tellapart clean` drops caches), then run the same command again.",
        )
    if "not a database" in low or "malformed" in low:
        return StorageError(
            f"The file {where} is damaged or is no database ({said}).",
            expected="a SQLite database written by tellapart",
            do="Put a copy back (`tellapart.sqlite.before-…` lies beside it), or move it away.",
        )
    if "readonly" in low or "unable to open" in low:
        return StorageError(
            f"The database {where} cannot be opened for writing ({said}).",
            expected="a folder that this user may write to",
            do="Change the folder's owner or rights, or set TELLAPART_HOME to another folder.",
        )
    if isinstance(error, exc.IntegrityError):
        return _contradicts(said, where)
    return StorageError(
        f"The database {where} failed: {said}",
        expected="a database that answers",
        do="Check the disk, or set TELLAPART_HOME to another folder and try there.",
    )


def _of_a_server(error: exc.DBAPIError, said: str, where: str) -> TellapartError:
    """PostgreSQL's errors, told by their code (SQLSTATE); its words depend on its language."""
    code = getattr(error.orig, "sqlstate", None) or ""
    if code in ("55P03", "40001", "40P01"):
        return BusyError(
            f"The database {where} is locked by another process ({said}).",
            expected="a database that other processes release within some seconds",
            do="Wait until the other tellapart process is done, then run the same command again.",
        )
    if code.startswith("53"):
        return StorageError(
            f"The database {where} has run out of something ({said}).",
            expected="free space and free connections on the database's server",
            do="Free some space there, or raise its max_connections; then try again.",
        )
    if isinstance(error, exc.IntegrityError):
        return _contradicts(said, where)
    if code in ("28P01", "28000", "3D000", "42501"):
        return StorageError(
            f"The database {where} does not let us in ({said}).",
            expected="a user, a password and a database that its server knows",
            do="Check TELLAPART_DATABASE_URL; make the database with `createdb`.",
        )
    return StorageError(
        f"The database {where} failed: {said}",
        expected="a PostgreSQL server that answers",
        do="Check that it runs and that TELLAPART_DATABASE_URL names it; then try again.",
    )


def _contradicts(said: str, where: str) -> StorageError:
    return StorageError(
        f"The database {where} refused a row that contradicts others ({said}).",
        expected="rows that name an existing project and existing pictures, each once",
        do="Run the same command again; if it stays, the project was deleted meanwhile.",
    )
