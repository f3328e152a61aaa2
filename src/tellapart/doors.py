"""Every plug-in contract, on one page.

A plug-in is one file with one class and one required method. Built-ins come through the same
doors as a stranger's: a package advertises `NAME = "module:Class"` under the entry-point group
`tellapart.sources`, `.formats`, `.analyzers` or `.exporters`; `registry` finds it by name
and imports it only when it is used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np

    from tellapart.bundle import Bundle
    from tellapart.fetch import Fetcher
    from tellapart.settings import Settings


@dataclass(frozen=True)
class Hit:
    """One picture a source offers. `rank` counts from 0 within one query and never changes."""

    rank: int
    file_url: str = ""
    #: A local picture, referenced in place, instead of `file_url`.
    path: Path | None = None
    #: The class, where the source knows it (folders and lists do, searches do not).
    label: str | None = None
    page_url: str = ""
    title: str = ""
    creator: str = ""
    #: Lower-case licence code such as `cc0`, `pdm`, `by`, `by-sa`, `by-nc`; empty: unknown.
    license: str = ""
    license_version: str = ""
    license_url: str = ""
    attribution: str = ""
    width: int | None = None
    height: int | None = None
    #: `train`, `validation` or `test`, where the data set comes with an official split.
    split: str | None = None
    #: Rows with the same group (a profile, a scene) never cross a split.
    group: str | None = None
    #: The row's columns as the list has them, by lower-case name: `split.group_by` names one.
    columns: Mapping[str, str] = field(default_factory=dict)
    mature: bool = False
    #: Why this row cannot be used, one short word such as `outside` or `no_label`; empty: it can.
    problem: str = ""


@dataclass(frozen=True)
class SourceContext:
    """What a source gets: its settings and secrets, and the one way to the network."""

    settings: Settings
    fetcher: Fetcher
    #: Free-form options of this source from the recipe.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Licence codes the recipe asks for; empty: any open licence.
    licenses: Sequence[str] = ()
    mature: bool = False
    #: Finds the format that reads a local path; raises `InputError` where there is none.
    find_format: Callable[[Path], Format] | None = None


class Source(ABC):
    """Finds pictures for one query, best first. Searches only; the fetcher downloads."""

    name: ClassVar[str]
    #: The service's own page on its terms, shown to the user.
    terms: ClassVar[str] = ""
    #: Read anew on every run: a list or a folder at hand, not a service to be spared.
    local: ClassVar[bool] = False
    #: Hits one request brings; `search` is asked for as many at a time.
    page: int = 20

    def __init__(self, context: SourceContext) -> None:
        self.context = context

    @abstractmethod
    def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield hits of `query` from rank `start` up, in rank order, up to `limit` of them.

        Stops early where the service has no more: it is asked once again from there, and no hit
        at all is the end. A hit that cannot be used is yielded with its `problem`. Raises
        `FetchError` where the service does not answer.
        """


class Format(ABC):
    """Reads a labelled data set from a local folder or file, in place."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether `path` looks like this format (cheap: names only)."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[Hit]:
        """Yield one `Hit` with `path` (or `file_url`) and `label` a row, in a stable order.

        A row that cannot be used raises nothing: it is yielded with its `problem` and becomes a
        refused row of the ledger. A file that is not of this format at all raises `InputError`.
        """


@dataclass(frozen=True)
class Picture:
    """One decoded picture on its way through the analyzers."""

    sha256: str
    data: bytes
    #: Height × width × 3, uint8 RGB, upright, as `images.decode` gives it (maybe reduced).
    pixels: np.ndarray
    #: Size of the file's picture in pixels, upright, before any reduction.
    width: int
    height: int
    #: Pillow's name of the file's format, such as `JPEG`.
    format: str


class Analyzer(ABC):
    """Measures one picture. Results are cached by content, analyzer and version."""

    name: ClassVar[str]
    #: Raise it whenever the figures change: cached measurements of older versions are dropped.
    version: ClassVar[int] = 1

    @abstractmethod
    def measure(self, picture: Picture) -> Mapping[str, float | int | str]:
        """Return named figures; names are unique over all analyzers."""


class Exporter(ABC):
    """Writes one format out of a bundle."""

    name: ClassVar[str]

    @abstractmethod
    def export(self, bundle: Bundle, target: Path) -> Path:
        """Write to `target`, a file or a folder as the format needs; return what was written.

        Raises `StorageError` where it cannot be written and leaves nothing half-written then.
        """
