"""Real pictures behind the search services of the picture web, with planted noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import need
from benchmarks.beside.chains import SUFFIXES
from tellapart.demo.listing import Entry
from tellapart.demo.picture_web import PictureWeb

Read = Callable[[], bytes]
#: The share of noise at a rank.
Noise = Callable[[int], float]


@dataclass(frozen=True)
class Pool:
    """Pictures by class, in an order of their own, each a function that reads it."""

    name: str
    by_class: Mapping[str, Sequence[Read]]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(self.by_class))


def folder_pool(folder: Path, only: Sequence[str] | None = None) -> Pool:
    """Of a labelled folder, one sub-folder a class; services know words in lower case alone."""
    need(folder)
    found: dict[str, list[Read]] = {}
    for place in sorted(p for p in folder.iterdir() if p.is_dir()):
        if only is None or place.name in only:
            files = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES)
            found[place.name.lower()] = [file.read_bytes for file in files]
    return Pool(folder.name, found)


def digit_pool(folder: Path, each: int, side: int = 64) -> Pool:
    """MNIST's digits as pictures of `side` pixels, `each` of a class."""
    import gzip

    def values(name: str, head: int) -> NDArray[np.uint8]:
        data = gzip.decompress((need(folder) / name).read_bytes())
        return np.frombuffer(data, np.uint8, offset=head)

    pixels = values("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = values("train-labels-idx1-ubyte.gz", 8)

    def read(row: int) -> Read:
        def data() -> bytes:
            out = BytesIO()
            picture = Image.fromarray(pixels[row]).resize((side, side), Image.Resampling.BICUBIC)
            picture.convert("RGB").save(out, "PNG")
            return out.getvalue()

        return data

    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return Pool(
        "mnist",
        {
            word: [read(int(row)) for row in np.flatnonzero(labels == digit)[:each]]
            for digit, word in enumerate(words)
        },
    )


@dataclass
class Offers:
    """What two services offer for each class, and which of it is noise."""

    #: Service, then class: pictures by rank.
    lists: dict[str, dict[str, list[Read]]] = field(default_factory=dict)
    #: Service, class and rank of all that does not show its class.
    noise: set[tuple[str, str, int]] = field(default_factory=set)

    def share(self, service: str, first: int = 0, until: int | None = None) -> float:
        """The true share of noise of a service, of the ranks given."""
        flags = [
            (service, word, rank) in self.noise
            for word, reads in self.lists[service].items()
            for rank in range(first, min(len(reads), until or len(reads)))
        ]
        return sum(flags) / max(1, len(flags))


def offers(
    pool: Pool, foreign: Sequence[Read], noise: Mapping[str, Noise], length: int, seed: int
) -> Offers:
    """Deal the pool's pictures to services in turn, noise among them: half of it pictures of other
    classes, half of it `foreign` ones. No picture is offered twice; a list ends where a class has
    no more pictures of its own."""
    rng = np.random.default_rng(seed)
    left = {word: list(rng.permutation(len(reads))) for word, reads in pool.by_class.items()}
    strange = list(rng.permutation(len(foreign)))
    found = Offers({service: {word: [] for word in pool.classes} for service in noise})
    going = [(word, service) for word in pool.classes for service in noise]
    for rank in range(length):
        for word, service in list(going):
            read = None
            if rng.random() < noise[service](rank):
                others = [other for other in pool.classes if other != word and left[other]]
                if rng.random() < 0.5 and others:
                    other = others[int(rng.integers(len(others)))]
                    read = pool.by_class[other][left[other].pop()]
                elif strange:
                    read = foreign[strange.pop()]
                if read is not None:
                    found.noise.add((service, word, rank))
            if read is None:
                if not left[word]:
                    going.remove((word, service))
                    continue
                read = pool.by_class[word][left[word].pop()]
            found.lists[service][word].append(read)
    return found


class NoisyWeb(PictureWeb):
    """The picture web with these offers in place of what it draws."""

    def __init__(self, given: Offers) -> None:
        words = sorted(given.lists["openverse"])
        super().__init__((), n=0, faults=False)
        self.words = tuple(words)
        self._reads: dict[str, Read] = {}
        self.openverse = self._entries("openverse", given)
        self.commons = self._entries("commons", given)
        every = (*self.openverse.values(), *self.commons.values())
        self.entries = {entry.path: entry for entries in every for entry in entries}

    def _entries(self, service: str, given: Offers) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for word, reads in sorted(given.lists.get(service, {}).items()):
            found[word] = []
            for rank, read in enumerate(reads):
                # The first digits are a page's number, which no two may share.
                name = sha256(f"{service} {word} {rank}".encode()).hexdigest()[:16]
                path = f"/files/{name}.jpg"
                self._reads[path] = read
                found[word].append(Entry(word, "good", path, word, 0, name, "cc0", "1.0"))
        return found

    def _picture(self, entry: Entry) -> bytes:
        return self._reads[entry.path]()
