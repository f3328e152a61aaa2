"""After forgetting, neither hash nor address nor bytes are anywhere; and it does not come back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from tellapart.errors import BusyError, NotFoundError
from tellapart.forgetting import Asked, Certificate, Refusals, forget
from tellapart.forgetting.searching import telling
from tellapart.project import Project
from tellapart.store import database, schema_decks
from tellapart.store.lock import project_lock
from tests.forgetting.conftest import NAME, House


def gone(house: House, asked: Asked) -> Certificate:
    with house.engine() as engine:
        return forget(house.settings, engine, asked)


@pytest.mark.parametrize("by", ["id", "sha256", "url"])
def test_a_picture_is_nowhere_any_more(house: House, by: str) -> None:
    needles = (house.sha256, house.url, bytes.fromhex(house.sha256), telling(house.data))
    before = house.found(*needles)
    places = "\n".join(before)
    for place in ("tellapart.sqlite", "files/", "thumbs", "features-v1", "versions", "runs/"):
        assert place in places, (place, before)  # else this would prove nothing
    told = gone(house, Asked("picture", getattr(house, by)))
    assert house.found(*needles) == []
    assert told.gone and told.remains == ()
    assert _tables(house, house.sha256, house.url) == []
    assert {"bundles", "work", "files", "caches", "ledger", "runs", "engine"} <= set(told.removed)
    assert [one.version for one in told.withdrawn] == [1] and told.withdrawn[0].sha256
    assert told.begin_anew == (NAME,)
    text = json.dumps(told.to_dict())
    assert house.sha256 not in text and house.url not in text and house.id not in text


def test_it_does_not_come_back_and_the_next_bundle_is_without_it(house: House) -> None:
    gone(house, Asked("picture", house.id))
    with Project.open(NAME, house.settings) as project:
        with pytest.raises(NotFoundError, match="forgotten"):
            _ = project.bundle_path
        done = project.run(spawn=False)
        assert done.version == 2  # a number is used once
        rows = project.pictures()
        assert all(house.sha256 != row.sha256 and house.url != row.file_url for row in rows)
        assert sum(row.status == "ok" for row in rows) == 28  # another one was found for it
        assert project.bundle_path == done.bundle
    assert house.found(house.sha256, house.url, telling(house.data)) == []
    # Of what is to be refused, digests alone are kept.
    with house.engine() as engine:
        refusals = Refusals(house.settings, engine)
        assert refusals.picture(url=house.url) and refusals.picture(sha256=house.sha256)
        assert not refusals.picture(url=house.url + "x")


def test_a_creator_is_forgotten_with_all_pictures(house: House) -> None:
    with Project.open(NAME, house.settings) as project:
        theirs = [row for row in project.pictures() if row.creator == house.creator]
    told = gone(house, Asked("creator", f"  {house.creator.upper()} "))
    assert told.removed["ledger"]["pictures"] == len(theirs)
    assert house.found(*(row.sha256 for row in theirs if row.sha256)) == []
    with house.engine() as engine:
        assert Refusals(house.settings, engine).picture(creator=house.creator)
    with Project.open(NAME, house.settings) as project:
        project.collect()
        assert all(row.creator != house.creator for row in project.pictures())


def test_a_candidate_goes_with_what_the_head_learned(house: House) -> None:
    needles = (
        *(house.candidate, house.candidate_sha256, telling(house.candidate_bytes)),
        *("service-name-of-someone", "someone-0815", "A sentence that nobody else has written"),
    )
    assert len(house.found(*needles)) >= 3
    told = gone(house, Asked("candidate", house.candidate))
    assert house.found(*needles) == [] and told.gone
    assert told.removed["decks"] == {
        "files": 1,
        "lists": 1,
        "heads": 1,
        "pictures": 1,
        "candidates": 1,
    }
    assert told.withdrawn == ()
    with house.engine() as engine, database.reading(engine) as connection:
        deck = connection.execute(sa.select(schema_decks.decks)).one()
        assert deck.mode == "off" and "learn anew" in deck.why
        assert connection.scalar(sa.select(sa.func.count(schema_decks.deck_log.c.id))) == 1
        refusals = Refusals(house.settings, engine)
        assert refusals.candidate("http", "service-name-of-someone")
        assert not refusals.candidate("tinder", "service-name-of-someone")


def test_a_candidate_may_be_named_as_its_service_does(house: House) -> None:
    told = gone(house, Asked("candidate", "service-name-of-someone", deck="d"))
    assert told.removed["decks"]["candidates"] == 1


def test_what_nobody_has_is_refused_all_the_same(house: House) -> None:
    told = gone(house, Asked("picture", "https://elsewhere.example/a.jpg"))
    assert told.withdrawn == () and told.begin_anew == ()
    with house.engine() as engine:
        assert Refusals(house.settings, engine).picture(url="https://elsewhere.example/a.jpg")
    with pytest.raises(NotFoundError):
        gone(house, Asked("picture", "0" * 16))
    with pytest.raises(NotFoundError):
        gone(house, Asked("candidate", "c_" + "z" * 20))


def test_while_somebody_works_on_it_nothing_is_touched(house: House) -> None:
    with project_lock(house.settings.projects_dir / NAME), pytest.raises(BusyError):
        gone(house, Asked("picture", house.id))
    assert house.found(house.sha256)
    with house.engine() as engine:
        assert not Refusals(house.settings, engine)


def test_asked_again_after_a_kill_it_ends_well(house: House) -> None:
    """Cut off after each place in turn: what is left names the rest."""
    from tellapart.forgetting.places import PLACES

    class CutOffError(Exception):
        pass

    for one in PLACES:

        def cut(place: str, last: str = one.name) -> None:
            if place == last:
                raise CutOffError

        with house.engine() as engine, pytest.raises(CutOffError):
            forget(house.settings, engine, Asked("picture", house.sha256), watch=cut)
    assert gone(house, Asked("picture", house.sha256)).gone
    assert house.found(house.sha256, house.url, telling(house.data)) == []


def _tables(house: House, *needles: str) -> list[str]:
    """Tables of every database in the home with such a text, however their pages lie."""
    found = []
    for path in house.settings.home.rglob("*.sqlite"):
        with closing(sqlite3.connect(path)) as base:
            names = [
                r[0] for r in base.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            found += [
                f"{path.name}: {name}"
                for name in names
                for row in base.execute(f'SELECT * FROM "{name}"')
                for cell in row
                if isinstance(cell, str) and any(needle in cell for needle in needles)
            ]
    return found
