"""The account itself: what it uses, its data, its end; and whether the house stands."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from tellapart.catalog import looking, owners
from tellapart.decks import Filters, listing
from tellapart.errors import RequestError
from tellapart.project import Project
from tellapart.runtime.desk.base import when_free
from tellapart.runtime.desk.decks import Decks
from tellapart.runtime.desk.shapes import Health, Usage
from tellapart.runtime.shapes import CHAIN, TURN, iso

_MB = 1_000_000
#: A server that has just begun has workers that are still importing.
_BEGAN, _PATIENCE_S = time.monotonic(), 30.0
#: Below it a warning is shown.
_LITTLE_DISK_MB = 500
_CHUNK = 1 << 18
#: Seconds for which a deletion waits for cancelled runs.
_LET_GO = 20.0
_ROWS = 500


class Me(Decks):
    """Mine to see, take along and delete."""

    def usage(self) -> Usage:
        """What the account uses of its quota (disk: measured at most once a minute)."""
        owner = self.settings.owner
        held = owners.holdings(self.engine, owner)
        since = iso(datetime.now(UTC) - timedelta(days=1))
        return Usage(
            projects=held["projects"],
            pictures=held["pictures"],
            runs_active=self._runs.count(owner=owner, states=("queued", "running")),
            runs_today=self._runs.count(owner=owner, since=since),
            disk_mb=round((held["bytes"] + self._disk_bytes()) / _MB, 1),
            decks=len(listing.listed(self.engine, owner)),
        )

    def export(self) -> Iterator[bytes]:
        """Everything held about the account as a zip, streamed: the account, recipes, ledgers,
        runs, versions' bundles, decks. Written beside the cache first, and removed at the end.

        Raises `RequestError` (429) while another one of the account is being made or read.
        """
        folder = self.settings.cache_dir / "exports"
        folder.mkdir(parents=True, exist_ok=True)
        # Closed by whoever has read it, or has gone away.
        file = cast("IO[bytes]", tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        if not self._memory.begin_export(self.settings.owner, file):
            file.close()
            raise RequestError(
                "Another copy of this account's data is being sent.",
                expected="one at a time: each takes as much of the disk as all its models",
                do="Wait until that download has ended, or end it.",
                status=429,
                retry_after=30.0,
            )
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
                self._write_export(archive)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return _pieces(file)

    def delete_me(self, password: str, *, address: str = "") -> None:
        """Delete the account with all its projects, runs and files. Raises `RequestError` (401)
        for a wrong password, `BusyError` where a run works on a project to its step's end."""
        if self.single_user:
            raise RequestError(
                "The single user of this machine has no account that could be deleted.",
                expected="an account on a server with accounts",
                do="Delete the projects, or the folder that `tellapart path` prints.",
                status=403,
            )
        self._accounts.check_password(self.account, password, address=address)
        owner = self.settings.owner
        active = self._runs.list(
            owner=owner, limit=1000, states=("queued", "running"), kinds=(*CHAIN, *TURN)
        )
        for run in active:
            self._runs.cancel(run.id)
        for deck in listing.listed(self.engine, self.settings.owner):
            self.deck_delete(deck.name)
        for name in Project.names(self.settings):
            when_free(partial(self._delete_named, name), _LET_GO)
        self._runs.delete(owner=owner)
        self._accounts.delete(self.account)
        shutil.rmtree(self.settings.owner_dir, ignore_errors=True)

    def _delete_named(self, name: str) -> None:
        self._delete(self.open(name))

    def health(self) -> Health:
        """Disk, workers, queue and mail, in words for a banner."""
        return self._memory.get("house", "health", self._health, 2.0)

    def _health(self) -> Health:
        warnings = []
        free = shutil.disk_usage(_existing(self.settings.home)).free / _MB
        if free < _LITTLE_DISK_MB:
            warnings.append(
                f"The disk is nearly full ({free:,.0f} MB free): runs fail until there is room."
            )
        overview = self._runs.overview()
        workers = len(overview["workers"])
        queued, running = int(overview["queued"]), int(overview["running"])
        if not workers and time.monotonic() - _BEGAN > _PATIENCE_S:
            warnings.append("No worker is there: runs wait until one is started.")
        mail = asdict(self._outbox.state()) if self._outbox is not None else {}
        if mail.get("trouble"):
            warnings.append(f"The mail server takes no mail at the moment: {mail['trouble']}")
        return Health(
            state="warning" if warnings else "ok",
            warnings=warnings,
            disk_free_mb=round(free, 1),
            workers=workers,
            queued=queued,
            running=running,
            mail=mail,
        )

    def _write_export(self, archive: zipfile.ZipFile) -> None:
        def write(name: str, value: Any) -> None:
            archive.writestr(name, json.dumps(value, indent=1, ensure_ascii=False) + "\n")

        owner = self.settings.owner
        write("account.json", self._accounts.export(self.account))
        runs = self._runs.list(owner=owner, limit=10_000)
        write("runs.json", [run.to_dict() for run in runs])
        for name in Project.names(self.settings):
            opened, catalog = self.open(name), self.catalog(name)
            base = f"projects/{name}"
            write(f"{base}/recipe.json", catalog.recipe)
            with archive.open(f"{base}/pictures.jsonl", "w") as out:
                after = None
                everything = looking.PictureFilter(status=None)
                while True:
                    rows, after = looking.page(catalog, everything, limit=_ROWS, after=after)
                    for row in rows:
                        out.write(json.dumps(asdict(row), ensure_ascii=False).encode() + b"\n")
                    if after is None:
                        break
            for version in catalog.versions():
                path = opened.folder / "versions" / version.file
                if path.is_file():
                    archive.write(path, f"{base}/{version.file}", zipfile.ZIP_STORED)
        for deck in listing.listed(self.engine, self.settings.owner):
            base = f"decks/{deck.name}"
            write(f"{base}/deck.json", self.deck(deck.name).to_dict())
            write(f"{base}/policy.json", deck.policy)
            write(f"{base}/heads.json", [one.to_dict() for one in self.deck_heads(deck.name)])
            with archive.open(f"{base}/candidates.jsonl", "w") as out:
                for seen in self._candidates(deck.name):
                    out.write(json.dumps(seen, ensure_ascii=False).encode() + b"\n")

    def _candidates(self, deck: str) -> Iterator[dict[str, Any]]:
        after = ""
        while True:
            page = self._deck(deck).results(Filters(limit=_ROWS, after=after))
            for row in page.items:
                yield row.to_dict()
            if not page.next:
                return
            after = page.next


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
