"""Pictures that a bundle's model did not learn from, for comparing its variants."""

from __future__ import annotations

import csv
import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.bundle.archive import Archive
from tellapart.bundle.manifest import Manifest
from tellapart.errors import DataError, InputError, NotFoundError, PictureError

#: More pictures prove no more, and each takes some milliseconds in every variant.
MOST = 1000
#: Bytes of prepared pictures, all together.
_ROOM = 512 * 2**20
_LEAST = 8
#: Files that are kept as they are.
_SAMPLES = 48
_FOLDER = "dataset"
_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".bin"}
)
#: Of a zip; decoding is what takes time.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class HeldOut:
    """Prepared pictures, with the right class of those where it is known."""

    #: uint8 N×H×W×(3 or 1).
    pictures: NDArray[np.uint8]
    #: Index of the class in the bundle's labels; -1: not known.
    right: NDArray[np.int64]
    #: Where they are from, for people.
    origin: str
    #: Files of some of them, for timing how they are prepared: `size`, `view` and `color`.
    samples: tuple[bytes, ...]
    prepared: Mapping[str, Any]
    #: Left out because the model learned from them, or because they could not be read.
    learned: int = 0
    unusable: int = 0
    #: Whether it is known which pictures the model learned from.
    listed: bool = True


@dataclass(frozen=True)
class _Item:
    label: str
    read: Callable[[], bytes]


def gather(archive: Archive, manifest: Manifest, folder: Path | None = None) -> HeldOut:
    """The test and then the validation pictures in the bundle; or those of `folder`.

    In a folder each class has a folder of its name; pictures elsewhere in it count without a
    class. Those that the bundle's own lists name as training pictures are left out. Raises
    `InputError` where the model takes rows, `NotFoundError` without the folder, `DataError` where
    there are too few pictures.
    """
    given = manifest.picture
    if given is None:
        raise InputError(
            f"The bundle {manifest.name!r} answers rows of a table, not pictures.",
            expected="a bundle for pictures: a row takes microseconds in any engine",
            do="Serve it as it is.",
        )
    learned, trained_on = 0, _trained_on(archive)
    if folder is None:
        items = _of_bundle(archive)
        origin = "the bundle's own test and validation pictures"
    else:
        items, learned = _of_folder(folder, trained_on)
        origin = f"pictures of {str(folder)!r}"
    channels = 1 if given.color == "gray" else 3
    high, wide = images.seen(given.size, given.view)
    most = min(MOST, max(_LEAST, _ROOM // (high * wide * channels)))

    def prepare(item: _Item) -> NDArray[np.uint8] | None:
        try:
            view, color = cast(Any, given.view), cast(Any, given.color)
            return images.load(item.read(), given.size, view, color)
        except PictureError:
            return None

    taken = items[:most]
    with ThreadPoolExecutor(2) as pool:
        ready = list(pool.map(prepare, taken))
    kept = [place for place, picture in enumerate(ready) if picture is not None]
    if len(kept) < _LEAST:
        raise _too_few(len(kept), learned, folder, bool(trained_on))
    places = {label: place for place, label in enumerate(manifest.labels)}
    return HeldOut(
        np.stack([cast(Any, ready[k]) for k in kept]),
        np.array([places.get(taken[k].label, -1) for k in kept], np.int64),
        origin,
        tuple(taken[k].read() for k in kept[:: -(-len(kept) // _SAMPLES)]),
        {"size": list(given.size), "view": given.view, "color": given.color},
        learned,
        len(taken) - len(kept),
        folder is None or bool(trained_on),
    )


def _of_bundle(archive: Archive) -> list[_Item]:
    """Test pictures, the classes in turn, then validation ones."""
    found: list[_Item] = []
    for split in ("test", "validation"):
        start = f"{_FOLDER}/{split}/"
        by_label: dict[str, list[_Item]] = {}
        for row in _rows(archive, f"{start}metadata.csv"):
            name = start + row.get("file_name", "")
            if name in archive:
                item = _Item(row.get("label", ""), partial(_member, archive, name))
                by_label.setdefault(item.label, []).append(item)
        found += _in_turn(by_label)
    return found


def _member(archive: Archive, name: str) -> bytes:
    with _one_at_a_time:
        return archive.read(name, images.MAX_BYTES)


def _of_folder(folder: Path, trained_on: frozenset[str]) -> tuple[list[_Item], int]:
    """Its pictures, the classes in turn, without those that were learned from; and their number."""
    if not folder.is_dir():
        raise NotFoundError(
            f"There is no folder {str(folder)!r}.",
            expected="a folder with one sub-folder of pictures a class",
            do="Check the path given to --pictures.",
        )
    by_label: dict[str, list[_Item]] = {}
    learned = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            continue
        if trained_on and hashlib.sha256(path.read_bytes()).hexdigest() in trained_on:
            learned += 1
            continue
        label = path.relative_to(folder).parts[0] if path.parent != folder else ""
        by_label.setdefault(label, []).append(_Item(label, path.read_bytes))
    return _in_turn(by_label), learned


def _in_turn(by_label: Mapping[str, list[_Item]]) -> list[_Item]:
    rounds = zip_longest(*(by_label[label] for label in sorted(by_label)))
    return [item for one in rounds for item in one if item is not None]


def _trained_on(archive: Archive) -> frozenset[str]:
    """SHA-256 of every training picture, whether it is in the bundle or was held back."""
    here = _rows(archive, f"{_FOLDER}/train/metadata.csv")
    away = [r for r in _rows(archive, f"{_FOLDER}/withheld.csv") if r.get("split") == "train"]
    return frozenset(row.get("sha256", "") for row in [*here, *away])


def _rows(archive: Archive, name: str) -> list[dict[str, str]]:
    if name not in archive:
        return []
    return list(_parsed(archive.read(name).decode("utf-8", "replace")))


def _parsed(text: str) -> Iterator[dict[str, str]]:
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield {key: value or "" for key, value in row.items() if isinstance(key, str)}


def _too_few(count: int, learned: int, folder: Path | None, listed: bool) -> DataError:
    if folder is None:
        what = f"The bundle holds {count} pictures that its model did not learn from."
        do = "Give a folder with `--pictures FOLDER`: one sub-folder of pictures a class."
        if listed:
            do += " It may be the one that it learned from: its training pictures are left out."
    else:
        more = f" beside {learned} that the model learned from" if learned else ""
        what = f"The folder {str(folder)!r} holds {count} usable pictures{more}."
        do = "Give a folder with more pictures that are new to the model."
    return DataError(what, expected=f"at least {_LEAST}, better 500 or more", do=do)
