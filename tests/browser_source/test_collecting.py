"""The browser as a source of a project: downloads, ledger, robots.txt by the user's named act."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.browser_site import Site
from tellapart import Project, registry
from tellapart.catalog import Catalog, PictureRow, robots
from tellapart.cli import main
from tellapart.errors import DataError, FetchError, InputError
from tellapart.recipe import asked, canonical, check
from tellapart.settings import Settings
from tellapart.steps import collect as collect_step
from tellapart.steps import open_context
from tellapart.store.database import open_database

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def settings(home: Path, site: Site, program: str) -> Settings:
    return Settings(home=home, allow_hosts=(site.host,), fetch_timeout=10)


@pytest.fixture
def collect(settings: Settings, site: Site) -> Run:
    """Collect the classes `button` and `data`, galleries of `site`; more keys of the recipe."""

    def run(**recipe: Any) -> dict[str, Any]:
        options = {"url": site.url("/{query}"), "select": "img.result", "more": "#more"}
        given = {
            "name": "p",
            "classes": ["button", "data"],
            "per_class": 8,
            "sources": [{"browser": {**options, "patience": 0.4}}],
            **recipe,
        }
        engine = open_database(settings)
        written = asked(check(given, sources=registry.names("source")))
        if "p" in Catalog.names(engine):
            Catalog.open(engine, "p").save_recipe(written)
        else:
            Catalog.create(engine, "p", written)
        return collect_step.run(open_context(settings, "p"))

    return run


def _rows(settings: Settings, **conditions: Any) -> list[PictureRow]:
    return Catalog.open(open_database(settings), "p").pictures(**conditions)


def test_pictures_are_fetched_once_and_their_license_is_unknown(
    collect: Run, site: Site, settings: Settings
) -> None:
    for kind in ("button", "data"):
        site.gallery(kind, 14, step=5)
    summary = collect()
    assert {label: found["different"] for label, found in summary["classes"].items()} == {
        "button": 8,
        "data": 8,
    }
    taken = _rows(settings, status="ok")
    assert {(row.source, row.license, row.creator) for row in taken} == {("browser", "", "")}
    assert {row.page_url for row in taken} == {site.url("/button"), site.url("/data")}
    assert [row.rank for row in taken] == [*range(8), *range(8)]
    # Of the page's pictures those that were wanted, each once; blanks were shown for them before.
    fetched = {path: n for path, n in site.requests.items() if path.startswith("/pictures/")}
    assert set(fetched.values()) == {1} and len(fetched) == 8
    assert site.asked("/robots.txt") == 1
    before = site.requests.total()
    assert collect()["classes"] == summary["classes"] and site.requests.total() == before
    assert robots.noted(Catalog.open(open_database(settings), "p")) == {}


@pytest.mark.slow
def test_robots_txt_is_left_aside_by_the_users_named_act_alone(
    collect: Run, site: Site, settings: Settings
) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /pictures/\nDisallow: /data\n")
    for kind in ("button", "data"):
        site.gallery(kind, 8, step=5)
    with pytest.raises(DataError, match="8 × robots"):
        collect()
    assert {row.reason for row in _rows(settings)} == {"robots"}
    assert site.asked("/data") == 0 and not any("/pictures/" in path for path in site.requests)
    catalog = Catalog.open(open_database(settings), "p")
    assert robots.noted(catalog) == {}
    summary = collect(ignore_robots=["127.0.0.1"])
    assert {found["ok"] for found in summary["classes"].values()} == {8}
    assert any("left aside, as you asked" in note for note in summary["notes"])
    first, last = robots.noted(catalog)["127.0.0.1"]
    assert first and last >= first
    # It stays on record when the recipe no longer says so.
    assert canonical(check(asked(check({"classes": ["a", "b"]})))).get("ignore_robots") is None
    collect()
    assert list(robots.noted(catalog)) == ["127.0.0.1"]


def test_the_report_tells_whose_robots_txt_was_left_aside() -> None:
    from tellapart.steps.evaluate import telling

    ((lead, words),) = telling.may_i([], {"a.example": ("2026-01-02T03:04:05Z", "")})
    assert "robots.txt" in lead and "a.example" in words and "2026-01-02" in words


def test_a_recipe_that_asks_for_licenses_gets_nothing_from_it(collect: Run, site: Site) -> None:
    with pytest.raises(FetchError, match="pages name no license"):
        collect(licenses=["by"])
    assert site.connections == 0


@pytest.mark.slow
def test_the_option_of_the_command_line(
    settings: Settings, site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """It names hosts, no patterns, and stands in the recipe."""
    assert main(["make", "a", "b", "--ignore-robots", "*"]) == 2
    assert "ignore_robots" in capsys.readouterr().err
    for good in ("Example.ORG", "example.org:8080", "[::1]:80"):
        recipe = check({"classes": ["a", "b"], "ignore_robots": [good]})
        assert recipe.ignore_robots == (good.lower(),)
    monkeypatch.setenv("TELLAPART_ALLOW_HOSTS", site.host)
    site.page("/robots.txt", "User-agent: *\nDisallow: /\n")
    for kind in ("plain", "data"):
        site.gallery(kind, 3)
    Project.create(
        check(
            {
                "name": "p",
                "classes": ["plain", "data"],
                "per_class": 3,
                "sources": [{"browser": {"url": site.url("/{query}"), "select": "img.result"}}],
            }
        ),
        settings,
    )
    assert main(["collect", "p"]) != 0
    assert "--ignore-robots" in capsys.readouterr().err
    assert main(["collect", "p", "--ignore-robots", "127.0.0.1"]) == 0
    assert "left aside" in "".join(capsys.readouterr())
    assert Project.open("p", settings).recipe.ignore_robots == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no `url`"),
        ({"url": "ftp://a.example/{query}"}, "the url"),
        ({"url": "file:///etc/passwd?{query}"}, "the url"),
        ({"url": "https://{query}.example/"}, "the url"),
        ({"url": "https://ada:s3cret@a.example/{query}"}, "user's name"),
        ({"url": "https://a.example/"}, "the same for every class"),
        ({"url": "https://a.example/{query}", "selct": "img"}, "Did you mean 'select'"),
        ({"url": "https://a.example/{query}", "size": "huge"}, "size"),
        ({"url": "https://a.example/{query}", "scrolls": True}, "scrolls"),
        ({"url": "https://a.example/{query}", "seconds": float("nan")}, "seconds"),
        ({"url": "https://a.example/{query}", "seconds": -1}, "seconds"),
        ({"url": "https://a.example/{query}", "select": 3}, "select"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], words: str) -> None:
    from tellapart.plugins.sources.browser.options import Options

    with pytest.raises(InputError, match="browser") as caught:
        Options.read(options)
    assert words in caught.value.what and caught.value.expected and caught.value.do
    assert "s3cret" not in str(caught.value)
