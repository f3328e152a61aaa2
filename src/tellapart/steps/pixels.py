"""Pictures as a network sees them: decoded and brought to size once, into one mapped file.

`work/pixels-KEY.npy` holds the pictures, `pixels-KEY.json` which ones in which order, and
`pixels-KEY.done` a byte for each that is there: a run that was cut off goes on, and pictures
that an earlier file of the same size holds are copied from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.catalog import PictureRow
from tellapart.errors import DataError, PictureError, StorageError
from tellapart.learn.measuring import reader
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.store.files import FileStore, write_file

#: (height, width, channels)
Shape = tuple[int, int, int]
Pixels = NDArray[np.uint8]
#: Pictures between two looks at what is done.
_BATCH = 256


def of_pictures(
    context: StepContext, rows: Sequence[PictureRow], shape: Shape, view: images.View
) -> Pixels:
    """The pictures of `rows`, uint8 (n, height, width, channels), mapped and read-only.

    Raises `DataError` for a picture that cannot be read any more, `StorageError` for a full disk.
    """
    files = FileStore(context.settings.files_dir)
    size, color = shape[:2], _color(shape)

    def make(i: int) -> Pixels:
        row = rows[i]
        data = reader(files, row.sha256, row.path)()
        image = images.decode(data, hint=images.hint(size, view))
        return images.prepare(image, size, view, color)

    return _cached(context, [row.sha256 for row in rows], shape, view, make)


def _color(shape: Shape) -> images.Color:
    return "gray" if shape[2] == 1 else "RGB"


def _cached(
    context: StepContext,
    names: Sequence[str],
    shape: Shape,
    view: images.View,
    make: Callable[[int], Pixels],
) -> Pixels:
    facts = [images.VERSION, list(shape), view]
    key = fingerprint([facts, list(names)])[:16]
    path = context.work / f"pixels-{key}.npy"
    whole = (len(names), *shape)
    try:
        done = _open(path, whole)
        if not done.all():
            _fill(context, path, names, facts, done, make)
            _drop_others(context.work, key)
        found: Pixels = np.load(path, mmap_mode="r")
        return found
    except OSError as error:
        raise StorageError(
            f"{str(path)!r} cannot be written ({error.strerror or error}).",
            expected=f"room for {np.prod(whole, dtype=float) / 1e6:,.0f} MB of prepared pictures",
            do="Free some space, or ask for a smaller `input`, then run the same command again.",
        ) from error


def _open(path: Path, whole: tuple[int, ...]) -> NDArray[np.uint8]:
    """Which pictures are there already, one byte each, mapped; both files are made if need be."""
    flags = path.with_suffix(".done")
    try:
        pixels, done = np.load(path, mmap_mode="r"), np.load(flags, mmap_mode="r+")
        if pixels.shape == whole and done.shape == whole[:1]:
            return np.asarray(done)
    except (OSError, ValueError, EOFError):
        pass  # none yet, or cut short by a power failure: made anew
    flags.unlink(missing_ok=True)
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=whole).flush()
    # Its ending would be taken for a missing one and `.npy` be added to the name.
    made = np.lib.format.open_memmap(flags, mode="w+", dtype=np.uint8, shape=whole[:1])
    made.flush()
    return np.asarray(made)


def _fill(
    context: StepContext,
    path: Path,
    names: Sequence[str],
    facts: list[object],
    done: NDArray[np.uint8],
    make: Callable[[int], Pixels],
) -> None:
    listing = json.dumps({"facts": facts, "names": list(names)}).encode()
    write_file(path.with_suffix(".json"), listing)
    pixels = np.load(path, mmap_mode="r+")
    for source, places in _earlier(path, names, facts):
        for i, at in places.items():
            if not done[i]:
                pixels[i] = source[at]
                done[i] = 1
    left = np.flatnonzero(done == 0).tolist()
    total, ready = len(names), len(names) - len(left)
    context.progress(Progress("train", 0, None, f"preparing pictures ({ready} of {total})"))
    pool = ThreadPoolExecutor(context.settings.worker_threads, "tellapart-pixels")
    try:
        for start in range(0, len(left), _BATCH):
            batch = left[start : start + _BATCH]
            for i, picture in zip(batch, pool.map(make, batch), strict=True):
                pixels[i] = picture
            # Pictures first, then the word that they are there.
            pixels.flush()
            done[batch] = 1
            ready += len(batch)
            context.progress(Progress("train", 0, None, f"preparing pictures ({ready} of {total})"))
    except PictureError as error:
        raise DataError(
            f"A picture cannot be prepared: {error.what}",
            expected="the pictures' files as they were when they were collected",
            do="Run the same command again, which looks at all files anew.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _earlier(
    path: Path, names: Sequence[str], facts: list[object]
) -> Iterator[tuple[Pixels, dict[int, int]]]:
    """Earlier files of the same facts: their pictures, and which of `names` lie where in them."""
    for listing in sorted(path.parent.glob("pixels-*.json")):
        if listing.stem == path.stem:
            continue
        try:
            known = json.loads(listing.read_bytes())
            source = np.load(listing.with_suffix(".npy"), mmap_mode="r")
            there = np.load(listing.with_suffix(".done"), mmap_mode="r")
            if known["facts"] != facts or not len(known["names"]) == len(source) == len(there):
                continue
            at = {name: k for k, name in enumerate(known["names"]) if there[k]}
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            continue  # only what can be made again
        yield source, {i: at[name] for i, name in enumerate(names) if name in at}


def _drop_others(work: Path, key: str) -> None:
    for path in work.glob("pixels-*"):
        if path.stem != f"pixels-{key}":
            path.unlink(missing_ok=True)
