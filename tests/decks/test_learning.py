"""A deck learns: labels become a challenger, the gate lets it in or not, look-alikes move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tellapart.deck import Deck
from tellapart.decks.shapes import CandidateRow, Filters, Label
from tellapart.errors import DataError, InputError
from tellapart.steps.decide.tasting import Judge
from tellapart.store import database
from tellapart.store import schema_decks as schema
from tests.decks.conftest import Field

Fields = Callable[..., Field]


def _rows(deck: Deck) -> list[CandidateRow]:
    return list(deck.results(Filters(limit=100)).items)


def _word(field: Field, row: CandidateRow) -> Label:
    return "like" if field.service.people[row.ref].words[0] == "apple" else "pass"


def _judged(field: Field, number: int = 24) -> Deck:
    deck = field.deck(mode="dry", policy={})
    deck.turn()
    assert len(_rows(deck)) == number
    return deck


def _features(field: Field) -> int:
    with database.reading(field.engine) as connection:
        return len(connection.execute(sa.select(schema.deck_features.c.base)).all())


def test_from_the_first_label_to_a_head_that_judges_live(fields: Fields, tmp_path: Path) -> None:
    field = fields(24, seconds=20.0)
    deck = _judged(field)
    assert _features(field) == 24
    rows = _rows(deck)
    with pytest.raises(DataError):
        deck.retrain()
    told = deck.learn(rows[0].id)
    assert (told["head"], told["moved"]) == ("", [])

    picked = deck.review_next(5)
    assert len({row.id for row in picked}) == 5
    for row in rows[:16]:
        deck.correct(row.id, _word(field, row))
    told = deck.learn(rows[0].id)
    assert told["state"] == "challenger"
    assert told["moved"][0]["candidate"] == rows[0].id
    assert told["moved"][0]["name"] == rows[0].name
    progress = deck.progress()
    assert progress["labels"] == 16
    assert progress["likes"] + progress["passes"] == 16

    head = deck.retrain()  # nobody has acted by another head: there is none to be better than
    assert head.state == "champion"
    deck.on()
    report = deck.turn()
    assert report.error is None
    right = [
        row.action is not None and row.action.action == _word(field, row) for row in _rows(deck)
    ]
    assert sum(right) >= 22
    assert deck.heat(rows[0].id, 0).ndim == 2
    same = deck.replay(deck.row.policy)
    assert same.same == same.total

    # It has acted: the next one is let in only after a comparison, for which there is too little.
    wrong = _rows(deck)[-1]
    deck.correct(wrong.id, "pass" if _word(field, wrong) == "like" else "like")
    assert deck.learn(wrong.id)["state"] == "challenger"
    assert deck.state()["champion"].id == head.id
    shadow = deck.retrain()
    assert (shadow.state, shadow.evaluation["p"]) == ("shadow", None)
    assert deck.state()["champion"].id == head.id
    assert "Too little" in shadow.why
    with pytest.raises(InputError):
        deck.rollback()

    count = deck.labels(tmp_path / "labels.csv")
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    assert (lines[0], len(lines)) == ("path,label,group", count + 1)
    deck.keep_up()
    assert deck.undo() is not None


def test_features_that_may_not_be_kept_are_made_again(
    fields: Fields, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judge, "keeps", False)
    field = fields(8, seconds=20.0)
    deck = _judged(field, 8)
    for row in _rows(deck):
        deck.correct(row.id, _word(field, row))
    assert deck.retrain().state == "champion"
    assert _features(field) == 0
