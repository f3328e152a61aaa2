"""Decks: candidates with pictures, features, verdicts and labels; heads that learned from them."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from tellapart.catalog.base import chunks
from tellapart.forgetting.order import Order
from tellapart.forgetting.uploads import LISTS, shorten
from tellapart.store import schema_decks as tables

_d, _h, _p = tables.decks.c, tables.deck_heads.c, tables.deck_pictures.c
_c = tables.deck_candidates.c
_LEARNED = (
    "What its head had learned from was forgotten: let it learn anew from the labels that stay."
)


def forget(order: Order) -> dict[str, int]:
    """Remove the candidates, or of others' the pictures; heads that learned from them go too.

    A deck that loses its head is switched off, with the reason.
    """
    traces = order.traces
    removed = {"files": _files(order), "lists": _lists(order)}
    with order.writing() as connection:
        heads = 0
        for deck in sorted(traces.taught):
            heads += connection.execute(
                tables.deck_heads.delete().where(_h.deck_id == deck)
            ).rowcount
            back = (_c.deck_id == deck, _c.picked == tables.TAKEN_BACK)
            connection.execute(tables.deck_candidates.update().where(*back).values(picked=""))
            off = tables.decks.update().where(_d.id == deck, _d.mode != "off")
            connection.execute(off.values(mode="off", why=_LEARNED))
            corrected = tables.decks.update().where(_d.id == deck)
            connection.execute(corrected.values(corrected=_d.corrected + 1))
        pictures = 0
        for part in chunks(sorted(traces.deck_pictures)):
            gone = tables.deck_pictures.delete().where(_p.id.in_(part))
            pictures += connection.execute(gone).rowcount
        candidates = 0
        for some in chunks(sorted(traces.candidates)):
            drop = tables.deck_candidates.delete().where(tables.deck_candidates.c.id.in_(some))
            candidates += connection.execute(drop).rowcount
        decks = 0
        if traces.kind == "user":
            mine = tables.decks.delete().where(_d.owner == traces.owner)
            decks = connection.execute(mine).rowcount
    removed |= {"heads": heads, "pictures": pictures, "candidates": candidates, "decks": decks}
    return {name: number for name, number in removed.items() if number}


def folder(order: Order, deck: str) -> Path:
    """Where a deck's files lie."""
    owner, _ = order.traces.decks[deck]
    return order.folder(owner) / "decks" / deck


def _files(order: Order) -> int:
    """Pictures by content: by the row that names them, and by their names."""
    gone = 0
    roots = [order.settings.home / "decks", *(order.settings.home / "accounts").glob("*/decks")]
    if order.traces.owner is not None:
        roots = [order.folder(order.traces.owner) / "decks"]
    for root in roots:
        if not root.is_dir():
            continue
        if order.traces.kind == "user":
            shutil.rmtree(root)
            gone += 1
            continue
        for sha in order.traces.shas:
            for path in root.glob(f"*/*/*{sha}*"):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    gone += 1
    return gone


def _lists(order: Order) -> int:
    """Lines of lists that a deck wrote for a deeper training."""
    return sum(
        shorten(path, order.search)
        for deck in order.traces.decks
        if folder(order, deck).is_dir()
        for path in folder(order, deck).rglob("*")
        if path.suffix.lower() in LISTS and path.is_file()
    )
