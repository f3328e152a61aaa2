"""Where each picture of a picture data set by name goes: `work/split.npz`.

There may be 70,000 of them, none of which ever gets a row in the ledger.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.datasets import Arrays
from tellapart.errors import DataError
from tellapart.learn import splitting
from tellapart.store.files import write_file

FILE = "split.npz"
PARTS = (*splitting.SPLITS, splitting.ASIDE)


def members_of(arrays: Arrays) -> list[splitting.Member]:
    """One member a picture, named by its number, known by its pixels."""
    flat = np.ascontiguousarray(arrays.x).reshape(len(arrays.x), -1)
    return [
        splitting.Member(
            id=str(i),
            label=arrays.classes[place],
            sha256=hashlib.sha256(flat[i].data).hexdigest(),
        )
        for i, place in enumerate(arrays.y.tolist())
    ]


def save(work: Path, sha256: str, places: Sequence[splitting.Place]) -> None:
    """Store the places, one a picture in their order, of the data set with this digest."""
    groups = np.unique([place.group for place in places], return_inverse=True)[1]
    file = io.BytesIO()
    np.savez_compressed(
        file,
        sha256=np.array(sha256),
        split=np.array([PARTS.index(place.split) for place in places], dtype=np.uint8),
        groups=groups.astype(np.int32),
    )
    write_file(work / FILE, file.getvalue())


def load(work: Path, sha256: str) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """The split (n,) and the group (n,) of each picture.

    Raises `DataError` where this data set was not split yet.
    """
    try:
        with np.load(work / FILE, allow_pickle=False) as found:
            known, split, groups = str(found["sha256"]), found["split"], found["groups"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        known = ""
    if known != sha256:
        raise DataError(
            "The data set was not split yet, or has changed since.",
            expected="the steps collect and split done before",
            do="Run the whole chain: the same command again.",
        )
    return np.array(PARTS)[split], groups.astype(np.int64)
