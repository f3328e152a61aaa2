"""Every plug-in contract, on one page.

A plug-in is one file with one class and one required method. Built-ins come through the same
doors as a stranger's: a package advertises `NAME = "module:Class"` under the entry-point group
`tellapart.sources`, `.formats`, `.analyzers`, `.exporters` or `.decks`; `registry` finds it by
name and imports it only when it is used.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tellapart.errors import InputError, PictureError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

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
    #: What names it within its source where its path does not, on every machine.
    key: str = ""


@dataclass(frozen=True)
class Batch:
    """Pictures of one class in one folder, of which nothing else is to be said: ordinary files,
    whose names say that they are pictures."""

    #: Of the first one; the others follow.
    rank: int
    folder: str
    names: Sequence[str]
    label: str
    split: str | None = None

    def hit(self, place: int) -> Hit:
        """The picture at `place` among the names."""
        path = Path(self.folder, self.names[place])
        return Hit(rank=self.rank + place, path=path, label=self.label, split=self.split)

    def hits(self) -> Iterator[Hit]:
        """All of them."""
        return map(self.hit, range(len(self.names)))


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
    #: Leaves out what a query names as `-word`.
    negates: ClassVar[bool] = False
    #: Hits one request brings; `search` is asked for as many at a time.
    page: int = 20
    #: A word of which it surely has pictures: what `tellapart sources check` asks for.
    probe: ClassVar[str] = "cat"

    def __init__(self, context: SourceContext) -> None:
        self.context = context

    @abstractmethod
    def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield hits of `query` from rank `start` up, in rank order, up to `limit` of them.

        Stops early where the service has no more: it is asked once again from there, and no hit
        at all is the end. A hit that cannot be used is yielded with its `problem`. Raises
        `FetchError` where the service does not answer; of the reason `bad_answer` where its
        answer has a shape that is not known, `no_key` (a `CredentialError`) where a key is missing.
        """

    def known_as(self) -> str:
        """Under which name its health is kept: another one for each service it may stand for."""
        return self.name

    async def aclose(self) -> None:  # noqa: B027 - most hold nothing open
        """Let go of what was opened while searching, a browser say; called once, at the end."""


class Format(ABC):
    """Reads a labelled data set from a local folder or file, in place."""

    name: ClassVar[str]
    #: Its pictures may lie in archives, which `unpack` takes apart.
    archives: ClassVar[bool] = False
    #: Takes a zip or tar apart into a folder and returns it, names as `datasets.unpacking.escaped`
    #: writes them; the same folder every time. Whoever reads sets it; None: archives stay closed.
    unpack: Callable[[Path], Path] | None = None

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

    def batches(self, path: Path) -> Iterator[Hit | Batch]:
        """The same in the same order, where plain pictures of one folder may come together: for a
        format that very many pictures come in. Optional."""
        return self.read(path)


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

    @cached_property
    def image(self) -> Image.Image:
        """The pixels as Pillow has them, made once for all analyzers; not to be changed."""
        from PIL import Image

        return Image.fromarray(self.pixels)

    @cached_property
    def gray(self) -> Image.Image:
        """The luma (ITU-R 601) of the pixels, made once for all analyzers; not to be changed."""
        return self.image.convert("L")

    def cells(self, side: int) -> np.ndarray:
        """`gray` squeezed into side × side cells (uint8), each the mean of what it covers; made
        once for all analyzers, not to be changed."""
        if side not in self._cells:
            import numpy as np
            from PIL import Image

            small = self.gray.resize((side, side), Image.Resampling.BOX)
            self._cells[side] = np.asarray(small)
        return self._cells[side]

    @cached_property
    def _cells(self) -> dict[int, np.ndarray]:
        return {}


class Analyzer(ABC):
    """Measures one picture. Results are cached by content, analyzer and version."""

    name: ClassVar[str]
    #: Raise it whenever the figures change: cached measurements of older versions are dropped.
    version: ClassVar[int] = 1
    #: Measures people: made with the settings, asked only where that is wanted, and its figures
    #: are kept in a table of their own, out of bundles, exports and logs.
    private: ClassVar[bool] = False
    #: Of use only beside features: not asked where pictures are judged without them.
    with_features: ClassVar[bool] = False

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


