"""The catalog's rows. Texts that are not known are empty, numbers that are not known are None."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

#: What became of one offered picture. `pending`: not fetched yet; `ok`: its bytes are here;
#: `failed`: network or service; `refused`: by the guard, robots, an opt-out, or no usable
#: picture; `surplus`: beyond the wanted number; `missing`: the local file is gone.
Status = Literal["pending", "ok", "failed", "refused", "surplus", "missing"]


def picture_id(project: str, label: str, source: str, key: str, owner: str = "") -> str:
    """A picture's name: 16 hex digits, the same for every order of arrival and machine.

    `key` is the file's URL, or its path relative to the data folder with forward slashes; `owner`
    the account that holds the project, empty for the single user.
    """
    text = "\0".join((*((owner,) if owner else ()), project, label, source, key))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def picture_digests(
    project: str, label: str, source: str, folder: str, names: Iterable[str], owner: str = ""
) -> list[bytes]:
    """The same of many whose keys are `folder` and a name, each as 8 bytes."""
    text = "\0".join((*((owner,) if owner else ()), project, label, source, folder))
    start = text.encode("utf-8", "surrogatepass")
    return [
        hashlib.sha256(start + name.encode("utf-8", "surrogatepass")).digest()[:8] for name in names
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPicture:
    """One picture a source offers, on its way into the ledger."""

    label: str
    source: str
    #: What names it within its source: the file's URL, or the path relative to the data folder.
    #: Empty: `file_url`.
    key: str = ""
    query: str = ""
    #: Place among the hits of its query, from 0.
    rank: int = 0
    #: Order in which sources and queries are tried, from 0.
    position: int = 0
    page_url: str = ""
    file_url: str = ""
    path: str = ""
    creator: str = ""
    title: str = ""
    license: str = ""
    license_version: str = ""
    license_url: str = ""
    attribution: str = ""
    split_hint: str = ""
    group_hint: str = ""
    status: Status = "pending"
    reason: str = ""
    sha256: str = ""
    bytes: int | None = None
    mtime_ns: int | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one picture: all fields are written, as they are."""

    id: str
    status: Status
    reason: str = ""
    sha256: str = ""
    bytes: int | None = None
    mtime_ns: int | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One picture with everything known about it. Field order is the order of the columns read."""

    id: str
    label: str
    source: str
    query: str
    rank: int
    position: int
    page_url: str
    file_url: str
    #: Absolute path of a picture referenced in place; empty for downloaded ones.
    path: str
    creator: str
    title: str
    license: str
    license_version: str
    license_url: str
    attribution: str
    split_hint: str
    group_hint: str
    status: Status
    #: Why `status` is what it is, one word; empty for `ok` and `pending`.
    reason: str
    sha256: str
    bytes: int | None
    mtime_ns: int | None
    width: int | None
    height: int | None
    fetched_at: str
    #: What counts: the user's word, else the verdict; None: not curated yet. What is unreadable
    #: stays set aside whatever the user says.
    kept: bool | None
    #: Reason word of the verdict (`near_duplicate`, …), `by_hand` where the user decided
    #: otherwise; empty for a kept picture.
    verdict: str
    #: The user's word, None where there is none.
    overruled: bool | None
    #: `train`, `validation`, `test`, `aside`; empty: none yet.
    split: str
    #: Pictures of one group lie in one split; empty: none yet.
    group: str
    #: The verdict's figures: of which picture it is a duplicate, at what distance, …
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the thresholds say of one picture. `reason` is empty for a kept one."""

    id: str
    kept: bool
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The split and group of one picture; an empty split takes the picture out of all."""

    id: str
    split: str
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How far one query of one source was read for one class."""

    label: str
    source: str
    query: str
    #: Ranks seen: the next search starts here.
    reached: int = 0
    exhausted: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """One row of a table, on its way into the ledger."""

    #: Its place in the table, from 0.
    number: int
    #: Every cell but the target's, as it was written; None: missing.
    cells: tuple[str | None, ...]
    #: Its class; empty where it is missing.
    label: str
    #: Over the cells: equal rows have equal ones, whatever their class.
    sha256: str
    split_hint: str = ""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table with everything known about it. Field order is that of the columns."""

    number: int
    cells: tuple[str | None, ...]
    label: str
    sha256: str
    split_hint: str
    #: None: not curated yet.
    kept: bool | None
    #: Why it is set aside, one word; empty for a kept one.
    reason: str
    #: `train`, `validation`, `test`, `aside`; empty: none yet.
    split: str
    group: str

    @property
    def id(self) -> str:
        """Its name: its number as text."""
        return str(self.number)

    @property
    def status(self) -> Status:
        """A row is here as soon as it is known."""
        return "ok"

    @property
    def verdict(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVerdict:
    """Whether one row is kept; `reason` is empty for a kept one."""

    number: int
    kept: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSplit:
    """The split and group of one row; an empty split takes it out of all."""

    number: int
    split: str
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One packaged version of a project. `file` is its name in the project's `versions` folder."""

    version: int
    fingerprint: str
    file: str
    metrics: dict[str, Any]
    created_at: str
