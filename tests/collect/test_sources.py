import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.demo.picture_web import Answer, PictureWeb
from tellapart.doors import Hit, Source, SourceContext
from tellapart.errors import FetchError
from tellapart.fetch import Fetcher
from tellapart.plugins.sources.commons import Commons, license_code, plain
from tellapart.plugins.sources.openverse import Openverse
from tellapart.settings import Settings

Found = tuple[list[Hit], FetchError | None]


def search(
    kind: type[Source], settings: Settings, query: str, limit: int, start: int = 0, **options: Any
) -> Found:
    async def go() -> Found:
        async with Fetcher(settings) as fetcher:
            source = kind(SourceContext(settings=settings, fetcher=fetcher, **options))
            hits: list[Hit] = []
            try:
                async for hit in source.search(query, limit=limit, start=start):
                    hits.append(hit)  # noqa: PERF401 - those before a failure count
            except FetchError as error:
                return hits, error
            return hits, None

    return asyncio.run(go())


@pytest.fixture
def of(tmp_path: Path) -> Callable[..., Settings]:
    def make(web: PictureWeb, **values: Any) -> Settings:
        return Settings(
            home=tmp_path,
            openverse_url=web.openverse_url,
            commons_url=web.commons_url,
            allow_hosts=(web.host,),
            **values,
        )

    return make


@pytest.mark.parametrize("kind", [Openverse, Commons])
def test_a_search_can_be_cut_anywhere(
    kind: type[Source], web: PictureWeb, of: Callable[..., Settings]
) -> None:
    whole, error = search(kind, of(web), "apple", 1000)
    assert error is None and [h.rank for h in whole] == list(range(30))
    pieces = search(kind, of(web), "apple", 7)[0]
    pieces += search(kind, of(web), "apple", 18, start=7)[0]
    pieces += search(kind, of(web), "apple", 20, start=25)[0]
    assert pieces == whole
    assert search(kind, of(web), "zeppelin", 5) == ([], None)


def test_openverse_without_token_stays_within_its_limits(
    web: PictureWeb, of: Callable[..., Settings]
) -> None:
    search(Openverse, of(web), "apple", 60)
    assert web.requests == {"/v1/images/?apple": 2}


def test_openverse_asks_with_token_and_filters(tmp_path: Path) -> None:
    with PictureWeb(["apple"], n=1, size=(8, 8)) as web:
        seen: list[str] = []
        answer = web._answer

        async def watch(target: str) -> Answer:
            seen.append(target)
            return await answer(target)

        web._answer = watch  # type: ignore[method-assign]
        body = {"result_count": 2, "page_count": 1, "results": [{"url": ""}, hit_of("by-nc")]}
        web.script("/v1/images/", Answer(200, json.dumps(body).encode()))
        settings = Settings(
            home=tmp_path,
            openverse_url=web.openverse_url,
            openverse_token="secret",
            allow_hosts=(web.host,),
        )
        hits, _ = search(Openverse, settings, "red & apple", 100, licenses=("by", "cc0"))
    assert "q=red%20%26%20apple" in seen[0].replace("+", "%20") and "page_size=100" in seen[0]
    assert "license=by%2Ccc0" in seen[0] and "mature=false" in seen[0]
    assert "secret" not in seen[0]
    assert [(h.rank, h.problem) for h in hits] == [(0, "no_url"), (1, "license")]


def hit_of(license_code: str, **more: Any) -> dict[str, Any]:
    return {"url": "https://x.org/a.jpg", "license": license_code, "title": None, **more}


@pytest.mark.parametrize("results", [[], [1, None, {}], [{"url": 5}]])
def test_openverse_survives_odd_answers(
    web: PictureWeb, of: Callable[..., Settings], results: Any
) -> None:
    web.script("/v1/images/", Answer(200, json.dumps({"results": results}).encode()))
    web.script("/v1/images/", Answer(200, b'{"results": []}'))
    hits, error = search(Openverse, of(web), "apple", 20)
    assert {hit.problem for hit in hits} <= {"no_url"} and error is None
    assert len(hits) == len(results)


@pytest.mark.parametrize(
    ("kind", "path", "body"),
    [
        *(
            (Openverse, "/v1/images/", body)
            for body in (b"{}", b'{"results": "x"}', b'{"hits": []}')
        ),
        *((Commons, "/w/api.php", body) for body in (b"{}", b"[]", b'{"query": {"pages": {}}}')),
    ],
)
def test_an_answer_of_another_shape_is_not_taken_for_none(
    web: PictureWeb, of: Callable[..., Settings], kind: type[Source], path: str, body: bytes
) -> None:
    web.script(path, Answer(200, body))
    hits, error = search(kind, of(web), "apple", 20)
    assert hits == [] and error is not None and error.reason == "bad_answer"


@pytest.mark.parametrize(
    ("status", "body", "token", "reason", "says"),
    [
        (401, b"{}", "secret", "http_401", "unset the variable"),
        (429, b"{}", None, "rate_limited", "TELLAPART_OPENVERSE_TOKEN"),
        (400, b'{"error": "InputError"}', None, "http_400", ""),
        (200, b"[]", None, "bad_answer", "TELLAPART_OPENVERSE_URL"),
        (200, b"<html>", None, "not_json", ""),
    ],
)
def test_openverse_failures_say_what_to_do(
    web: PictureWeb,
    of: Callable[..., Settings],
    status: int,
    body: bytes,
    token: str | None,
    reason: str,
    says: str,
) -> None:
    patient = {"Retry-After": "86400"} if status == 429 else None
    web.script("/v1/images/", *[Answer(status, body, headers=patient)] * 5)
    hits, error = search(Openverse, of(web, openverse_token=token), "apple", 20)
    assert hits == [] and error is not None
    assert error.reason == reason and says in error.do
    assert "secret" not in error.what


