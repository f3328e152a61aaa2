"""A picture data set of the Hugging Face hub, by its name or as a clone on this machine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from tellapart.doors import Hit, Source, SourceContext
from tellapart.errors import FetchError, InputError
from tellapart.plugins.formats.places import split_named
from tellapart.plugins.sources.folder import given_path
from tellapart.plugins.sources.hub import Card, Hub, card_of, is_data_set
from tellapart.settings import Settings

_REVISION = re.compile(r"[\w][\w./-]{0,99}")
_PAGE = 100
#: What data sets are packed in that have no picture as a file of its own.
_PACKED = (".parquet", ".arrow", ".tar", ".zip", ".tfrecord")


@dataclass(frozen=True)
class _Listed:
    """Rows of one data set: all of them, and by class."""

    all: Sequence[Hit]
    by_label: Mapping[str, Sequence[Hit]]


class HuggingFace(Source):
    """Reads `{huggingface: {name: OWNER/DATASET}}`, or `{huggingface: {path: CLONE}}`.

    A query is the name of a class of the data set, in any case, with `_` and `-` for spaces. A
    class is a folder, or what metadata.csv and metadata.jsonl say. `revision` names a branch, tag
    or commit; addresses always name the commit, so that they stay what they were.
    """

    name = "huggingface"
    terms = "https://huggingface.co/terms-of-service"

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.page = _PAGE
        self._reading = asyncio.Lock()
        self._rows: _Listed | None = None

    def known_as(self) -> str:
        """The hub's host where it is not the usual one."""
        if "path" in self.context.options:
            return f"{self.name} (clone)"
        host = urlsplit(self.context.settings.hub_url).netloc.rpartition("@")[2]
        usual = urlsplit(Settings.hub_url).netloc
        return self.name if host == usual else f"{self.name} {host}"

    async def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        """Yield the rows of the class `query`, or of all where it is empty; best is no order.

        Raises `FetchError` where the hub does not answer, `InputError` for options that cannot
        be used.
        """
        async with self._reading:
            if self._rows is None:
                self._rows = _listed(await self._read())
        rows = self._rows.by_label.get(_plain(query), ()) if query else self._rows.all
        for rank, hit in enumerate(rows[start : start + limit], start):
            yield replace(hit, rank=rank)

    async def _read(self) -> list[Hit]:
        options = self.context.options
        if "path" in options:
            return await asyncio.to_thread(self._clone)
        name, revision = options.get("name"), options.get("revision", "main")
        if not isinstance(name, str) or not is_data_set(name):
            raise InputError(
                f"The source `huggingface` has the data set {name!r}.",
                expected="{huggingface: {name: OWNER/DATASET}} or {huggingface: {path: FOLDER}}",
                do="Write the name as it stands on the data set's page.",
            )
        if not isinstance(revision, str) or not _REVISION.fullmatch(revision) or ".." in revision:
            raise InputError(
                f"The source `huggingface` has the revision {revision!r}.",
                expected="a branch, tag or commit, such as main",
                do="Correct `revision`, or leave it out.",
            )
        hub = Hub(self.context.fetcher, self.context.settings.hub_url, name)
        card = await hub.card(revision)
        files = await hub.files(card.commit)
        found = await hub.rows(card.commit, files)
        if not found:
            raise _unreadable(f"The data set {name!r}", files)
        return [self._credited(hit, card) for hit in found]

    def _clone(self) -> list[Hit]:
        path = given_path(self, "path")
        if self.context.find_format is None or not path.is_dir():
            raise InputError(
                f"{str(path)!r} is no folder.",
                expected="a clone of a data set: a folder with README.md and the pictures",
                do="Give the folder that `git clone` made.",
            )
        try:
            rows = list(self.context.find_format(path).read(path))
        except InputError as error:
            files = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in _PACKED]
            rows = [hit for file in files for hit in self._shard(path, file)]
            if not files:
                raise
            if not rows:
                names = [file.name for file in files]
                raise _unreadable(f"The clone {str(path)!r}", names) from error
        card = card_of(path)
        return [self._credited(hit, card) for hit in rows]

    def _shard(self, clone: Path, file: Path) -> Iterator[Hit]:
        """The rows of one Parquet file; its name says which split they are."""
        if file.suffix.lower() != ".parquet" or self.context.find_format is None:
            return
        named = (part for name in (file.stem, file.parent.name) for part in name.split("-"))
        split = next((s for part in named if (s := split_named(part))), None)
        above = file.parent.relative_to(clone).as_posix()
        for hit in self.context.find_format(file).read(file):
            # Files of one name in several folders are several files.
            key = hit.key if above == "." else f"{above}/{hit.key}"
            yield replace(
                hit, split=hit.split or split, key=key, title=hit.title or hit.label or ""
            )

    def _credited(self, hit: Hit, card: Card) -> Hit:
        """What the row leaves unsaid, as the data set's card has it."""
        code = hit.license or card.license
        creator = hit.creator or card.author
        said = f"{code} {hit.license_version or card.version}".strip() or "licence unknown"
        wanted = self.context.licenses
        refused = "license" if wanted and code not in wanted else ""
        return replace(
            hit,
            creator=creator,
            license=code,
            license_version=hit.license_version or ("" if hit.license else card.version),
            license_url=hit.license_url or ("" if hit.license else card.license_url),
            page_url=hit.page_url or card.page_url,
            attribution=hit.attribution
            or f'"{card.title}" by {creator or "unknown"} ({said}), via Hugging Face',
            problem=hit.problem or refused,
        )


def _listed(hits: Sequence[Hit]) -> _Listed:
    by_label: dict[str, list[Hit]] = {}
    for hit in hits:
        if hit.label:
            by_label.setdefault(_plain(hit.label), []).append(hit)
    return _Listed(hits, by_label)


def _plain(word: str) -> str:
    return " ".join(re.sub(r"[_\-\s]+", " ", word.casefold()).split())


def _unreadable(what: str, files: Sequence[str]) -> FetchError:
    packed = sorted({suffix for suffix in _PACKED for f in files if f.lower().endswith(suffix)})
    holds = f"holds {', '.join(packed)} and" if packed else "holds"
    return FetchError(
        f"{what} {holds} no picture as a file of its own with a class.",
        expected="one folder a class, or metadata.csv or metadata.jsonl with `file_name`, `label`",
        do="Of Parquet give a clone: {huggingface: {path: FOLDER}}. Write others into class "
        "folders, and give those as `data`.",
        reason="unreadable",
    )
