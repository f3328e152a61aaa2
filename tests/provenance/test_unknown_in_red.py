"""A licence that nobody named, as of what the browser source finds, stands in red."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tellapart.plugins.sources.browser.source import Browser as BrowserSource
from tellapart.report import ReportData
from tellapart.report.page import render
from tellapart.steps.evaluate import telling
from tellapart.web import pictures
from tellapart.web import texts_pictures as words

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ASSETS = Path(pictures.__file__).parent / "assets"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def _is_red(color: str) -> bool:
    red, green, blue = map(int, re.findall(r"\d+", color)[:3])
    return red > 1.4 * green and red > 1.4 * blue


def _color(page: Page, selector: str) -> str:
    return str(page.locator(selector).evaluate("one => getComputedStyle(one).color"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_the_report(page: Page, scheme: Any) -> None:
    rows: Any = [SimpleNamespace(license=license) for license in ("", "", "by", "odd-words")]
    told = telling.license_rows(rows)
    assert ("unknown", 2) in {(code, n) for code, _, n, _ in told}
    counts: Any = {"found": 4, "kept": 4, "set_aside": 0, "reasons": {}, "failures": {}}
    counts |= {"splits": {}, "classes": {}}
    page.emulate_media(color_scheme=scheme)
    page.set_content(render(ReportData("p", ("a", "b"), counts, licenses=told)))
    cells = page.locator("tr", has_text="CC BY").locator("td.name, td.num")
    assert cells.count() and not any(
        _is_red(str(cell.evaluate("one => getComputedStyle(one).color"))) for cell in cells.all()
    )
    unknown = page.locator("tr.unknown")
    assert unknown.count() == 1 and "No licence known" in unknown.inner_text()
    assert _is_red(_color(page, "tr.unknown td.name")) and _is_red(
        _color(page, "tr.unknown td.num")
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_the_pictures_page(page: Page, scheme: Any) -> None:
    """What is known of one picture, as the page's own script and style show it."""
    styles = "".join((ASSETS / name).read_text() for name in ("app.css", "pictures.css"))
    script = (ASSETS / "viewer.js").read_text()
    page.set_content(
        f"<!doctype html><html data-theme={scheme}><style>{styles}</style>"
        f"{pictures._viewer(['apple'])}<script>{script}</script>"
    )
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == scheme
    said = {**words.SCRIPT, "splits": {}, **pictures._facts()}

    def shown(**facts: str) -> None:
        told = {"license": "", "source": BrowserSource.name, **facts}
        page.evaluate(
            "([words, told]) => {"
            " const viewer = document.querySelector('ta-viewer');"
            " viewer.gallery = { words }; viewer.box.open = true; viewer.tell(told); }",
            [json.loads(json.dumps(said)), told],
        )

    shown(page_url="https://example.org/page")
    assert page.locator("dd", has_text=words.FACT_UNKNOWN).count() == 1
    assert page.locator("dd.trouble").count() == 1 and _is_red(_color(page, "dd.trouble"))
    assert not _is_red(_color(page, "dd >> nth=-1"))
    shown(page_url="https://example.org/page", license="by")
    assert page.locator("dd", has_text="BY").count() == 1
    assert page.locator("dd.trouble").count() == 0
    shown()  # a picture of one's own
    assert page.locator("dd", has_text=words.FACT_UNKNOWN).count() == 0
