"""The Network page: drawn, layer by layer, how it learned, what it looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tellapart
from benchmarks.running_app import App
from tellapart.recipe import check
from tellapart.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("torch", reason="networks need the extra `deep`")
pytestmark = pytest.mark.slow

_RECIPE = {
    "name": "little-net",
    "data": "digits",
    "layers": [
        {"conv2d": {"filters": 8, "kernel_size": 3, "activation": "relu"}},
        "flatten",
        {"dense": {"units": 10, "activation": "softmax"}},
    ],
    "train": {"epochs": 2},
    "compile": {"coreml": False},
}


def test_the_net_its_learning_and_a_look_inside(
    own_app: App, app_settings: Settings, page: Page
) -> None:
    tellapart.run(check(_RECIPE), settings=app_settings)
    page.goto(f"{own_app.url}/projects/little-net/network")
    page.wait_for_selector(".network .block")
    assert page.locator(".network .block").count() == 3
    rows = page.locator(".netted table tbody tr")
    assert rows.count() == 5  # the input, three layers, the total
    assert rows.nth(1).inner_text().split("\t")[3] == "6 × 6 × 8"
    assert page.locator(".model").get_by_text("2 epochs; the best was epoch").count() == 1
    assert page.locator("img.mosaic").count() >= 2
    assert page.locator(".odds li").count() == 10
    # Its pictures are looked at elsewhere.
    page.goto(f"{own_app.url}/projects/little-net/pictures")
    page.get_by_role("link", name="To the model").click()
    page.wait_for_selector(".headline")


def test_a_project_without_layers_says_so(own_app: App, wrong: str, page: Page) -> None:
    page.goto(f"{own_app.url}/projects/{wrong}/network")
    page.wait_for_selector(".empty")
    assert "trains no network" in page.inner_text(".empty")
