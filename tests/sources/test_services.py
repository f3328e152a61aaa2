"""What is particular to each service: what it is asked, what its answers mean."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import FetchError, InputError
from tellapart.plugins.sources import flickr, inaturalist
from tellapart.plugins.sources.paged import number
from tests.sources.conftest import Bench
from tests.sources.services import KEY, Reply, Services

BenchOf = Callable[..., Bench]
INAT = "/inat/v1/observations"

# ------------------------------------------------------------------ iNaturalist


def test_a_name_means_one_living_thing(bench_of: BenchOf, services: Services) -> None:
    hits, error = bench_of("inaturalist").find("Red-Fox", 60)
    assert error is None and len(hits) == 60
    assert services.queries("/inat/v1/taxa/autocomplete") == [{"q": "Red-Fox", "per_page": "30"}]
    first, second = services.queries(INAT)
    assert first["taxon_id"] == "42069" and first["quality_grade"] == "research"
    assert (first["order_by"], first["order"]) == ("id", "asc")
    assert (first["page"], second["page"], first["per_page"]) == ("1", "2", "50")
    assert first["photo_license"].split(",")[:3] == ["cc0", "pd", "cc-by"]
    assert {hit.title for hit in hits} == {"Red Fox"}


def test_what_merely_begins_with_the_word_is_another_thing(
    bench_of: BenchOf, services: Services
) -> None:
    assert bench_of("inaturalist").find("rob") == ([], None)
    assert bench_of("inaturalist").find("vulpes vulpes", 1)[0]
    assert len(services.queries(INAT)) == 1


def test_of_an_observation_the_picture_that_may_be_taken(
    bench_of: BenchOf, services: Services
) -> None:
    hits, _ = bench_of("inaturalist").find("red fox", licenses=("cc0", "by-sa"))
    assert services.queries(INAT)[0]["photo_license"] == "cc0,cc-by-sa"
    assert {hit.license for hit in hits} == {"cc0", "by-sa"} and not any(h.problem for h in hits)
    assert len({hit.page_url for hit in hits}) == len(hits)
    assert all(hit.file_url.endswith("/medium.jpg") for hit in hits)


def test_without_any_open_licence_it_is_refused_for_good(
    bench_of: BenchOf, services: Services
) -> None:
    photo = {"url": "https://x.org/1/square.jpeg?5", "license_code": None}
    body = {"results": [{"id": 7, "photos": [photo]}, {"id": 8, "photos": "x"}]}
    services.script(INAT, Reply(body))
    hits, _ = bench_of("inaturalist").find("red fox")
    assert [(hit.problem, hit.license, hit.license_url) for hit in hits] == [
        ("no_license", "", ""),
        ("no_url", "", ""),
    ]
    assert hits[0].file_url == "https://x.org/1/medium.jpeg?5"
    assert hits[0].page_url == "https://www.inaturalist.org/observations/7"


def test_unconfirmed_observations_are_an_option(bench_of: BenchOf, services: Services) -> None:
    bench_of("inaturalist", {"quality": "any"}).find("red fox", 1)
    assert "quality_grade" not in services.queries(INAT)[0]
    with pytest.raises(InputError, match="'best'"):
        bench_of("inaturalist", {"quality": "best"}).find("red fox", 1)


def test_no_search_goes_deeper_than_the_service_does(bench_of: BenchOf, services: Services) -> None:
    assert bench_of("inaturalist").find("red fox", 50, 10_000) == ([], None)
    assert bench_of("flickr").find("apple", 50, 4_000) == ([], None)
    assert not services.queries(INAT) and not services.queries("/flickr/rest/")


# ------------------------------------------------------------------ Flickr


def test_flickr_is_asked_for_what_may_be_used(bench_of: BenchOf, services: Services) -> None:
    hits, _ = bench_of("flickr").find("apple", 10, licenses=("by", "cc0", "pdm"))
    licences, search = services.queries("/flickr/rest/")
    assert licences["method"] == "flickr.photos.licenses.getInfo"
    # Version 2.0 and 4.0 of `by`, and what nobody knows a right in, but not a government's works.
    assert search["license"] == "4,7,9,10,12" and search["safe_search"] == "1"
    assert search["format"] == "json" and search["nojsoncallback"] == "1"
    assert [(hit.license, hit.license_version) for hit in hits[:5]] == [
        ("by", "2.0"),
        ("pdm", ""),
        ("cc0", "1.0"),
        ("pdm", "1.0"),
        ("by", "4.0"),
    ]
    assert hits[0].attribution == '"apple 0" by Ada L. (CC BY 2.0), via Flickr'
    assert hits[0].page_url == "https://www.flickr.com/photos/12@N00/0"
    assert (hits[0].width, hits[0].height) == (640, 480)


def test_flickr_is_not_asked_for_a_licence_that_it_lacks(
    bench_of: BenchOf, services: Services
) -> None:
    assert bench_of("flickr").find("apple", licenses=("by-nc-nd",)) == ([], None)
    assert len(services.queries("/flickr/rest/")) == 1


def test_a_licence_that_changed_its_number_is_refused(
    bench_of: BenchOf, services: Services
) -> None:
    photo = {"id": "1", "owner": "x", "title": "t", "url_z": "https://x.org/1.jpg"}
    odd = [{**photo, "license": "0"}, {**photo, "license": 4}, {**photo, "license": None}]
    bench = bench_of("flickr")

    async def task(source: Any) -> list[str]:
        await source._licenses()
        services.script("/flickr/", Reply({"stat": "ok", "photos": {"photo": odd, "pages": 1}}))
        return [hit.problem async for hit in source.search("apple", limit=9)]

    assert bench.work(task) == ["no_license", "", "no_license"]


def test_flickr_away_is_a_passing_failure(bench_of: BenchOf, services: Services) -> None:
    services.script("/flickr/", Reply({"stat": "fail", "code": 105, "message": "away"}))
    _, error = bench_of("flickr").find("apple")
    assert isinstance(error, FetchError) and error.reason == "http_503"
    services.script("/flickr/", Reply({"stat": "fail", "code": 3, "message": f"no {KEY}"}))
    _, error = bench_of("flickr").find("apple")
    assert isinstance(error, FetchError) and error.reason == "bad_answer"
    assert KEY not in str(error) and "code" not in str(error.reason)


def test_the_key_stays_out_of_a_failing_redirect(bench_of: BenchOf, services: Services) -> None:
    away = Reply({}, 302, {"Location": "http://10.0.0.1/?api_key=" + KEY})
    services.script("/flickr/", away)
    _, error = bench_of("flickr").find("apple")
    assert isinstance(error, FetchError) and error.reason == "private_address"
    assert KEY not in repr(error) + str(error) and error.__cause__ is None


# ------------------------------------------------------------------ Pexels


def test_pexels_gives_its_own_licence(bench_of: BenchOf, services: Services) -> None:
    hits, _ = bench_of("pexels").find("boat", 1)
    assert hits[0].license == "pexels" and hits[0].license_url == "https://www.pexels.com/license/"
    assert hits[0].attribution == "Photo by Ada L. on Pexels"
    assert "h=650" in hits[0].file_url and hits[0].width == 3000
    (asked,) = services.asked
    assert asked.headers["authorization"] == KEY and KEY not in str(asked.query)
    # That is none of the licences that a recipe may ask for: nothing is asked.
    assert bench_of("pexels").find("boat", licenses=("by", "cc0")) == ([], None)
    assert len(services.asked) == 1


def test_pexels_is_left_alone_once_nothing_is_left(bench_of: BenchOf, services: Services) -> None:
    spent = {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str(int(time.time()) + 3000)}
    photo = {"src": {"large": "https://x.org/1.jpg"}, "photographer": "x"}
    services.script("/pexels/", Reply({"photos": [photo], "next_page": "x"}, headers=spent))
    hits, error = bench_of("pexels").find("boat")
    assert len(hits) == 1 and isinstance(error, FetchError) and error.reason == "rate_limited"
    assert len(services.asked) == 1


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("cc-by", "by"),
        ("CC-BY-NC-SA", "by-nc-sa"),
        ("cc0", "cc0"),
        ("pd", "pdm"),
        ("gfdl", ""),
        ("", ""),
        ("cc-by-evil", ""),
    ],
)
def test_inaturalist_licences(theirs: str, ours: str) -> None:
    assert inaturalist._ours(theirs) == ours


@given(st.dictionaries(st.sampled_from(["id", "url", "name"]), st.text() | st.integers()))
def test_no_licence_entry_breaks_flickr(entry: dict[str, Any]) -> None:
    found = flickr._read(entry)
    assert found is None or found[0] in ("cc0", "pdm") or found[0].startswith("by")


@given(st.text() | st.integers() | st.booleans() | st.none())
def test_a_number_is_a_number_above_0(value: object) -> None:
    found = number(value)
    assert found is None or (isinstance(found, int) and found > 0 and found is not True)
