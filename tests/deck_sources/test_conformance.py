"""What every deck source keeps to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tellapart import images, registry
from tellapart.doors import Act, DeckSource
from tellapart.errors import InputError
from tests.deck_sources.conftest import KINDS, Bench, everything

ACTS: tuple[Act, ...] = ("like", "pass")


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, bench_of: Callable[..., Bench]) -> Bench:
    return bench_of(request.param)


def test_all_of_ours_are_in_the_suite() -> None:
    assert set(KINDS) == {*registry.BUILT_IN["deck"], *registry.OPTIONAL["deck"]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_says_what_a_person_must_know(kind: str) -> None:
    found = registry.load("deck", kind)
    assert found.name == kind and found.title and found.about
    assert all(option.title for option in found.options)
    assert all(secret.title and secret.about for secret in found.needs)
    assert len({o.name for o in found.options}) == len(found.options)
    # Whoever's terms forbid it says so, asks for a yes, and for a long look first.
    assert bool(found.terms) == bool(found.confirm) == bool(found.least_dry)
    assert found.local != found.acts


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_checked_with_a_guess(kind: str, bench_of: Callable[..., Bench]) -> None:
    found, right = registry.load("deck", kind), bench_of(kind).options
    found.check(right)
    nearly = found.options[0].name[:-1] + "x"
    for wrong in ({**right, nearly: 1}, {**right, found.options[0].name: object()}):
        with pytest.raises(InputError) as caught:
            found.check(wrong)
        assert caught.value.expected and caught.value.do
    with pytest.raises(InputError, match=found.options[0].name):
        found.check({**right, nearly: 1})
    if any(option.required for option in found.options):
        with pytest.raises(InputError, match="missing"):
            found.check({})


def test_every_candidate_comes_once_and_then_no_more(bench: Bench) -> None:
    async def task(source: DeckSource) -> None:
        found = await everything(source)
        refs = [c.ref for c in found]
        assert len(refs) == len(set(refs)) == 25
        assert all(1 <= len(ref) <= 200 and ref.isprintable() for ref in refs)
        assert await source.next(7) == []

    bench.work(task)


def test_a_new_turn_offers_the_same_again_and_in_any_portions(bench: Bench) -> None:
    async def all_of(source: DeckSource, limit: int = 7) -> list[Any]:
        return await everything(source, limit)

    first = bench.work(all_of)
    again = bench.work(lambda source: all_of(source, 1))
    assert sorted(first, key=lambda c: c.ref) == sorted(again, key=lambda c: c.ref)


def test_what_is_known_need_not_come_again(bench: Bench) -> None:
    whole = bench.work(everything)
    known = {c.ref for c in whole[:20]}
    rest = bench.work(everything, known=known.__contains__)
    assert {c.ref for c in rest} == {c.ref for c in whole[20:]}
    assert bench.work(everything, known=lambda ref: True) == []


def test_facts_are_clean_and_alike_over_sources(bench: Bench) -> None:
    for found in bench.work(everything):
        assert found.name and isinstance(found.bio, str) and not found.problem
        assert found.age is not None and 18 <= found.age <= 60
        assert found.distance_km is not None and found.distance_km > 1
        assert found.fields["jobs"] and all(name == name.lower() for name in found.fields)
        assert found.person is (True if bench.service is not None else None)


def test_pictures_come_through_the_source(bench: Bench) -> None:
    async def task(source: DeckSource) -> None:
        for found in await source.next(3):
            assert len(found.pictures) == 1
            data = await source.picture(found.pictures[0])
            assert images.decode(data).mode == "RGB"

    bench.work(task)


def test_an_act_is_sent_once_and_answered(bench: Bench) -> None:
    async def task(source: DeckSource) -> None:
        found = await source.next(4)
        for i, candidate in enumerate(found):
            await source.pace()
            answer = await source.act(candidate.ref, ACTS[i % 2], f"a_{i}")
            assert answer.state == "done"
        await source.results()

    bench.work(task)
    if bench.service is not None:
        done = bench.service.acts()
        assert [entry.action for entry in done] == ["like", "pass", "like", "pass"]
        assert len(bench.service.asked("act")) == 4 and not bench.service.twice()


def test_a_question_about_an_act_never_acts(bench: Bench) -> None:
    async def task(source: DeckSource) -> None:
        (found,) = await source.next(1)
        before = await source.has(found.ref, "like", "a_never")
        assert before is None or before.state in ("refused", "unknown")
        await source.act(found.ref, "like", "a_sent")
        after = await source.has(found.ref, "like", "a_sent")
        assert after is None or after.state in ("done", "unknown")

    bench.work(task)
    if bench.service is not None:
        assert len(bench.service.acts()) == 1


def test_the_secret_shows_nowhere(bench: Bench) -> None:
    async def task(source: DeckSource) -> str:
        found = await source.next(2)
        answer = await source.act(found[0].ref, "like", "a_1")
        return f"{source.context!r} {source!r} {found!r} {answer!r} {await source.results()!r}"

    shown = bench.work(task)
    assert not any(secret in shown for secret in bench.secrets.values())
