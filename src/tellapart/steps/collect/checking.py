"""Ask each source for a little, by itself, and keep how it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tellapart import registry
from tellapart.catalog import sources as stored
from tellapart.doors import Source, SourceContext
from tellapart.errors import FetchError, InputError, RefusedError, TellapartError
from tellapart.recipe import SourceSpec, read
from tellapart.settings import Settings
from tellapart.steps.collect.asking import readable, strange
from tellapart.steps.collect.health import Health
from tellapart.store.database import exists, open_database

if TYPE_CHECKING:
    from tellapart.fetch import Fetcher

#: Hits asked for.
_HITS = 5


@dataclass(frozen=True)
class Checked:
    """What came of asking one source."""

    name: str
    #: `works`, `empty` (it answers, and knows no picture of what it must know), `unreadable`,
    #: `failing`, `not_set_up`, `local` (at hand: nothing to ask) or `needs_options`.
    word: str
    hits: int = 0
    seconds: float | None = None
    reason: str = ""
    what: str = ""
    do: str = ""

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong with it. What is not there is the user's choice."""
        here = self.word in ("works", "local", "needs_options")
        return here or self.reason in ("no_key", "no_browser")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def known(settings: Settings, at: datetime) -> list[dict[str, Any]]:
    """All sources, and how each was when it was last asked; nothing is asked."""
    states = _states(settings)
    rows = []
    for name in registry.names("source"):
        try:
            kind = registry.load("source", name)
        except TellapartError as error:  # a stranger's must not hide how the others are
            row = asdict(stored.SourceState(name, reason=error.code))
            rows.append({**row, "state": "failing", "says": "cannot be loaded", "terms": ""})
            continue
        # One source may stand for several services, each known by a name of its own.
        own = [s for key, s in states.items() if key == name or key.startswith(f"{name} ")]
        for state in own or [stored.SourceState(name)]:
            word = "local" if kind.local else state.word(at)
            rows.append(
                {
                    **asdict(state),
                    "state": word,
                    "says": "at hand" if kind.local else stored.WORDS[state.word(at)],
                    "terms": kind.terms,
                }
            )
    return rows


def ask_all(settings: Settings, recipe: Path | None = None) -> list[Checked]:
    """Ask every source, or those of a recipe with its options; what comes of it is kept.

    Raises what reading the recipe raises.
    """
    names = registry.names("source")
    asked = None if recipe is None else read(recipe, sources=names)
    specs = [SourceSpec(name=name) for name in names] if asked is None else list(asked.sources)
    ignored = () if asked is None else asked.ignore_robots
    engine = open_database(settings)
    try:
        health = Health(stored.states(engine))
        found = asyncio.run(_ask_all(settings, specs, health, ignored))
        stored.save(engine, health.changed())
    finally:
        engine.dispose()
    return found


async def _ask_all(
    settings: Settings, specs: list[SourceSpec], health: Health, ignored: Collection[str]
) -> list[Checked]:
    from tellapart.fetch import Fetcher

    async with Fetcher(settings, ignore_robots=ignored) as fetcher:
        return list(
            await asyncio.gather(*(_ask(settings, fetcher, spec, health) for spec in specs))
        )


async def _ask(settings: Settings, fetcher: Fetcher, spec: SourceSpec, health: Health) -> Checked:
    try:
        kind = registry.load("source", spec.name)
    except TellapartError as error:
        return Checked(spec.name, "failing", 0, None, error.code, error.what, error.do)
    if kind.local:
        return Checked(spec.name, "local")
    began, name, ours = time.monotonic(), spec.name, False
    try:
        source = kind(SourceContext(settings, fetcher, spec.options))
        name = source.known_as()
        try:
            return await _probed(source, health, began)
        finally:
            await source.aclose()
    except InputError as error:
        return Checked(spec.name, "needs_options", what=error.what, do=error.do)
    except FetchError as error:
        reason, what, do = error.reason, error.what, error.do
        # What we do not do for reasons of our own is no fault of its.
        ours = isinstance(error, RefusedError)
    except TellapartError as error:
        reason, what, do = error.code, error.what, error.do
    except Exception as error:  # a stranger's source must not hide how the others are
        reason, what, do = "source_error", f"{type(error).__name__}.", "Tell its author."
    if not ours:
        health.failed(name, reason)
    word = "not_set_up" if reason in stored.NOT_SET_UP else "failing"
    word = "unreadable" if reason in stored.UNREADABLE else word
    return Checked(name, word, 0, round(time.monotonic() - began, 3), reason, what, do)


async def _probed(source: Source, health: Health, began: float) -> Checked:
    hits = []
    async for hit in source.search(source.probe, limit=_HITS):
        hits.append(hit)
        if len(hits) >= _HITS:
            break
    seconds, name = round(time.monotonic() - began, 3), source.known_as()
    if not readable(hits):
        error = strange(name, hits)
        health.failed(name, error.reason)
        return Checked(name, "unreadable", len(hits), seconds, error.reason, error.what, error.do)
    health.answered(name, found=bool(hits))
    if not hits:
        what = f"It knows no picture of {source.probe!r}: its answers may have a new shape."
        return Checked(name, "empty", 0, seconds, "", what, "Search it by hand, or leave it out.")
    return Checked(name, "works", len(hits), seconds)


def _states(settings: Settings) -> dict[str, stored.SourceState]:
    if not exists(settings):
        return {}
    engine = open_database(settings)
    try:
        return stored.states(engine)
    finally:
        engine.dispose()
