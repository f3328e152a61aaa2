"""The unofficial source: off until asked for twice, and none of the tricks."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.standin import Person, Standin
from tellapart import registry
from tellapart.doors import Candidate, DeckSource
from tellapart.errors import (
    InputError,
    MissingExtraError,
    RefusedError,
    SchemaChangedError,
)
from tellapart.plugins.decks.tinder import Tinder, _pause
from tests.deck_sources.conftest import Bench, everything

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(bench_of: Callable[..., Bench]) -> Bench:
    return bench_of("tinder")


def offered(bench: Bench, **says: Any) -> list[Candidate]:
    """What comes of candidates whose `user` says this."""
    assert bench.service is not None
    bench.service.people = {
        ref: replace(person, says=says) for ref, person in list(bench.service.people.items())[:2]
    }
    return bench.work(everything)


def test_without_its_extra_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tinder" in registry.names("deck")
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert "tinder" not in registry.names("deck")
    with pytest.raises(MissingExtraError) as caught:
        registry.load("deck", "tinder")
    assert "pip install 'tellapart[tinder]'" in caught.value.do


def test_the_extra_comes_with_no_other() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bring = {
        name
        for name, lines in extras["optional-dependencies"].items()
        if any("iso8601" in line or "tinder" in line for line in lines)
    }
    assert bring == {"tinder", "dev"}
    assert not any("iso8601" in line for line in extras["dependencies"])


def test_nothing_begins_before_the_account_has_confirmed(bench: Bench) -> None:
    with pytest.raises(InputError, match="not confirmed"):
        bench.work(everything, confirmed=False)
    assert bench.service is not None and not bench.service.log
    for plain in ("forbid", "lose the account", "not agreed", "my own", "was paid"):
        assert plain in Tinder.confirm
    assert "cost money" in Tinder.options[0].about
    assert Tinder.least_dry == 50 and Tinder.people is True and Tinder.terms.startswith("https://")


def test_it_goes_through_no_proxy(bench: Bench) -> None:
    bench.settings = replace(bench.settings, trust_proxies=True)
    with pytest.raises(InputError, match="no proxy"):
        bench.work(everything)


def test_super_likes_are_sent_only_where_they_are_asked_for(
    bench: Bench, bench_of: Callable[..., Bench]
) -> None:
    service = bench.service
    assert service is not None
    ref = next(iter(service.people))

    async def task(source: DeckSource) -> Any:
        return await source.act(ref, "super_like", "a")

    for paid in (None, False, "yes", 1):
        bench.options = {"pause": 0, "paid": paid}
        try:
            answer = bench.work(task)
        except InputError:
            continue
        assert answer.state == "refused" and answer.detail["reason"] == "paid_acts_are_off"
    assert not service.log
    bench.options = {"pause": 0, "paid": True}
    assert bench.work(task).super_likes_left == 0
    assert [entry.action for entry in service.acts()] == ["super_like"]
    second = bench.work(task)
    assert second.state == "refused" and second.super_likes_left == 0


def test_it_asks_for_nothing_but_recommendations_acts_and_matches(bench: Bench) -> None:
    service = bench.service
    assert service is not None
    bench.options = {"pause": 0, "paid": True}

    async def task(source: DeckSource) -> None:
        found = await everything(source)
        for candidate, action in zip(found, ("like", "pass", "super_like"), strict=False):
            await source.act(candidate.ref, action, "a")  # type: ignore[arg-type]
            await source.picture(candidate.pictures[0])
        assert await source.has(found[0].ref, "like", "a") is not None
        assert all("none of the program" not in repr(r) for r in await source.results())

    bench.work(task)
    first = {entry.path.split("/")[1] for entry in service.log}
    assert first == {"v2", "like", "pass", "pictures"}
    assert {e.path for e in service.log if e.path.startswith("/v2/")} == {
        "/v2/recs/core",
        "/v2/matches",
    }
    # Pictures lie elsewhere: the token stays at home, and no device is posed.
    for headers in service.picture_headers:
        assert "x-auth-token" not in headers and headers["user-agent"].startswith("Tellapart/")


def test_facts_of_a_recommendation(bench: Bench) -> None:
    found = offered(bench, birth_date="1996-02-29T00:00:00.000Z", gender=1)[0]
    assert found.age == 30 and found.person is True
    assert found.fields == {"jobs": ["Baker", "Bread"], "schools": ["School of Bread"]}
    # Neither the date of birth nor the sex is among what is kept.
    assert "1996" not in repr(found) and "gender" not in repr(found)


def test_a_missing_date_of_birth_is_no_age(bench: Bench) -> None:
    assert [c.age for c in offered(bench, birth_date=...)] == [None, None]


def test_no_pictures_is_said_and_not_guessed(bench: Bench) -> None:
    assert [(c.pictures, c.problem) for c in offered(bench, photos=[])] == [((), "")] * 2
    # The key gone from all of them: a service that has changed must not pass everybody.
    with pytest.raises(SchemaChangedError, match="photos"):
        offered(bench, photos=...)


def test_one_odd_recommendation_does_not_hide_the_others(bench: Bench) -> None:
    service = bench.service
    assert service is not None
    refs = list(service.people)
    service.change(refs[0], says={"photos": {"a": 1}})
    service.change(refs[1], says={"_id": "../../meta"})
    service.change(refs[2], says={"photos": [{"id": 1}, "x", {"url": 5, "processedFiles": 3}]})
    found = {c.ref: c for c in bench.work(everything)}
    assert found[refs[0]].problem == "no_list_of_pictures"
    assert refs[1] not in found and len(found) == 24
    # Pictures that cannot be had still count: no picture at all would be a reason to pass.
    assert len(found[refs[2]].pictures) == 3


def test_an_id_that_is_no_id_is_never_put_into_an_address(bench: Bench) -> None:
    async def task(source: DeckSource) -> None:
        for ref in ("../meta", "a/b", "a?b", "", "x" * 65, "a\r\nb"):
            assert (await source.act(ref, "like", "a")).state == "refused"

    bench.work(task)
    assert bench.service is not None and not bench.service.log


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/a.jpg",
        "http://localhost/a.jpg",
        "http://[::1]/a.jpg",
        "file:///etc/passwd",
        "http://127.0.0.1:1/a.jpg",
    ],
)
def test_a_picture_that_leads_inside_is_refused(bench: Bench, address: str) -> None:
    service = bench.service
    assert service is not None
    service.people = {"p1": Person("p1", words=("apple",), elsewhere=(address,))}

    async def task(source: DeckSource) -> None:
        (found,) = await source.next(5)
        assert [p.file_url for p in found.pictures][1:] == [address]
        assert await source.picture(found.pictures[0])
        with pytest.raises(RefusedError):
            await source.picture(found.pictures[1])

    bench.work(task)


def test_the_copy_that_is_large_enough_is_taken(bench: Bench) -> None:
    copies = [
        {"url": "https://x.example/84", "width": 84, "height": 106},
        {"url": "https://x.example/1080", "width": 1080, "height": 1350},
        {"url": "https://x.example/640", "width": 640, "height": 800},
        {"url": "https://x.example/320", "width": 320, "height": 400},
    ]
    photos: list[Any] = [
        {"url": "https://x.example/original", "processedFiles": copies},
        {"url": "https://x.example/original", "processedFiles": copies[:1]},
        {"processedFiles": copies[:1]},
        {"url": "https://x.example/original"},
    ]
    found = offered(bench, photos=photos)[0]
    ends = [p.file_url.rsplit("/", 1)[1] for p in found.pictures]
    assert ends == ["640", "original", "84", "original"]


def test_one_waits_between_requests_but_not_in_the_act(bench: Bench) -> None:
    assert _pause({}, "https://api.gotinder.com") == 2.0
    assert _pause({"pause": 0}, "https://api.gotinder.com/") == 1.0
    assert _pause({"pause": 0}, "http://127.0.0.1:1") == 0.0
    for wrong in (-1, 4000, "soon", True):
        with pytest.raises(InputError):
            Tinder.check({"pause": wrong})
    bench.options = {"pause": 0.5}

    async def task(source: DeckSource) -> None:
        assert isinstance(source, Tinder)
        found = await source.next(2)
        await source.pace()
        assert asyncio.get_running_loop().time() >= source._service._free_at
        await source.act(found[0].ref, "like", "a")

    bench.work(task)


def test_matches_are_read_page_by_page_and_not_again_and_again(
    bench: Bench, service: Standin
) -> None:
    service.people = {f"p{i}": Person(f"p{i}", likes_back=True) for i in range(130)}
    for i, ref in enumerate(service.people):
        service._judged[ref] = ["like"]
        service._matched.append((ref, 1_700_000_000.0 - i))  # newest first

    async def task(source: DeckSource) -> None:
        found = await source.results()
        assert [r.ref for r in found] == [f"p{i}" for i in range(130)][::-1]
        assert len(service.asked("results")) == 3
        assert len(await source.results(found[-10].at)) == 10
        assert len(service.asked("results")) == 5  # the second page brought nothing new
        for ref in ("p3", "p128", "nobody"):
            answer = await source.has(ref, "like", "a")
            assert answer is not None
            assert answer.state == ("unknown" if ref == "nobody" else "done")
        assert len(service.asked("results")) == 8

    bench.work(task)


def test_one_who_is_no_adult_any_more_is_offered_again(bench: Bench) -> None:
    service = bench.service
    assert service is not None
    refs = list(service.people)
    service.change(refs[0], birth_date="2015-01-01T00:00:00.000Z")
    service.change(refs[1], birth_date=None)
    found = bench.work(everything, known=lambda ref: True)
    assert [(c.ref, c.age) for c in found] == [(refs[0], 11), (refs[1], None)]
