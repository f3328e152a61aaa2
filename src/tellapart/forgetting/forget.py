"""Forgetting from beginning to end: find, refuse, remove, clean, search, certify."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from tellapart.catalog.base import now
from tellapart.errors import InputError
from tellapart.forgetting import bundles, cleaning, texts
from tellapart.forgetting.certificate import Certificate
from tellapart.forgetting.finding import find
from tellapart.forgetting.order import Order
from tellapart.forgetting.places import PLACES
from tellapart.forgetting.refusals import Refusals, named
from tellapart.forgetting.searching import Search, telling
from tellapart.forgetting.traces import Asked
from tellapart.settings import Settings
from tellapart.store import database, schema, schema_accounts, schema_decks, schema_runs
from tellapart.store.files import FileStore
from tellapart.store.lock import home_lock, project_lock


def forget(
    settings: Settings,
    engine: sa.Engine,
    asked: Asked,
    *,
    owner: str | None = None,
    held: str = "",
    watch: Callable[[str], None] = lambda place: None,
) -> Certificate:
    """Remove something from every place, refuse it from now on, and search for what is left.

    `owner`: whose rows; None: everybody's in the house. `held`: id of a deck whose lock the caller
    holds. May be asked again after a kill. Raises `NotFoundError` for an id that there is not,
    `BusyError` where a run or a turn works on it; nothing is changed then.
    """
    traces = find(settings, engine, asked, None if _is_alone(engine, owner) else owner)
    order = Order(settings, engine, traces, watch=watch)
    bundles.see(order)
    with _alone(order, held):
        content = _contents(order)
        _refuse(order, asked)
        removed: dict[str, dict[str, int]] = {}
        for place in PLACES:
            watch(place.name)
            done = place.forget(order)
            if done:
                removed[place.name] = done
        watch("databases")
        removed["databases"] = cleaning.clean(order)
        watch("search")
        searched, remains = _search(order, content)
    return Certificate(
        kind=asked.kind,
        at=now(),
        removed=removed,
        withdrawn=tuple(order.withdrawn),
        begin_anew=tuple(sorted(order.begin_anew)),
        searched=searched,
        remains=tuple(remains),
        notes=tuple(order.notes),
    )


def _is_alone(engine: sa.Engine, owner: str | None) -> bool:
    """Whether the house is the single user's alone: what is theirs is everything."""
    if owner:
        return False
    tables = (schema.projects, schema_decks.decks, schema_runs.runs)
    others = [sa.select(sa.literal(1)).where(one.c.owner != "").limit(1) for one in tables]
    others.append(sa.select(sa.literal(1)).select_from(schema_accounts.accounts).limit(1))
    with database.reading(engine) as connection:
        return not any(connection.scalar(query) for query in others)


@contextlib.contextmanager
def _alone(order: Order, held: str) -> Iterator[None]:
    """Nobody works on what is to be forgotten, until it is."""
    traces = order.traces
    if traces.kind == "user" and not traces.owner:
        raise InputError(
            "The single user of this computer is no account.",
            expected="an account's name, address or id",
            do="Remove everything with `tellapart clean --all`.",
        )
    folders = {order.project(*one) for one in traces.projects.values()}
    folders |= {
        order.folder(owner) / "decks" / id for id, (owner, _) in traces.decks.items() if id != held
    }
    with contextlib.ExitStack() as locks:
        # Beside servers and workers, never beside a restore.
        locks.enter_context(home_lock(order.settings.home))
        for folder in sorted(folders):
            if folder.is_dir():
                locks.enter_context(project_lock(folder))
        yield


def _refuse(order: Order, asked: Asked) -> None:
    """Before anything is removed: what is cut off after this is refused already."""
    traces = order.traces
    if traces.kind in ("user", "again"):
        return
    everybody = traces.owner is None
    refusals = Refusals(order.settings, order.engine, traces.owner or "")
    refusals.add("sha256", traces.shas, everybody=everybody)
    refusals.add("url", traces.urls, everybody=everybody)
    if asked.kind == "creator":
        refusals.add("creator", traces.creators, everybody=everybody)
    refusals.add("candidate", (named(*one) for one in traces.refs), everybody=everybody)


def _contents(order: Order) -> set[bytes]:
    """A part of the bytes of every picture, by which a copy of it is known."""
    traces, found = order.traces, set()
    store = FileStore(order.settings.files_dir)
    places = [store.path(sha) for sha in traces.own_shas]
    places += [Path(path) for path in traces.paths - traces.shared]
    for deck, (owner, _) in traces.decks.items():
        pictures = order.folder(owner) / "decks" / deck / "pictures"
        places += [pictures / sha for sha in traces.own_shas]
    for path in places:
        with contextlib.suppress(OSError):
            found.add(telling(path.read_bytes()))
    return found - {b""}


def _search(order: Order, content: set[bytes]) -> tuple[dict[str, int], list[str]]:
    """What was searched, and where something was found all the same."""
    traces, home = order.traces, order.settings.home
    needles = {text.encode("utf-8", "surrogatepass") for text in traces.needles() | traces.said}
    needles |= {bytes.fromhex(sha) for sha in traces.own_shas} | content
    search = Search(sorted(needles))
    found = texts.remains(order)
    # Whose rows are only somebody's: databases and folders of others are not theirs to be searched.
    root = home if traces.scope is None else order.folder(traces.scope)
    others = () if traces.scope is None else (home / "accounts",)
    for path in search.below(root, others if root == home else ()):
        if traces.scope is None or ".sqlite" not in path.name:
            found.append(str(path.relative_to(home)))
    if any(part.startswith("before-restore-") for part in found):
        order.notes.append(
            "A home of before a restore holds it still: remove the folders before-restore-* when "
            "you need them no longer."
        )
    order.notes.append(
        "Backups, copies of bundles that left this house and free blocks of the disk are out of "
        "reach: see docs/forget.md."
    )
    return {"files": search.files, "bytes": search.bytes}, sorted(set(found))
