"""A candidate of a real turn: gone with one call, refused by the next turn."""

from __future__ import annotations

from pathlib import Path

from benchmarks.standin import Standin, crowd
from tellapart.deck import Deck
from tellapart.decks.shapes import Filters
from tellapart.forgetting.searching import Search, telling
from tellapart.store import database


def test_a_forgotten_candidate_is_not_looked_at_again(tmp_path: Path) -> None:
    with Standin(crowd(4, pictures=1), size=(48, 48), are_people=False) as service:
        settings = service.settings(home=tmp_path / "home", fetch_timeout=5.0)
        engine = database.open_database(settings)
        deck = Deck.add(
            engine,
            settings,
            "pets",
            "http",
            {"url": service.deck_url},
            people=False,
            policy={"accept_all": True},
        )
        deck.credential("token", service.token)
        deck.dry()
        deck.turn(limit=10)
        found = deck.results(Filters())
        assert len(found.items) == 4
        row = found.items[0]
        folder = deck.folder / "pictures"
        shas = [one.sha256 for one in row.pictures if one.sha256]
        needles = [one.encode() for one in (row.id, row.ref, *shas)]
        needles += [telling((folder / sha).read_bytes()) for sha in shas]
        told = deck.forget(row.id)
        assert told["gone"], told["remains"]
        needles = [one for one in needles if len(one) >= 8]
        assert list(Search(needles).below(settings.home)) == []
        # The service offers everybody anew to a deck that begins again.
        deck.turn(limit=10)
        assert row.ref not in {one.ref for one in deck.results(Filters()).items}
        again = Deck.add(
            engine,
            settings,
            "again",
            "http",
            {"url": service.deck_url},
            people=False,
            policy={"accept_all": True},
        )
        again.credential("token", service.token)
        again.dry()
        again.turn(limit=10)
        assert {one.ref for one in again.results(Filters()).items} == {
            one.ref for one in found.items[1:]
        }
        engine.dispose()
