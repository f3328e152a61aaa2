"""A service that misbehaves: the right word for each habit, no act in doubt called sure, no token
in any message."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.standin import Standin
from tellapart.doors import ActAnswer, DeckSource
from tellapart.errors import (
    CredentialError,
    ExhaustedError,
    FetchError,
    RateLimitedError,
    SchemaChangedError,
    ServiceError,
    TellapartError,
)
from tests.deck_sources.conftest import Bench, everything

SERVICES = ("http", "tinder")

#: fault → what `next` raises; None: it goes on without candidates.
NEXT: dict[str, type[TellapartError] | None] = {
    "token_dead": CredentialError,
    "forbidden": RateLimitedError,
    "rate_limited": RateLimitedError,
    "exhausted": None,
    "error": ServiceError,
    "gone": ServiceError,
    "garbage": ServiceError,
    "empty": ServiceError,
    "redirect": ServiceError,
    "half": ServiceError,
    "drop": ServiceError,
    "hang": ServiceError,
    "schema": SchemaChangedError,
}
#: fault → what `act` raises, or the state that it answers. Raised: the service did nothing.
ACT: dict[str, type[TellapartError] | str] = {
    "token_dead": CredentialError,
    "forbidden": RateLimitedError,
    "rate_limited": RateLimitedError,
    "exhausted": ExhaustedError,
    "gone": "refused or unknown",
    "error": "unknown",
    "garbage": "unknown",
    "empty": "unknown",
    "redirect": "unknown",
    "half": "unknown",
    "drop": "unknown",
    "hang": "unknown",
    "schema": "unknown",
}
TINDER_NEXT = {"rate_limited_words": RateLimitedError, "rate_limited_id": RateLimitedError}


@pytest.fixture(params=SERVICES)
def bench(request: pytest.FixtureRequest, bench_of: Callable[..., Bench]) -> Bench:
    return bench_of(request.param)


def tell(bench: Bench, fault: str, where: str, **more: Any) -> Standin:
    """Let the service misbehave; one that hangs is not waited for long."""
    assert bench.service is not None
    bench.service.tell(fault, where, **more)
    if fault == "hang":
        bench.settings = replace(bench.settings, fetch_timeout=2.0)
    return bench.service


def attempt(bench: Bench, task: Callable[[DeckSource], Any]) -> Any:
    """What a task answers, or the error it raises."""
    try:
        return bench.work(task)
    except TellapartError as error:
        return error


def all_words(found: object) -> str:
    """Everything that could get into a log, a page or a database."""
    if not isinstance(found, TellapartError):
        return repr(found)
    whole = f"{found} {found!r} {found.to_dict()} {pickle.dumps(found)!r} {found.__cause__!r}"
    return whole + repr(found.__context__)


@pytest.mark.parametrize("fault", NEXT)
def test_asking_for_candidates(bench: Bench, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = tell(bench, fault, "next")
    found = attempt(bench, everything)
    expected = NEXT[fault]
    if expected is None:
        assert found == []
    else:
        assert type(found) is expected, found
        assert found.what and found.expected and found.do and found.reason
        assert found.switch_off == (expected is not ServiceError)
    assert service.token not in all_words(found) + caplog.text
    assert not service.acts() and not service.asked("act")
    # Nothing is tried again at once: the next turn is soon enough.
    assert len(service.asked("next")) == 1
    service.mend()
    bench.settings = replace(bench.settings, fetch_timeout=30.0)
    assert len(bench.work(everything)) == 25


@pytest.mark.parametrize("fault", sorted(TINDER_NEXT))
def test_limits_told_in_an_answer_of_status_200(bench_of: Callable[..., Bench], fault: str) -> None:
    bench = bench_of("tinder")
    assert bench.service is not None
    bench.service.tell(fault, "next")
    assert type(attempt(bench, everything)) is TINDER_NEXT[fault]
    if fault == "rate_limited_words":
        bench.service.mend()
        bench.service.tell(fault, "act")
        assert isinstance(attempt(bench, _like), RateLimitedError)
        assert not bench.service.acts()


async def _like(source: DeckSource) -> ActAnswer:
    found = await source.next(3)
    return await source.act(found[1].ref, "like", "a_1")


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (fault, done)
        for fault, expected in ACT.items()
        for done in (False, True)
        if expected == "unknown" or not done
    ],
)
def test_acting(bench: Bench, fault: str, done: bool, caplog: pytest.LogCaptureFixture) -> None:
    expected = ACT[fault]
    if fault == "gone":
        # A page of somebody between may say 404, too: in our protocol the service says why.
        expected = "refused" if bench.kind == "tinder" else "unknown"
    caplog.set_level(logging.DEBUG)
    service = tell(bench, fault, "act", done=done)
    found = attempt(bench, _like)
    if isinstance(expected, str):
        assert isinstance(found, ActAnswer) and found.state == expected, found
        assert found.detail["reason"]
    else:
        assert type(found) is expected, found
    # One request, whatever came of it; and what is called sure is sure.
    assert len(service.asked("act")) == 1
    assert bool(service.acts()) == done
    assert service.token not in all_words(found) + caplog.text


@pytest.mark.parametrize("fault", ["drop", "error", "hang", "garbage", "half"])
@pytest.mark.parametrize("done", [False, True])
def test_http_can_be_asked_what_became_of_it(
    bench_of: Callable[..., Bench], fault: str, done: bool
) -> None:
    bench = bench_of("http")
    service = tell(bench, fault, "act", times=1, done=done)

    async def task(source: DeckSource) -> None:
        found = await source.next(2)
        answer = await source.act(found[0].ref, "like", "a_1")
        assert answer.state == "unknown"
        told = await source.has(found[0].ref, "like", "a_1")
        assert told is not None and told.state == ("done" if done else "refused")
        # What was said never to have arrived must not be done when it comes after all.
        late = await source.act(found[0].ref, "like", "a_1")
        assert late.state == ("done" if done else "refused")

    bench.work(task)
    assert len(service.acts()) == done and not service.twice()


def test_tinder_can_tell_a_match_and_nothing_else(bench_of: Callable[..., Bench]) -> None:
    bench = bench_of("tinder")
    service = bench.service
    assert service is not None
    refs = list(service.people)
    service.tell("drop", "act", done=True)

    async def task(source: DeckSource) -> None:
        for ref, back in ((refs[0], True), (refs[1], False)):
            assert service.people[ref].likes_back is back
            assert (await source.act(ref, "like", "a")).state == "unknown"
            told = await source.has(ref, "like", "a")
            assert told is not None and told.state == ("done" if back else "unknown")
        assert (await source.has(refs[2], "pass", "a")) == ActAnswer(
            "unknown", detail={"reason": "cannot_be_told"}
        )

    bench.work(task)


@pytest.mark.parametrize("where", ["has", "results"])
@pytest.mark.parametrize(
    "fault", ["token_dead", "rate_limited", "error", "garbage", "schema", "drop"]
)
def test_asking_back(bench: Bench, where: str, fault: str) -> None:
    service = bench.service
    assert service is not None
    service.tell(fault, where)
    service.tell(fault, "results")

    async def task(source: DeckSource) -> Any:
        return await (source.results() if where == "results" else source.has("r", "like", "a_1"))

    found = attempt(bench, task)
    if isinstance(found, ActAnswer):
        assert found.state == "unknown"
    else:
        assert isinstance(found, ServiceError), found
    assert service.token not in all_words(found)
    assert not service.acts()


def test_no_service_at_all_means_that_nothing_was_sent(
    bench_of: Callable[..., Bench], service: Standin
) -> None:
    benches = [bench_of(kind) for kind in SERVICES]
    service.stop()
    for bench in benches:
        for task in (everything, lambda source: source.act("r1", "like", "a_1")):
            found = attempt(bench, task)
            assert type(found) is ServiceError and found.reason == "connection"
            assert not found.switch_off


def test_out_of_likes_says_for_how_long(bench: Bench) -> None:
    service = bench.service
    assert service is not None
    service.likes_left = 1

    async def task(source: DeckSource) -> None:
        found = await source.next(4)
        last = await source.act(found[0].ref, "like", "a_0")
        assert last.state == "done" and last.likes_left == 0 == source.likes_left
        with pytest.raises(ExhaustedError) as caught:
            await source.act(found[1].ref, "like", "a_1")
        assert caught.value.retry_after is not None and caught.value.retry_after > 3600
        assert source.likes_left == 0 and not caught.value.switch_off
        # Passing costs nothing and goes on.
        assert (await source.act(found[2].ref, "pass", "a_2")).state == "done"

    bench.work(task)
    assert [entry.action for entry in service.acts()] == ["like", "pass"]


def test_a_service_that_asks_for_rest_is_quoted(bench: Bench) -> None:
    assert bench.service is not None
    bench.service.tell("rate_limited")
    found = attempt(bench, everything)
    assert found.retry_after == 600 and "600 s" in found.what


def test_a_candidate_that_is_withdrawn_or_was_judged_elsewhere(bench: Bench) -> None:
    service = bench.service
    assert service is not None

    async def task(source: DeckSource) -> None:
        found = await source.next(3)
        service.withdraw(found[0].ref)
        answer = await source.act(found[0].ref, "like", "a_0")
        assert answer.state == "refused" and answer.detail["reason"] == "gone"

    bench.work(task)
    assert not service.acts()


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "naïve", "x" * 5000])
def test_a_token_that_cannot_be_sent_is_never_quoted(
    bench_of: Callable[..., Bench], token: str
) -> None:
    for kind in SERVICES:
        bench = bench_of(kind)
        bench.secrets = {"token": token}
        if kind == "http" and not token.strip():
            continue  # a service of one's own may ask for none
        found = attempt(bench, everything)
        assert isinstance(found, CredentialError) and found.reason in ("missing", "malformed")
        if len(token.strip()) > 1:
            assert token not in all_words(found)
        assert bench.service is not None and not bench.service.log


def test_a_wrong_token_is_dead(bench: Bench) -> None:
    bench.secrets = {"token": "another-token-0123456789"}
    found = attempt(bench, everything)
    assert isinstance(found, CredentialError) and found.switch_off
    assert "another-token" not in all_words(found)
    assert isinstance(found, FetchError)  # a face that knows no decks shows it as such
