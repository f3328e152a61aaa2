"""What the Hugging Face hub says of a data set: its card, its files, the classes of its files."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import yaml

from tellapart.doors import Hit
from tellapart.errors import FetchError
from tellapart.fetch import Fetched, Fetcher
from tellapart.plugins.formats.places import is_picture_name, natural, split_named
from tellapart.plugins.formats.rows import (
    LABEL_COLUMNS,
    PATH_COLUMNS,
    Row,
    read_csv,
    read_jsonl,
)
from tellapart.plugins.sources.paged import listed, mapping, text

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_METADATA = ("metadata.csv", "metadata.jsonl")
#: Files a page, and pages: whoever has more gives a clone.
_FILES, _PAGES = 1000, 300
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next"?')
_CREATIVE = re.compile(r"cc-(by(?:-nc)?(?:-(?:sa|nd))?)-(\d\.\d)")
_PUBLIC = {"cc0-1.0": "cc0", "cc0": "cc0", "pdm": "pdm", "public-domain": "pdm"}
_UNSAID = frozenset(("unknown", "other", "none"))
_PASSED_OVER = frozenset(("data", "images", "."))
_README_BYTES = 200_000


@dataclass(frozen=True)
class Card:
    """What a data set's card says, in our words."""

    title: str = ""
    author: str = ""
    commit: str = ""
    license: str = ""
    version: str = ""
    license_url: str = ""
    page_url: str = ""


def is_data_set(name: str) -> bool:
    """Whether `name` can name a data set on the hub: `OWNER/DATASET`, or an old single word."""
    return bool(_NAME.fullmatch(name)) and ".." not in name


def license_of(value: object) -> tuple[str, str, str]:
    """(code, version, page) of a card's licence; of several the first.

    Names that are no Creative Commons ones stay as they are; unknown ones are empty.
    """
    if isinstance(value, list | tuple):
        value = value[0] if value else ""
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _UNSAID:
        return "", "", ""
    if match := _CREATIVE.fullmatch(word):
        return match[1], match[2], f"https://creativecommons.org/licenses/{match[1]}/{match[2]}/"
    if code := _PUBLIC.get(word):
        kind = "zero" if code == "cc0" else "mark"
        return code, "1.0", f"https://creativecommons.org/publicdomain/{kind}/1.0/"
    return word[:60], "", ""


def card_of(folder: Path) -> Card:
    """The card in a clone's README.md: YAML between two lines `---`; empty where there is none."""
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            start = file.read(_README_BYTES)
    except OSError:
        return Card(title=folder.name)
    parts = re.split(r"^---\s*$", start, maxsplit=2, flags=re.M)
    try:
        said = mapping(yaml.safe_load(parts[1])) if len(parts) == 3 and not parts[0] else {}
    except (yaml.YAMLError, ValueError, RecursionError):
        said = {}
    code, version, url = license_of(said.get("license"))
    title = text(said, "pretty_name") or folder.name
    return Card(title=title, license=code, version=version, license_url=url)


