"""The unofficial source through whole turns: every gate before the first act, every no of the
service, and the token nowhere at rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.standin import Standin, crowd
from tellapart.deck import Deck
from tellapart.errors import TellapartError
from tellapart.settings import Settings
from tellapart.store.database import open_database


@dataclass
class Field:
    service: Standin
    settings: Settings
    engine: sa.Engine

    def deck(self, name: str = "people", **policy: Any) -> Deck:
        deck = Deck.add(
            self.engine,
            self.settings,
            name,
            "tinder",
            {"pause": 0},
            people=True,
            policy={"accept_all": True, **policy},
        )
        deck.credential("token", self.service.token)
        return deck

    def ready(self, monkeypatch: pytest.MonkeyPatch) -> Deck:
        """A deck that is on, without fifty reviews."""
        deck = self.deck()
        deck.confirm()
        monkeypatch.setattr(deck.source, "least_dry", 0)
        deck.on()
        return deck


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with Standin(crowd(12, pictures=1), size=(48, 48)) as service:
        settings = service.settings(home=tmp_path / "home", fetch_timeout=30.0)
        engine = open_database(settings)
        yield Field(service, settings, engine)
        engine.dispose()


def test_no_act_before_every_gate_is_passed(field: Field) -> None:
    service, deck = field.service, field.deck()
    service.people = {person.ref: person for person in crowd(60, pictures=1)}
    assert deck.row.mode == "off" and deck.row.people
    against = " ".join(deck.may_on())
    assert "confirmed" in against and "50" in against
    with pytest.raises(TellapartError):
        deck.on()
    deck.confirm()
    deck.dry()
    assert deck.turn().judged == 60
    assert not service.acts() and service.asked("next")
    with pytest.raises(TellapartError, match="reviewed"):
        deck.on()
    for number, shown in enumerate(deck.review_next(50)):
        deck.correct(shown.id, "like" if number % 2 else "pass")
    deck.on()
    deck.turn()
    liked = {entry.ref for entry in service.acts() if entry.action == "like"}
    assert len(service.acts()) == 60 and not service.twice() and len(liked) == 35
    assert {entry.action for entry in service.acts()} == {"like", "pass"}


def test_taking_the_confirmation_back_ends_it(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = field.ready(monkeypatch)
    deck.withdraw()
    assert deck.row.mode == "off"
    with pytest.raises(TellapartError, match="confirmed"):
        deck.on()
    assert not field.service.log


@pytest.mark.parametrize(
    ("fault", "mode", "acts"),
    [
        ("token_dead", "off", 2),
        ("forbidden", "off", 2),
        ("rate_limited", "off", 2),
        ("rate_limited_words", "off", 2),
        ("exhausted", "on", 2),
        ("error", "on", 3),
        ("drop", "on", 3),
        ("hang", "on", 3),
        ("garbage", "on", 3),
        ("schema", "on", 3),
    ],
)
def test_a_no_amid_the_acts(
    field: Field, monkeypatch: pytest.MonkeyPatch, fault: str, mode: str, acts: int
) -> None:
    if fault == "hang":
        field.settings = replace(field.settings, fetch_timeout=2.0)
    deck, service = field.ready(monkeypatch), field.service
    service.tell(fault, "act", after=2, done=acts == 3)
    report = deck.turn()
    assert len(service.acts()) == acts and deck.row.mode == mode
    # After a doubt, and after a no, the turn sends nothing more.
    assert len(service.asked("act")) == 3
    assert report.states["done"] == 2 and (report.states.get("unknown") == 1) == (acts == 3)
    shown = f"{report} {deck.state()} {deck.log()} {deck.results()}"
    assert service.token not in shown
    service.mend()
    if mode == "off":
        before = len(service.log)
        with pytest.raises(TellapartError):
            deck.turn()
        assert len(service.log) == before
        deck.on()
    if fault != "exhausted":
        # Those left, and none of the others anew; whom a turn saw and left, the service shows
        # again once it has shown all.
        deck.turn()
        deck.turn()
        assert not service.twice() and len(service.acts()) == 12


@pytest.mark.parametrize(
    ("fault", "mode"),
    [
        ("token_dead", "off"),
        ("rate_limited", "off"),
        ("rate_limited_id", "off"),
        ("schema", "off"),
        ("exhausted", "on"),
        ("error", "on"),
        ("hang", "on"),
        ("garbage", "on"),
        ("empty", "on"),
    ],
)
def test_a_no_before_any_act(
    field: Field, monkeypatch: pytest.MonkeyPatch, fault: str, mode: str
) -> None:
    if fault == "hang":
        field.settings = replace(field.settings, fetch_timeout=2.0)
    deck, service = field.ready(monkeypatch), field.service
    service.tell(fault, "next")
    report = deck.turn()
    assert not service.acts() and deck.row.mode == mode
    assert (report.error is None) == (fault == "exhausted")
    if report.error is not None:
        assert set(report.error) >= {"what", "expected", "do"}


def test_who_is_no_adult_leaves_nothing_but_a_count(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck, service = field.ready(monkeypatch), field.service
    refs = list(service.people)
    service.change(refs[0], name="Zqminor", birth_date="2015-01-01T00:00:00.000Z")
    service.change(refs[1], name="Zqageless", birth_date=None)
    service.change(refs[2], name="Zqepoch", birth_date="1970-01-01T00:00:00.000Z")
    service.likes_left = 5
    report = deck.turn()
    assert report.not_adult == 3 and not {entry.ref for entry in service.acts()} & set(refs[:3])
    _search(field, b"Zqminor", b"Zqageless", b"Zqepoch", *(ref.encode() for ref in refs[:3]))


def test_the_token_is_nowhere_at_rest(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    deck, service = field.ready(monkeypatch), field.service
    for fault in ("error", "garbage", "token_dead"):
        service.tell(fault, times=1)
        deck.turn()
        service.mend()
        deck.on()
    _search(field, service.token.encode(), service.token[:20].encode())


def _search(field: Field, *needles: bytes) -> None:
    """No file of the home holds any of these."""
    field.engine.dispose()
    files = [file for file in field.settings.home.rglob("*") if file.is_file()]
    assert files
    for file in files:
        data = file.read_bytes()
        assert not any(needle in data for needle in needles), file


def test_through_a_proxy_nothing_begins(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    deck = field.ready(monkeypatch)
    settings = replace(field.settings, trust_proxies=True)
    report = Deck.open(field.engine, settings, deck.row.name).turn()
    assert report.error is not None and "PROX" in report.error["what"]
    assert not field.service.log