def test_openverse_failing_on_the_second_page_keeps_the_first(
    web: PictureWeb, of: Callable[..., Settings]
) -> None:
    first = [hit_of("by", mature=i == 3) for i in range(20)]
    web.script("/v1/images/", Answer(200, json.dumps({"results": first}).encode()))
    web.script("/v1/images/", Answer(404, b"{}"))
    hits, error = search(Openverse, of(web), "apple", 40)
    assert len(hits) == 20 and error is not None and error.reason == "http_404"
    assert [h.rank for h in hits if h.problem == "mature"] == [3]


# ------------------------------------------------------------------ Commons


def page(id: int, index: int, **info: Any) -> dict[str, Any]:
    return {"pageid": id, "title": f"File:{id}.jpg", "index": index, "imageinfo": [info]}


def test_commons_joins_an_answer_that_comes_in_parts(
    web: PictureWeb, of: Callable[..., Settings]
) -> None:
    bare = {"pageid": 2, "title": "File:2.jpg", "index": 1}
    parts = [
        {
            "continue": {"iistart": "x", "continue": "||"},
            "query": {"pages": [page(1, 2, thumburl="https://x/1"), bare]},
        },
        {
            "batchcomplete": True,
            "query": {"pages": [page(2, 1, thumburl="https://x/2", width=9, height=7)]},
        },
    ]
    web.script("/w/api.php", *[Answer(200, json.dumps(p).encode()) for p in parts])
    hits, error = search(Commons, of(web), "apple", 50)
    assert error is None
    assert [(h.rank, h.file_url, h.width) for h in hits] == [
        (0, "https://x/2", 9),
        (1, "https://x/1", None),
    ]


def test_commons_waits_when_the_service_lags(web: PictureWeb, of: Callable[..., Settings]) -> None:
    lag = {"error": {"code": "maxlag", "info": "Waiting for a database"}}
    web.script("/w/api.php", Answer(200, json.dumps(lag).encode(), headers={"Retry-After": "0"}))
    hits, error = search(Commons, of(web), "apple", 5)
    assert len(hits) == 5 and error is None
    always = Answer(200, json.dumps(lag).encode(), headers={"Retry-After": "0"})
    web.script("/w/api.php", *[always] * 3)
    hits, error = search(Commons, of(web), "apple", 5)
    assert hits == [] and error is not None and error.reason == "rate_limited"


@pytest.mark.parametrize(
    "body", [b'{"batchcomplete": true}', b'{"query": {"pages": [1, {}]}}', b'{"query": []}']
)
def test_commons_survives_odd_answers(
    web: PictureWeb, of: Callable[..., Settings], body: bytes
) -> None:
    web.script("/w/api.php", Answer(200, body))
    hits, error = search(Commons, of(web), "apple", 5)
    assert {hit.problem for hit in hits} <= {"no_url"} and error is None


def test_commons_filters_by_license(web: PictureWeb, of: Callable[..., Settings]) -> None:
    hits, _ = search(Commons, of(web), "apple", 30, licenses=("cc0",))
    assert {h.problem for h in hits if h.license != "cc0"} == {"license"}
    assert {h.problem for h in hits if h.license == "cc0"} == {""}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("CC BY-SA 4.0", ("by-sa", "4.0")),
        ("CC BY 2.5", ("by", "2.5")),
        ("cc-by-sa-3.0,2.5,2.0,1.0", ("by-sa", "3.0")),
        ("CC BY-NC-SA 3.0 de", ("by-nc-sa", "3.0")),
        ("CC-BY-ND-4.0", ("by-nd", "4.0")),
        ("Creative Commons BY-SA 2.0", ("by-sa", "2.0")),
        ("CC0", ("cc0", "1.0")),
        ("CC0 1.0", ("cc0", "1.0")),
        ("CC Zero", ("cc0", "1.0")),
        ("Public domain", ("pdm", "1.0")),
        ("PD-old-100", ("pdm", "1.0")),
        ("pd", ("pdm", "1.0")),
        ("No restrictions", ("pdm", "1.0")),
        ("GFDL", ("gfdl", "")),
        ("Free Art License", ("free-art-license", "")),
        ("", ("", "")),
    ],
)
def test_license_codes(name: str, code: tuple[str, str]) -> None:
    assert license_code(name) == code


def test_html_becomes_text() -> None:
    html = '<a href="//x" title="a > b">Ada&nbsp;<b>Lovelace</b></a><br/>UK <script>x()</script>'
    assert plain(html) == "Ada Lovelace UK"
    assert plain("x" * 10_000) == "x" * 500


@given(st.text(alphabet="<>&/ab\"'=!-;#0 \n", max_size=200))
def test_no_html_breaks_the_reader(html: str) -> None:
    text = plain(html)
    assert "\n" not in text and len(text) <= 500


@given(st.text(max_size=60))
def test_no_license_name_breaks_the_mapping(name: str) -> None:
    code, version = license_code(name)
    assert code == code.strip().lower() and len(code) <= 40 and len(version) <= 4
