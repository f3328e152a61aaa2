"""An account's uploads: a folder each below `desk.uploads`, until a project no longer names them.

In a recipe `data: upload:ID` stands for one; `resolve` makes the path of it, `hide` takes it back
before somebody sees it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tellapart.catalog import Catalog
from tellapart.decks import listing
from tellapart.errors import InputError, NotFoundError
from tellapart.fetch.sniff import HEAD
from tellapart.runtime import intake
from tellapart.runtime.recognizing import DATA, SCHEME, Upload, looked_through, recognized
from tellapart.runtime.runs import Runs
from tellapart.runtime.shapes import now
from tellapart.settings import Settings

#: Days after which an upload goes that no project uses.
KEPT_DAYS = 7
_ID = re.compile(r"up_[a-z2-7]{20}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_FACTS = "upload.json"
#: More than may be queued.
_MOST_RUNS = 100_000


class Uploads:
    """The uploads below one folder. Methods block."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def incoming(self) -> Path:
        """A new name for a file that is still coming: on the disk where it will stay."""
        folder = self.root / ".incoming"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / secrets.token_hex(16)

    def take(self, file: Path, name: str, kind: str = "", *, room: int | None = None) -> Upload:
        """Make an upload of a file that has come whole (it is moved, or unpacked and removed).

        `kind`: its media type as declared; `room`: bytes that it may unpack to. Raises `InputError`
        and `RecipeError` for what cannot be used, with nothing left of it.
        """
        with file.open("rb") as stream:
            head = stream.read(HEAD)
        id = self._new_id()
        folder = self.root / id
        folder.mkdir(mode=0o700, parents=True)
        try:
            upload = Upload(id, "folder", name[:200], now(), files=1, bytes=file.stat().st_size)
            upload = recognized(folder, upload, file, head, kind, room)
            self._write(upload)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            file.unlink(missing_ok=True)
        return upload

    def begin(self, name: str) -> Upload:
        """An empty folder, into which `put` brings files one by one until `finish`."""
        upload = Upload(self._new_id(), "folder", name[:200], now(), open=True)
        (self.root / upload.id / DATA).mkdir(mode=0o700, parents=True)
        self._write(upload)
        return upload

    def put(self, id: str, path: str, file: Path) -> None:
        """Bring one file into an open folder under `path`, such as `apple/1.jpg`; it is moved.

        Raises `InputError` for a name that leaves the folder or clashes, `NotFoundError`.
        """
        upload = self.get(id)
        if not upload.open:
            raise InputError(
                f"The upload {id} is complete.",
                expected="files before `done` is said",
                do="Begin another one: POST /api/v1/uploads?kind=folder",
            )
        root = self.root / id / DATA
        with file.open("rb") as stream:
            head = stream.read(HEAD)
        intake.check_member(root, path, head)
        target = root / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.replace(file, target)  # noqa: PTH105 - of equal names the last one counts

    def finish(self, id: str) -> Upload:
        """Say that a folder is complete; what is in it. Raises `InputError` where nothing is."""
        upload = self.get(id)
        if not upload.open:
            return upload
        whole = looked_through(self.root / id, upload)
        files = [one for one in (self.root / id / DATA).rglob("*") if one.is_file()]
        size = sum(one.stat().st_size for one in files)
        whole = replace(whole, files=len(files), bytes=size, open=False)
        self._write(whole)
        return whole

    def get(self, id: str) -> Upload:
        """Raises `NotFoundError`."""
        if _ID.fullmatch(id):
            try:
                facts = json.loads((self.root / id / _FACTS).read_text(encoding="utf-8"))
                return Upload(**facts)
            except (OSError, ValueError, TypeError):
                pass
        raise NotFoundError(
            f"There is no upload {id!r:.60}.",
            expected="the id of an upload of this account, such as up_…",
            do="Upload the file again: uploads that no project uses go after a week.",
        )

    def path(self, id: str) -> Path:
        """Where its data lies. Raises `NotFoundError`, `InputError` while files still come."""
        upload = self.get(id)
        if upload.open:
            raise InputError(
                f"The upload {id} is not complete.",
                expected="an upload whose files have all come",
                do=f"Say so: POST /api/v1/uploads/{id}/done",
            )
        return self.root / id / upload.place

    def read(self, id: str) -> bytes:
        """The bytes of an uploaded picture. Raises `NotFoundError`, `InputError` for others."""
        upload = self.get(id)
        if upload.kind != "picture":
            raise InputError(
                f"The upload {id} is a {upload.kind}.",
                expected="a picture",
                do="Upload the picture by itself.",
            )
        return (self.root / id / upload.place).read_bytes()

    def delete(self, id: str) -> None:
        """Remove an upload. Raises `NotFoundError`."""
        self.get(id)
        shutil.rmtree(self.root / id, ignore_errors=True)

    def prune(self, recipes: Iterable[Mapping[str, Any]], *, days: float = KEPT_DAYS) -> int:
        """Remove uploads of more than `days` that none of `recipes` names; how many."""
        if not self.root.is_dir():
            return 0
        named = " ".join(json.dumps(recipe, default=str) for recipe in recipes)
        before, gone = time.time() - days * 86400, 0
        for one in self.root.iterdir():
            if one.name == ".incoming":
                for left in one.iterdir():
                    if left.stat().st_mtime < before:
                        left.unlink(missing_ok=True)
            elif one.name not in named and one.stat().st_mtime < before:
                shutil.rmtree(one, ignore_errors=True)
                gone += 1
        return gone

    # -- inside -------------------------------------------------------------------------------

    def _new_id(self) -> str:
        return "up_" + "".join(secrets.choice(_LETTERS) for _ in range(20))

    def _write(self, upload: Upload) -> None:
        path = self.root / upload.id / _FACTS
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(upload), ensure_ascii=False), encoding="utf-8")
        partial.replace(path)


