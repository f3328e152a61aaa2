"""A turn against the stand-in service: who is judged, what is sent, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.standin import Person, crowd
from tellapart.deck import Deck
from tellapart.decks.shapes import TurnReport
from tellapart.errors import BusyError, InputError
from tellapart.runtime import autopilot
from tellapart.steps.decide import preparing
from tellapart.steps.decide.eyes import Estimates
from tellapart.store import database
from tellapart.store import schema_decks as schema
from tests.decks.conftest import EVERYTHING, Field

Fields = Callable[..., Field]


def _agrees(field: Field, deck: Deck) -> None:
    """What the ledger says was done is what the service's own log says."""
    assert field.service.twice() == []
    done = {one.ref for one in field.service.acts()}
    said = {
        row.ref: row.action.state
        for row in deck.results().items
        if row.action is not None and row.action.intent_at
    }
    assert {ref for ref, state in said.items() if state == "done"} <= done
    assert done <= {ref for ref, state in said.items() if state in ("done", "unknown")}


class TestModes:
    def test_a_new_deck_is_off_and_takes_no_turn(self, fields: Fields) -> None:
        deck = fields().deck()
        assert deck.row.mode == "off"
        with pytest.raises(InputError):
            deck.turn()

    def test_a_dry_turn_decides_and_sends_nothing(self, fields: Fields) -> None:
        field = fields()
        deck = field.deck(mode="dry")
        report = deck.turn()
        assert (report.judged, report.actions, report.end) == (6, {"like": 6}, "exhausted")
        assert field.service.acts() == []
        assert deck.turn().judged == 0

    def test_a_live_turn_sends_each_act_once(self, fields: Fields) -> None:
        field = fields()
        deck = field.deck(mode="on")
        report = deck.turn()
        assert report.states == {"done": 6}
        assert len(field.service.acts()) == 6
        assert deck.turn().judged == 0
        matches = [row.ref for row in deck.results().items if row.action and row.action.match]
        assert len(matches) == 2
        _agrees(field, deck)

    def test_what_was_judged_dry_is_acted_upon_when_it_is_on(self, fields: Fields) -> None:
        field = fields()
        deck = field.deck(mode="dry")
        deck.turn()
        deck.on()
        assert deck.turn().states == {"done": 6}
        _agrees(field, deck)

    def test_a_limit(self, fields: Fields) -> None:
        field = fields()
        deck = field.deck(mode="on")
        report = deck.turn(2)
        assert (report.judged, report.end, len(field.service.acts())) == (2, "limit", 2)
        assert deck.turn().judged == 4

    def test_the_policy_s_own_limit_stops_it(self, fields: Fields) -> None:
        field = fields()
        deck = field.deck(mode="on", policy={**EVERYTHING, "limits": {"day": 3}})
        report = deck.turn()
        assert (report.end, len(field.service.acts())) == ("stop", 3)
        assert "limit of 3" in report.why
        assert deck.turn().judged == 0

    def test_switched_off_amid_a_turn(self, fields: Fields) -> None:
        field = fields()
        deck = field.deck(mode="on")

        def off(done: int) -> None:
            if done == 3:
                Deck.open(field.engine, field.settings, "pets").off("enough")

        report = deck.turn(progress=off)
        assert (report.end, len(field.service.acts())) == ("switched off", 3)
        assert deck.row.why == "enough"
        deck.on()
        assert deck.turn().states == {"done": 3}
        _agrees(field, deck)

    def test_one_turn_at_a_time(self, fields: Fields) -> None:
        field = fields()
        deck = field.deck(mode="dry")
        refused: list[Exception] = []

        def another(done: int) -> None:
            try:
                Deck.open(field.engine, field.settings, "pets").turn()
            except BusyError as error:
                refused.append(error)

        deck.turn(1, progress=another)
        assert len(refused) == 1

    def test_it_ends_where_nobody_wants_it_any_more(self, fields: Fields) -> None:
        deck = fields().deck(mode="dry")
        assert deck.turn(cancelled=lambda: True).end == "cancelled"


