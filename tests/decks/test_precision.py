"""The precision of the network is switched: the deck learns anew, and judges with nothing mixed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tellapart.deck import Deck
from tellapart.decks.shapes import CandidateRow, Filters, Label
from tellapart.learn import engine
from tellapart.learn.taste import Taste
from tellapart.steps.decide import preparing, tasting
from tellapart.store import database
from tellapart.store import schema_decks as schema
from tests.decks.conftest import Field
from tests.taste.test_taste_sight import bundle

Fields = Callable[..., Field]
GONE = "The features that the head learned on are gone: retrain the deck."


def _rows(deck: Deck) -> list[CandidateRow]:
    return list(deck.results(Filters(limit=100)).items)


def _word(field: Field, row: CandidateRow) -> Label:
    return "like" if field.service.people[row.ref].words[0] == "apple" else "pass"


def _live(deck: Deck) -> Taste:
    found = deck.ledger.head("champion")
    assert found is not None
    return Taste.from_bytes(found[1])


def _right(field: Field, deck: Deck) -> int:
    return sum(
        row.action is not None
        and row.action.state == "done"
        and row.action.action == _word(field, row)
        for row in _rows(deck)
    )


def _bases(field: Field) -> dict[str, int]:
    column = schema.deck_features.c.base
    with database.reading(field.engine) as connection:
        query = sa.select(column, sa.func.count()).group_by(column)
        return {row[0]: row[1] for row in connection.execute(query)}


def _taught(fields: Fields) -> tuple[Field, Deck]:
    """A live deck of 24, 8 labelled by nobody; its head in fp32 has acted on 4 of those."""
    field = fields(24, seconds=20.0)
    deck = field.deck(mode="dry", policy={})
    deck.turn()
    for row in _rows(deck)[:16]:
        deck.correct(row.id, _word(field, row))
    assert deck.retrain().state == "champion"
    deck.on()
    deck.turn(4)
    return field, deck


def test_to_bf16_and_back(fields: Fields) -> None:
    if importlib.util.find_spec("openvino") is None or not engine._has_bf16():
        pytest.skip("OpenVINO, or bf16 on this CPU, is not here")
    field, deck = _taught(fields)
    first = _live(deck)
    half = Deck.open(field.engine, replace(field.settings, sight_precision="bf16"), deck.name)

    report = half.turn()  # its head cannot judge: whoever nobody has labelled is left
    assert report.error is None and report.actions["leave"] == 4
    assert _live(half).base == first.base
    half.keep_up()  # as the autopilot does after a turn
    second = _live(half)
    assert second.base == f"{first.base}-bf16" and second.labels == first.labels
    assert "not worse beyond noise" in half.heads()[0].why
    assert half.turn().error is None
    assert _right(field, half) >= 22
    assert len(_bases(field)) == 2 and set(_bases(field).values()) == {24}
    assert half.heat(_rows(half)[0].id, 0).ndim == 2
    assert [line.text for line in half.log(100, "head")].count(GONE) == 1

    # Back: by hand this time.
    assert deck.retrain().state == "champion"
    assert _live(deck).base == first.base
    assert len(_bases(field)) == 2
    for row in _rows(deck)[:2]:  # and it goes on learning
        deck.correct(row.id, _word(field, row))
        assert deck.learn(row.id)["state"] == "challenger"
    half.keep_up()
    assert _live(half).base == second.base


def test_where_it_does_not_run_nothing_changes(
    fields: Fields, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="without it the reason is another one")
    monkeypatch.setattr(engine, "_has_bf16", lambda: False)
    field, deck = _taught(fields)
    half = Deck.open(field.engine, replace(field.settings, sight_precision="bf16"), deck.name)
    assert half.turn().error is None
    assert _right(field, half) >= 22
    half.progress()
    notes = [line.text for line in half.log(100, "head") if "bf16" in line.text]
    assert notes == ["The network runs in fp32, not in bf16: the CPU has no bf16."]


def test_the_head_of_a_project_judges_in_fp32(
    fields: Fields, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("openvino") is None or not engine._has_bf16():
        pytest.skip("OpenVINO, or bf16 on this CPU, is not here")
    path = bundle(tmp_path)
    monkeypatch.setattr(tasting, "_newest", lambda *_: "mine/1")
    for room in (tasting, preparing):
        monkeypatch.setattr(room, "bundle", lambda *given: path if given[-1] else None)
    field = fields(8, seconds=20.0)
    deck = field.deck(mode="dry", policy={})
    half = Deck.open(field.engine, replace(field.settings, sight_precision="bf16"), deck.name)
    given = half._engine, half.settings, half.ledger, half.row
    judge = tasting.judge_of(*given)
    assert (judge.head, judge.base, judge.sight.precision) == ("project", "mine/1", "fp32")
    assert judge.taste is not None and judge.taste.base == judge.sight.key
    beside = preparing.learning(*given, half.folder).judge
    assert beside.sight.precision == "bf16" and beside.taste is not None
    assert beside.taste.base == beside.sight.key == f"{judge.sight.key}-bf16"

    assert half.turn().error is None
    assert set(_bases(field)) == {judge.sight.key}
    for row in _rows(half):
        half.correct(row.id, _word(field, row))
    assert half.learn()["state"] == "challenger"
    own = tasting.judge_of(*given)
    assert own.taste is not None and own.taste.base == own.sight.key == beside.sight.key