def prune(settings: Settings, engine: sa.Engine) -> int:
    """Remove all owners' uploads that no project, deck and run under way has named for a week."""
    recipes: dict[str, list[Mapping[str, Any]]] = {}
    for owner, name in Catalog.everyone(engine):
        with contextlib.suppress(NotFoundError):  # deleted meanwhile
            recipes.setdefault(owner, []).append(Catalog.open(engine, name, owner).recipe)
    for deck in listing.listed(engine):
        recipes.setdefault(deck.owner, []).append(deck.options)
    for run in Runs(engine, settings).list(states=("queued", "running"), limit=_MOST_RUNS):
        recipes.setdefault(run.owner, []).append({**run.recipe, "test": run.test_picture})
    accounts = settings.home / "accounts"
    owners = ["", *(one.name for one in accounts.iterdir())] if accounts.is_dir() else [""]
    folders = {owner: replace(settings, owner=owner).owner_dir for owner in owners}
    return sum(
        Uploads(folder / "uploads").prune(recipes.get(owner, ()))
        for owner, folder in folders.items()
    )


def read(root: Path, id: str) -> bytes:
    """The bytes of an uploaded picture; `id` with or without `upload:` before it."""
    return Uploads(root).read(id.removeprefix(SCHEME))


def resolve(values: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """A recipe's plain values with the path of the upload that `data` names.

    `root`: the account's uploads, so that another's is not found. Raises `NotFoundError`.
    """
    data = values.get("data")
    if isinstance(data, str) and data.strip().startswith(SCHEME):
        return {**values, "data": str(Uploads(root).path(data.strip().removeprefix(SCHEME)))}
    return dict(values)


def hide(values: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The reverse of `resolve`, for whoever looks at a recipe."""
    data = values.get("data")
    if data is not None and (match := _ID.search(str(data))) and str(data).startswith(str(root)):
        return {**values, "data": SCHEME + match.group()}
    return dict(values)
