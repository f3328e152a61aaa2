"""The Pictures page in a real browser: keep and set aside by click, by key, by group, by rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from benchmarks.running_app import App
from tellapart.project import Project
from tellapart.settings import Settings
from tests.web_pages.conftest import MANY, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def _word(settings: Settings, project: str, id: str) -> bool | None:
    """What the user's word on a picture is, in the database."""
    with Project.open(project, settings) as opened:
        return next(row.overruled for row in opened.pictures() if row.id == id)


def _kept(settings: Settings, project: str) -> int:
    with Project.open(project, settings) as opened:
        return sum(bool(row.kept) for row in opened.pictures())


def _open(page: Page, app: App, project: str, query: str = "") -> None:
    page.goto(f"{app.url}/projects/{project}/pictures{query}")
    page.wait_for_selector(".tile, .alike-list section")


def _id(page: Page, selector: str) -> str:
    source = page.locator(selector).locator("img").first.get_attribute("src") or ""
    found = re.search(r"/pictures/([0-9a-f]{16})/thumbnail", source)
    assert found, source
    return found[1]


def _count(page: Page, name: str) -> int:
    return int(page.locator(f"[data-count={name}]").inner_text().replace(",", ""))


def test_a_click_decides_and_undo_takes_it_back(
    own_app: App, app_settings: Settings, many: str, page: Page
) -> None:
    _open(page, own_app, many)
    kept, first = _count(page, "kept"), ".slice li:first-child"
    id = _id(page, first)
    page.click(f"{first} .tile")
    assert page.get_attribute(f"{first} .tile", "aria-pressed") == "false"
    assert page.inner_text(f"{first} .why") == "by hand"
    until(lambda: _word(app_settings, many, id) is False, "the word was not stored")
    until(lambda: _count(page, "kept") == kept - 1, "the counts stayed")
    page.click(".toast")
    until(lambda: _word(app_settings, many, id) is None, "the word was not taken back")
    until(lambda: _count(page, "kept") == kept, "the counts stayed")
    assert page.get_attribute(f"{first} .tile", "aria-pressed") == "true"


def test_a_click_with_shift_decides_on_all_between(
    own_app: App, app_settings: Settings, many: str, page: Page
) -> None:
    _open(page, own_app, many)
    ids = [_id(page, f".slice li:nth-child({n})") for n in (3, 4, 5)]
    page.click(".slice li:nth-child(3) .tile")
    page.click(".slice li:nth-child(3) .tile")
    page.click(".slice li:nth-child(5) .tile", modifiers=["Shift"])
    until(
        lambda: [_word(app_settings, many, id) for id in ids] == [False] * 3,
        "not all three were set aside",
    )
    page.click(".toast")
    page.goto("about:blank")  # what was decided is sent though the page goes
    until(
        lambda: [_word(app_settings, many, id) for id in ids] == [True, None, None],
        "the three were not taken back",
    )


#: Has all rows brought, slice by slice, as scrolling does; answers their ids.
ALL_ROWS = """async () => {
    const gallery = document.querySelector('ta-gallery');
    for (let at = 0; at < gallery.total; at += 60) await gallery.ensure(at, 60);
    return [...gallery.rows].map((row) => row?.id);
}"""


def test_what_is_set_aside_leaves_no_gap_in_what_comes_after(
    own_app: App, app_settings: Settings, many: str, page: Page
) -> None:
    with Project.open(many, app_settings) as opened:
        kept = [row.id for row in opened.pictures() if row.kept]
    _open(page, own_app, many)
    set_aside = [_id(page, f".slice li:nth-child({n})") for n in (1, 2, 5)]
    for n in (1, 2, 5):
        page.click(f".slice li:nth-child({n}) .tile")
    until(lambda: _word(app_settings, many, set_aside[-1]) is False, "the words were not stored")
    assert sorted(page.evaluate(ALL_ROWS)) == sorted(kept)
    assert page.evaluate("document.querySelector('ta-gallery').total") == len(kept)
    for n in (1, 2, 5):
        page.focus(f".slice li:nth-child({n}) .tile")
        page.keyboard.press("u")
    until(lambda: _word(app_settings, many, set_aside[-1]) is None, "the word was not taken back")


def test_a_range_holds_what_was_never_near_and_begins_in_this_list(
    own_app: App, app_settings: Settings, many: str, page: Page
) -> None:
    _open(page, own_app, many)
    page.click(".slice li:nth-child(40) .tile")
    page.click(".slice li:nth-child(40) .tile")
    page.select_option("select[name=label]", "boat")
    page.wait_for_function("document.querySelector('.tile')?.title.startsWith('boat')")
    first = _id(page, ".slice li:nth-child(1)")
    page.click(".slice li:nth-child(1) .tile", modifiers=["Shift"])  # nothing was clicked before
    until(lambda: _word(app_settings, many, first) is False, "the word was not stored")
    page.click(".slice li:nth-child(1) .tile")
    until(lambda: _word(app_settings, many, first) is True, "the word was not stored")
    assert page.inner_text("ta-gallery .status") == "1 kept."
    page.select_option("select[name=label]", "")
    page.wait_for_selector(".slice li:nth-child(40) .tile")
    page.click(".slice li:nth-child(1) .tile")
    page.click(".slice li:nth-child(1) .tile")
    page.focus(".slice li:nth-child(1) .tile")
    page.keyboard.press("End")
    page.wait_for_function("document.activeElement.closest('li')?.row.at > 200")
    total = page.evaluate("document.querySelector('ta-gallery').total")
    page.click("li:focus-within .tile", modifiers=["Shift"])
    page.wait_for_function(
        f"document.querySelector('ta-gallery .status').textContent === '{total} set aside.'"
    )
    page.click(".toast")
    # A window that is closed sends nothing more: those after this one find all as it was.
    until(lambda: _kept(app_settings, many) == total, "the range was not taken back")


