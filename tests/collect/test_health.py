"""Sources in trouble: told apart, left alone, asked last, and asked again when they are well."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart import registry
from tellapart.catalog.sources import (
    LONGEST,
    OPENS,
    REST,
    UNREADABLE,
    WORDS,
    SourceState,
    save,
    stamp,
    states,
)
from tellapart.demo.picture_web import Answer, PictureWeb
from tellapart.doors import Hit, Source, SourceContext
from tellapart.errors import FetchError, MissingExtraError, RefusedError, StorageError
from tellapart.recipe import SourceSpec
from tellapart.settings import Settings
from tellapart.steps.collect import checking
from tellapart.steps.collect.health import Health
from tellapart.store.database import open_database

At = Callable[..., Any]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SIX = ["apple", "boat", "star", "house", "fish", "sun"]


def searched(web: PictureWeb, path: str = "/v1/images/") -> int:
    return sum(number for key, number in web.requests.items() if key.startswith(f"{path}?"))


def state_of(bench: Any, name: str = "openverse") -> SourceState:
    return states(open_database(bench.settings))[name]


def test_a_failing_source_is_left_alone_by_the_other_classes(web: PictureWeb, at: At) -> None:
    web.script("/v1/images/", *[Answer(500, b"oops")] * 50)
    bench = at(web)
    result = bench.collect(classes=SIX, per_class=3)
    assert {r.source for r in bench.rows(status="ok")} == {"commons"}
    # Four classes are begun at once; the two that come later do not ask any more.
    assert OPENS <= searched(web) <= 4
    assert result["sources"]["openverse"]["error"] == "http_500"
    assert result["sources"]["commons"]["taken"] == 18
    state = state_of(bench)
    assert state.is_open and state.reason == "http_500" and not state.answered_at
    assert state_of(bench, "commons").found_at
    # Another project of the same machine asks the one that works first, and that is enough.
    before = searched(web)
    bench.collect("q", classes=["apple", "boat"], per_class=3)
    assert searched(web) == before


def test_where_nobody_else_has_more_it_is_tried_once(web: PictureWeb, at: At) -> None:
    bench = at(web)
    state = SourceState("openverse")
    for _ in range(OPENS):
        state = state.failed(datetime.now(UTC), "timeout")
    save(open_database(bench.settings), [state])
    web.script("/v1/images/", *[Answer(500, b"oops")] * 50)
    with pytest.raises(FetchError, match="openverse"):
        bench.collect(classes=SIX, sources=["openverse"], per_class=3)
    assert searched(web) == 1 and state_of(bench).failures == OPENS + 1
    # And when it is well again, one try mends everything.
    web._scripted.clear()
    result = bench.collect(classes=SIX, sources=["openverse"], per_class=3)
    assert result["found"] == 18 and result["notes"] == []
    assert state_of(bench).failures == 0 and state_of(bench).word(datetime.now(UTC)) == "works"


def test_an_answer_of_another_shape_is_told_from_no_hits(web: PictureWeb, at: At) -> None:
    bench = at(web)
    strange = {"result_count": 3, "page_count": 1, "results": [{"link": "x"}] * 3}
    web.script("/v1/images/", *[Answer(200, json.dumps(strange).encode())] * 50)
    result = bench.collect(classes=["apple", "boat"], per_class=3)
    assert state_of(bench).word(datetime.now(UTC)) == "unreadable"
    assert state_of(bench).answered_at
    assert result["sources"]["openverse"]["error"] == "bad_answer"
    assert {row.source for row in bench.rows(status="ok")} == {"commons"}
    assert searched(web) == 2
    web._scripted.clear()
    web.script("/w/api.php", *[Answer(200, b'{"batchcomplete": true}')] * 50)
    bench.collect("q", classes=["star", "fish"], sources=["commons", "openverse"], per_class=3)
    state = state_of(bench, "commons")
    assert state.reason == "" and state.answered_at >= state.found_at
    assert state_of(bench).word(datetime.now(UTC)) == "works"


def test_a_missing_key_stops_no_other_source(web: PictureWeb, at: At) -> None:
    bench = at(web)
    result = bench.collect(classes=SIX, sources=["flickr", "openverse"], per_class=3)
    assert result["found"] == 18 and not result["unfinished"]
    assert result["sources"]["flickr"]["error"] == "no_key"
    assert state_of(bench, "flickr").word(datetime.now(UTC)) == "not_set_up"
    assert state_of(bench, "flickr").failures == 0


events = st.lists(
    st.tuples(
        st.sampled_from(["found", "empty", "timeout", "bad_answer", "no_key"]),
        st.integers(0, 30_000),
    ),
    max_size=20,
)


@given(events)
def test_states_follow_from_what_happened(found: list[tuple[str, int]]) -> None:
    state, at, row = SourceState("x"), NOON, 0
    for event, seconds in found:
        at += timedelta(seconds=seconds)
        if event in ("found", "empty"):
            # An empty answer does not show that a parser works again.
            row = row if event == "empty" and state.reason in UNREADABLE else 0
            state = state.answered(at, found=event == "found")
        else:
            state = state.failed(at, event)
            row += event != "no_key"
        assert state.failures == row and state.is_open == (row >= OPENS)
        assert state.word(at) in WORDS
        if event == "found":
            assert state.word(at) == "works" and state.found_at == stamp(at)
        if event in UNREADABLE:
            assert state.answered_at == stamp(at)
        if row >= OPENS and event in ("timeout", "bad_answer"):
            assert state.rests(at) and not state.rests(at + timedelta(seconds=LONGEST + 1))


def test_rests_grow_and_end() -> None:
    state, lengths = SourceState("x"), []
    for _ in range(OPENS + 12):
        state = state.failed(NOON, "timeout")
        if state.rests_until:
            until = datetime.fromisoformat(state.rests_until)
            lengths.append((until - NOON).total_seconds())
    assert lengths[:3] == [REST, 2 * REST, 4 * REST] and lengths[-1] == LONGEST


def test_one_at_a_time_tries_what_has_rested() -> None:
    """The others wait for what comes of it: well again, all may ask; not well, none may."""

    async def crowd(works: bool) -> list[bool]:
        state = SourceState("x", failures=OPENS, reason="timeout", rests_until=stamp(NOON))
        health = Health({"x": state}, clock=lambda: NOON + timedelta(hours=1))
        at_once = 0

        async def one() -> bool:
            nonlocal at_once
            async with health.asking("x") as allowed:
                if allowed:
                    was_open = health.state("x").is_open
                    at_once += 1
                    assert at_once == 1 or not was_open
                    await asyncio.sleep(0)
                    at_once -= 1
                    health.answered("x", found=True) if works else health.failed("x", "timeout")
                return allowed

        return list(await asyncio.gather(*(one() for _ in range(5))))

    assert asyncio.run(crowd(works=True)) == [True] * 5
    assert asyncio.run(crowd(works=False)) == [True] + [False] * 4


def test_states_are_kept_and_replaced(at: At, web: PictureWeb) -> None:
    engine = open_database(at(web).settings)
    first = SourceState("a").failed(NOON, "timeout")
    save(engine, [first, SourceState("b").answered(NOON, found=True)])
    save(engine, [first.answered(NOON + timedelta(hours=1), found=False)])
    found = states(engine)
    assert found["a"].failures == 0 and found["a"].failed_at == stamp(NOON)
    assert found["b"].found_at == stamp(NOON)
    save(engine, [])


def test_states_that_cannot_be_kept_break_nothing_and_are_told(
    at: At, web: PictureWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("The disk is full.", expected="room", do="Free some.")

    monkeypatch.setattr(import_module("tellapart.steps.collect.run"), "save", full)
    found = at(web).collect(classes=SIX[:2], sources=["openverse"], per_class=2)
    assert found["found"] == 4
    assert any("not known to the next run: The disk is full." in note for note in found["notes"])


class Odd(Source):
    """Breaks as it is made, or says no for reasons of our own."""

    name = "odd"

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        if context.options.get("breaks"):
            raise RuntimeError("token=s3cret")

    async def search(self, query: str, *, limit: int, start: int = 0) -> AsyncIterator[Hit]:
        if query:
            raise RefusedError("No.", expected="yes", do="Nothing.", reason="robots")
        yield Hit(rank=0)


@pytest.mark.parametrize(("options", "failures"), [({"breaks": True}, 1), ({}, 0)])
def test_a_check_survives_a_source_that_cannot_be_made(
    options: dict[str, bool], failures: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what we do not ask for reasons of our own is no fault of the source's."""
    monkeypatch.setattr(registry, "load", lambda kind, name: Odd)
    health = Health({})
    spec = SourceSpec(name="odd", options=options)
    (found,) = asyncio.run(checking._ask_all(Settings(home=tmp_path), [spec], health, ()))
    assert (found.name, found.word) == ("odd", "failing") and "s3cret" not in found.what
    assert health.state("odd").failures == failures


def test_a_source_that_cannot_be_loaded_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = registry.load

    def loaded(door: Any, name: str) -> Any:
        if name == "odd":
            raise MissingExtraError("Not there.", expected="it", do="Install it.")
        return load(door, name)

    monkeypatch.setattr(registry, "load", loaded)
    monkeypatch.setattr(registry, "names", lambda door: ["odd", "folder"])
    settings, specs = Settings(home=tmp_path), [SourceSpec(name="odd"), SourceSpec(name="folder")]
    odd, folder = asyncio.run(checking._ask_all(settings, specs, Health({}), ()))
    assert (odd.word, odd.do, folder.word) == ("failing", "Install it.", "local") and not odd.fine
    rows = checking.known(settings, datetime.now(UTC))
    assert [row["says"] for row in rows] == ["cannot be loaded", "at hand"]
