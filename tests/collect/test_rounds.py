"""Rations and turns: which pictures a round takes follows from the file and the answers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.demo.picture_web import PictureWeb
from tellapart.errors import StorageError
from tellapart.steps.ration import FILE, Ration

At = Callable[..., Any]
TWO = {"classes": ["apple", "boat"], "sources": ["openverse", "commons"], "per_class": 30}


def take(bench: Any, ration: Ration, name: str = "p") -> dict[str, Any]:
    from tellapart.catalog import Catalog
    from tellapart.recipe import asked, check
    from tellapart.store.database import open_database

    engine, recipe = open_database(bench.settings), {"name": name, **TWO, "enough": 0.2}
    if name not in Catalog.names(engine):
        Catalog.create(engine, name, asked(check(recipe)))
    ration.write(bench.context(name).work)
    found: dict[str, Any] = bench.collect(name, **TWO, enough=0.2)
    return found


def ranks(bench: Any, source: str, label: str = "apple", name: str = "p") -> list[int]:
    rows = bench.rows(name, label=label, status="ok")
    return sorted(row.rank for row in rows if row.source == source)


def test_shares_say_how_many_ranks_of_each(web: PictureWeb, at: At) -> None:
    bench = at(web)
    shares = {"apple": {("commons", "apple"): 0.25}}
    result = take(bench, Ration(1, {"apple": 10, "boat": 10}, shares))
    # Ranks 0 and 1 of the quarter come beside ranks 0 and 4 of the whole.
    assert ranks(bench, "openverse") == list(range(8)) and ranks(bench, "commons") == [0, 1]
    assert len(ranks(bench, "openverse", "boat")) == len(ranks(bench, "commons", "boat")) == 5
    assert result["notes"] == [] and result["exhausted"] == []
    take(bench, Ration(2, {"apple": 20, "boat": 10}, shares))
    assert ranks(bench, "openverse") == list(range(16)) and ranks(bench, "commons") == [0, 1, 2, 3]
    assert max(n for path, n in web.requests.items() if path.startswith("/files")) == 1


def test_a_class_that_is_missing_gets_nothing_more_and_keeps_what_it_has(
    web: PictureWeb, at: At
) -> None:
    bench = at(web)
    take(bench, Ration(1, {"apple": 4, "boat": 4}))
    take(bench, Ration(2, {"apple": 9}))
    counts = Counter(row.label for row in bench.rows(status="ok"))
    assert counts == {"apple": 9, "boat": 4}


def test_nothing_is_taken_below_the_deepest_rank_or_of_no_share(web: PictureWeb, at: At) -> None:
    bench = at(web)
    ration = Ration(
        1,
        {"apple": 25, "boat": 25},
        {"boat": {("openverse", "boat"): 0.0}},
        {"apple": {("openverse", "apple"): 4, ("commons", "apple"): 6}},
    )
    result = take(bench, ration)
    assert ranks(bench, "openverse") == list(range(5)) and ranks(bench, "commons") == list(range(7))
    assert ranks(bench, "openverse", "boat") == []
    assert ranks(bench, "commons", "boat") == list(range(25))
    # Short by the ration, not because there is no more.
    assert result["exhausted"] == [] and result["notes"] == []


def test_what_no_source_has_is_said(web: PictureWeb, at: At) -> None:
    result = take(at(web), Ration(1, {"apple": 500, "boat": 5}))
    assert result["exhausted"] == ["apple"] and not result["unfinished"]


def test_a_round_is_done_once_and_the_recipe_alone_goes_on_without(web: PictureWeb, at: At) -> None:
    bench, ration = at(web), Ration(1, {"apple": 6, "boat": 6})
    first = take(bench, ration)
    before = web.requests.copy()
    assert take(bench, ration) == first and web.requests == before
    # One that was left over counts no longer, and what it brought stays.
    bench.collect(**TWO)
    assert len(bench.rows(label="apple", status="ok")) == 30
    assert set(range(3)) <= set(ranks(bench, "commons"))


def test_kinds_of_a_class_are_gone_through_in_turns(web: PictureWeb, at: At) -> None:
    bench = at(web)
    classes = {"fruit": {"kinds": ["apple", "star", "sun"], "queries": ["house"]}, "boat": {}}
    bench.collect(classes=classes, sources=["openverse"], per_class=14)
    rows = bench.rows(label="fruit", status="ok")
    assert Counter(row.query for row in rows) == {"apple": 5, "star": 5, "sun": 4}
    assert all(row.rank < 5 for row in rows)
    # Where the kinds have no more, the class's own words follow.
    bench.collect(classes=classes, sources=["openverse"], per_class=95)
    assert Counter(row.query for row in bench.rows(label="fruit", status="ok")) == {
        **dict.fromkeys(("apple", "star", "sun"), 30),
        "house": 5,
    }


wells = st.dictionaries(st.tuples(st.text(max_size=5), st.text(max_size=5)), st.floats(0, 1))


@given(
    st.builds(
        Ration,
        round=st.integers(1, 99),
        wanted=st.dictionaries(st.text(max_size=5), st.integers(0, 9999)),
        # A class without any pair leaves no trace.
        shares=st.dictionaries(st.text(max_size=5), wells.filter(bool), max_size=3),
    )
)
def test_rations_are_read_as_they_were_written(ration: Ration) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        ration.write(Path(folder))
        assert Ration.read(Path(folder)) == ration


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"round": "x"}'])
def test_a_broken_ration_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(StorageError, match="cannot be read"):
        Ration.read(tmp_path)
