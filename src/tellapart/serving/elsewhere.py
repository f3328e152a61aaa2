"""Pictures that a request only names: by URL, or by their path on this machine."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from typing import TYPE_CHECKING

from tellapart.errors import (
    DeadlineError,
    FetchError,
    InputError,
    NotFoundError,
    PictureError,
    RefusedError,
    RequestError,
    TellapartError,
)
from tellapart.serving.bodies import Item
from tellapart.serving.options import Options
from tellapart.serving.request import overloaded
from tellapart.settings import Settings

if TYPE_CHECKING:
    from tellapart.fetch import Fetcher

#: URLs being fetched at once, over all requests, and those that may wait for their turn: the
#: next is turned away. What is being fetched is in no budget yet.
_AT_ONCE, _MOST = 4, 128


class UnreachableError(FetchError):
    """What a request's URL names cannot be had: the request's fault, and no gateway's."""

    http_status = 422


class Elsewhere:
    """Gets such pictures, within the server's bounds. Lives in one event loop."""

    def __init__(self, options: Options, settings: Settings) -> None:
        self._options = options
        self._settings = settings
        self._fetcher: Fetcher | None = None
        self._opening = asyncio.Lock()
        self._busy = 0
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def content(self, item: Item, *, local: bool, deadline: float) -> bytes | TellapartError:
        """The bytes of a picture by URL or path, or why there are none.

        `local`: whether the request came over the Unix socket. `deadline`: of `time.monotonic`.
        Raises `OverloadedError` alone.
        """
        if item.kind == "url":
            return await self.get(item.content.decode(), deadline=deadline)
        if not (local and self._options.trust_local):
            return _no_paths()
        try:
            return await asyncio.to_thread(read_file, item.content, self._options.max_body)
        except (NotFoundError, PictureError) as error:
            return error

    async def get(
        self, url: str, *, deadline: float, headers: dict[str, str] | None = None
    ) -> bytes | TellapartError:
        """A picture by its URL, or why there is none. Raises `OverloadedError` alone.

        `headers` go to the URL's own server only, whose robots.txt does not count then.
        """
        try:
            return await self._fetch(url, deadline, headers)
        except (InputError, FetchError, DeadlineError) as error:
            return error

    async def _fetch(self, url: str, deadline: float, headers: dict[str, str] | None) -> bytes:
        if not self._options.urls and not url[:5].lower() == "data:":
            raise RequestError(
                "This server fetches no pictures by URL.",
                expected="the picture itself",
                do="Send its bytes.",
                status=403,
            )
        if self._busy >= _MOST:
            raise overloaded(1.0)
        self._busy += 1
        try:
            fetcher = await self._open()
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                async with self._turns:
                    found = await fetcher.get(
                        url,
                        max_bytes=self._options.max_body,
                        headers=headers,
                        robots=headers is None,
                    )
            return found.data
        except TimeoutError:
            raise DeadlineError(
                f"The picture at {url[:200]!r} did not come in time.",
                expected="an answer before the request's deadline",
                do="Try again, or send the picture's bytes.",
            ) from None
        except RefusedError:
            raise
        except FetchError as error:
            raise UnreachableError(
                error.what, expected=error.expected, do=error.do, reason=error.reason
            ) from None
        finally:
            self._busy -= 1

    async def close(self) -> None:
        """Close the connections that are open."""
        if self._fetcher is not None:
            await self._fetcher.__aexit__(None, None, None)

    async def _open(self) -> Fetcher:
        """The fetcher, made with the first URL: most servers never need its libraries."""
        async with self._opening:
            if self._fetcher is None:
                await asyncio.to_thread(__import__, "tellapart.fetch")
                from tellapart.fetch import Fetcher

                self._fetcher = await Fetcher(self._settings).__aenter__()
            return self._fetcher


def read_file(path: bytes, most: int) -> bytes:
    """A regular file's bytes. Raises `NotFoundError`, `PictureError`."""
    shown = path.decode(errors="replace")
    try:
        # Not to wait at a pipe, nor to be fooled between looking and opening.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _unusable(shown, "is no regular file", "not_a_picture")
            with open(handle, "rb", closefd=False) as stream:
                data = stream.read(most + 1)
        finally:
            os.close(handle)
        if len(data) > most:
            raise _unusable(shown, f"has more than {most:,} bytes", "too_large")
        return data
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise NotFoundError(
            f"There is no file {shown!r}.",
            expected="the absolute path of a picture on the server's machine",
            do="Check the path, or send the picture's bytes.",
        ) from None
    except OSError as error:
        raise _unusable(shown, f"cannot be read ({error.strerror})", "unreadable") from None


def _unusable(path: str, what: str, reason: str) -> PictureError:
    return PictureError(
        f"The file {path!r} {what}.",
        expected="a picture that the server may read",
        do="Give another path, or send the picture's bytes.",
        reason=reason,
    )


def _no_paths() -> RequestError:
    return RequestError(
        "Files are named by path on the local socket only.",
        expected="the picture itself",
        do="Send its bytes, or ask over the Unix socket.",
        status=403,
    )
