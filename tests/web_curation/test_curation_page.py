"""The Curation page in a real browser: a cluster, a doubt, copies and rules, each taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.running_app import App
from tellapart.demo.drawing import draw
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.settings import Settings
from tests.workbench.conftest import CARDS, plant

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
NAME, PATIENCE = "planted", 60_000


@pytest.fixture(scope="module")
def project(own_app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A curated project with planted faults, in the home of the shared app."""
    folder = plant(tmp_path_factory.mktemp("pictures") / NAME)
    for seed in (900, 901):  # bananas among the cups, left in by the rules
        draw("banana", seed).save(folder / "cup" / f"odd{seed}.png")
    settings = replace(Settings(), home=own_app.home)
    recipe = check({"name": NAME, "data": str(folder), "curate": {"mislabelled": None}})
    with Project.create(recipe, settings) as made:
        made.collect()
        made.curate()
        yield made


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert not faults


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def _look(page: Page, app: App, look: str, ready: str) -> None:
    page.goto(f"{app.url}/projects/{NAME}/curation?look={look}")
    page.wait_for_selector(ready)


def _aside(project: Project, part: str) -> int:
    return sum(row.overruled is False for row in project.pictures() if part in row.path)


def test_a_cluster_is_set_aside_as_a_whole_and_taken_back(
    own_app: App, project: Project, page: Page
) -> None:
    _look(page, own_app, "clusters", ".part")
    part = page.locator(".part", has_text="logo")
    assert part.locator(".shots img").count() == 12
    assert f"({CARDS} of " in part.locator("h3").inner_text()
    part.get_by_role("button", name=f"Show all {CARDS}").click()
    page.wait_for_function(
        "n => [...document.querySelectorAll('.shots')].some((one) => one.children.length === n)",
        arg=CARDS,
    )
    part.get_by_role("button", name="Set all aside").click()
    _until(lambda: _aside(project, "logo") == CARDS, "the cluster was not set aside")
    page.locator(".toast:visible").click()
    _until(lambda: _aside(project, "logo") == 0, "the act was not taken back")
    page.get_by_text("History", exact=True).click()
    page.wait_for_selector(".was-undone")
    page.get_by_role("button", name="Do it again").first.click()
    _until(lambda: _aside(project, "logo") == CARDS, "the act was not done again")
    page.get_by_role("button", name="Undo: Set aside").first.click()
    _until(lambda: _aside(project, "logo") == 0, "the act was not taken back by its number")


def test_a_better_query_is_proposed_where_pictures_are_searched_for(
    own_app: App, project: Project, page: Page
) -> None:
    _look(page, own_app, "clusters", ".part")
    assert page.locator(".better").count() == 0  # of a folder
    page.evaluate(
        """() => {
            const bench = document.querySelector('ta-curation');
            bench.dataset.searches = 'yes';
            bench.look();
        }"""
    )
    proposed = page.locator(".better", has_text="without")
    proposed.wait_for()
    assert proposed.locator("q").last.inner_text() == "logo"
    proposed.get_by_role("button").click()
    proposed.get_by_text("searches for nothing").wait_for()  # what is refused is said there


def test_a_doubtful_picture_is_relabelled_by_key_and_taken_back(
    own_app: App, project: Project, page: Page
) -> None:
    def labels() -> set[str]:
        return {row.label for row in project.pictures() if "odd" in row.path}

    _look(page, own_app, "doubtful", ".doubt")
    own = {one.id for one in project.pictures() if "odd" in one.path}
    items = page.locator(".doubt")
    shown = [item.locator("a.shot").get_attribute("href") or "" for item in items.all()]
    places = [at for at, href in enumerate(shown) if any(id in href for id in own)]
    assert places, shown
    items.nth(places[0]).locator("[data-key]").first.focus()
    page.keyboard.press("r")
    _until(lambda: "banana" in labels(), "R gave no other class")
    page.locator(".toast:visible").click()
    _until(lambda: labels() == {"cup"}, "the class was not given back")


def test_rules_say_what_would_change_before_they_are_used(
    own_app: App, project: Project, page: Page
) -> None:
    _look(page, own_app, "rules", "#rule-min_side")
    kept = project.counts()["kept"]
    page.evaluate(
        """() => {
            const range = document.querySelector('#rule-min_side');
            range.value = 241;
            range.dispatchEvent(new Event('input', {bubbles: true}));
        }"""
    )
    page.wait_for_selector(".told-diff .shots img")
    assert "would be set aside" in page.inner_text(".told-diff")
    assert project.counts()["kept"] == kept and project.recipe.curate.min_side == 32
    page.get_by_role("button", name="Use these rules").click()
    _until(lambda: project.counts()["kept"] == 0, "the rules were not used")
    page.locator(".toast:visible").click()
    _until(lambda: project.counts()["kept"] == kept, "the rules were not taken back")
    assert project.recipe.curate.min_side == 32


@pytest.mark.parametrize(
    ("look", "says"),
    [
        ("copies", "Best: largest (320 × 240)"),
        ("slices", "pictures:"),
        ("shortcuts", "'cup' are told by their border alone"),
        ("collecting", "May be passed on"),
    ],
)
def test_every_look_has_its_say(
    own_app: App, project: Project, page: Page, look: str, says: str
) -> None:
    _look(page, own_app, look, ".seen > *")
    assert says in page.inner_text(".seen")
