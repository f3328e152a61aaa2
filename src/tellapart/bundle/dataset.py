"""The data set in a bundle: Hugging Face imagefolder, within what the licences allow."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tellapart.bundle import licenses
from tellapart.bundle.archive import fold, name_problem
from tellapart.bundle.manifest import sha256
from tellapart.bundle.write import Content, Copy
from tellapart.fetch.sniff import HEAD, media_type

FOLDER = "dataset"
SPLITS = ("train", "validation", "test")
COLUMNS = (
    "file_name",
    "label",
    "split",
    "source",
    "page_url",
    "file_url",
    "creator",
    "license",
    "license_url",
    "sha256",
)
#: Above either, no picture goes in: a zip of more could not run by itself (Python reads programs
#: from zips of up to 4 GB and 65,535 files), nor be mailed around.
MAX_BYTES = 2 * 2**30
MAX_PICTURES = 50_000
_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/avif": ".avif",
}


@dataclass(frozen=True)
class Entry:
    """One picture that the model was made or measured with, and where it came from."""

    label: str
    #: `train`, `validation` or `test`.
    split: str
    sha256: str
    #: Where its bytes lie on this machine; never written into a bundle.
    path: Path
    bytes: int
    source: str = ""
    page_url: str = ""
    file_url: str = ""
    creator: str = ""
    title: str = ""
    license: str = ""
    license_version: str = ""
    license_url: str = ""
    attribution: str = ""


@dataclass(frozen=True)
class DataSet:
    """The files of `dataset/` by their name in the bundle, and what to say about them."""

    files: dict[str, Content]
    #: Name in the bundle of each picture that is in it, by SHA-256.
    included: dict[str, str] = field(default_factory=dict)
    #: For the manifest's `data`.
    summary: dict[str, Any] = field(default_factory=dict)


def data_fingerprint(entries: Iterable[Entry]) -> str:
    """SHA-256 over label, split and content of all pictures, whatever their order or place."""
    rows = sorted({(entry.label, entry.split, entry.sha256) for entry in entries})
    digest = hashlib.sha256()
    for row in rows:
        digest.update("\0".join(row).encode() + b"\n")
    return digest.hexdigest()


def build(entries: Sequence[Entry]) -> DataSet:
    """Lay out `dataset/`: pictures, `metadata.csv` a split, `ATTRIBUTION.csv`, `withheld.csv`.

    Hugging Face's `datasets` (5.2 was tried) reads metadata beside a split's pictures and passes
    over one file for all splits; rows without a picture would break it, so they stand apart.
    A picture goes in only if its licence allows passing it on; of the others `withheld.csv` has
    the origin and the SHA-256. Nothing depends on the order of `entries`.
    """
    entries = _distinct(entries)
    free = [entry for entry in entries if licenses.read(entry.license).may_pass_on]
    large = len(free) > MAX_PICTURES or sum(entry.bytes for entry in free) > MAX_BYTES
    going = [] if large else free
    folders = folder_names({entry.label for entry in entries})
    files: dict[str, Content] = {}
    included: dict[str, str] = {}
    tables: dict[str, list[list[str]]] = {split: [] for split in SPLITS}
    credits: list[list[str]] = []
    for entry in going:
        short = f"{folders[entry.label]}/{entry.sha256}{_suffix(entry.path)}"
        name = f"{FOLDER}/{entry.split}/{short}"
        files[name] = Copy(entry.path, entry.sha256)
        included.setdefault(entry.sha256, name)
        tables[entry.split].append([short, *_origin(entry)])
        credits.append(_credit(name, entry))
    for split, rows in tables.items():
        if rows:
            files[f"{FOLDER}/{split}/metadata.csv"] = _csv(COLUMNS, rows)
    files[f"{FOLDER}/ATTRIBUTION.csv"] = _csv(_CREDIT, credits)
    for_size = {id(entry) for entry in free if large}
    here = {id(entry) for entry in going}
    withheld = [
        _inert([*_origin(entry), "size" if id(entry) in for_size else "license"])
        for entry in entries
        if id(entry) not in here
    ]
    if withheld:
        files[f"{FOLDER}/withheld.csv"] = _csv((*COLUMNS[1:], "reason"), withheld)
    return DataSet(files, included, _summary(entries, going, large))


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    """One entry a class and content, in an order of their own; the freest licence wins."""
    ordered = sorted(
        (entry for entry in entries if entry.split in SPLITS),
        key=lambda e: (
            e.label,
            SPLITS.index(e.split),
            e.sha256,
            not licenses.read(e.license).may_pass_on,
            e.source,
            e.file_url,
            e.page_url,
            e.license,
        ),
    )
    found: dict[tuple[str, str, str], Entry] = {}
    for entry in ordered:
        found.setdefault((entry.label, entry.split, entry.sha256), entry)
    return list(found.values())


def _summary(entries: list[Entry], going: list[Entry], large: bool) -> dict[str, Any]:
    by_split: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    for entry in entries:
        line = by_split[entry.split]
        line[entry.label] = line.get(entry.label, 0) + 1
    return {
        "fingerprint": data_fingerprint(entries),
        "pictures": len(entries),
        "splits": by_split,
        "included": len(going),
        "withheld": len(entries) - len(going),
        "withheld_for_size": large,
        "licenses": licenses.counts(entry.license for entry in entries),
    }


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """A folder name for each label that every file system takes, different even ignoring case.

    Most labels are their own folder's name.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(labels):
        plain = unicodedata.normalize("NFC", label)
        plain = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]', "_", plain).strip(". ")[:80].strip(". ")
        if not plain or name_problem(plain) or fold(plain) in taken or plain != label:
            plain = f"{plain or 'class'}-{sha256(label.encode('utf-8', 'replace'))[:8]}"
        if name_problem(plain):
            plain = f"class-{sha256(label.encode('utf-8', 'replace'))[:16]}"
        taken.add(fold(plain))
        names[label] = plain
    return names


