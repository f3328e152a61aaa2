"""Decks on a real database, against the stand-in service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.standin import Standin, crowd
from tellapart.deck import Deck
from tellapart.decks import listing
from tellapart.decks.ledger import Ledger
from tellapart.decks.stream import Offered
from tellapart.settings import Settings
from tellapart.store.database import open_database, open_url

EVERYTHING: dict[str, Any] = {"accept_all": True}


@pytest.fixture(params=["sqlite", "postgresql"])
def any_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """The same on both databases."""
    if request.param == "sqlite":
        engine = open_database(Settings(home=tmp_path / "home"))
    else:
        engine = open_url(request.getfixturevalue("postgres_url"))
    yield engine
    engine.dispose()


def new_ledger(engine: sa.Engine, name: str = "pets", owner: str = "", **values: Any) -> Ledger:
    """A deck's ledger without a source that could be asked."""
    columns = {"source": "jsonl", "options": {}, "policy": {}, **values}
    return Ledger(engine, listing.create(engine, owner, name, columns))


def offer(ledger: Ledger, ref: str, **facts: Any) -> str:
    """A candidate's id."""
    return ledger.offer(Offered(ref, **facts)).id


@dataclass
class Field:
    """A service, and decks that listen to it."""

    service: Standin
    settings: Settings
    engine: sa.Engine

    def deck(self, name: str = "pets", mode: str = "", **values: Any) -> Deck:
        """A deck of the service; `mode`: in which it is."""
        values = {"people": self.service.are_people, "policy": EVERYTHING, **values}
        options = {"url": self.service.deck_url}
        deck = Deck.add(self.engine, self.settings, name, "http", options, **values)
        deck.credential("token", self.service.token)
        if mode:
            deck.on() if mode == "on" else deck.dry()
        return deck


@pytest.fixture
def fields(tmp_path: Path) -> Iterator[Callable[..., Field]]:
    """Makes a field: `fields(people, likes=…)`."""
    opened: list[Field] = []

    def make(people: Any = 6, seconds: float = 2.0, **options: Any) -> Field:
        given = crowd(people, pictures=1) if isinstance(people, int) else people
        service = Standin(given, size=(48, 48), **options)
        service.__enter__()
        home = tmp_path / f"home{len(opened)}"
        settings = service.settings(home=home, fetch_timeout=seconds)
        opened.append(Field(service, settings, open_database(settings)))
        return opened[-1]

    yield make
    for field in opened:
        field.engine.dispose()
        field.service.__exit__()
