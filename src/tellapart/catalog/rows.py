"""The catalog's rows. Texts that are not known are empty, numbers that are not known are None."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

#: What became of one offered picture. `pending`: not fetched yet; `ok`: its bytes are here;
#: `failed`: network or service; `refused`: by the guard, robots, an opt-out, or no usable
#: picture; `surplus`: beyond the wanted number; `missing`: the local file is gone.
Status = Literal["pending", "ok", "failed", "refused", "surplus", "missing"]


def picture_id(project: str, label: str, source: str, key: str) -> str:
    """A picture's name: 16 hex digits, the same for every order of arrival and machine.

    `key` is the file's URL, or its path relative to the data folder with forward slashes.
    """
    text = "\0".join((project, label, source, key))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


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
class Version:
    """One packaged version of a project. `file` is its name in the project's `versions` folder."""

    version: int
    fingerprint: str
    file: str
    metrics: dict[str, Any]
    created_at: str
