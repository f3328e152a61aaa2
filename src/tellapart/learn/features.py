"""Pictures to feature vectors: decoded in threads, inferred in batches, kept by content."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tellapart import images
from tellapart.errors import DataError, NotFoundError, PictureError
from tellapart.learn import doubling
from tellapart.learn.backbone import Backbone
from tellapart.learn.engine import Engine
from tellapart.learn.feature_cache import FeatureCache as FeatureCache
from tellapart.settings import Settings

#: Measured for the embedded backbone on 2 cores: 4 gives 155 pictures/s a core where 16 gives 137,
#: and 16 asks for 80 MB more a worker (the widest layer alone takes 5 MB a picture).
BATCH = 4
_VECTORS_AT_ONCE = 256

#: Gives a picture's bytes, or its prepared pixels (uint8, size×size×3) if the caller has them.
Loader = Callable[[], "bytes | np.ndarray"]
Outcome = tuple[str, "np.ndarray | PictureError"]
#: How a picture is looked at: (mirrored left to right, upside down).
Way = tuple[bool, bool]
PLAIN: Way = (False, False)


def cache_key(backbone: Backbone, view: images.View, way: Way = PLAIN) -> str:
    """Names everything a picture's vector depends on but its own bytes.

    The engine is part of it: OpenVINO and ONNX Runtime differ in the last digits. `way`: of
    the vectors of mirror images, or of pictures upside down.
    """
    engine = "openvino" if find_spec("openvino") else "onnxruntime"
    said = "-mirrored" * way[0] + "-upside" * way[1]
    return f"{backbone.key}-{view}-p{images.VERSION}-{engine}{said}"


def cache_of(backbone: Backbone, settings: Settings) -> Path | None:
    """Where engines keep what they compile of it: nowhere for a tuned one.

    Such a network is the project's own, and what is kept for all would outlive its project.
    """
    return None if backbone.tuned else settings.cache_dir


def extract(
    items: Sequence[tuple[str, Loader]],
    backbone: Backbone,
    view: images.View,
    settings: Settings,
    on_done: Callable[[int], None] | None = None,
    *,
    engine: Engine | None = None,
    way: Way = PLAIN,
) -> Iterator[Outcome]:
    """Yield (sha, vector) an item, in the order of `items`; float32 of length `backbone.dim`.

    A picture that cannot be used comes out as its `PictureError`. Every worker decodes and
    infers batches of its own, so that all cores stay busy and at most two batches a worker are
    in memory. `on_done` is told how many items are done. `engine`: one already loaded for
    `backbone.onnx` and as many callers as `settings.worker_threads`. `way`: the vectors of
    the pictures' mirror images, or of the pictures upside down.
    """
    if not items:
        return
    workers = min(settings.worker_threads, -(-len(items) // BATCH))
    engine = engine or Engine(
        doubling.model_of(backbone, view),
        threads=settings.worker_threads,
        callers=workers,
        cache_dir=cache_of(backbone, settings),
    )
    starts = iter(range(0, len(items), BATCH))
    waiting: deque[Future[list[Outcome]]] = deque()
    done = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="features")
    try:
        while True:
            while len(waiting) < 2 * workers and (start := next(starts, None)) is not None:
                batch = items[start : start + BATCH]
                waiting.append(pool.submit(_batch, batch, backbone.size, view, engine, way))
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

    A composed backbone's are put together of its parts', each way to look cached apart.
    Rows of pictures that cannot be used are NaN; their errors come by SHA-256. What was computed
    before a kill is kept. Raises `StorageError` where the cache cannot be written.
    """
    if not backbone.parts:
        return _single(items, backbone, view, settings, on_done, PLAIN)
    errors: dict[str, PictureError] = {}
    columns: list[np.ndarray] = []
    passes = sum(len(part.ways) for part in backbone.parts)
    gone = 0
    for part in backbone.parts:
        found = []
        for way in part.ways:
            report = _share(on_done, gone, passes, len(items))
            vectors, failed = _single(items, part.backbone, view, settings, report, way)
            found.append(vectors)
            errors |= failed
            gone += 1
        mean = found[0] if len(found) == 1 else np.stack(found).mean(axis=0)
        columns.append(mean * np.float32(part.scale))
    return np.concatenate(columns, axis=1), errors


def _share(
    on_done: Callable[[int], None] | None, gone: int, passes: int, total: int
) -> Callable[[int], None] | None:
    """Tell of one of several passes over the same pictures as if each were a part of them."""
    if on_done is None:
        return None
    return lambda done: on_done((gone * total + done) // passes)


def _single(
    items: Sequence[tuple[str, Loader]],
    backbone: Backbone,
    view: images.View,
    settings: Settings,
    on_done: Callable[[int], None] | None,
    way: Way,
) -> tuple[np.ndarray, dict[str, PictureError]]:
    """`matrix` of a backbone without parts, of the pictures looked at one `way`."""
    dim = doubling.dim_of(backbone, view)
    cache = FeatureCache(settings.cache_dir, cache_key(backbone, view, way), dim)
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
    for sha, outcome in extract(todo, backbone, view, settings, report, way=way):
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
    items: Sequence[tuple[str, Loader]],
    size: int,
    view: images.View,
    engine: Engine,
    way: Way,
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
        mirrored, turned = way
        stack = np.stack(pixels)[:, :: -1 if turned else 1, :: -1 if mirrored else 1]
        vectors = engine.run(stack, ("features",))["features"]
        outcomes.update(zip(places, vectors, strict=True))
    return [(sha, outcomes[place]) for place, (sha, _) in enumerate(items)]
