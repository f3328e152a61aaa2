"""Files by content: pictures that were fetched, small pictures, features, copies of databases."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tellapart.catalog.base import chunks
from tellapart.forgetting.order import Order
from tellapart.store.files import FileStore

FEATURES = "features-v1.sqlite"


def forget(order: Order) -> dict[str, int]:
    """Features and small pictures by content; copies of bundles' parts; files set aside."""
    cache, shas = order.settings.cache_dir, sorted(order.traces.own_shas)
    removed = {
        "features": _features(cache / FEATURES, shas),
        "damaged": _remove(cache.glob("features-v1.damaged*")),
        "small": sum(_remove((cache / "thumbs" / sha[:2]).glob(f"*{sha}*")) for sha in shas),
        "members": sum(
            _tree(cache / "members" / one.sha256[:32]) for one in order.withdrawn if one.sha256
        ),
        "exports": _remove((cache / "exports").glob("*")),
    }
    return {name: number for name, number in removed.items() if number}


def files(order: Order) -> dict[str, int]:
    """Fetched pictures, and copies of the database from before it was migrated."""
    store = FileStore(order.settings.files_dir)
    here = sum(store.remove(sha) > 0 for sha in order.traces.own_shas)
    partial = _remove(store.root.glob("??/.partial-*")) if here else 0
    home = order.settings.home
    copies = _remove(home.glob(f"{order.settings.database_path.name}.before-*"))
    drafts = _tree(home / ".restoring")  # of a restore that was cut off
    removed = {"files": here, "partial": partial, "old_databases": copies, "drafts": drafts}
    return {name: number for name, number in removed.items() if number}


def _features(path: Path, shas: list[str]) -> int:
    if not path.is_file() or not shas:
        return 0
    gone = 0
    with closing(sqlite3.connect(path, timeout=30)) as file:
        file.execute("PRAGMA secure_delete=ON")
        with file:
            for part in chunks(shas):
                marks = ",".join("?" * len(part))
                query = f"DELETE FROM vectors WHERE sha IN ({marks})"  # noqa: S608
                gone += file.execute(query, tuple(part)).rowcount
    return gone


def _remove(paths: Iterable[Path]) -> int:
    gone = 0
    for path in list(paths):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            gone += 1
    return gone


def _tree(path: Path) -> int:
    if not path.is_dir():
        return 0
    shutil.rmtree(path)
    return 1
