"""Feature vectors by content in one SQLite file, shared by threads and processes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tellapart.errors import StorageError

_FILE = "features-v1.sqlite"
#: Rows a statement; SQLite has taken as many parameters since 3.32 (2020).
_CHUNK = 1000


class FeatureCache:
    """Vectors by content hash in one SQLite file, shared by threads and processes.

    A `key` (see `cache_key`) keeps apart what different backbones or views say of one picture.
    Each `put` is one transaction: after a kill it is there whole or not at all. A file that
    SQLite cannot read is set aside and begun anew, for all in it can be made again.
    """

    def __init__(self, cache_dir: Path, key: str, dim: int = 1280) -> None:
        self._path = cache_dir / _FILE
        self._dim = dim
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            try:
                self._space = self._prepare(key)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._path.replace(self._path.with_suffix(".damaged"))
                self._space = self._prepare(key)
        except (OSError, sqlite3.OperationalError) as error:
            raise self._error(error) from None

    def get(self, shas: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """Return (len(shas), dim) float32 in the order of `shas`, and the distinct missing ones.

        Rows of missing ones are NaN.
        """
        vectors = np.full((len(shas), self._dim), np.nan, np.float32)
        rows: dict[str, list[int]] = {}
        for row, sha in enumerate(shas):
            rows.setdefault(sha, []).append(row)
        wanted = sorted(rows)
        with self._connect() as connection:
            for start in range(0, len(wanted), _CHUNK):
                chunk = wanted[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                query = f"SELECT sha, vector FROM vectors WHERE space=? AND sha IN ({marks})"  # noqa: S608
                for sha, blob in connection.execute(query, (self._space, *chunk)):
                    if len(blob) == 4 * self._dim:
                        vectors[rows.pop(sha)] = np.frombuffer(blob, "<f4")
        return vectors, list(rows)

    def put(self, shas: Sequence[str], vectors: np.ndarray) -> None:
        """Keep one row of `vectors` (len(shas), dim) a hash. Raises `StorageError`."""
        table = np.ascontiguousarray(vectors, "<f4")
        if table.shape != (len(shas), self._dim):
            raise ValueError(f"vectors are {table.shape}, expected {(len(shas), self._dim)}")
        rows = [(self._space, sha, row.tobytes()) for sha, row in zip(shas, table, strict=True)]
        try:
            with self._connect() as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?,?,?)", rows)
        except sqlite3.OperationalError as error:
            raise self._error(error) from None

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
            yield connection
        finally:
            connection.close()

    def _prepare(self, key: str) -> int:
        with self._connect() as connection:
            connection.execute("PRAGMA page_size=16384")  # holds three vectors of 1280
            connection.execute("PRAGMA journal_mode=WAL")
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS spaces (id INTEGER PRIMARY KEY, key TEXT UNIQUE)"
                )
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS vectors "
                    "(space INTEGER, sha TEXT, vector BLOB, PRIMARY KEY (space, sha))"
                )
                connection.execute("INSERT OR IGNORE INTO spaces (key) VALUES (?)", (key,))
            found = connection.execute("SELECT id FROM spaces WHERE key=?", (key,)).fetchone()
        return int(found[0])

    def _error(self, error: Exception) -> StorageError:
        return StorageError(
            f"The feature cache {str(self._path)!r} cannot be written: {error}.",
            expected="a writable folder with room for 5 KB a picture",
            do="Make room, or set TELLAPART_HOME to another folder.",
        )
