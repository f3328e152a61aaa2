"""Deck sources against real folders, lists and the stand-in service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from benchmarks.standin import Person, Standin, crowd
from tellapart import registry
from tellapart.demo.drawing import draw
from tellapart.doors import DeckContext, DeckSource
from tellapart.fetch import Fetcher
from tellapart.settings import Settings

T = TypeVar("T")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KINDS = ("folder", "jsonl", "http", "tinder")


@dataclass
class Bench:
    """Opens one source and lets a coroutine work with it."""

    kind: str
    settings: Settings
    options: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict)
    service: Standin | None = None

    def context(self, fetcher: Fetcher, **changes: Any) -> DeckContext:
        given: dict[str, Any] = {
            "settings": self.settings,
            "fetcher": fetcher,
            "options": self.options,
            "secrets": self.secrets,
            "confirmed": True,
            "now": lambda: NOW,
        }
        return DeckContext(**{**given, **changes})

    def work(self, task: Callable[[DeckSource], Awaitable[T]], **changes: Any) -> T:
        """Do `task` with a new object of the source."""

        async def go() -> T:
            async with Fetcher(self.settings) as fetcher:
                source = registry.load("deck", self.kind)(self.context(fetcher, **changes))
                return await task(source)

        return asyncio.run(go())


async def everything(source: DeckSource, limit: int = 7) -> list[Any]:
    """All candidates, up to far more than there are."""
    found: list[Any] = []
    for _ in range(100):
        page = await source.next(limit)
        assert len(page) <= limit
        if not page:
            return found
        found += page
    raise AssertionError("the source never ends")


def write_folder(root: Path, people: list[Person]) -> Path:
    for person in people:
        folder = root / person.ref
        folder.mkdir(parents=True)
        said = {
            "name": person.name,
            "bio": person.bio,
            "birth_date": person.birth_date,
            "distance_mi": person.distance_mi,
            "fields": {"jobs": ["baker"]},
            **person.says,
        }
        (folder / "profile.json").write_text(json.dumps(said))
        for i, word in enumerate(person.words):
            draw(word, i, (80, 60)).save(folder / f"{i}.jpg")
    return root


def write_list(root: Path, people: list[Person]) -> Path:
    lines = []
    for person in people:
        names = []
        for i, word in enumerate(person.words):
            names.append(f"{person.ref}-{i}.jpg")
            draw(word, i, (80, 60)).save(root / names[-1])
        said: Mapping[str, Any] = {
            "id": person.ref,
            "name": person.name,
            "bio": person.bio,
            "birth_date": person.birth_date,
            "distance_mi": person.distance_mi,
            "pictures": names,
            "fields": {"jobs": ["baker"]},
            **person.says,
        }
        lines.append(json.dumps(said))
    (root / "deck.jsonl").write_text("\n".join(lines) + "\n")
    return root / "deck.jsonl"


@pytest.fixture
def service() -> Iterator[Standin]:
    with Standin(crowd(25, pictures=1)) as standin:
        yield standin


@pytest.fixture
def bench_of(tmp_path: Path, service: Standin) -> Callable[..., Bench]:
    """A bench of a kind over the same 25 candidates."""

    def make(kind: str, **options: Any) -> Bench:
        people = list(service.people.values())
        settings = service.settings(home=tmp_path / "home", fetch_timeout=30.0)
        if kind == "folder":
            path = write_folder(tmp_path / "deck", people)
            return Bench(kind, settings, {"path": str(path), **options})
        if kind == "jsonl":
            path = write_list(tmp_path, people)
            return Bench(kind, settings, {"path": str(path), **options})
        own = {"url": service.deck_url} if kind == "http" else {"pause": 0}
        return Bench(kind, settings, {**own, **options}, {"token": service.token}, service)

    return make