def _never(_: str) -> bool:
    return False


def _now() -> datetime:
    return datetime.now(UTC)


def _of_kind(kind: str, value: object) -> bool:
    if kind in ("number", "bool"):
        yes_or_no = isinstance(value, bool)
        return yes_or_no if kind == "bool" else isinstance(value, (int, float)) and not yes_or_no
    return isinstance(value, str)


@dataclass(frozen=True)
class DeckOption:
    """One option of a deck's source, as a form asks for it."""

    name: str
    title: str
    about: str = ""
    kind: Literal["text", "number", "bool", "path", "url"] = "text"
    required: bool = False
    default: str | float | bool | None = None


@dataclass(frozen=True)
class DeckSecret:
    """One secret that a deck's source needs, as a form asks for it."""

    name: str
    title: str
    about: str = ""
    required: bool = True


@dataclass(frozen=True)
class DeckContext:
    """What a deck's source gets: settings, the one way to the network, options and secrets."""

    settings: Settings
    fetcher: Fetcher
    #: The deck's own options, as its user wrote them.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: What `DeckSource.needs` names, opened for this turn. Never stored by a source, never shown.
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Whether the account has confirmed `DeckSource.confirm`.
    confirmed: bool = False
    #: Whether the deck knows a candidate of this ref already: it need not be offered again.
    known: Callable[[str], bool] = _never
    #: The time (UTC), for ages and pauses.
    now: Callable[[], datetime] = _now


@dataclass(frozen=True)
class DeckPicture:
    """One picture of a candidate: behind an address (also `data:`), in a file, or at hand."""

    file_url: str = ""
    path: Path | None = None
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Candidate:
    """One thing to judge, as a deck's source offers it. Only `ref` must be there."""

    #: The source's own id of it: 1 to 200 printable characters, the same whenever it is offered.
    ref: str
    name: str = ""
    bio: str = ""
    #: Declared, in full years; None: not declared, or not to be believed.
    age: int | None = None
    distance_km: float | None = None
    pictures: tuple[DeckPicture, ...] = ()
    #: Other facts by lower-case name, for veto rules: text, numbers, yes or no, lists of text.
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: A page about it that a person may open.
    url: str = ""
    #: True: the source says that this is a person, whatever the deck was said to hold.
    person: bool | None = None
    #: Why it cannot be judged, one short word such as `unreadable`; empty: it can. Such a
    #: candidate is left alone: what is missing from it must not decide.
    problem: str = ""


#: What may be sent to a service. A verdict may also be `stop` or `leave`: nothing is sent then.
Act = Literal["like", "pass", "super_like"]


@dataclass(frozen=True)
class ActAnswer:
    """What came of one act.

    `done`: the service said so. `refused`: surely not done, as for a candidate that is gone.
    `unknown`: it was sent, and nobody can say what became of it.
    """

    state: Literal["done", "refused", "unknown"]
    #: As the service says after the act; None: it does not say.
    likes_left: int | None = None
    super_likes_left: int | None = None
    #: Whether the other side likes back; None: the service does not say.
    match: bool | None = None
    #: Small facts to show, such as `reason`. Never a secret, never the service's whole answer.
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DeckResult:
    """What a service says later of one candidate. It may change its mind: the newest counts."""

    ref: str
    action: Act | None
    match: bool | None
    #: When, as the service says (UTC).
    at: datetime


