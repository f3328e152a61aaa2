"""Every verdict of a person is an act, and any act can be undone, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.catalog import Catalog, NewPicture, Outcome, acts, looking, undoing
from tellapart.errors import NotFoundError
from tellapart.store.database import open_url

_names = count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    url = f"sqlite:///{tmp_path_factory.mktemp('acts') / 'db.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").database()
    made = open_url(url)
    yield made
    made.dispose()


def project(engine: Any, pictures: int = 4) -> tuple[Catalog, list[str]]:
    name = f"garden-{next(_names)}"
    catalog = Catalog.create(engine, name, {"name": name, "curate": {"min_side": 40}})
    new = [NewPicture(label="apple", source="made", key=f"k{at}") for at in range(pictures)]
    catalog.add(new)
    ids = [catalog.id_of(row) for row in new]
    catalog.record(Outcome(id=id, status="ok", sha256=f"{at:064x}") for at, id in enumerate(ids))
    return catalog, ids


def words(catalog: Catalog, ids: list[str]) -> list[bool | None]:
    return [row.overruled for row in looking.by_ids(catalog, ids)]


def test_what_any_face_does_is_an_act(engine: Any) -> None:
    catalog, ids = project(engine)
    catalog.overrule(ids[0], False)
    assert looking.overrule(catalog, ids, False) == 3
    catalog.relabel(ids[1], "pear")
    catalog.save_recipe({"name": "garden", "curate": {"min_side": 50, "max_blur": None}})
    catalog.save_recipe({"name": "garden", "curate": {"min_side": 50, "max_blur": None}})
    assert looking.overrule(catalog, ids, False) == 0
    found = acts.listed(catalog)
    assert [(one.number, one.verb, one.pictures) for one in found] == [
        (4, "settings", 0),
        (3, "relabel", 1),
        (2, "drop", 4),
        (1, "drop", 1),
    ]
    changed = acts.changes(catalog, 4)
    assert [(one.field, one.before, one.after) for one in changed] == [
        ("max_blur", "", "null"),
        ("min_side", "40", "50"),
    ]


def test_a_later_act_keeps_what_it_decided(engine: Any) -> None:
    catalog, ids = project(engine)
    looking.overrule(catalog, ids[:2], False)
    looking.overrule(catalog, ids[1:3], False)
    _, changed, left = undoing.undo(catalog, 1)
    assert (changed, left) == (1, 1)
    assert words(catalog, ids) == [None, False, False, None]
    # With the first one gone, the second one takes its pictures back to what was before both.
    undoing.undo(catalog, 2)
    assert words(catalog, ids) == [None] * 4
    undoing.redo(catalog)
    assert words(catalog, ids) == [None, False, False, None]


def test_thresholds_and_classes_go_back(engine: Any) -> None:
    catalog, ids = project(engine)
    catalog.save_recipe({"name": "garden", "curate": {"off_topic": 0.7, "min_side": 40}})
    catalog.save_recipe({"name": "garden", "curate": {"off_topic": 0.8, "min_side": 60}})
    looking.relabel(catalog, ids[:3], "pear")
    assert undoing.undo(catalog, 1)[1:] == (0, 1)
    undoing.undo(catalog, 2)
    assert catalog.recipe["curate"] == {"min_side": 40}
    undoing.undo(catalog)
    assert {row.label for row in catalog.pictures()} == {"apple"}
    undoing.redo(catalog, 2)
    assert catalog.recipe["curate"] == {"off_topic": 0.8, "min_side": 60}


def test_what_was_changed_otherwise_is_left_alone(engine: Any) -> None:
    from tellapart.catalog.ruling import Ruled, rule

    catalog, ids = project(engine)
    looking.relabel(catalog, ids[:2], "pear")
    rule(catalog, {ids[0]: Ruled("plum", "bucket", -1)}, {ids[0]: "plum"})
    assert undoing.undo(catalog)[1:] == (1, 1)
    assert [row.label for row in looking.by_ids(catalog, ids[:2])] == ["plum", "apple"]


def test_what_is_forgotten_goes_out_of_acts(engine: Any) -> None:
    catalog, ids = project(engine)
    looking.overrule(catalog, ids[:1], True)
    looking.overrule(catalog, ids[:2], False)
    catalog.remove(ids[:1])
    assert [(one.number, one.pictures) for one in acts.listed(catalog)] == [(2, 1)]
    undoing.undo(catalog)
    assert words(catalog, ids[1:]) == [None] * 3
    with pytest.raises(NotFoundError, match="no act"):
        undoing.undo(catalog)


def test_acts_of_another_project_are_not_found(engine: Any) -> None:
    catalog, ids = project(engine)
    other, _ = project(engine)
    looking.overrule(catalog, ids, False)
    with pytest.raises(NotFoundError):
        undoing.undo(other)
    with pytest.raises(NotFoundError):
        acts.one(other, 1)
    with pytest.raises(NotFoundError):
        acts.decide(other, {ids[0]: True})


_places = st.sets(st.integers(0, 3), min_size=1)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("word"), _places, st.sampled_from([True, False, None])),
        st.tuples(st.just("label"), _places, st.sampled_from(["apple", "pear", "plum"])),
        st.tuples(st.just("undo"), st.integers(1, 8), st.none()),
        st.tuples(st.just("redo"), st.integers(1, 8), st.none()),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One database for all examples."""
    made = open_url(f"sqlite:///{tmp_path_factory.mktemp('acts') / 'db.sqlite'}")
    yield made
    made.dispose()


@given(steps=_steps)
@settings(max_examples=25, deadline=None)
def test_what_holds_is_what_the_last_act_in_force_decided(quick: Any, steps: list[Any]) -> None:
    catalog, ids = project(quick)
    log: list[tuple[str, dict[int, Any], bool]] = []
    for verb, what, value in steps:
        if verb in ("word", "label"):
            before = _held(log)
            named = dict.fromkeys(what, value)
            if verb == "word":
                acts.decide(catalog, {ids[at]: value for at in what})
            else:
                acts.relabel(catalog, [ids[at] for at in what], value)
            if any(before[verb][at] != value for at in what):
                log.append((verb, named, True))
            continue
        stands = verb == "undo"
        if what <= len(log) and log[what - 1][2] is stands:
            (undoing.undo if stands else undoing.redo)(catalog, what)
            log[what - 1] = (*log[what - 1][:2], not stands)
        else:
            with pytest.raises(NotFoundError):
                (undoing.undo if stands else undoing.redo)(catalog, what)
    rows = looking.by_ids(catalog, ids)
    assert {"word": [r.overruled for r in rows], "label": [r.label for r in rows]} == _held(log)


def _held(log: list[tuple[str, dict[int, Any], bool]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"word": [None] * 4, "label": ["apple"] * 4}
    for verb, named, stands in log:
        if stands:
            for at, value in named.items():
                found[verb][at] = value
    return found
