"""A candidate of a real turn: gone with one call, refused by the next turn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.standin import Standin, crowd
from tellapart.deck import Deck
from tellapart.decks.shapes import Filters
from tellapart.forgetting.searching import Search, telling
from tellapart.settings import Settings
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


def test_a_candidate_is_forgotten_in_all_decks_that_saw_it(tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / "stream" / f"candidate-number-{number}"
        folder.mkdir(parents=True)
        picture = np.full((48, 48, 3), 90 * number, dtype=np.uint8)
        Image.fromarray(picture).save(folder / "a.png")
        said = {
            "name": f"Nobody {number}",
            "bio": f"A sentence of candidate number {number} alone.",
        }
        (folder / "profile.json").write_text(json.dumps(said))
    settings = Settings(home=tmp_path / "home")
    engine = database.open_database(settings)
    decks = []
    for name in ("first", "second"):
        options = {"path": str(tmp_path / "stream")}
        policy = {"accept_all": True}
        deck = Deck.add(engine, settings, name, "folder", options, people=False, policy=policy)
        deck.dry()
        deck.turn()
        decks.append(deck)
    row = next(one for one in decks[0].results(Filters()).items if one.name.endswith("0"))
    told = decks[0].forget(row.id)
    assert told["gone"], told["remains"]
    for deck in decks:
        assert [one.name for one in deck.results(Filters()).items] == ["Nobody 1"]
    assert list(Search([b"Said by candidate number 0"]).below(settings.home)) == []
    engine.dispose()
