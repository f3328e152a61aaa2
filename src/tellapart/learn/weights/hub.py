"""Fetch weights from the model hub: guarded, bounded, checked, and resumed where cut off.

The hub's layout is that of Hugging Face: `HUB/REPOSITORY/resolve/main/FILE` answers with a redirect
whose `X-Linked-Etag` is the file's SHA-256 and `X-Linked-Size` its bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tellapart.errors import FetchError, MissingExtraError, NotFoundError, StorageError
from tellapart.learn.backbone import write
from tellapart.learn.weights import files
from tellapart.settings import Settings

if TYPE_CHECKING:
    from tellapart.fetch import Fetched, Fetcher
    from tellapart.learn.weights.finding import Weights

#: Told how many bytes are here, of how many.
Watch = Callable[[int, int], None]

_FILE, _README = "model.safetensors", "README.md"
#: Bytes a request: what a cut connection can cost, and what is held in memory.
_PIECE = 8_000_000
#: The slowest connection that has time enough for a piece, and the largest file.
_SLOWEST, _LARGEST = 50_000, 6_000_000_000
#: The largest one of a server that knows no parts: all of it is held in memory.
_WHOLE = 500_000_000
_README_BYTES = 100_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LICENSE = re.compile(rb"^license:[ \t]*[\"']?([A-Za-z0-9.+_-]{2,40})", re.MULTILINE)
#: Where the network, not the file, is what is missing.
_AWAY = frozenset(("dns", "connection", "timeout", "too_slow", "tls", "private_address"))


@dataclass(frozen=True)
class _Answer:
    """One piece of a file, and what the hub says of all of it."""

    data: bytes
    #: Bytes of the whole file; the same as of the piece where the server knows no parts.
    size: int
    #: The file's SHA-256, where the hub says it, else its ETag; "" for none.
    mark: str
    whole: bool


def download(name: str, settings: Settings, watch: Watch | None = None) -> Weights:
    """The weights of timm's network `name` from the hub, kept in the cache with what is known.

    Goes on where an earlier call was cut off. Raises `MissingExtraError` without timm, which knows
    the addresses, `InputError` for a name that timm does not know, `NotFoundError` where timm knows
    no address for it, `FetchError` where the hub is not in reach, has no such file or gives another
    one than it says, `StorageError` where the file cannot be written.
    """
    from tellapart.learn.weights.finding import FOLDER, describe

    facts = _facts(name)
    folder = settings.cache_dir / FOLDER
    full = f"{facts['model']}.{facts['tag']}" if facts["tag"] else str(facts["model"])
    target = folder / f"{full}.safetensors"
    try:
        part, note = _run(_fetch(facts["hub"], target, settings, watch))
        # First what they are: weights without it would be taken for others' of that name.
        _describe(target, full, facts, settings, note)
        _finish(part, target)
    except FetchError as error:
        raise _away(name, settings, error) from None
    except OSError as error:
        raise StorageError(
            f"{str(target)!r} cannot be written ({error.strerror or error}).",
            expected="room for the weights in the cache",
            do="Free some space, then run the same command again: it goes on where it stopped.",
        ) from error
    return describe(target, "hub")


def _facts(name: str) -> dict[str, Any]:
    """timm's facts of the network; its repository among them."""
    try:
        from tellapart.learn.deep import timm_nets
    except ImportError as error:
        raise MissingExtraError(
            f"The weights of {name!r} are not here, and {error.name}, which is needed to fetch "
            "them, is not installed.",
            expected="the extra [deep], or the weights in the folder TELLAPART_WEIGHTS",
            do="Run: pip install 'tellapart[deep]'",
        ) from error
    facts = timm_nets.facts_of(name)
    if not facts["hub"]:
        raise NotFoundError(
            f"timm knows no address at the model hub for the weights of {name!r}.",
            expected="a network whose weights the hub has",
            do=f"Name a file: put {name}.safetensors into the folder TELLAPART_WEIGHTS.",
        )
    return facts


async def _fetch(
    repository: str, target: Path, settings: Settings, watch: Watch | None
) -> tuple[Path, str]:
    """Bring the file beside `target`, piece by piece; where it lies, checked, and a note on it."""
    from tellapart.fetch import Fetcher, Limits

    url = _address(settings, repository, _FILE)
    limits = Limits(seconds=max(settings.fetch_timeout, _PIECE / _SLOWEST), max_bytes=_PIECE)
    target.parent.mkdir(parents=True, exist_ok=True)
    async with Fetcher(settings, limits=limits) as fetcher:
        first = await _piece(fetcher, url, 0)
        if first.size > _LARGEST:
            raise _wrong(url, f"announces {first.size:,} bytes", f"at most {_LARGEST:,}")
        mark = hashlib.sha256(f"{url}\0{first.mark}\0{first.size}".encode()).hexdigest()[:16]
        part = target.with_name(f".{target.name}.{mark}.part")
        # Of a file without any mark nothing says whether it is still the same.
        done = part.stat().st_size if part.is_file() and first.mark else 0
        if not len(first.data) <= done <= first.size:
            part.write_bytes(first.data)
            done = len(first.data)
        with part.open("ab") as file:
            while done < first.size:
                if watch is not None:
                    watch(done, first.size)
                more = await _piece(fetcher, url, done)
                if (more.mark, more.size) != (first.mark, first.size) or more.whole:
                    raise _wrong(url, "changed while it was fetched", "the same file throughout")
                file.write(more.data)
                file.flush()
                done += len(more.data)
    note = _checked(part, first, url)
    if watch is not None:
        watch(done, first.size)
    return part, note


