"""Pictures to feature vectors: decoded in threads, inferred in batches, kept by content."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tellapart import images
from tellapart.errors import DataError, NotFoundError, PictureError, StorageError
from tellapart.learn.backbone import Backbone
from tellapart.learn.engine import Engine
from tellapart.settings import Settings

#: Measured for the embedded backbone on 2 cores: 4 gives 155 pictures/s a core where 16 gives 137,
#: and 16 asks for 80 MB more a worker (the widest layer alone takes 5 MB a picture).
BATCH = 4
_FILE = "features-v1.sqlite"
#: Rows a statement; SQLite has taken as many parameters since 3.32 (2020).
_CHUNK = 1000
_VECTORS_AT_ONCE = 256

#: Gives a picture's bytes, or its prepared pixels (uint8, size×size×3) if the caller has them.
Loader = Callable[[], "bytes | np.ndarray"]
Outcome = tuple[str, "np.ndarray | PictureError"]


def cache_key(backbone: Backbone, view: images.View) -> str:
    """Names everything a picture's vector depends on but its own bytes.

    The engine is part of it: OpenVINO and ONNX Runtime differ in the last digits.
    """
    engine = "openvino" if find_spec("openvino") else "onnxruntime"
    return f"{backbone.key}-{view}-p{images.VERSION}-{engine}"


def extract(
    items: Sequence[tuple[str, Loader]],
    backbone: Backbone,
    view: images.View,
    settings: Settings,
    on_done: Callable[[int], None] | None = None,
    *,
    engine: Engine | None = None,
) -> Iterator[Outcome]:
    """Yield (sha, vector) an item, in the order of `items`; float32 of length `backbone.dim`.

    A picture that cannot be used comes out as its `PictureError`. Every worker decodes and
    infers batches of its own, so that all cores stay busy and at most two batches a worker are
    in memory. `on_done` is told how many items are done. `engine`: one already loaded for
    `backbone.onnx` and as many callers as `settings.worker_threads`.
    """
    if not items:
        return
    workers = min(settings.worker_threads, -(-len(items) // BATCH))
    engine = engine or Engine(
        backbone.onnx,
        threads=settings.worker_threads,
        callers=workers,
        cache_dir=settings.cache_dir,
    )
    starts = iter(range(0, len(items), BATCH))
    waiting: deque[Future[list[Outcome]]] = deque()
    done = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="features")
    try:
        while True:
            while len(waiting) < 2 * workers and (start := next(starts, None)) is not None:
                batch = items[start : start + BATCH]
                waiting.append(pool.submit(_batch, batch, backbone.size, view, engine))
            if not waiting:
                return
            outcomes = waiting.popleft().result()
            done += len(outcomes)
            if on_done is not None:
                with contextlib.suppress(Exception):  # an observer never breaks the observed
                    on_done(done)
            yield from outcomes
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def matrix(
    items: Sequence[tuple[str, Loader]],
    backbone: Backbone,
    view: images.View,
    settings: Settings,
    on_done: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, dict[str, PictureError]]:
    """All vectors, (len(items), dim) float32, through the cache; only missing ones are computed.

    Rows of pictures that cannot be used are NaN; their errors come by SHA-256. What was computed
    before a kill is kept. Raises `StorageError` where the cache cannot be written.
    """
    cache = FeatureCache(settings.cache_dir, cache_key(backbone, view), backbone.dim)
    shas = [sha for sha, _ in items]
    vectors, missing = cache.get(shas)
    rows: dict[str, list[int]] = {}
    for row, sha in enumerate(shas):
        rows.setdefault(sha, []).append(row)
    loaders = dict(items)
    todo = [(sha, loaders[sha]) for sha in missing]
    before = len(rows) - len(todo)
    report = None if on_done is None else (lambda done: on_done(before + done))
    errors: dict[str, PictureError] = {}
    fresh: dict[str, np.ndarray] = {}
    for sha, outcome in extract(todo, backbone, view, settings, report):
        if isinstance(outcome, PictureError):
            errors[sha] = outcome
            continue
        fresh[sha] = vectors[rows[sha]] = outcome
        if len(fresh) >= _VECTORS_AT_ONCE:
            cache.put(list(fresh), np.stack(list(fresh.values())))
            fresh.clear()
    if fresh:
        cache.put(list(fresh), np.stack(list(fresh.values())))
    return vectors, errors


def require_all(errors: Mapping[str, PictureError], project: str) -> None:
    """Raise `DataError` for kept pictures without features; `errors` as `matrix` gives them."""
    if not errors:
        return
    sha, error = min(errors.items())
    raise DataError(
        f"{len(errors)} kept pictures cannot be read any more; {sha[:16]}: {error.what}",
        expected="every kept picture where it was when it was curated",
        do=f"Run the steps again from the start: tellapart collect {project}.",
    )


def _batch(
    items: Sequence[tuple[str, Loader]], size: int, view: images.View, engine: Engine
) -> list[Outcome]:
    outcomes: dict[int, np.ndarray | PictureError] = {}
    pixels: list[np.ndarray] = []
    places: list[int] = []
    for place, (_, loader) in enumerate(items):
        try:
            loaded = loader()
            if not isinstance(loaded, np.ndarray):
                loaded = images.load(loaded, size, view)
            pixels.append(loaded)
            places.append(place)
        except PictureError as error:
            outcomes[place] = error
        except (OSError, NotFoundError) as error:
            outcomes[place] = PictureError(
                f"A picture cannot be read: {error}.",
                expected="the file where it was when it was collected",
                do="Put the file back, or collect again.",
            )
    if pixels:
        vectors = engine.run(np.stack(pixels), ("features",))["features"]
        outcomes.update(zip(places, vectors, strict=True))
    return [(sha, outcomes[place]) for place, (sha, _) in enumerate(items)]


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
