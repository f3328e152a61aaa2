"""The Model page in a real browser: figures, try it, why it erred, downloads, versions."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from benchmarks.running_app import App
from tellapart.bundle import Bundle
from tellapart.demo.drawing import draw
from tellapart.project import Project
from tellapart.settings import Settings
from tests.web_pages.conftest import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def _open(page: Page, app: App, project: str, query: str = "") -> None:
    page.goto(f"{app.url}/projects/{project}/model{query}")
    page.wait_for_selector("h1")


def test_figures_are_the_bundles_own(
    own_app: App, app_settings: Settings, wrong: str, page: Page
) -> None:
    with Project.open(wrong, app_settings) as opened, zipfile.ZipFile(opened.bundle_path) as zip:
        figures = json.loads(zip.read("metrics.json"))
    _open(page, own_app, wrong, "?version=1")
    page.wait_for_selector(".headline")
    said = page.inner_text(".headline")
    assert f"{100 * figures['accuracy']:.1f}" in said
    assert f"{100 * figures['low']:.1f} % and {100 * figures['high']:.1f} %" in said
    assert f"{100 * figures['baseline']:.1f} % of the time" in said
    # Every drawing tells its figures as a table as well.
    page.locator(".as-table summary").first.click()
    cells = page.locator(".as-table").first.locator("td").all_inner_texts()
    assert [int(cell) for cell in cells if cell] == [n for row in figures["confusion"] for n in row]
    # What can be downloaded is there.
    links = [a.get_attribute("href") or "" for a in page.locator(".files a").all()]
    kinds = {link.rpartition("/")[2] for link in links}
    assert {"bundle", "onnx", "report", "metrics"} <= kinds
    for link in links:
        if link.endswith("/coreml"):  # made when it is first asked for, which takes a minute
            continue
        assert httpx.head(own_app.url + link, timeout=240).status_code == 200, link


def test_it_answers_a_picture_and_a_wrong_address(
    own_app: App, app_settings: Settings, wrong: str, page: Page, tmp_path: Path
) -> None:
    shown = tmp_path / "new.png"
    draw("boat", 77_000).save(shown)
    with Project.open(wrong, app_settings) as opened:
        answer = Bundle.load(opened.bundle_path).predict(shown)
    _open(page, own_app, wrong)
    page.set_input_files("ta-try input[type=file]", str(shown))
    page.wait_for_selector("ta-try .odds")
    verdict = page.inner_text("ta-try .verdict")
    assert verdict == ("None of these" if answer.abstained else answer.best)
    first = page.locator("ta-try .odds li").first.inner_text().split("\n")
    assert first[0] == answer.best
    assert first[1] == f"{100 * answer.probabilities[answer.best or '']:.1f} %"
    glowing = page.get_attribute("ta-try .stage img", "src") or ""
    assert glowing.startswith("data:image/")
    page.fill("#try-url", "http://127.0.0.1:9/none.png")
    page.get_by_role("button", name="Ask").click()
    # The server's own network is not reached through it: the guard says so.
    page.wait_for_function("document.querySelector('ta-try .said p')?.textContent.includes('127')")


def test_a_mistake_says_why(own_app: App, wrong: str, page: Page) -> None:
    _open(page, own_app, wrong)
    press = page.locator(".shots button").first
    told = press.inner_text()
    press.click()
    page.wait_for_selector("dialog[open] .because img.seen")
    assert page.locator("dialog[open] .because .odds li").count() == 2
    answer = told.split()[0]
    assert page.inner_text("dialog[open] .because p").startswith(f"Why {answer}?")
    page.wait_for_selector("dialog[open] .because .speakers img, dialog[open] .because .notes p")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")


def test_an_unknown_version_and_an_unknown_project(own_app: App, wrong: str, page: Page) -> None:
    for address in (f"/projects/{wrong}/model?version=99", "/projects/nobody/model"):
        answer = page.goto(own_app.url + address)
        assert answer is not None and answer.status == 404
        page.wait_for_selector("h1")
        assert page.locator("header.masthead").count() == page.locator("footer").count() == 1
        assert "What to do" in page.inner_text("main, .nicegui-content")


def test_it_is_trained_again_and_compared(
    own_app: App, app_settings: Settings, wrong: str, page: Page
) -> None:
    def set_aside() -> int:
        with Project.open(wrong, app_settings) as opened:
            return sum(row.overruled is False for row in opened.pictures())

    with Project.open(wrong, app_settings) as opened:
        swapped = [row.id for row in opened.pictures() if Path(row.path).stem in ("00", "01")]
    before = set_aside()
    page.goto(f"{own_app.url}/projects/{wrong}/pictures")
    page.wait_for_selector(".tile")
    for id in swapped:
        page.click(f".slice li:has(img[src*='{id}']) .tile")
    until(lambda: set_aside() == before + len(swapped), "not all were set aside")
    page.get_by_role("button", name="Train with these pictures").click()
    page.wait_for_selector(".again .notice.good", timeout=240_000)
    assert page.inner_text(".again .notice").startswith("Version 2 is here")
    page.click(".again-more a")
    page.wait_for_selector(".pickers")
    assert page.inner_text(".headline .which").startswith("Version 2, the newest")
    compared = page.locator("table:has(th:has-text('Pictures kept'))")
    compared.wait_for()
    cells = compared.locator("tr:has(th:text-is('Pictures kept')) td").all_inner_texts()
    assert int(cells[0]) - int(cells[1]) >= len(swapped) > 0