async def _piece(fetcher: Fetcher, url: str, start: int) -> _Answer:
    """The file's bytes from `start` on, at most `_PIECE`."""
    span = (start, start + _PIECE - 1)
    try:
        # A documented address of one file that was asked for: robots.txt is about crawlers.
        found = await fetcher.get(url, expect="any", robots=False, span=span)
    except FetchError as error:
        if error.reason != "too_large" or start:
            raise
        found = await _all(fetcher, url)
    told = _told(found)
    mark = (told.get("x-linked-etag") or told.get("etag") or "").removeprefix("W/").strip('"')
    if found.status != 206:
        return _Answer(found.data, len(found.data), mark.lower(), whole=True)
    match = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", told.get("content-range", ""))
    if match is None or int(match[1]) != start or not found.data:
        raise _wrong(url, f"answers with the part {told.get('content-range')!r}", f"from {start}")
    return _Answer(found.data, int(match[3]), mark.lower(), whole=False)


async def _all(fetcher: Fetcher, url: str) -> Fetched:
    """A file of a server that knows no parts: all at once, in memory."""
    try:
        return await fetcher.get(url, expect="any", robots=False, max_bytes=_WHOLE)
    except FetchError as error:
        if error.reason != "too_large":
            raise
        raise FetchError(
            f"The server of {url} gives no parts of files, and this one has more than "
            f"{_WHOLE:,} bytes.",
            expected="a server that answers requests for a range of bytes",
            do="Name another TELLAPART_HUB_URL, or fetch the file by other means.",
            reason="too_large",
        ) from None


def _told(found: Fetched) -> Mapping[str, str]:
    """All headers on the way; the hub's own stand before those of where its files lie."""
    told: dict[str, str] = {}
    for headers in (*found.redirects, found.headers):
        for key, value in headers.items():
            told.setdefault(key, value)
    return told | {"content-range": found.headers.get("content-range", "")}


def _checked(part: Path, told: _Answer, url: str) -> str:
    """Check the whole file; a note where the hub does not say what it should be. Raises
    `FetchError` for one that is not what the hub says, `VerificationError` for a damaged one."""
    found, note = files.sha256(part), ""
    if _SHA256.fullmatch(told.mark):
        if found != told.mark:
            part.unlink()
            raise FetchError(
                f"The {part.stat().st_size if part.exists() else told.size:,} bytes from {url} "
                f"have the SHA-256 {found[:16]}….",
                expected=f"{told.mark[:16]}…, as the hub says",
                do="Run the same command again; if it stays so, name another TELLAPART_HUB_URL.",
                reason="checksum",
            )
    else:
        host = urlsplit(url).netloc
        note = f"{host} told no SHA-256 of this file: only that it is whole was checked. It has "
        note += f"the SHA-256 {found}."
    try:
        files.header(part)
    except Exception:
        part.unlink()
        raise
    return note


def _finish(part: Path, target: Path) -> None:
    """Give the file its name, and remove what is left of others."""
    part.replace(target)
    for old in target.parent.glob(f".{target.name}.*.part"):
        with contextlib.suppress(OSError):
            old.unlink()


def _describe(
    target: Path, full: str, facts: Mapping[str, Any], settings: Settings, note: str
) -> None:
    """Write what is known beside the file; the license from the repository's card."""
    known = str(facts["license"])
    if known == "unknown":
        known = _license(facts["hub"], settings) or known
    told = {
        "name": full,
        "model": full,
        "license": known,
        "mean": list(facts["mean"]),
        "std": list(facts["std"]),
        "size": facts["size"],
        **({"note": note} if note else {}),
    }
    write(target.with_suffix(".json"), json.dumps(told, sort_keys=True, indent=1).encode())


def _license(repository: str, settings: Settings) -> str | None:
    from tellapart.fetch import Fetcher, Limits

    limits = Limits(seconds=settings.fetch_timeout, max_bytes=_README_BYTES, cut=True)

    async def read() -> bytes:
        async with Fetcher(settings, limits=limits) as fetcher:
            url = _address(settings, repository, _README)
            return (await fetcher.get(url, expect="any", robots=False)).data

    try:
        found = _LICENSE.search(_run(read()))
    except FetchError:  # the weights are here: what is not known is said as unknown
        return None
    return found[1].decode() if found else None


def _address(settings: Settings, repository: str, file: str) -> str:
    return f"{settings.hub_url.rstrip('/')}/{repository}/resolve/main/{file}"


def _run(work: Any) -> Any:
    """Also where an event loop already runs (a notebook): then in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


def _wrong(url: str, what: str, expected: str) -> FetchError:
    return FetchError(
        f"{url} {what}.",
        expected=expected,
        do="Run the same command again; if it stays so, name another TELLAPART_HUB_URL.",
        reason="hub",
    )


def _away(name: str, settings: Settings, error: FetchError) -> FetchError:
    """The error of a fetch, and what else one can do."""
    why = "the model hub is not in reach" if error.reason in _AWAY else "the model hub fails"
    return FetchError(
        f"The weights of {name!r} are not here, and {why}: {error.what}",
        expected=f"the file here, or at {settings.hub_url}",
        do=f"Put {name}.safetensors into the folder that TELLAPART_WEIGHTS names, name a mirror in "
        "TELLAPART_HUB_URL, or use a network that is here (`tellapart weights list`).",
        reason=error.reason,
    )