class TestPeople:
    def test_of_who_is_no_adult_nothing_is_kept_but_a_count(self, fields: Fields) -> None:
        young = Person("f00dcafe01", name="Zyxwvut", bio="Qponmlk", birth_date=None)
        younger = Person("f00dcafe02", name="Zyxwvut", birth_date="2015-01-02T00:00:00.000Z")
        field = fields([young, younger, *crowd(2)])
        deck = field.deck(mode="on")
        report = deck.turn()
        assert (report.not_adult, report.judged) == (2, 2)
        assert deck.counts().not_adult == 2
        field.engine.dispose()
        for file in field.settings.home.rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                assert not any(word in data for word in (b"Zyxwvut", b"Qponmlk", b"f00dcafe"))
        assert not {"f00dcafe01", "f00dcafe02"} & {one.ref for one in field.service.acts()}

    def test_who_is_no_adult_any_more_is_dropped(self, fields: Fields) -> None:
        field = fields(3)
        deck = field.deck(mode="dry")
        deck.turn()
        ref = next(iter(field.service.people))
        field.service.change(ref, birth_date=None)
        deck.on()
        assert deck.turn().not_adult == 1
        assert ref not in {row.ref for row in deck.results().items}
        assert ref not in {one.ref for one in field.service.acts()}
        for file in field.settings.home.rglob("*"):  # free pages and the database's log too
            assert not file.is_file() or ref.encode() not in file.read_bytes()

    def test_a_deck_that_turns_out_to_hold_people(self, fields: Fields) -> None:
        things = [Person("aa11", birth_date=None), *crowd(2)]
        field = fields(things, are_people=False)
        deck = field.deck(mode="dry", people=False, policy={"age": {"min": 3}, "accept_all": True})
        assert deck.turn().judged == 3
        young = next(row for row in deck.results().items if row.ref == "aa11")
        assert deck.picture(young.id, 0)
        deck.correct(young.id, "like")
        deck.ledger.decide(deck.ledger.challenge(b"learned from it", "", 1), "champion", {}, "")
        deck.change(people=True)
        assert deck.row.mode == "off"
        assert deck.counts().candidates == 2
        assert deck.counts().not_adult == 1
        assert deck.policy.age.min == 18
        assert deck.heads() == []
        kept = {one.sha256 for row in deck.results().items for one in row.pictures}
        assert {file.name for file in (deck.folder / "pictures").iterdir()} == kept
        deck.dry()
        assert deck.turn().error is None

    def test_a_turn_under_way_hears_that_it_holds_people(self, fields: Fields) -> None:
        field = fields([*crowd(3), Person("zz", birth_date=None)], are_people=False)
        deck = field.deck(mode="on", people=False)

        def told(judged: int) -> None:
            deck.ledger.guard(deck.row.policy)

        report = deck.turn(progress=told)
        assert (report.end, len(field.service.acts())) == ("switched off", 1)

    def test_who_was_acted_upon_and_is_no_adult_is_never_acted_upon_again(
        self, fields: Fields
    ) -> None:
        field = fields(2)
        deck = field.deck(mode="on")
        deck.turn()
        ref = next(iter(field.service.people))
        birth = field.service.people[ref].birth_date
        field.service._judged.clear()  # it would take another act
        field.service._matched.clear()
        field.service.change(ref, birth_date=None)
        assert deck.turn().not_adult == 1
        field.service.change(ref, birth_date=birth)
        assert deck.turn().judged == 0
        assert field.service.twice() == []

    def test_an_estimate_that_is_not_clear_asks_a_person(
        self, fields: Fields, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @dataclass(frozen=True)
        class Age:
            years = 17.86543
            clearly_adult = False

        @dataclass(frozen=True)
        class Face:
            age = Age()

        def look(pixels: np.ndarray) -> list[Any]:
            return [Face()]

        monkeypatch.setattr(preparing, "_ages", lambda settings: Estimates(look))
        field = fields(2)
        deck = field.deck(mode="on")
        assert deck.turn().actions == {"leave": 2}
        assert field.service.acts() == []
        row = deck.results().items[0]
        assert row.action is not None
        assert (row.action.rule, row.action.person) == ("estimate", True)
        assert deck.counts().to_review == 2
        field.engine.dispose()
        at_rest = b"".join(p.read_bytes() for p in field.settings.home.glob("*.sqlite*"))
        assert b"17.86" not in at_rest
        assert np.float32(17.86543).tobytes() not in at_rest
        # A person's word is a decision, and it is acted upon once.
        deck.correct(row.id, "like")
        assert deck.turn().states == {"done": 1}
        assert [one.ref for one in field.service.acts()] == [row.ref]


class TestRules:
    def test_a_rule_that_decides_loads_no_model(
        self, fields: Fields, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(*_: Any) -> Any:
            raise AssertionError("a model was asked for")

        monkeypatch.setattr(preparing, "judge_of", never)
        deck = fields().deck(mode="on", policy={"bio": {"required": True, "like": ["walks"]}})
        report = deck.turn(1)
        assert report.error is None

    def test_without_a_taste_nobody_is_judged(self, fields: Fields) -> None:
        field = fields(2)
        deck = field.deck(mode="on", policy={})
        report = deck.turn()
        assert report.actions == {"leave": 2}
        assert field.service.acts() == []
        row = deck.results().items[0]
        assert row.pictures[0].sha256
        assert len(deck.picture(row.id, 0)) > 100

    def test_replay_with_the_same_policy_is_the_same(self, fields: Fields) -> None:
        people = [*crowd(4), Person("no_bio", bio=""), Person("far", distance_mi=900.0)]
        deck = fields(people).deck(
            mode="dry", policy={"distance": {"max": 500}, "bio": {"like": ["walks", "books"]}}
        )
        deck.turn()
        same = deck.replay(deck.row.policy)
        assert (same.total, same.same, same.differences) == (6, 6, ())
        other = deck.replay({**deck.row.policy, "accept_all": True})
        assert other.changed
        assert deck.replay(deck.row.policy).differences == ()

    def test_a_policy_is_replaced_and_told(self, fields: Fields) -> None:
        deck = fields(1).deck()
        deck.set_policy({"accept_all": False, "explore": 0.1})
        assert deck.policy.explore == 0.1
        assert "explore" in deck.log(kind="policy")[0].text


class TestFaults:
    """What a service may do wrong: no crash, no second act, and a word for a person."""

    @pytest.mark.parametrize(
        ("kind", "code", "off"),
        [
            ("token_dead", "credential", True),
            ("forbidden", "rate_limited", True),
            ("rate_limited", "rate_limited", True),
            ("schema", "schema_changed", True),
            ("error", "service", False),
            ("garbage", "service", False),
            ("drop", "service", False),
        ],
    )
    def test_while_it_is_asked_for_candidates(
        self, fields: Fields, kind: str, code: str, off: bool
    ) -> None:
        field = fields()
        field.service.tell(kind, "next")
        deck = field.deck(mode="on")
        report = deck.turn()
        assert report.error is not None
        assert (report.error["code"], deck.row.mode) == (code, "off" if off else "on")
        error = deck.row.error
        assert error is not None
        assert error["what"]
        assert field.service.acts() == []
        field.service.mend()
        deck.on()
        assert deck.row.error is None
        assert deck.turn().states == {"done": 6}

    @pytest.mark.parametrize("kind", ["token_dead", "forbidden", "rate_limited"])
    def test_while_it_acts_and_surely_did_not(self, fields: Fields, kind: str) -> None:
        field = fields()
        field.service.tell(kind, "act", after=2)
        deck = field.deck(mode="on")
        report = deck.turn()
        assert (report.states, deck.row.mode) == ({"done": 2, "refused": 1}, "off")
        field.service.mend()
        deck.on()
        assert deck.turn().states == {"done": 4}
        _agrees(field, deck)

    @pytest.mark.parametrize("kind", ["drop", "garbage", "half", "empty", "error"])
    @pytest.mark.parametrize("done", [True, False])
    def test_a_doubt_is_shown_asked_for_and_never_sent_again(
        self, fields: Fields, kind: str, done: bool
    ) -> None:
        field = fields(4)
        field.service.tell(kind, "act", after=1, times=1, done=done)
        deck = field.deck(mode="on")
        report = deck.turn()
        assert report.end == "error"
        assert report.states.get("unknown") == 1
        after = deck.turn()
        assert after.reconciled == 1
        states = deck.counts().states
        assert states == ({"done": 4} if done else {"done": 3, "missed": 1})
        assert len(field.service.asked("act")) == 4
        _agrees(field, deck)

    def test_an_answer_that_never_comes(self, fields: Fields) -> None:
        field = fields(3, seconds=0.5)
        field.service.tell("hang", "act", times=1, done=True)
        deck = field.deck(mode="on")
        report = deck.turn()
        assert report.states == {"unknown": 1}
        assert deck.turn().reconciled == 1
        assert deck.counts().states == {"done": 3}
        _agrees(field, deck)

    def test_no_likes_left_stops_it_until_there_are_some(self, fields: Fields) -> None:
        field = fields(likes=2)
        deck = field.deck(mode="on")
        report = deck.turn()
        assert (report.end, len(field.service.acts())) == ("stop", 2)
        row = deck.row
        assert (row.likes_left, row.error) == (0, None)
        assert row.out_until > row.switched_at
        _agrees(field, deck)

    def test_recs_exhausted_is_an_end(self, fields: Fields) -> None:
        field = fields()
        field.service.tell("exhausted", "next")
        deck = field.deck(mode="on")
        report = deck.turn()
        assert (report.end, report.error, deck.row.mode) == ("exhausted", None, "on")

    def test_the_token_is_not_at_rest(self, fields: Fields) -> None:
        field = fields(2)
        field.service.tell("error", "next")
        deck = field.deck(mode="on")
        deck.turn()
        field.engine.dispose()
        token = field.service.token.encode()
        for file in field.settings.home.rglob("*"):
            assert not file.is_file() or token not in file.read_bytes()

    def test_a_missing_token_switches_it_off(self, fields: Fields) -> None:
        field = fields(2)
        deck = field.deck(mode="on")
        deck.credential("token", "")
        assert deck.row.mode == "off"


class TestSources:
    def test_a_folder_records_and_sends_nothing(self, tmp_path: Path, fields: Fields) -> None:
        from tellapart.demo.drawing import draw

        field = fields(1)
        for number in range(3):
            folder = tmp_path / "flats" / f"flat {number}"
            folder.mkdir(parents=True)
            draw("apple", number, (64, 48)).save(folder / "1.jpg")
        deck = Deck.add(
            field.engine,
            field.settings,
            "flats",
            "folder",
            {"path": str(tmp_path / "flats")},
            people=False,
            policy=EVERYTHING,
        )
        deck.on()
        report: TurnReport = deck.turn()
        assert report.states == {"done": 3}
        assert deck.turn().judged == 0

    def test_it_must_be_said_whether_they_are_people(self, fields: Fields) -> None:
        field = fields(1)
        with pytest.raises(InputError):
            Deck.add(field.engine, field.settings, "x", "http", {"url": field.service.deck_url})
        with pytest.raises(InputError):
            field.deck("Not a name")

    def test_people_stay_people(self, fields: Fields) -> None:
        deck = fields(1).deck(people=True)
        with pytest.raises(InputError):
            deck.change(people=False)
        deck.change(title="Pets", every_s=1)
        assert (deck.row.title, deck.row.every_s) == ("Pets", 60)

    def test_delete_leaves_nothing(self, fields: Fields) -> None:
        field = fields(2)
        deck = field.deck(mode="dry")
        deck.turn()
        folder = deck.folder
        deck.delete()
        assert not folder.exists()
        assert Deck.all(field.engine, field.settings) == []

    def test_a_source_that_is_gone_leaves_a_deck_that_can_be_seen_and_deleted(
        self, fields: Fields
    ) -> None:
        field = fields(1)
        deck = field.deck(mode="on")
        deck.ledger.change(source="uninstalled")
        report = deck.turn()
        assert report.error is not None
        assert deck.row.mode == "off"
        assert deck.row.error is not None
        assert "source" in deck.state()["may_on"][0]
        deck.delete()
        assert Deck.all(field.engine, field.settings) == []

    def test_what_is_kept_too_long_goes_also_where_it_is_off(self, fields: Fields) -> None:
        field = fields(2)
        deck = field.deck(mode="dry")
        deck.turn()
        deck.off()
        name = deck.results().items[0].name
        with database.writing(field.engine) as connection:
            old = {"judged_at": "2020-01-01T00:00:00.000Z"}
            connection.execute(schema.deck_candidates.update().values(**old))
        autopilot.tidy(field.engine, field.settings)
        assert {row.state for row in deck.results().items} == {"emptied"}
        assert list((deck.folder / "pictures").iterdir()) == []
        for file in field.settings.home.glob("*.sqlite*"):
            assert name.encode() not in file.read_bytes()

    def test_a_secret_does_not_follow_to_another_service(self, fields: Fields) -> None:
        field = fields(1)
        deck = field.deck(mode="dry")
        url = field.service.deck_url
        deck.change(options={"url": url, "pause": 0.5})
        assert deck.row.mode == "off"
        assert deck.state()["needs"][0]["have"]
        deck.change(options={"url": url.replace("127.0.0.1", "localhost")})
        assert not deck.state()["needs"][0]["have"]

    def test_an_age_is_heard_anew_before_a_person_s_word_is_acted_upon(
        self, fields: Fields, tmp_path: Path
    ) -> None:
        import json

        from tellapart.demo.drawing import draw

        def put(name: str, age: int) -> None:
            folder = tmp_path / "people" / name
            folder.mkdir(parents=True, exist_ok=True)
            draw("apple", age, (64, 48)).save(folder / "1.jpg")
            (folder / "profile.json").write_text(json.dumps({"name": name, "age": age}))

        put("ada", 30)
        put("bo", 25)
        field = fields(1)
        left = {"veto": [{"field": "name", "equals": ["ada", "bo"], "do": "leave"}]}
        path = {"path": str(tmp_path / "people")}
        deck = Deck.add(field.engine, field.settings, "x", "folder", path, people=True, policy=left)
        deck.on()
        assert deck.turn().actions == {"leave": 2}
        for row in deck.results().items:
            deck.correct(row.id, "like")
        put("ada", 16)
        report = deck.turn()
        assert (report.not_adult, report.states) == (1, {"done": 1})
        assert [row.name for row in deck.results().items] == ["bo"]
