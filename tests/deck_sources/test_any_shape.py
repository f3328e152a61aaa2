"""Whatever JSON a service sends: clean candidates and answers, or an error with its parts."""

from __future__ import annotations

import asyncio
import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from benchmarks.standin import crowd
from benchmarks.standin.shapes import candidate, rec
from tellapart import registry
from tellapart.doors import DeckContext, DeckSource
from tellapart.errors import ServiceError
from tellapart.fetch import Fetcher, Sent
from tellapart.settings import Settings

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
PEOPLE = crowd(4)
OPTIONS: dict[str, dict[str, Any]] = {
    "http": {"url": "https://x.example/deck"},
    "tinder": {"pause": 0, "paid": True},
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


class Saying(Fetcher):
    """A fetcher that is always answered the same."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__(Settings())
        self.said = said

    async def send(self, url: str, **_: Any) -> Sent:
        found = next((value for end, value in self.said.items() if end in url), None)
        return Sent(200, data=json.dumps(found).encode())


def source(kind: str, said: dict[str, Any]) -> DeckSource:
    settings = Settings(tinder_url="https://x.example")
    secrets = {"token": "t-0123456789"}
    context = DeckContext(settings, Saying(said), OPTIONS[kind], secrets, confirmed=True)
    return registry.load("deck", kind)(context)


def right(kind: str) -> dict[str, Any]:
    if kind == "tinder":
        recs = [rec(person, i, "https://x.example") for i, person in enumerate(PEOPLE)]
        matches = [{"created_date": "2026-01-01T00:00:00Z", "person": {"_id": PEOPLE[0].ref}}]
        return {
            "recs/core": {"meta": {"status": 200}, "data": {"results": recs}},
            "v2/matches": {"data": {"matches": matches}},
            "/like/": {"match": False, "likes_remaining": 3},
        }
    results = [{"candidate": "a", "action": "like", "match": True, "at": "2026-01-01T00:00:00Z"}]
    return {
        "/candidates": {"candidates": [candidate(p) for p in PEOPLE], "next": None},
        "/results": {"results": results, "next": None},
        "/actions": {"state": "done", "match": True, "likes_left": 3},
        "deck/deck": {"protocol": 1, "people": True},
    }


def spots(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something may be put in the place of something else."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [at] if at else []
    for key, child in inner:
        below = spots(child, (*at, key)) if isinstance(child, (dict, list)) else [(*at, key)]
        found += below
    return found


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    whole = copy.deepcopy(value)
    place = whole
    for key in at[:-1]:
        place = place[key]
    if new is ...:
        del place[at[-1]]
    else:
        place[at[-1]] = new
    return whole


async def all_of_it(made: DeckSource) -> None:
    for task in (_next, _act, _ask_back):
        try:
            await task(made)
        except ServiceError as error:
            assert error.what and error.expected and error.do and error.reason


async def _next(made: DeckSource) -> None:
    for found in await made.next(50):
        assert found.ref and found.ref.isprintable()
        assert found.age is None or 0 <= found.age <= 120
        assert all(p.file_url or p.path is None for p in found.pictures)
        json.dumps([found.name, found.bio, dict(found.fields)], allow_nan=False)


async def _act(made: DeckSource) -> None:
    answer = await made.act("a", "like", "k")
    assert answer.state in ("done", "refused", "unknown")
    assert answer.match in (True, False, None)
    for left in (answer.likes_left, answer.super_likes_left):
        assert left is None or 0 <= left < 10**9
    json.dumps(dict(answer.detail), allow_nan=False)


async def _ask_back(made: DeckSource) -> None:
    for result in await made.results():
        assert result.at.tzinfo is not None
    await made.has("a", "like", "k")


@pytest.mark.parametrize("kind", sorted(OPTIONS))
@given(data=st.data())
@examples(max_examples=120, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_one_thing_replaced_by_anything(kind: str, data: st.DataObject) -> None:
    said = right(kind)
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(spots(said)))
        said = replaced(said, place, data.draw(st.just(...) | anything))
    asyncio.run(all_of_it(source(kind, said)))


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_the_right_shapes_pass(kind: str) -> None:
    made = source(kind, right(kind))

    async def task() -> None:
        assert len(await made.next(50)) == 4
        answer = await made.act("a", "like", "k")
        assert answer.state == "done" and answer.likes_left == 3
        assert len(await made.results()) == 1

    asyncio.run(task())