def _suffix(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return _SUFFIXES.get(media_type(stream.read(HEAD)), ".bin")
    except OSError:
        return ".bin"  # gone: the writer says so, with what to do


def _origin(entry: Entry) -> list[str]:
    return [
        entry.label,
        entry.split,
        entry.source,
        _web(entry.page_url),
        _web(entry.file_url),
        entry.creator,
        _license(entry),
        _deed(entry),
        entry.sha256,
    ]


def _license(entry: Entry) -> str:
    code = licenses.read(entry.license).code
    return "" if code == licenses.UNKNOWN else code


def _deed(entry: Entry) -> str:
    return _web(entry.license_url) or licenses.deed(entry.license, entry.license_version)


def _web(url: str) -> str:
    """Only what leads somewhere: no path of this machine and no picture written as a URL."""
    return url if url.lower().startswith(("http://", "https://")) else ""


_CREDIT = ("file", "title", "creator", "license", "license_url", "page_url", "attribution")


def _credit(name: str, entry: Entry) -> list[str]:
    kind = licenses.read(entry.license)
    version = f" {entry.license_version}" if entry.license_version and kind.attribution else ""
    cells = [name, entry.title, entry.creator, kind.title + version]
    cells += [_deed(entry), _web(entry.page_url or entry.file_url), entry.attribution]
    return _inert(cells)


def _inert(cells: Sequence[str]) -> list[str]:
    """People open these in spreadsheets, which would run a title that looks like a formula."""
    # Behind quotes too: whoever takes the one away again gets what was there.
    signs = ("=", "+", "-", "@", "\t", "\r")
    return [f"'{cell}" if cell.lstrip("'")[:1] in signs else cell for cell in cells]


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_clean(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def _clean(cell: str) -> str:
    """One line: a cell of several is read wrongly by many programs."""
    return " ".join(cell.split("\0")[0].splitlines()) if cell else cell