class Hub:
    """One data set of one hub."""

    def __init__(self, fetcher: Fetcher, base: str, name: str) -> None:
        self._fetcher = fetcher
        self._base = base.rstrip("/")
        self._name = name

    async def card(self, revision: str) -> Card:
        """Who made it, under which licence, and the commit that `revision` means now."""
        at = quote(revision, safe="")
        answer = await self._get(f"{self._base}/api/datasets/{self._name}/revision/{at}")
        said = mapping(answer.json())
        commit = text(said, "sha")
        if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
            raise self._odd("no commit")
        about = mapping(said.get("cardData"))
        code, version, url = license_of(about.get("license") or _tagged(said.get("tags")))
        return Card(
            title=text(about, "pretty_name") or self._name,
            author=text(said, "author") or self._name.rpartition("/")[0],
            commit=commit,
            license=code,
            version=version,
            license_url=url,
            page_url=f"{self._base}/datasets/{self._name}",
        )

    async def files(self, commit: str) -> list[str]:
        """All its files at `commit`, in natural order."""
        url = f"{self._base}/api/datasets/{self._name}/tree/{commit}"
        params = {"recursive": "true", "limit": str(_FILES)}
        found: list[str] = []
        for _ in range(_PAGES):
            answer = await self._get(url, params)
            entries = answer.json()
            if not isinstance(entries, list):
                raise self._odd("no list of files")
            found += [
                text(entry, "path")
                for entry in map(mapping, entries)
                if entry.get("type") == "file"
            ]
            cursor = _cursor(answer.headers.get("link", ""))
            if not cursor:
                return sorted(filter(_is_inside, found), key=natural)
            params["cursor"] = cursor
        raise FetchError(
            f"The data set {self._name!r} has more than {_FILES * _PAGES:,} files.",
            expected="a data set of fewer files",
            do="Clone it, and give {huggingface: {path: FOLDER}}.",
            reason="too_large",
        )

    async def rows(self, commit: str, files: list[str]) -> list[Hit]:
        """Its pictures with their classes: as metadata files say, else by their folders."""
        lists = [path for path in files if path.rpartition("/")[2].lower() in _METADATA]
        if not lists:
            return [hit for hit in map(self._by_folder(commit), files) if hit is not None]
        known, found = set(files), []
        for path in lists:
            url = self._address(commit, path)
            data = (await self._get(url, expect="any")).data
            base = PurePosixPath(path).parent
            found += [
                hit for row in _table(path, data) if (hit := self._by_row(commit, base, row, known))
            ]
        return found

    def _by_folder(self, commit: str) -> Any:
        def hit(path: str) -> Hit | None:
            folders = PurePosixPath(path).parts[:-1]
            split = next((s for part in folders if (s := split_named(part))), None)
            label = next((p for p in reversed(folders) if _is_label(p)), "")
            if not is_picture_name(PurePosixPath(path).name) or not label:
                return None
            return Hit(
                rank=0, file_url=self._address(commit, path), label=label, split=split, title=label
            )

        return hit

    def _by_row(
        self, commit: str, base: PurePosixPath, row: Row | None, known: set[str]
    ) -> Hit | None:
        if row is None:
            return None
        name = str(next((row[c] for c in PATH_COLUMNS if row.get(c)), ""))
        path = (base / name.replace("\\", "/")).as_posix()
        label = next((str(row[c]) for c in LABEL_COLUMNS if row.get(c) not in (None, "")), "")
        folders = PurePosixPath(path).parts[:-1]
        label = label.strip() or next((p for p in reversed(folders) if _is_label(p)), "")
        split = split_named(str(row.get("split") or "")) or next(
            (s for part in folders if (s := split_named(part))), None
        )
        missing = "" if path in known else "no_such_file"
        return Hit(
            rank=0,
            file_url=self._address(commit, path) if not missing else "",
            label=label,
            split=split,
            title=text(row, "title") or label,
            creator=text(row, "creator") or text(row, "author"),
            license=text(row, "license").lower(),
            license_version=text(row, "license_version"),
            license_url=text(row, "license_url"),
            attribution=text(row, "attribution"),
            problem=missing,
        )

    def _address(self, commit: str, path: str) -> str:
        return f"{self._base}/datasets/{self._name}/resolve/{commit}/{quote(path)}"

    async def _get(
        self, url: str, params: Mapping[str, str] | None = None, expect: Any = "json"
    ) -> Fetched:
        try:
            # The documented addresses of an API: robots.txt speaks to crawlers of pages.
            return await self._fetcher.get(url, expect=expect, params=params, robots=False)
        except FetchError as error:
            if error.reason == "not_json":
                raise self._odd("with no JSON") from None
            if error.reason not in ("http_401", "http_403", "http_404"):
                raise
            raise FetchError(
                f"The hub has no data set {self._name!r} that is open to everybody "
                f"({error.reason.replace('_', ' ')}).",
                expected="the name of a public data set, and a revision that it has",
                do="Check both; of one that asks you to agree first, give a clone: "
                "{huggingface: {path: FOLDER}}.",
                reason=error.reason,
            ) from None

    def _odd(self, what: str) -> FetchError:
        return FetchError(
            f"The hub answered {what} of the data set {self._name!r}.",
            expected="its answers in the documented shape",
            do="Check TELLAPART_HUB_URL; where it is right the hub has changed: give a clone, "
            "{huggingface: {path: FOLDER}}.",
            reason="bad_answer",
        )


def _table(path: str, data: bytes) -> Iterator[Row | None]:
    """The rows of a metadata file, read as those on this machine are."""
    with tempfile.TemporaryDirectory(prefix="tellapart-") as folder:
        file = Path(folder) / PurePosixPath(path).name
        file.write_bytes(data)
        yield from read_csv(file) if file.suffix.lower() == ".csv" else read_jsonl(file)


def _cursor(link: str) -> str:
    """The cursor of the next page, out of a header `Link`; the address itself is not followed."""
    match = _NEXT.search(link)
    try:
        return parse_qs(urlsplit(match[1]).query).get("cursor", [""])[0] if match else ""
    except ValueError:
        return ""


def _tagged(tags: object) -> str:
    named: Iterable[str] = (tag for tag in listed(tags) if isinstance(tag, str))
    return next((tag[len("license:") :] for tag in named if tag.startswith("license:")), "")


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(path) and not path.startswith("/") and not any(p.startswith(".") for p in parts)


def _is_label(folder: str) -> bool:
    return split_named(folder) is None and folder.lower() not in _PASSED_OVER