class DeckSource(ABC):
    """Offers a stream of candidates and takes acts. One object serves one turn of one deck.

    It raises `ServiceError` (and its kinds, by what a person must do about it) where nothing was
    done; those with `switch_off` ask for the deck to be off until a person has acted.
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""
    #: One sentence for a person who chooses a source.
    about: ClassVar[str] = ""
    #: True: always people, so that the adult guard is always on. None: as the deck says.
    people: ClassVar[bool | None] = None
    #: False: acts are only recorded; there is no service that they go to.
    acts: ClassVar[bool] = True
    #: Reads this machine's files: an account of a shared server must not choose the path.
    local: ClassVar[bool] = False
    #: The service's own page on its terms.
    terms: ClassVar[str] = ""
    #: What an account must confirm before the first turn, in plain words; empty: nothing.
    confirm: ClassVar[str] = ""
    needs: ClassVar[tuple[DeckSecret, ...]] = ()
    options: ClassVar[tuple[DeckOption, ...]] = ()
    #: Dry-run verdicts that a person must have reviewed before the deck may be switched on.
    least_dry: ClassVar[int] = 0

    def __init__(self, context: DeckContext) -> None:
        """Raises `InputError` for options that cannot be used and terms that are not confirmed,
        `CredentialError` where a needed secret is missing."""
        self.context = context
        #: As last heard from the service; None: it does not say.
        self.likes_left: int | None = None
        self.super_likes_left: int | None = None

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Raise `InputError` for options that cannot be used; asked when a deck is added."""
        known = {option.name: option for option in cls.options}
        for name in [*options, *(o.name for o in cls.options if o.required)]:
            option, value = known.get(name), options.get(name)
            if option is None:
                near = difflib.get_close_matches(name, known, n=1)
                wrong = "is not known" + (f"; did you mean {near[0]!r}?" if near else "")
                expected = f"one of {', '.join(known) or 'none at all'}"
            elif value in (None, "") and option.required:
                wrong, expected = "is missing", option.about or option.title
            elif value is not None and not _of_kind(option.kind, value):
                wrong, expected = f"is {str(value)[:80]!r}", f"a {option.kind}: {option.title}"
            else:
                continue
            raise InputError(
                f"The option {name[:80]!r} of the deck source {cls.name!r} {wrong}.",
                expected=expected,
                do="Correct the deck's options.",
            )

    @abstractmethod
    async def next(self, limit: int) -> list[Candidate]:
        """Up to `limit` further candidates, each ref once; none at all: there are no more now."""

    async def pace(self) -> None:  # noqa: B027 - most have no service to be spared
        """Wait until the service may be asked again. Call it before the deck's switch is looked
        at: `act` itself never waits, so that nothing begins after the switch was turned."""

    @abstractmethod
    async def act(self, ref: str, action: Act, key: str) -> ActAnswer:
        """Send one act, once, without a second try. `key` names this act for good.

        An error that is raised means that it was surely not done; whatever leaves a doubt is
        answered with `unknown`. End the turn after that: the service is not well.
        """

    async def results(self, since: datetime | None = None) -> list[DeckResult]:
        """What the service says of earlier acts, oldest first; empty where it says nothing."""
        return []

    async def has(self, ref: str, action: Act, key: str) -> ActAnswer | None:
        """What became of an act whose outcome is unknown: `done`, `refused` (not done, and never
        will be) or still `unknown`. None: this source cannot be asked."""
        return None

    async def picture(self, picture: DeckPicture) -> bytes:
        """The bytes of a candidate's picture. Raises `FetchError`, `PictureError`."""
        if picture.file_url:
            return (await self.context.fetcher.get(picture.file_url)).data
        if picture.path is None:
            return picture.data
        most = int(self.context.settings.max_download_mb * 1e6)
        try:
            with picture.path.open("rb") as file:
                data = file.read(most + 1)
        except OSError as error:
            raise PictureError(
                f"{str(picture.path)!r} cannot be read: {error.strerror}.",
                expected="a picture that this program may read",
                do="Check the path and its permissions.",
            ) from None
        if len(data) > most:
            raise PictureError(
                f"{str(picture.path)!r} has more than {most:,} bytes.",
                expected="a file within the size limit",
                do="Use a smaller file, or raise TELLAPART_MAX_DOWNLOAD_MB.",
                reason="too_large",
            )
        return data
