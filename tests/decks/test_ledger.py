"""The ledger: one intent a candidate, under the switch; labels, heads, what is kept how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tellapart.decks import listing
from tellapart.decks.holding import HOLD_S
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import Filters, iso
from tellapart.decks.stream import Offered
from tellapart.decks.verdicts import Limits, Verdict
from tellapart.errors import BusyError, InputError, Interrupted, NotFoundError, StorageError
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store import schema_decks as schema
from tests.decks.conftest import new_ledger, offer


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return new_ledger(database.open_database(settings))


def _like(candidate: str) -> Verdict:
    return Verdict(candidate, "like", "accept_all", "Accept all is on.")


def _live(ledger: Ledger, turn: str = "t_1") -> str:
    ledger.switch("on", "")
    ledger.hold(turn, "here")
    return offer(ledger, "a")


class TestIntents:
    def test_an_intent_is_stored_with_the_verdict(self, any_engine: sa.Engine) -> None:
        ledger = new_ledger(any_engine)
        candidate = _live(ledger)
        kept = ledger.keep(_like(candidate), "t_1", "on")
        assert (kept.send, kept.state) == (True, "intended")
        row = ledger.candidate(candidate)
        assert row.action is not None
        assert (row.action.state, row.action.action) == ("intended", "like")
        assert row.action.intent_at

    def test_a_candidate_has_one(self, any_engine: sa.Engine) -> None:
        ledger = new_ledger(any_engine)
        candidate = _live(ledger)
        assert ledger.keep(_like(candidate), "t_1", "on").send
        again = ledger.keep(_like(candidate), "t_1", "on")
        assert (again.send, again.state) == (False, "held")

    def test_the_database_itself_lets_one_pass(self, any_engine: sa.Engine) -> None:
        ledger = new_ledger(any_engine)
        candidate = _live(ledger)
        ledger.keep(_like(candidate), "t_1", "on")
        ledger.keep(_like(candidate), "t_1", "on")
        second = schema.deck_actions.c.state == "held"
        with pytest.raises(StorageError), database.writing(any_engine) as connection:
            change = schema.deck_actions.update().where(second)
            connection.execute(change.values(intent="act"))

    @pytest.mark.parametrize("mode", ["off", "dry"])
    def test_the_switch_is_looked_at_in_the_transaction(self, ledger: Ledger, mode: str) -> None:
        candidate = _live(ledger)
        ledger.switch(mode, "enough")  # type: ignore[arg-type]
        kept = ledger.keep(_like(candidate), "t_1", "on")
        assert (kept.send, kept.state, kept.mode) == (False, "held", mode)

    def test_the_day_has_a_limit(self, ledger: Ledger) -> None:
        first = _live(ledger)
        second = offer(ledger, "b")
        limits = Limits(today=1, day="2026-01-31")
        assert ledger.keep(_like(first), "t_1", "on", limits).send
        assert not ledger.keep(_like(second), "t_1", "on", limits).send
        assert ledger.acts_of("2026-01-31") == 1

    @pytest.mark.parametrize("action", ["leave", "stop"])
    def test_what_is_no_act_is_not_sent(self, ledger: Ledger, action: str) -> None:
        candidate = _live(ledger)
        kept = ledger.keep(Verdict(candidate, action, "model", "Not judged."), "t_1", "on")
        assert (kept.send, kept.state) == (False, "none")

    def test_surely_not_done_may_be_done_again(self, ledger: Ledger) -> None:
        candidate = _live(ledger)
        kept = ledger.keep(_like(candidate), "t_1", "on")
        ledger.outcome(kept.id, "refused", {"reason": "http_429"}, again=True)
        assert [one.id for one in ledger.pending("on", "")] == [candidate]
        assert ledger.keep(_like(candidate), "t_1", "on").send

    def test_a_cut_off_act_is_unknown_and_stays_one(self, ledger: Ledger) -> None:
        candidate = _live(ledger)
        ledger.keep(_like(candidate), "t_1", "on")
        assert ledger.left_over() == 1
        assert [one.candidate for one in ledger.unknown()] == [candidate]
        assert not ledger.keep(_like(candidate), "t_1", "on").send
        assert ledger.known_refs("on") == {"a"}
        assert ledger.counts().states["unknown"] == 1

    def test_what_was_missed_twice_and_done_after_all_is_done_once(self, ledger: Ledger) -> None:
        candidate = _live(ledger)
        for _ in range(2):
            kept = ledger.keep(_like(candidate), "t_1", "on")
            ledger.outcome(kept.id, "missed", {})
        assert ledger.done_after_all("a", "like")
        assert not ledger.done_after_all("a", "like")
        assert not ledger.keep(_like(candidate), "t_1", "on").send


class TestHolding:
    def test_one_turn_at_a_time(self, any_engine: sa.Engine) -> None:
        ledger = new_ledger(any_engine)
        ledger.hold("t_1", "here")
        with pytest.raises(BusyError):
            ledger.hold("t_2", "there")
        assert ledger.busy()
        ledger.release("t_1")
        ledger.hold("t_2", "there")

    def test_a_dead_turn_is_taken_over_where_its_lock_is_free(self, any_engine: sa.Engine) -> None:
        ledger = new_ledger(any_engine)
        candidate = _live(ledger)
        ledger.hold("t_2", "here")
        with pytest.raises(Interrupted):
            ledger.keep(_like(candidate), "t_1", "on")
        assert ledger.keep(_like(candidate), "t_2", "on").send

    def test_the_same_turn_begun_again_is_another_holder(self, any_engine: sa.Engine) -> None:
        ledger = new_ledger(any_engine)
        candidate = _live(ledger, "t_1/one")
        kept = ledger.keep(_like(candidate), "t_1", "on", holder="t_1/one")
        assert ledger.may_still(kept.id, "t_1/one")
        ledger.hold("t_1/two", "here")
        assert not ledger.may_still(kept.id, "t_1/one")
        with pytest.raises(Interrupted):
            ledger.keep(_like(offer(ledger, "b")), "t_1", "on", holder="t_1/one")

    def test_elsewhere_only_when_its_hold_has_run_out(self, any_engine: sa.Engine) -> None:
        ledger = new_ledger(any_engine)
        ledger.hold("t_1", "here")
        past = schema.decks.c.held_until - HOLD_S - 1
        with database.writing(any_engine) as connection:
            connection.execute(schema.decks.update().values(held_until=past))
        ledger.hold("t_2", "there")
        with pytest.raises(Interrupted):
            ledger.renew("t_1")


class TestStream:
    def test_what_was_not_judged_comes_first(self, ledger: Ledger) -> None:
        candidate = offer(ledger, "a", name="Rex", pictures=(("http://x/1.jpg", ""),))
        (seen,) = ledger.pending("dry", "")
        assert (seen.id, seen.name, len(seen.pictures)) == (candidate, "Rex", 1)

    def test_what_no_head_could_judge_is_judged_by_another(self, ledger: Ledger) -> None:
        ledger.hold("t_1", "here")
        candidate = offer(ledger, "a")
        ledger.keep(Verdict(candidate, "leave", "model", "Not judged.", head="h_1"), "t_1", "dry")
        assert ledger.pending("dry", "h_1") == []
        assert [one.id for one in ledger.pending("dry", "h_2")] == [candidate]

    def test_verdicts_of_dry_turns_are_not_final_for_a_live_deck(self, ledger: Ledger) -> None:
        ledger.hold("t_1", "here")
        ledger.keep(_like(offer(ledger, "a")), "t_1", "dry")
        assert ledger.known_refs("dry") == {"a"}
        assert ledger.known_refs("on") == set()

    def test_a_new_address_is_a_new_picture(self, ledger: Ledger) -> None:
        seen = ledger.offer(Offered("a", pictures=(("u1", ""), ("u2", ""))))
        ledger.fetched(seen.pictures[0][0], "1" * 64, 4, 3)
        ledger.fetched(seen.pictures[1][0], "2" * 64, 4, 3)
        again = ledger.offer(Offered("a", pictures=(("u1", ""), ("u3", ""))))
        assert [picture[4] for picture in again.pictures] == ["1" * 64, ""]
        assert ledger.shas() == {"1" * 64}

    def test_facts_go_after_thirty_days_unless_labelled(self, ledger: Ledger) -> None:
        ledger.hold("t_1", "here")
        ids = [offer(ledger, ref, name="Ada Lovelace", bio="walks") for ref in "ab"]
        for id in ids:
            ledger.keep(_like(id), "t_1", "dry")
        ledger.say(ids[0], "like")
        old = iso(datetime.now(UTC) - timedelta(days=31))
        with database.writing(ledger.engine) as connection:
            connection.execute(schema.deck_candidates.update().values(judged_at=old))
        assert ledger.empty_old() == 1
        assert [ledger.candidate(id).name for id in ids] == ["Ada Lovelace", ""]
        assert ledger.candidate(ids[1]).state == "emptied"
        assert ledger.known_refs("dry") == {"a", "b"}  # and not judged again


class TestLabels:
    def test_the_last_word_counts_and_can_be_taken_back(self, ledger: Ledger) -> None:
        candidate = offer(ledger, "a")
        ledger.say(candidate, "like", "ada")
        ledger.say(candidate, "like", "ada")
        ledger.say(candidate, "pass", "ada")
        assert ledger.word(candidate) == "pass"
        assert ledger.unsay() == candidate
        assert ledger.word(candidate) == "like"
        assert ledger.unsay(candidate) == candidate
        assert ledger.word(candidate) is None
        assert ledger.unsay() is None

    def test_only_what_was_drawn_by_chance_is_held_back(self, ledger: Ledger) -> None:
        ids = [offer(ledger, str(number)) for number in range(60)]
        ledger.pick({id: "by chance" if place % 2 else "unsure" for place, id in enumerate(ids)})
        for id in ids:
            ledger.say(id, "pass")
        parts = {one.candidate: one.part for one in ledger.said()}
        assert {parts[id] for id in ids[::2]} == {"train"}
        assert {parts[id] for id in ids[1::2]} == {"held", "test"}
        for id in ids:  # once dealt, whatever is said later
            ledger.say(id, "like")
        assert {one.candidate: one.part for one in ledger.said()} == parts

    def test_whose_candidate_it_is_not(self, ledger: Ledger) -> None:
        other = new_ledger(ledger.engine, "cats")
        with pytest.raises(NotFoundError):
            other.say(offer(ledger, "a"), "like")


class TestHeads:
    def test_a_challenger_takes_the_champions_place_and_gives_it_back(self, ledger: Ledger) -> None:
        first = ledger.challenge(b"one", "", 10)
        ledger.decide(first, "champion", {}, "The first.")
        second = ledger.challenge(b"two", "", 20)
        assert ledger.head("champion") is not None
        ledger.decide(second, "champion", {"p": 0.01}, "Better.")
        live = ledger.head("champion")
        assert live is not None
        assert (live[0].id, live[1], live[0].before) == (second, b"two", first)
        assert ledger.roll_back() == first
        live = ledger.head("champion")
        assert live is not None
        assert (live[0].id, live[1]) == (first, b"one")
        with pytest.raises(InputError):
            ledger.roll_back()
        assert {row.text for row in ledger.log(kind="head")} >= {"Better.", "The first."}

    def test_a_refused_one_leaves_the_champion_alone(self, ledger: Ledger) -> None:
        first = ledger.challenge(b"one", "", 10)
        ledger.decide(first, "champion", {}, "")
        ledger.decide(ledger.challenge(b"two", "", 20), "refused", {}, "Worse.")
        live = ledger.head("champion")
        assert live is not None
        assert live[0].id == first


class TestLists:
    def test_filters_and_pages(self, ledger: Ledger) -> None:
        ledger.hold("t_1", "here")
        ids = []
        for number in range(5):
            ids.append(offer(ledger, f"ref{number}", name=f"Pet {number}"))
            action = "like" if number % 2 else "pass"
            ledger.keep(Verdict(ids[-1], action, "accept_all", "It is."), "t_1", "dry")
        ledger.say(ids[0], "like")
        ledger.say(ids[1], "like")
        first = ledger.page(Filters(limit=2))
        assert ([one.id for one in first.items], first.total) == ([ids[4], ids[3]], 5)
        second = ledger.page(Filters(limit=2, after=first.next))
        assert [one.id for one in second.items] == [ids[2], ids[1]]
        assert ledger.page(Filters(limit=2, after=second.next)).next == ""
        assert {one.id for one in ledger.page(Filters(action="like")).items} == {ids[1], ids[3]}
        assert [one.id for one in ledger.page(Filters(label="corrected")).items] == [ids[0]]
        assert [one.id for one in ledger.page(Filters(label="confirmed")).items] == [ids[1]]
        assert [one.id for one in ledger.page(Filters(words="pet 3")).items] == [ids[3]]
        counts = ledger.counts()
        assert (counts.candidates, counts.labelled, counts.reviewed_dry) == (5, 2, 2)
        assert counts.actions == {"like": 2, "pass": 3}

    def test_a_name_belongs_to_an_owner(self, any_engine: sa.Engine) -> None:
        mine, other = new_ledger(any_engine), new_ledger(any_engine, owner="u_1")
        assert listing.find(any_engine, "u_1", "pets") == other.id != mine.id
        with pytest.raises(InputError):
            new_ledger(any_engine)
        assert [row.id for row in listing.listed(any_engine, "")] == [mine.id]
        mine.delete()
        with pytest.raises(NotFoundError):
            mine.row()
