"""Labelled pictures on their way into a data set of another convention."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tellapart.bundle.archive import fold, name_problem

#: How the names of pictures end.
SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("avif", "bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "pbm", "pgm"),
        *("png", "pnm", "ppm", "tif", "tiff", "webp"),
    )
)
#: What may be known of a picture beside its class and split, in the order in which it is written.
FACTS = (
    *("group", "source", "title", "creator", "license", "license_version", "license_url"),
    *("attribution", "page_url"),
)
#: Bytes of a name; room is left for its ending and a number.
_LONGEST = 200


@dataclass(frozen=True)
class Sample:
    """One labelled picture. `read` gives its file's bytes."""

    label: str
    #: What the file is called, with its ending: `a.jpg`.
    name: str
    read: Callable[[], bytes]
    #: `train`, `validation`, `test`, or empty: it belongs to none.
    split: str = ""
    #: Of `FACTS`, what is known; nothing empty.
    facts: Mapping[str, str] = field(default_factory=dict)


def known(facts: Mapping[str, object]) -> dict[str, str]:
    """Of a row, what a sample keeps."""
    return {name: str(facts[name]) for name in FACTS if facts.get(name) not in (None, "")}


def uniquely(samples: Iterable[Sample]) -> Iterator[tuple[Sample, str, str]]:
    """(sample, name without ending, ending): no name stands twice, whatever its ending or case,
    and none has a sign that a convention or a file system gives another meaning."""
    taken: set[str] = set()
    for sample in samples:
        path = PurePosixPath(sample.name)
        is_known = path.suffix.lower() in SUFFIXES
        ending = path.suffix.lower() if is_known else ".jpg"
        stem = re.sub(r"[^\w\- ()+,=@]", "_", path.stem if is_known else path.name).strip(" _")
        # In bytes, as file systems count; a sign is not cut.
        stem = stem.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
        stem = stem.strip(" _") or "picture"
        if name_problem(stem):
            stem = f"_{stem}"
        name, number = stem, 1
        while fold(name) in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(fold(name))
        yield sample, name, ending
