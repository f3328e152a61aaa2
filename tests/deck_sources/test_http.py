"""The deck protocol: its version, its pages, its token, and the page that documents it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.standin import Person, Standin
from benchmarks.standin.service import Reply
from benchmarks.standin.wire import Asked
from tellapart.doors import DeckSource
from tellapart.errors import InputError, RefusedError, SchemaChangedError, ServiceError
from tellapart.plugins.decks.http import Http
from tests.deck_sources.conftest import Bench, everything

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def bench(bench_of: Callable[..., Bench]) -> Bench:
    return bench_of("http")


@contextmanager
def answering(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, **answers: Callable[[Asked], Any]
) -> Iterator[Standin]:
    """The service answers GET /deck/v1/NAME by these."""
    service = bench.service
    assert service is not None
    rest = service._answer

    async def answer(asked: Asked) -> Reply:
        name = asked.path.removeprefix("/deck/v1/")
        found = answers.get(name.replace("/", "_"))
        await asyncio.sleep(0)
        return (200, found(asked)) if found is not None else await rest(asked)

    monkeypatch.setattr(service, "_answer", answer)
    yield service


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example/d",
        "https://user:word@x.example/d",
        "https://x.example/d?token=secret-word",
        "https://x.example/d#part",
        "https://",
        "x.example",
        "http://[::1/d",
    ],
)
def test_an_address_with_more_in_it_is_not_quoted(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Http.check({"url": url})
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/d", "http://169.254.169.254/", "http://localhost/d"]
)
def test_the_guard_stands_before_the_service(bench: Bench, url: str) -> None:
    bench.options, bench.secrets = {"url": url}, {}
    with pytest.raises(ServiceError) as caught:
        bench.work(everything)
    assert caught.value.reason == "private_address" and not caught.value.switch_off


def test_a_token_never_crosses_the_internet_in_the_clear(bench: Bench) -> None:
    bench.options = {"url": "http://flats.example/deck"}
    with pytest.raises(InputError, match="without encryption"):
        bench.work(everything)
    bench.secrets = {}
    with pytest.raises(ServiceError):  # no token, no secret: it may be asked (and is not there)
        bench.work(everything)


@pytest.mark.parametrize("about", [{}, {"protocol": 2}, {"protocol": "1"}, {"name": "other"}])
def test_another_protocol_is_a_change(
    bench: Bench, about: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        answering(bench, monkeypatch, deck=lambda asked: about),
        pytest.raises(SchemaChangedError, match="version 1"),
    ):
        bench.work(everything)


def test_a_service_of_things_leaves_it_to_the_deck(bench: Bench) -> None:
    assert bench.service is not None
    bench.service.are_people = False
    assert {c.person for c in bench.work(everything)} == {None}
    ref = next(iter(bench.service.people))
    bench.service.change(ref, says={"person": True})
    assert {c.ref for c in bench.work(everything) if c.person} == {ref}


@pytest.mark.parametrize(
    "page",
    [
        # The same page for ever, a cursor that does not move, one that moves over nothing new.
        lambda asked: {"candidates": [{"id": "a", "pictures": []}], "next": "x"},
        lambda asked: {"candidates": [], "next": str(int(asked.query.get("after", 0)) + 1)},
        lambda asked: {
            "candidates": [{"id": "a", "pictures": []}],
            "next": str(int(asked.query.get("after", 0)) + 1),
        },
    ],
)
def test_a_stream_without_end_ends(
    bench: Bench, page: Callable[[Asked], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(request: Asked) -> Any:
        asked.append(request.path)
        return page(request)

    with answering(bench, monkeypatch, candidates=counted):
        found = bench.work(everything)
    assert len(found) <= 1 and len(asked) < 80


def test_candidates_that_come_twice_and_change_come_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def page(asked: Asked) -> Any:
        twins = [{"id": "a", "age": 30, "pictures": []}, {"id": "a", "age": 15, "pictures": []}]
        return {"candidates": twins, "next": None}

    with answering(bench, monkeypatch, candidates=page):
        (found,) = bench.work(everything)
    assert found.age == 15


@pytest.mark.parametrize(
    "value",
    [
        {"candidates": {"a": 1}},
        {"items": []},
        [],
        "text",
        {"candidates": [1, 2]},
        {"candidates": [{"uid": "a"}]},
    ],
)
def test_another_shape_is_a_change(
    bench: Bench, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        answering(bench, monkeypatch, candidates=lambda asked: value),
        pytest.raises(SchemaChangedError),
    ):
        bench.work(everything)


def test_a_list_of_pictures_that_is_missing_is_not_an_empty_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [{"id": "a", "pictures": []}, {"id": "b"}, {"id": "c", "pictures": "1.jpg"}]
    page = {"candidates": said, "next": None}
    with answering(bench, monkeypatch, candidates=lambda asked: page):
        found = bench.work(everything)
    assert [c.problem for c in found] == ["", "no_list_of_pictures", "no_list_of_pictures"]


def test_the_token_goes_to_its_own_origin_alone(bench: Bench) -> None:
    service = bench.service
    assert service is not None
    with Standin([Person("far", words=("boat",))], token="another") as other:
        far = f"http://{other.host}/pictures/far/0.jpg"
        bench.settings = replace(bench.settings, allow_hosts=(service.host, other.host))
        service.people = {"p": Person("p", words=("apple",), elsewhere=(far,))}

        async def task(source: DeckSource) -> None:
            (found,) = await source.next(1)
            for picture in found.pictures:
                assert await source.picture(picture)

        bench.work(task)
        assert service.picture_headers[0]["authorization"] == f"Bearer {service.token}"
        assert other.picture_headers and "authorization" not in other.picture_headers[0]


def test_robots_and_opt_outs_hold_elsewhere_and_not_in_ones_own_account(
    bench: Bench, bench_of: Callable[..., Bench]
) -> None:
    service = bench.service
    assert service is not None
    service.closed = True
    with Standin([Person("far", words=("boat",))], closed=True) as other:
        far = f"http://{other.host}/pictures/far/0.jpg"
        service.people = {"p": Person("p", words=("apple",), elsewhere=(far,))}
        for one in (bench, bench_of("tinder")):
            one.settings = replace(one.settings, allow_hosts=(service.host, other.host))

            async def task(source: DeckSource) -> None:
                (found,) = await source.next(1)
                assert await source.picture(found.pictures[0])
                if source.name == "tinder":  # all of its pictures are of the account's own stream
                    assert await source.picture(found.pictures[1])
                else:
                    with pytest.raises(RefusedError) as caught:
                        await source.picture(found.pictures[1])
                    assert caught.value.reason == "robots"

            one.work(task)


def test_keys_and_refs_that_would_be_paths(bench: Bench) -> None:
    async def task(source: DeckSource) -> None:
        answer = await source.act("../../log", "like", "../log")
        assert answer.state == "refused"
        told = await source.has("r", "like", "../log?x=1")
        assert told is not None and told.state == "refused"

    bench.work(task)


def test_a_reason_never_holds_the_token_or_a_story(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.service is not None
    said = {"state": "refused", "error": f"no {bench.service.token}", "match": "yes"}
    with answering(bench, monkeypatch, actions=lambda asked: said):
        answer = bench.work(lambda source: source.act("a", "like", "k"))
    assert answer.state == "refused" and answer.match is None
    assert bench.service.token not in repr(answer)


def test_results_are_read_to_their_end_and_since(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def page(asked: Asked) -> Any:
        n = int(asked.query.get("after", 0))
        at = f"2026-03-0{9 - n}T10:00:00+02:00"
        rest = [{"candidate": "x"}, 7, {"candidate": "y", "at": "yesterday"}]
        said = {"candidate": f"c{n}", "action": "wave", "match": True, "at": at}
        return {"results": [said, *rest], "next": str(n + 1) if n < 3 else None}

    with answering(bench, monkeypatch, results=page):
        found = bench.work(lambda source: source.results())
    assert [r.ref for r in found] == ["c3", "c2", "c1", "c0"]
    assert all(r.action is None and r.match and r.at.hour == 8 for r in found)


def test_the_documented_examples_are_what_is_spoken(bench: Bench) -> None:
    """Every JSON on the page is read by the source as the page says."""
    page = (DOCS / "deck-protocol.md").read_text(encoding="utf-8")
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.S)]
    about, candidates, _act, answer, results = blocks
    assert about["protocol"] == 1
    source = _source(bench)
    (found,) = (source._candidate(item) for item in candidates["candidates"])
    assert found is not None and not found.problem and found.age == 30 and len(found.pictures) == 2
    assert set(answer) >= {"state", "match", "likes_left"}
    assert len(results["results"]) == 1


def _source(bench: Bench) -> Http:
    made: list[Http] = []

    async def keep(source: DeckSource) -> None:
        assert isinstance(source, Http)
        made.append(source)

    bench.work(keep)
    return made[0]
