"""The pictures of a fine-tuning: decoded once, kept as prepared pixels on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.errors import StorageError

#: Gives a picture's bytes or its path.
Loader = Callable[[], "bytes | Path"]
#: Pictures between two looks at `stop` and two words of progress while preparing.
_CHUNK = 32


class PictureFeed:
    """Pictures, their classes, and who learns.

    `items`: (content hash, loader) a picture. `y`: classes (n,) int64, or soft targets (n, C)
    float whose rows sum to 1, such as another model's probabilities. `train` and `validation`:
    places in `items`. `view` prepares pictures exactly as the finished model will.
    `mean` and `std` of channels in 0 … 1, as the network was trained with.
    """

    def __init__(
        self,
        items: Sequence[tuple[str, Loader]],
        y: NDArray[np.int64] | NDArray[np.floating],
        classes: int,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        view: images.View = "squash",
        threads: int = 2,
    ) -> None:
        self.items, self.classes, self.view, self.threads = items, classes, view, threads
        self.train = np.asarray(train, np.int64)
        self.validation = np.asarray(validation, np.int64)
        self.mean, self.std = mean, std
        hard = np.asarray(y)
        if hard.ndim == 1:
            self.targets = np.zeros((len(hard), classes), np.float32)
            self.targets[np.arange(len(hard)), hard.astype(np.int64)] = 1
        else:
            self.targets = hard.astype(np.float32)

    @property
    def y(self) -> NDArray[np.int64]:
        """Classes (n,); of soft targets the likeliest."""
        return np.asarray(self.targets.argmax(1), np.int64)

    @property
    def fingerprint(self) -> str:
        """Names pictures, targets and splits."""
        said = [self.view, [sha for sha, _ in self.items], self.train.tolist()]
        digest = hashlib.sha256(json.dumps([*said, self.validation.tolist()]).encode())
        digest.update(np.ascontiguousarray(self.targets).tobytes())
        return digest.hexdigest()

    def pixels(
        self,
        places: NDArray[np.int64],
        side: int,
        folder: Path,
        watch: Callable[[int, int], bool] = lambda done, total: True,
    ) -> NDArray[np.uint8]:
        """Pictures `places` as (n, side, side, 3) uint8 RGB, on disk in `folder`.

        Made once; the next call, in another process too, opens the file. `watch` is told how many
        are done of how many; where it answers False, the rest is left black and nothing is kept.
        Raises `PictureError` for one that cannot be decoded, `StorageError` for a full disk.
        """
        path = folder / f"pixels-{self._digest(places, side)}.npy"
        try:
            return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
        except (OSError, ValueError):
            pass
        part = path.with_suffix(".part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shape = (len(places), side, side, 3)
            out = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
            if not self._fill(out, places, side, watch):
                return out
            out.flush()
            part.replace(path)
            return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(
                f"Prepared pictures cannot be written to {str(folder)!r} "
                f"({error.strerror or error}).",
                expected=f"{len(places) * side * side * 3 // 1_000_000 + 1} MB free",
                do="Free some space, then run the same command again: it goes on where it stopped.",
            ) from error

    def _fill(
        self,
        out: NDArray[np.uint8],
        places: NDArray[np.int64],
        side: int,
        watch: Callable[[int, int], bool],
    ) -> bool:
        def one(row: int) -> None:
            out[row] = images.load(self.items[int(places[row])][1](), side, self.view)

        with ThreadPoolExecutor(self.threads, thread_name_prefix="pictures") as pool:
            for start in range(0, len(places), _CHUNK):
                end = min(start + _CHUNK, len(places))
                list(pool.map(one, range(start, end)))
                if not watch(end, len(places)):
                    return False
        return True

    def _digest(self, places: NDArray[np.int64], side: int) -> str:
        said = [images.VERSION, self.view, side, [self.items[int(p)][0] for p in places]]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
