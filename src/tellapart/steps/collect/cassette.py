"""The searches and downloads of a run, kept in a folder, and a run made of them offline.

    cassette.json   what it is
    index.jsonl     one line a page of hits, a download, a failure, an end; in order of arrival
    bodies/         the pictures, by content

A replay asks what was asked, in that order class by class, gets what was got and fetches what was
fetched; so the ledger comes out the same, whatever was slow or failed then. Kept are hits and
pictures, not what services were sent: no key, no token and no header gets in.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import httpcore

from tellapart.catalog import PictureRow
from tellapart.doors import Hit
from tellapart.errors import FetchError, InputError, NotFoundError, RefusedError
from tellapart.steps.collect.writing import Writer
from tellapart.store.files import FileStore, write_file

if TYPE_CHECKING:
    from tellapart.fetch import Fetched

FORMAT = 1
ABOUT, INDEX, BODIES = "cassette.json", "index.jsonl", "bodies"
_HIT = tuple(field.name for field in fields(Hit))

_SHA256 = re.compile(r"[0-9a-f]{64}")

#: What stands where a secret stood.
_BLOT = "-secret-"

#: A page as it was asked for: source, query, rank of its first hit.
Ask = tuple[str, str, int]
Page = tuple[list[Hit], FetchError | None]


class Tape:
    """What searches and downloads go by; this one keeps nothing and plays nothing."""

    #: Whether it keeps anything, and whether nothing is asked of the network.
    keeps, plays = False, False

    def trail(self, label: str) -> list[Ask] | None:
        """What to ask for a class, in order; None: whatever the plan says."""
        return None

    def page(self, label: str, ask: Ask) -> Page:
        """The next page that was kept of what is asked."""
        raise NotImplementedError

    def offers(self, label: str, url: str) -> bool:
        """Whether a picture can be had; asked before it is fetched."""
        return True

    def picture(self, label: str, url: str) -> Fetched:
        """What was fetched. Raises the `FetchError` that was met."""
        raise NotImplementedError

    async def keep_page(self, writer: Writer, label: str, ask: Ask, page: Page) -> None:
        """Keep a page that has come."""

    async def keep_picture(
        self, writer: Writer, label: str, url: str, found: Fetched | FetchError
    ) -> None:
        """Keep what came of a download."""

    def end(self, asked: str, rows: Iterable[PictureRow], notes: Sequence[str]) -> list[str]:
        """Hear that all classes are through; return the notes for the user."""
        return list(notes)


class Recorder(Tape):
    """Keeps everything, each before the ledger hears of it; may be cut off and gone on with."""

    keeps = True

    def __init__(
        self, folder: Path, round: int = 0, secrets: Iterable[str] = (), of: str = ""
    ) -> None:
        """`secrets` are blotted out wherever they stand; `of` tells runs apart that answers must
        not be mixed of. Raises `InputError` for a folder that holds something else."""
        self._folder, self._round = folder, round
        self._secrets = sorted({form for one in secrets for form in _spellings(one)}, key=len)[::-1]
        self._bodies = FileStore(folder / BODIES)
        if (folder / ABOUT).exists():
            if read_about(folder).get("of", of) != of:
                raise InputError(
                    f"The cassette {str(folder)!r} is one of another run.",
                    expected="the same project, sources, licences and words left out",
                    do="Name a new folder under --record.",
                )
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"{str(folder)!r} is not empty, and no cassette.",
                expected="a new folder, or the cassette of the same run that was cut off",
                do="Name another folder under --record.",
            )
        else:
            about = {"format": FORMAT, "by": f"tellapart {version('tellapart')}", "of": of}
            write_file(folder / ABOUT, f"{json.dumps(about)}\n".encode())
        self._close_line()

    async def keep_page(self, writer: Writer, label: str, ask: Ask, page: Page) -> None:
        hits, error = page
        entry = {"hits": [_plain(hit) for hit in hits]} | ({} if error is None else _told(error))
        await writer.do(self._write, "search", label, list(ask), entry)

    async def keep_picture(
        self, writer: Writer, label: str, url: str, found: Fetched | FetchError
    ) -> None:
        if isinstance(found, FetchError):
            await writer.do(self._write, "picture", label, url, _told(found))
            return
        await writer.do(self._bodies.put, found.data)
        entry = {"sha256": found.sha256, "status": found.status, "type": found.media_type}
        await writer.do(self._write, "picture", label, url, entry)

    def end(self, asked: str, rows: Iterable[PictureRow], notes: Sequence[str]) -> list[str]:
        kept = {"set": digest(rows, self._blotted), "notes": list(notes)}
        self._write("end", "", asked, kept)
        return list(notes)

    def _write(self, kind: str, label: str, ask: object, entry: Mapping[str, Any]) -> None:
        whole = {"kind": kind, "round": self._round, "class": label, "ask": ask, **entry}
        line = f"{self._blotted(json.dumps(whole))}\n".encode("ascii")
        # In one piece: another run may be writing into the same file.
        with (self._folder / INDEX).open("ab", buffering=0) as file:
            file.write(line)

    def _blotted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _BLOT)
        return text

    def _close_line(self) -> None:
        """A line that was cut off must not spoil the next one; an empty one is none."""
        with (self._folder / INDEX).open("ab") as file:
            if file.tell():
                file.write(b"\n")


class Player(Tape):
    """Plays a cassette; what is not in it cannot be had."""

    plays = True

    def __init__(self, folder: Path, round: int = 0) -> None:
        """Raises `NotFoundError` where there is no cassette, `InputError` for an unknown one."""
        self._folder, self._round = folder, round
        self._bodies = FileStore(folder / BODIES)
        self._trails: defaultdict[str, list[Ask]] = defaultdict(list)
        self._pages: defaultdict[tuple[str, Ask], list[Page]] = defaultdict(list)
        self._pictures: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._ends: dict[str, Mapping[str, Any]] = {}
        for entry in read_index(folder):
            try:
                self._take(entry)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                raise InputError(
                    f"The cassette {str(folder)!r} has an entry that cannot be read "
                    f"({type(error).__name__}).",
                    expected="entries as --record writes them",
                    do="Record the run anew, or take the cassette from a backup.",
                ) from None

    def _take(self, entry: Mapping[str, Any]) -> None:
        label, ask = str(entry["class"]), entry["ask"]
        if entry["kind"] == "picture":
            # The last word counts: a failure may have been mended in a later round.
            _check_picture(entry)
            self._pictures[label, str(ask)] = entry
        elif entry["round"] == self._round and entry["kind"] == "search":
            key = (str(ask[0]), str(ask[1]), int(ask[2]))
            self._trails[label].append(key)
            hits = [_hit(hit) for hit in entry["hits"]]
            self._pages[label, key].append((hits, _error(entry) if "reason" in entry else None))
        elif entry["round"] == self._round and entry["kind"] == "end":
            self._ends[str(ask)] = entry

    def trail(self, label: str) -> list[Ask] | None:
        return list(self._trails[label])

    def page(self, label: str, ask: Ask) -> Page:
        pages = self._pages[label, ask]
        # What was asked several times got these answers, one after another.
        return pages.pop(0) if len(pages) > 1 else pages[0]

    def offers(self, label: str, url: str) -> bool:
        return (label, url) in self._pictures

    def picture(self, label: str, url: str) -> Fetched:
        from tellapart.fetch import Fetched

        entry = self._pictures[label, url]
        if "reason" in entry:
            raise _error(entry)
        sha256 = str(entry["sha256"])
        data = self._bodies.get(sha256)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise InputError(
                f"The body {sha256} of the cassette {str(self._folder)!r} has changed.",
                expected="bytes of that SHA-256",
                do="Record the run anew, or take the cassette from a backup.",
            )
        return Fetched(url, entry["status"], {}, data, entry["type"], sha256)

    def end(self, asked: str, rows: Iterable[PictureRow], notes: Sequence[str]) -> list[str]:
        """The notes of then, and whether the data set is that of then where the same is asked."""
        kept = self._ends.get(asked)
        if kept is None:
            return []
        if kept["set"] == digest(rows):
            return list(kept["notes"])
        what = "what the project held before, or this program's version, differs"
        return [
            *kept["notes"],
            f"The replay of {str(self._folder)!r} gave another data set: {what}.",
        ]


class Unplugged(httpcore.AsyncNetworkBackend):
    """A network on which nothing can be reached: a replay must not even try."""

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> Any:
        raise httpcore.ConnectError(f"{host}:{port} was asked for in a replay")

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> Any:
        raise httpcore.ConnectError(f"{path} was asked for in a replay")


def read_about(folder: Path) -> dict[str, Any]:
    """What a cassette says of itself.

    Raises `NotFoundError` where `folder` is none, `InputError` for a format that is not known.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        known = about["format"] == FORMAT
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(
            f"{str(folder)!r} is no cassette: it holds no {ABOUT}.",
            expected="a folder that --record has written",
            do="Check the path.",
        ) from None
    except (OSError, ValueError, TypeError, KeyError):
        known, about = False, {}
    if not known:
        raise InputError(
            f"The cassette {str(folder)!r} has a format that is not known "
            f"({str(about.get('format'))[:20]!r}).",
            expected=f"format {FORMAT}",
            do="Play it with the version of Tellapart that recorded it.",
        )
    return dict(about)