def test_what_goes_wrong_is_said_and_stays(own_app: App, many: str, page: Page) -> None:
    _open(page, own_app, many)
    told = {"error": {"what": "Too much.", "expected": "less", "do": "Wait a little."}}
    page.route(
        "**/api/v1/projects/*/pictures?*", lambda route: route.fulfill(status=429, json=told)
    )
    page.select_option("select[name=label]", "boat")
    page.wait_for_function(
        "document.querySelector('ta-gallery .status').textContent === 'Too much. Wait a little.'"
    )
    page.unroute("**/api/v1/projects/*/pictures?*")
    page.route("**/pictures/overrule", lambda route: route.fulfill(status=429, json=told))
    page.select_option("select[name=label]", "")
    page.click(".slice li:nth-child(1) .tile")
    page.wait_for_function(
        "document.querySelector('ta-gallery .status').textContent === 'Too much. Wait a little.'"
    )
    page.wait_for_selector(".slice li:nth-child(1) .tile[aria-pressed=true]")


def test_the_keyboard_goes_everywhere_and_decides(
    own_app: App, app_settings: Settings, many: str, page: Page
) -> None:
    _open(page, own_app, many)
    page.focus(".slice li:first-child .tile")
    page.keyboard.press("ArrowRight")
    second = _id(page, ".slice li:nth-child(2)")
    assert page.evaluate("document.activeElement.closest('li').row.id") == second
    page.keyboard.press("x")
    until(lambda: _word(app_settings, many, second) is False, "X did not set aside")
    page.keyboard.press("u")
    until(lambda: _word(app_settings, many, second) is None, "U did not give it back")
    page.wait_for_selector(".slice li:nth-child(2) .tile[aria-pressed=true]")
    # Only pictures near the window exist; the last one comes when it is gone to.
    total = page.evaluate("document.querySelector('ta-gallery').total")
    assert 0 < page.locator(".tile").count() < total == _count(page, "kept")
    page.keyboard.press("End")
    at = "document.activeElement.closest('li')?.row.at"
    page.wait_for_function(f"{at} === {total - 1}")
    item = page.locator("li:focus-within")
    assert item.get_attribute("aria-setsize") == item.get_attribute("aria-posinset") == str(total)
    page.keyboard.press("i")
    page.wait_for_selector("dialog.viewer[open] dl dd")
    assert "BY 4.0" in page.inner_text("dialog.viewer dl")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("dialog.viewer .place") == f"{total - 1} / {total}"
    page.keyboard.press("Escape")
    page.wait_for_function(f"{at} === {total - 2}")


def test_filters_stand_in_the_address(own_app: App, many: str, page: Page) -> None:
    _open(page, own_app, many, "?show=aside&reason=blurred")
    assert page.is_checked("input[name=show][value=aside]")
    shown = page.locator(".slice .why").all_inner_texts()
    assert shown and set(shown) == {"blurred"}
    page.select_option("select[name=label]", "boat")
    page.wait_for_function("document.querySelector('.tile')?.title.startsWith('boat')")
    page.reload()
    page.wait_for_selector(".tile")
    assert page.input_value("select[name=label]") == "boat"
    page.select_option("select[name=reason]", "")
    page.check("input[name=show][value='']", force=True)
    page.wait_for_function(f"document.querySelector('ta-gallery').total === {MANY // 4}")


def test_a_group_of_look_alikes_is_decided_as_a_whole(
    own_app: App, app_settings: Settings, wrong: str, page: Page
) -> None:
    _open(page, own_app, wrong, "?show=alike")
    section = page.locator(".alike-list section").first
    ids = [_id(page, f".alike-list section:first-child li:nth-child({n})") for n in (1, 2)]
    section.get_by_role("button", name="Keep all").click()
    until(
        lambda: [_word(app_settings, wrong, id) for id in ids] == [True, True],
        "the group was not kept",
    )
    section.get_by_role("button", name="Keep only the best").click()
    until(
        lambda: [_word(app_settings, wrong, id) for id in ids] == [True, False],
        "the doubles were not set aside",
    )


def test_sliders_tell_and_then_decide(
    own_app: App, app_settings: Settings, wrong: str, page: Page
) -> None:
    _open(page, own_app, wrong)

    def move(value: int, *kinds: str) -> None:
        page.evaluate(
            """([value, kinds]) => {
                const slider = document.querySelector('#limit-min_side');
                slider.value = value;
                for (const kind of kinds) slider.dispatchEvent(new Event(kind, {bubbles: true}));
            }""",
            [value, list(kinds)],
        )

    move(241, "input")  # the drawings are 240 pixels high
    page.wait_for_function(
        "document.querySelector('.changed').textContent.match(/[0-9]+ pictures/)"
    )
    assert 1 <= page.locator(".examples img").count() <= 8  # some of those that would go
    with Project.open(wrong, app_settings) as opened:
        assert opened.recipe.curate.min_side != 241
    move(241, "input", "change")
    page.wait_for_function("Number(document.querySelector('[data-count=kept]').textContent) < 5")
    with Project.open(wrong, app_settings) as opened:
        assert opened.recipe.curate.min_side == 241
    move(32, "input", "change")
    page.wait_for_function("Number(document.querySelector('[data-count=kept]').textContent) > 40")
    page.wait_for_selector(".tile")
