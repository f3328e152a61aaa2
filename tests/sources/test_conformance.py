"""What every source keeps to, ours and those to come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tellapart import images, registry
from tellapart.doors import Source
from tellapart.errors import CredentialError, FetchError
from tellapart.plugins.sources.paged import Paged
from tests.sources.conftest import PAGED, PATHS, SERVICES, WORDS, Bench, gather
from tests.sources.services import KEY, Reply, Services

#: Drives a browser; its own tests hold it to the same.
ELSEWHERE = {"browser"}


@pytest.fixture(params=WORDS)
def bench(request: pytest.FixtureRequest, bench_of: Callable[..., Bench]) -> Bench:
    return bench_of(request.param)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, bench_of: Callable[..., Bench]) -> Bench:
    return bench_of(request.param)


def test_all_of_ours_are_in_the_suite() -> None:
    ours = {*registry.BUILT_IN["source"], *registry.OPTIONAL.get("source", {})}
    assert ours - ELSEWHERE == set(WORDS)


@pytest.mark.parametrize("kind", WORDS)
def test_a_source_says_what_a_person_must_know(kind: str) -> None:
    found = registry.load("source", kind)
    assert found.name == kind and (found.__doc__ or "").strip() and found.probe
    assert found.local == (kind not in SERVICES)
    assert bool(found.terms.startswith("https://")) == (kind in SERVICES)
    if issubclass(found, Paged):
        assert found.title and found.setting.startswith("TELLAPART_") and found.deepest > 1


def test_a_search_can_be_cut_anywhere(bench: Bench) -> None:
    word = WORDS[bench.kind]
    whole, error = bench.find(word)
    assert error is None and len(whole) >= 12
    if bench.kind in SERVICES:
        assert [hit.rank for hit in whole] == list(range(len(whole)))
    else:  # a rank is a row of the list
        assert [hit.rank for hit in whole] == sorted({hit.rank for hit in whole})
    pieces, start = [], 0
    while found := bench.find(word, 17, start)[0]:
        assert len(found) <= 17
        pieces += found
        start = found[-1].rank + 1
    assert pieces == whole
    assert bench.find(word, 5, start + 1000) == ([], None)


def test_one_object_answers_the_same_again_and_to_many_at_once(bench: Bench) -> None:
    word = WORDS[bench.kind]

    async def twice(source: Source) -> None:
        first, error = await gather(source, word, 1000, 0)
        many = await asyncio.gather(*(gather(source, word, 1000, 0) for _ in range(3)))
        assert error is None and many == [(first, None)] * 3
        assert await gather(source, word, 3, 4) == (first[4:7], None)

    bench.work(twice)


def test_a_word_that_nobody_knows_has_no_hits(bench: Bench) -> None:
    assert bench.find("zeppelin") == ([], None)


def test_no_hit_comes_without_its_origin(service: Bench) -> None:
    hits, _ = service.find(WORDS[service.kind])
    for hit in hits:
        assert hit.file_url.startswith("http") and hit.path is None
        assert hit.page_url.startswith("http") and hit.creator and hit.title
        assert hit.license and hit.license == hit.license.lower()
        assert hit.attribution and "\n" not in hit.attribution
        assert hit.license_url.startswith("http") and not hit.problem
        if service.kind not in ("openverse", "commons") and hit.license not in ("pdm", "pexels"):
            assert hit.license_version and f"/{hit.license_version}/" in hit.license_url


def test_pictures_can_be_fetched(service: Bench) -> None:
    async def look(source: Source) -> None:
        hits, _ = await gather(source, WORDS[service.kind], 2, 0)
        for hit in hits:
            fetched = await source.context.fetcher.get(hit.file_url)
            assert images.decode(fetched.data).mode == "RGB"

    service.work(look)


@pytest.mark.parametrize("kind", sorted(set(WORDS) - set(SERVICES)))
def test_local_rows_lie_here(kind: str, bench_of: Callable[..., Bench]) -> None:
    bench = bench_of(kind)
    hits, _ = bench.find(WORDS[kind])
    every, _ = bench.find("")
    assert {hit.label for hit in hits} == {"apple"} and all(hit in every for hit in hits)
    assert all(hit.path is not None or hit.file_url for hit in hits)


def test_licences_that_were_not_asked_for_do_not_come_in(service: Bench) -> None:
    wanted = ("cc0",)
    hits, error = service.find(WORDS[service.kind], licenses=wanted)
    assert error is None
    assert all(hit.license == "cc0" for hit in hits if not hit.problem)
    assert all(hit.problem == "license" for hit in hits if hit.license != "cc0")


ODD = [[], "x", 5, None, {}, {"results": "x"}, {"stat": "ok"}, {"photos": {}}, {"results": [1, {}]}]


@pytest.mark.parametrize("body", ODD, ids=[str(body) for body in ODD])
@pytest.mark.parametrize("kind", [*PAGED, "huggingface"])
def test_a_shape_that_is_not_known_is_no_lack_of_hits(
    kind: str, body: object, bench_of: Callable[..., Bench], services: Services
) -> None:
    services.script(PATHS[kind], *[Reply(body)] * 4)
    hits, error = bench_of(kind).find(WORDS[kind], 10)
    assert hits == [] and isinstance(error, FetchError) and error.reason == "bad_answer"
    assert "TELLAPART_" in error.do and error.expected


@pytest.mark.parametrize(("status", "reason"), [(404, "http_404"), (429, "rate_limited")])
@pytest.mark.parametrize("kind", [*PAGED, "huggingface"])
def test_a_failure_has_its_reason_and_no_secret(
    kind: str, status: int, reason: str, bench_of: Callable[..., Bench], services: Services
) -> None:
    told = KEY if kind in ("flickr", "pexels") else ""
    answer = Reply({"message": told}, status, {"Retry-After": "86400"} if status == 429 else {})
    services.script(PATHS[kind], *[answer] * 5)
    bench = bench_of(kind)
    hits, error = bench.find(WORDS[kind], 10)
    assert hits == [] and isinstance(error, FetchError) and error.reason == reason
    assert error.do and error.expected and error.__cause__ is None
    assert KEY not in f"{error} {error!r} {bench.settings!r}"


@pytest.mark.parametrize("kind", PAGED)
def test_what_came_before_a_failure_is_kept(
    kind: str, bench_of: Callable[..., Bench], services: Services
) -> None:
    whole, _ = bench_of(kind).find(WORDS[kind])

    async def breaks(source: Source) -> None:
        first, error = await gather(source, WORDS[kind], source.page, 0)
        assert error is None and first == whole[: source.page]
        services.script(PATHS[kind], *[Reply({}, 404)] * 5)
        assert isinstance((await gather(source, WORDS[kind], 500, source.page))[1], FetchError)
        services.scripted.clear()
        # A failure is forgotten: the same object goes on where it stopped.
        rest, error = await gather(source, WORDS[kind], 500, source.page)
        assert error is None and first + rest == whole

    bench_of(kind).work(breaks)


@pytest.mark.parametrize("kind", ["flickr", "pexels"])
def test_without_a_key_nothing_is_asked(
    kind: str, bench_of: Callable[..., Bench], services: Services
) -> None:
    hits, error = bench_of(kind, **{f"{kind}_key": None}).find("apple")
    assert hits == [] and isinstance(error, CredentialError) and error.reason == "no_key"
    assert f"TELLAPART_{kind.upper()}_KEY" in error.do and "https://" in error.expected
    assert services.asked == []


@pytest.mark.parametrize("kind", ["flickr", "pexels"])
def test_a_refused_key_is_told_and_not_shown(kind: str, bench_of: Callable[..., Bench]) -> None:
    hits, error = bench_of(kind, **{f"{kind}_key": "wr0ng-key"}).find("apple")
    assert hits == [] and isinstance(error, FetchError) and error.reason == "http_401"
    assert f"TELLAPART_{kind.upper()}_KEY" in error.what and "wr0ng-key" not in str(error)


@pytest.mark.parametrize("kind", PAGED)
def test_requests_keep_their_distance(
    kind: str, bench_of: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    documented = {"inaturalist": 1.0, "flickr": 1.0, "pexels": 0.0}[kind]
    monkeypatch.setattr(registry.load("source", kind), "pause", documented)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    # The name in that module alone: others wait as well, for reasons of their own.
    monkeypatch.setattr("tellapart.plugins.sources.paged.sleep", sleep)
    bench_of(kind).find(WORDS[kind])
    asked = [wait for wait in waits if wait > 0]
    # As long as the pause, less what the request before took; of all but the first.
    assert len(asked) >= 2 if documented else not asked
    assert sum(asked) <= documented * len(waits) * len(waits)
