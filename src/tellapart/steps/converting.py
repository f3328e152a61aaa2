"""A labelled data set of one's own, written as another program reads it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from tellapart import registry
from tellapart.datasets.samples import FACTS, Sample, known
from tellapart.datasets.unpacking import unescaped
from tellapart.doors import Hit
from tellapart.errors import DataError, InputError
from tellapart.steps.collect import find_format
from tellapart.steps.collect.unpacked import Unpack

#: Why a picture is left out that is at hand nowhere but on the web.
ELSEWHERE = "elsewhere"


@runtime_checkable
class Writes(Protocol):
    """An exporter that writes pictures from anywhere, not from bundles alone."""

    def write(self, samples: Iterable[Sample], target: Path) -> Path:
        """Write into the folder `target`, which must be new or empty: all, or none."""


@dataclass(frozen=True)
class Converted:
    """What was written."""

    path: Path
    #: Pictures by class.
    classes: Mapping[str, int]
    #: Rows that could not be used, by a word for the reason.
    left_out: Mapping[str, int]


def names() -> list[str]:
    """The exporters that write data sets of one's own."""
    return [one for one in registry.names("exporter") if _writes(one)]


def convert(data: Path, format: str, target: Path) -> Converted:
    """Write the data set at `data`, of any format there is, into the new folder `target`.

    Raises `InputError` for data that no format reads and a format that cannot be written,
    `DataError` where no picture can be used or `target` holds something.
    """
    writer = registry.load("exporter", format)()
    if not isinstance(writer, Writes):
        raise InputError(
            f"{format!r} is written out of bundles alone.",
            expected=f"one of {', '.join(names())}",
            do="Use `tellapart export` for it.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacked-") as aside:
        hits = list(find_format(data, Unpack(Path(aside))).read(data))
        left_out = Counter(word for hit in hits if (word := _problem(hit)))
        samples = [_sample(hit) for hit in hits if not _problem(hit)]
        if not samples:
            words = ", ".join(f"{count} × {word}" for word, count in sorted(left_out.items()))
            raise DataError(
                f"No picture of {str(data)!r} can be written ({words}).",
                expected="pictures on this machine, each with a class",
                do="Look at what is said of the rows.",
            )
        written = cast(Writes, writer).write(samples, target)
    classes = Counter(sample.label for sample in samples)
    return Converted(written, dict(sorted(classes.items())), dict(sorted(left_out.items())))


def _writes(name: str) -> bool:
    return hasattr(registry.load("exporter", name), "write")


def _problem(hit: Hit) -> str:
    return hit.problem or ("" if hit.path is not None and hit.path.is_file() else ELSEWHERE)


def _sample(hit: Hit) -> Sample:
    path = cast(Path, hit.path)
    facts = known({name: getattr(hit, name, None) for name in FACTS})
    return Sample(hit.label or "", unescaped(path.name), path.read_bytes, hit.split or "", facts)
