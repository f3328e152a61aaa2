"""Commits what has arrived, at once: picture file first, then its row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tellapart import images
from tellapart.catalog import Catalog, Outcome
from tellapart.errors import PictureError
from tellapart.store.files import FileStore

if TYPE_CHECKING:
    from tellapart.fetch import Fetched

T = TypeVar("T")


@dataclass
class _Arrival:
    outcome: Outcome
    data: bytes | None
    committed: asyncio.Future[Outcome]


class Writer:
    """The one thread that writes to files and ledger while collecting.

    Whatever is ready is committed in one transaction; while that runs, the next batch gathers.
    So a batch is small when little arrives and large when much does, and nobody waits on a timer.
    """

    def __init__(self, catalog: Catalog, files: FileStore) -> None:
        self._catalog = catalog
        self._files = files
        self._queue: asyncio.Queue[_Arrival | None] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tellapart-ledger")
        self._loop_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Writer:
        self._loop_task = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._queue.put_nowait(None)
        if self._loop_task is not None:
            await self._loop_task
        self._thread.shutdown()

    async def commit(self, outcome: Outcome, data: bytes | None = None) -> Outcome:
        """Return once the outcome (and the picture's file, for `data`) is on disk.

        The outcome that comes back may differ: data that is no usable picture is refused.
        Raises `StorageError` where the disk is full.
        """
        committed: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Arrival(outcome, data, committed))
        return await committed

    async def record(self, outcomes: list[Outcome]) -> None:
        """Commit many outcomes in one transaction."""
        if outcomes:
            await self.do(self._catalog.record, outcomes)

    async def forget(self, id: str) -> None:
        """Take a row out of the ledger."""
        await self.do(self._catalog.remove, [id])

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run other work on the ledger in the same thread, so that writers never meet."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, work, *arguments)

    async def _write(self) -> None:
        over = False
        while not over:
            first = await self._queue.get()
            batch = [] if first is None else [first]
            over = first is None
            while not self._queue.empty():
                item = self._queue.get_nowait()
                if item is None:
                    over = True
                else:
                    batch.append(item)
            if batch:
                await self._write_batch(batch)

    async def _write_batch(self, batch: list[_Arrival]) -> None:
        try:
            outcomes = await self.do(self._store, batch)
        except Exception as error:
            for item in batch:
                if not item.committed.done():
                    item.committed.set_exception(error)
        else:
            for item, outcome in zip(batch, outcomes, strict=True):
                if not item.committed.done():
                    item.committed.set_result(outcome)

    def _store(self, batch: list[_Arrival]) -> list[Outcome]:
        outcomes = [self._kept(item) for item in batch]
        self._catalog.record(outcomes)
        return outcomes

    def _kept(self, item: _Arrival) -> Outcome:
        if item.data is None:
            return item.outcome
        looked = examine(item.outcome.id, item.data, item.outcome.sha256)
        if looked.status == "ok":
            self._files.put(item.data)
        return looked


def examine(id: str, data: bytes, sha256: str, mtime_ns: int | None = None) -> Outcome:
    """`ok` with the upright size, or `refused` with the reason; looks at the header alone."""
    try:
        _, width, height = images.probe(data)
    except PictureError as error:
        return Outcome(
            id=id,
            status="refused",
            reason=error.reason,
            sha256=sha256,
            bytes=len(data),
            mtime_ns=mtime_ns,
        )
    return Outcome(
        id=id,
        status="ok",
        sha256=sha256,
        bytes=len(data),
        mtime_ns=mtime_ns,
        width=width,
        height=height,
    )


def arrived(id: str, fetched: Fetched) -> Outcome:
    """The outcome of a download before anyone has looked at it."""
    return Outcome(id=id, status="ok", sha256=fetched.sha256, bytes=len(fetched.data))
