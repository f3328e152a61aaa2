"""Links to a version's files that need no log-in, are signed and expire: those of the mails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from tellapart.accounts import Signer
from tellapart.errors import NotFoundError
from tellapart.runtime.desk.shapes import FileKind
from tellapart.settings import Settings

_PURPOSE = "download"
#: Seconds for which a mail's links are valid, unless said otherwise.
WEEK = 7 * 24 * 3600.0
KINDS: tuple[str, ...] = get_args(FileKind)


@dataclass(frozen=True)
class Link:
    """What a link leads to."""

    owner: str
    project: str
    version: int
    kind: FileKind


def download_link(settings: Settings, link: Link, *, seconds: float = WEEK) -> str:
    """The whole URL of a file, valid for `seconds`: `TELLAPART_URL/d/…`."""
    data = {"o": link.owner, "p": link.project, "v": link.version, "k": link.kind}
    signed = Signer(settings).sign(_PURPOSE, data, seconds)
    return f"{settings.public_url.rstrip('/')}/d/{signed}"


def read_link(settings: Settings, signed: str) -> Link:
    """What a signed link leads to. Raises `RequestError`: forged (403) or expired (410)."""
    data: dict[str, Any] = Signer(settings).read(_PURPOSE, signed)
    kind = data.get("k")
    if kind not in KINDS:
        raise NotFoundError(
            f"The link leads to a {str(kind)!r:.40}.",
            expected=f"one of {', '.join(KINDS)}",
            do="Ask for a new link.",
        )
    return Link(str(data["o"]), str(data["p"]), int(data["v"]), kind)
