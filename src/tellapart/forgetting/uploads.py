"""What accounts sent: single pictures, folders, lists that name pictures."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tellapart.forgetting.order import Order
from tellapart.forgetting.searching import Search
from tellapart.forgetting.traces import paths_in
from tellapart.store.files import write_file

#: Lists: one picture a line.
LISTS = (".csv", ".tsv", ".txt", ".jsonl")


def forget(order: Order) -> dict[str, int]:
    """Remove the files; of lists the lines that name them. Files given in place stay, and are
    named to the person who gave them."""
    traces, home = order.traces, order.settings.home
    gone = 0
    inside = paths_in(home, traces.paths)
    for path in inside:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            gone += 1
    outside = len(traces.paths) - len(inside)
    if outside:
        order.notes.append(
            f"{outside} of the files lie in folders of yours: they were left there and are refused "
            "from now on. Remove them yourself."
        )
    roots = [home / "uploads", *(home / "accounts").glob("*/uploads")]
    if traces.owner is not None:
        roots = [order.folder(traces.owner) / "uploads"]
    lines = sum(
        shorten(path, order.search)
        for root in roots
        for path in root.rglob("*")
        if path.suffix.lower() in LISTS and path.is_file()
    )
    return {key: number for key, number in (("files", gone), ("lines", lines)) if number}


def shorten(path: Path, search: Search) -> int:
    """Take the lines out of a list that name what is looked for; how many."""
    data = path.read_bytes()
    if not search.inside(data):
        return 0
    lines = data.splitlines(keepends=True)
    kept = [line for line in lines if not search.inside(line)]
    write_file(path, b"".join(kept))
    return len(lines) - len(kept)
