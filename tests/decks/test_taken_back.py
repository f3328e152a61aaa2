"""A label that was taken back leaves heads that learned from it: forgetting must find them."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from tellapart.decks.ledger import Ledger
from tellapart.forgetting import Asked, forget
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tests.decks.conftest import new_ledger, offer


def _taught(ledger: Ledger) -> list[str]:
    """Three candidates with labels, and a head that learned from them."""
    ids = [offer(ledger, f"pet-{number}", age=30) for number in range(3)]
    for id in ids:
        ledger.say(id, "like")
    ledger.challenge(b"weights", "", 3)
    return ids


def test_its_head_goes_with_it(any_engine: sa.Engine) -> None:
    ledger = new_ledger(any_engine)
    first, second, third = _taught(ledger)
    late = offer(ledger, "late", age=30)
    ledger.unsay(first)
    ledger.pick({first: "by chance"})
    assert ledger.drawn(5) == []  # a head has learned from it: it is no test
    ledger.forget(late)
    assert len(ledger.heads()) == 1  # nobody ever labelled that one
    ledger.forget(first)
    assert ledger.heads() == []

    # What is learned from now on knows nothing of those before.
    ledger.unsay(second)
    ledger.challenge(b"weights", "", 1)
    ledger.forget(second)
    assert len(ledger.heads()) == 1
    ledger.unsay(third)
    ledger.say(third, "pass")
    ledger.forget(third)
    assert ledger.heads() == []


def test_a_label_before_every_head_leaves_none(any_engine: sa.Engine) -> None:
    ledger = new_ledger(any_engine)
    one = offer(ledger, "one", age=30)
    ledger.say(one, "like")
    ledger.unsay(one)
    ledger.challenge(b"weights", "", 2)
    ledger.forget(one)
    assert len(ledger.heads()) == 1


def test_forget_by_id_takes_its_head_too(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    engine = open_database(settings)
    ledger = new_ledger(engine)
    first, second, _ = _taught(ledger)
    ledger.unsay(first)
    forget(settings, engine, Asked("candidate", first), owner="")
    assert ledger.heads() == []
    ledger.challenge(b"weights", "", 2)
    forget(settings, engine, Asked("candidate", offer(ledger, "late", age=30)), owner="")
    assert len(ledger.heads()) == 1
    forget(settings, engine, Asked("candidate", second), owner="")
    assert ledger.heads() == []
    engine.dispose()
