"""Every page meets WCAG 2 A and AA by axe, in light and dark, wide and narrow; none is too wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.running_app import App
from tellapart.project import Project
from tellapart.settings import Settings
from tellapart.web import texts_curation
from tests.web_pages.conftest import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Address, what is there when it is ready, and what is pressed before it is looked at.
PAGES = [
    ("/", "h1", ""),
    ("/projects", "h1", ""),
    ("/account", "h1", ""),
    ("/login", "h1", ""),
    ("/projects/{project}", "h1", ""),
    ("/projects/{project}/pictures?show=", ".tile img", ""),
    ("/projects/{project}/pictures?show=aside", ".tile img", ".slice li:first-child .more"),
    ("/projects/{project}/pictures?show=alike", ".alike-list section", ""),
    *(
        (f"/projects/{{project}}/curation?look={look}", ".seen > *", "")
        for look, _ in texts_curation.LOOK
    ),
    ("/projects/{project}/model", ".shots img", ".as-table summary"),
    ("/projects/{project}/network", ".empty", ""),
    ("/projects/nobody/model", "h1", ""),
]
LOOKS = [("light", 1440), ("dark", 360)]


@pytest.mark.parametrize(("scheme", "width"), LOOKS, ids=[f"{s}-{w}" for s, w in LOOKS])
def test_all_pages_meet_wcag_aa(
    own_app: App, app_settings: Settings, wrong: str, chromium: Browser, scheme: str, width: int
) -> None:
    with Project.open(wrong, app_settings) as opened:
        opened.overrule(next(opened.each_picture()).id, True)  # so that the history has a line
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        has_touch=width < 600,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    try:
        page = context.new_page()
        found = [fault for one in PAGES for fault in _faults(page, own_app, wrong, *one)]
    finally:
        context.close()
    assert not found, "\n".join(found)


def test_axe_finds_what_is_wrong(chromium: Browser) -> None:
    """A page without names and contrast: the test above can fail."""
    page = chromium.new_page()
    page.set_content(
        "<html lang=en><title>x</title><main><h1 style='color:#ccc'>pale</h1>"
        "<button></button><img src='data:,'></main>"
    )
    rules = {name for name, _ in _violations(page)}
    page.close()
    assert {"button-name", "image-alt", "color-contrast"} <= rules


def _faults(page: Page, app: App, project: str, address: str, ready: str, press: str) -> list[str]:
    page.goto(app.url + address.format(project=project))
    page.wait_for_selector(ready)
    if press:
        page.locator(press).first.click()
    page.wait_for_timeout(300)
    found = [f"{address}: {name}: {nodes}" for name, nodes in _violations(page)]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*found, f"{address}: {wide} pixels too wide"] if wide > 0 else found


def _violations(page: Page) -> list[tuple[str, str]]:
    page.evaluate(axe.AXE_SCRIPT)
    result = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [
        (one["id"], "; ".join(node["html"][:160] for node in one["nodes"][:3]))
        for one in result["violations"]
    ]
