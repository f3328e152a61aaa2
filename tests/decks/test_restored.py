"""A backup does not know what was sent after it was made: nothing of it may be sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tellapart.deck import Deck
from tellapart.store.backup import back_up
from tellapart.store.database import open_database
from tellapart.store.restore import restore
from tests.decks.conftest import Field


def test_a_restored_deck_is_off(fields: Callable[..., Field], tmp_path: Path) -> None:
    field = fields(3)
    deck = field.deck(mode="on")
    back_up(field.settings, tmp_path / "copy.zip")
    assert deck.turn().states == {"done": 3}
    elsewhere = replace(field.settings, home=tmp_path / "elsewhere")
    restore(elsewhere, tmp_path / "copy.zip")
    engine = open_database(elsewhere)
    back = Deck.open(engine, elsewhere, "pets").row
    engine.dispose()
    assert (back.mode, back.next_turn) == ("off", "")
    assert "backup" in back.why