def read_index(folder: Path) -> Iterator[dict[str, Any]]:
    """Its entries in order; a line that was cut off is left out. Raises as `read_about` does."""
    read_about(folder)
    path = folder / INDEX
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                entry = json.loads(line)
                whole = isinstance(entry, dict) and {"kind", "round", "class", "ask"} <= set(entry)
            except ValueError:
                continue
            if whole:
                yield entry


def digest(rows: Iterable[PictureRow], blotted: Callable[[str], str] = str) -> str:
    """What a data set is, without its project's name and times: SHA-256 (hex). `blotted` takes
    out of JSON what a cassette does not hold."""
    told = (
        [row.label, row.source, row.query, row.rank, row.file_url, row.status, row.sha256]
        for row in rows
        if row.status != "pending"
    )
    known = sorted(json.loads(blotted(json.dumps(row))) for row in told)
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _spellings(secret: str) -> set[str]:
    """A secret as it may stand in JSON, in an address, or as it is."""
    if len(secret) < 4:
        return set()
    return {json.dumps(form)[1:-1] for form in (secret, quote(secret), quote_plus(secret))}


def _plain(hit: Hit) -> dict[str, Any]:
    """A hit as JSON, without what is usual."""
    usual = Hit(rank=hit.rank)
    found = {name: getattr(hit, name) for name in _HIT}
    found |= {"columns": dict(hit.columns), "path": None if hit.path is None else str(hit.path)}
    return {
        name: value
        for name, value in found.items()
        if name == "rank" or value != getattr(usual, name)
    }


def _hit(told: Mapping[str, Any]) -> Hit:
    path = told.get("path")
    return Hit(**{**told, **({} if path is None else {"path": Path(path)})})


def _check_picture(entry: Mapping[str, Any]) -> None:
    """Raises one of what `Player` catches for an entry that no picture can be had of."""
    if "reason" in entry:
        _error(entry)
    elif not (_SHA256.fullmatch(entry["sha256"]) and int(entry["status"]) and entry["type"]):
        raise ValueError


def _told(error: FetchError) -> dict[str, Any]:
    return {
        "reason": error.reason,
        "what": error.what,
        "expected": error.expected,
        "do": error.do,
        "refused": isinstance(error, RefusedError),
    }


def _error(entry: Mapping[str, Any]) -> FetchError:
    kind = RefusedError if entry["refused"] else FetchError
    return kind(
        entry["what"], expected=entry["expected"], do=entry["do"], reason=str(entry["reason"])
    )
