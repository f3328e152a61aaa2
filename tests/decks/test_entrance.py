"""An act that met 401, 403 or 429 is believed not done, and asked for before it is sent anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.decks.conftest import Field

Fields = Callable[..., Field]


@pytest.mark.parametrize("kind", ["token_dead", "forbidden", "rate_limited"])
@pytest.mark.parametrize("done", [True, False])
def test_it_is_asked_for_before_it_is_sent_anew(fields: Fields, kind: str, done: bool) -> None:
    field = fields(4)
    field.service.tell(kind, "act", after=1, times=1, done=done)
    deck = field.deck(mode="on")
    report = deck.turn()
    assert (report.states, deck.row.mode) == ({"done": 1, "refused": 1}, "off")
    deck.on()
    after = deck.turn()
    assert (after.error, after.reconciled) == (None, int(done))
    assert deck.counts().states["done"] == 4
    assert field.service.twice() == []
    sent = [one.ref for one in field.service.asked("act")]
    assert len(sent) == (4 if done else 5) and len(set(sent)) == 4


def test_it_is_asked_for_once(fields: Fields) -> None:
    field = fields(2)
    field.service.tell("forbidden", "act", times=1)
    deck = field.deck(mode="on")
    deck.turn()
    waiting = deck.ledger.turned_away()
    assert len(waiting) == 1
    deck.ledger.asked(waiting[0].id)
    assert deck.ledger.turned_away() == []
    deck.on()
    deck.turn()
    assert deck.counts().states["done"] == 2
