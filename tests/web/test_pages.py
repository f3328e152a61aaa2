"""Start, the frame of pages, log-in and Account in a real browser."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.crowded import crowd
from benchmarks.running_app import App, running
from tellapart.accounts import Accounts
from tellapart.demo.drawing import draw
from tellapart.runtime import Request, Runs
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tellapart.store.schema_runs import run_events, runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PASSWORD = "four plain words here"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A server for one person, on which nothing is worked."""
    with running(tmp_path_factory.mktemp("alone") / "home", "--workers=0") as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A server with two accounts: there is a log-in."""
    home = tmp_path_factory.mktemp("shared") / "home"
    settings = Settings(home=home)
    engine = open_database(settings)
    accounts = Accounts(engine, settings)
    accounts.add("ada", "ada@example.org", role="admin", password=PASSWORD, confirmed=True)
    accounts.add("bob", "bob@example.org", password=PASSWORD, confirmed=True)
    accounts.add("eve", "eve@example.org", password=PASSWORD, confirmed=False)
    engine.dispose()
    with running(home, "--workers=0") as found:
        yield found


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1000, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def _open(page: Page, app: App, path: str) -> None:
    page.goto(app.url + path)
    page.locator("h1").wait_for()
    page.wait_for_function("window.did_handshake")


def test_words_are_asked_for_until_they_will_do(page: Page, app: App) -> None:
    _open(page, app, "/")
    page.get_by_label("Thing 1", exact=True).fill("apple")
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("Two different things are needed").wait_for()
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Thing 1'")
    page.get_by_label("Thing 2", exact=True).fill("Apple")
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("stands here twice").wait_for()


def test_enter_goes_on_and_a_line_is_always_ready(page: Page, app: App) -> None:
    _open(page, app, "/")
    page.get_by_label("Thing 1", exact=True).focus()
    for word in ("apple", "pear", "quince", "medlar"):
        page.keyboard.type(word)
        page.keyboard.press("Enter")
        page.wait_for_function("document.activeElement.value === ''")
    page.get_by_label("Thing 5", exact=True).wait_for()
    page.get_by_label("Take away thing 3").click()
    written = page.locator('[name="word"]').evaluate_all("all => all.map((one) => one.value)")
    assert [word for word in written if word] == ["apple", "pear", "medlar"]


def test_what_is_typed_outlives_the_page_until_it_is_sent(page: Page, app: App) -> None:
    _open(page, app, "/")
    page.get_by_label("Thing 1", exact=True).focus()
    for word in ("apple", "pear", "quince", "medlar"):
        page.keyboard.type(word)
        page.keyboard.press("Enter")
        page.wait_for_function("document.activeElement.value === ''")
    page.get_by_label("Good", exact=False).check(force=True)
    _open(page, app, "/")  # as a phone does that was away for long
    page.get_by_label("Thing 4", exact=True).wait_for()
    shown = '[...document.querySelectorAll("[name=word]")].map((one) => one.value).join()'
    page.wait_for_function(f"{shown}.startsWith('apple,pear,quince, medlar')")
    assert page.locator('[name="effort"]:checked').get_attribute("value") == "good"
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**/runs/r_*")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the run").click()
    page.locator(".tag.cancelled").wait_for()
    _open(page, app, "/")
    page.wait_for_timeout(300)
    assert page.get_by_label("Thing 1", exact=True).input_value() == ""


def test_a_recipe_that_is_wrong_is_told_with_what_to_do(page: Page, app: App) -> None:
    _open(page, app, "/new/recipe")
    page.get_by_label("Recipe or spec").fill("classes: [apple]\neffrot: quick")
    page.get_by_role("button", name="Begin").click()
    notice = page.get_by_role("alert").filter(has_text="What to do")
    notice.wait_for()
    assert "effort" in notice.inner_text()


def test_a_zip_of_own_pictures_becomes_a_run(page: Page, app: App, tmp_path: Path) -> None:
    archive = tmp_path / "fruit and boats.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for word in ("apple", "boat"):
            for seed in range(3):
                data = io.BytesIO()
                draw(word, seed).save(data, "JPEG")
                packed.writestr(f"{word}/{seed}.jpg", data.getvalue())
    _open(page, app, "/new/pictures")
    page.get_by_label("Drop a zip or a folder here").set_input_files(archive)
    page.get_by_text("6 pictures of 2 classes are here.").wait_for()
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**/runs/r_*")
    page.get_by_role("heading", name="fruit and boats").wait_for()
    page.get_by_text("Waiting").first.wait_for()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the run").click()
    page.locator(".tag.cancelled").wait_for()


def test_nothing_begins_without_the_picture_that_is_still_sent(page: Page, app: App) -> None:
    page.route("**/api/v1/uploads?*", lambda route: None)  # never answered
    _open(page, app, "/")
    page.get_by_label("Thing 1", exact=True).fill("apple")
    page.get_by_label("Thing 2", exact=True).fill("boat")
    picture = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": b"slow"}
    page.get_by_label("Or drop a picture here").set_input_files([picture])
    page.get_by_text("Sending mine.jpg").wait_for()
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("The picture is still being sent.").wait_for()
    assert page.url == app.url + "/"


DROP = """(place) => {
    const given = new DataTransfer();
    given.setData('text/plain', 'no file');
    const drop = new DragEvent('drop', {dataTransfer: given, bubbles: true, cancelable: true});
    document.querySelector(place).dispatchEvent(drop);
    given.items.add(new File(['x'], 'x.jpg'));
    const file = new DragEvent('drop', {dataTransfer: given, bubbles: true, cancelable: true});
    document.querySelector('h1').dispatchEvent(file);
    return file.defaultPrevented;
}"""


def test_what_is_dropped_beside_or_is_no_file_does_no_harm(page: Page, app: App) -> None:
    _open(page, app, "/new/pictures")
    assert page.evaluate(DROP, ".dropzone")  # else the browser would leave for the file
    page.get_by_text("There is no file in that.").wait_for()


def test_training_again_is_asked_for_once_and_known_after_a_reload(page: Page, app: App) -> None:
    crowd(app.home, 12, name="few")
    settings = Settings(home=app.home)
    queue = Runs(open_database(settings), settings)
    _open(page, app, "/projects/few/pictures")
    assert page.title().startswith("Pictures · ")
    page.get_by_role("button", name="Train with these pictures").dblclick()
    page.get_by_text("Next in line.").wait_for()
    page.reload()
    page.get_by_text("Next in line.").wait_for()
    assert page.get_by_role("button", name="Train with these pictures").is_disabled()
    [run] = queue.list(project="few")
    queue.cancel(run.id)
    page.get_by_text("The training was cancelled.").wait_for()
    assert page.get_by_role("button", name="Train with these pictures").is_enabled()


def _ended(app: App, page: Page, result: dict[str, object]) -> list[str]:
    """The links of a run's outcome, of one that ended so."""
    settings = Settings(home=app.home)
    engine = open_database(settings)
    asked = Request(recipe={"classes": ["apple", "boat"], "name": "ended"}, owner="")
    run = Runs(engine, settings).submit(asked)
    with engine.begin() as connection:
        values = {"state": "done", "ended_at": run.created, "result": result}
        connection.execute(runs.update().where(runs.c.id == run.id).values(**values))
    engine.dispose()
    _open(page, app, f"/runs/{run.id}")
    return page.locator(".outcome a").all_inner_texts()


def test_a_run_offers_what_there_is(page: Page, app: App) -> None:
    kept = {"kept": 150, "set_aside": 0}
    table = {"version": 1, "data_kind": "table", "metrics": {"accuracy": 0.9}, "pictures": kept}
    assert _ended(app, page, table) == ["See the model", "Download the model"]
    page.get_by_text("Rows kept").wait_for()
    early = {"version": None, "data_kind": "pictures", "metrics": {}, "pictures": kept}
    assert _ended(app, page, early) == ["Look through the pictures"]


def test_a_run_that_is_deleted_while_it_is_watched_says_so(page: Page, app: App) -> None:
    settings = Settings(home=app.home)
    engine = open_database(settings)
    asked = Request(recipe={"classes": ["apple", "boat"], "name": "gone"}, owner="")
    run = Runs(engine, settings).submit(asked)
    _open(page, app, f"/runs/{run.id}")
    with engine.begin() as connection:
        connection.execute(run_events.delete().where(run_events.c.run_id == run.id))
        connection.execute(runs.delete().where(runs.c.id == run.id))
    engine.dispose()
    page.get_by_text("This run was deleted meanwhile.").wait_for()


def test_the_keyboard_reaches_the_content_first(page: Page, app: App) -> None:
    _open(page, app, "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_colors_are_chosen_and_kept(page: Page, app: App) -> None:
    page.emulate_media(color_scheme="dark")
    _open(page, app, "/")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    page.get_by_role("button", name="Change between").click()
    assert page.evaluate(theme) == "light"
    page.reload()
    assert page.evaluate(theme) == "light"


def test_addresses_of_nothing_say_so(page: Page, app: App) -> None:
    for path in ("/nowhere", "/runs/r_00000000000000000000", "/projects/unknown"):
        answer = page.goto(app.url + path)
        assert answer is not None
        assert answer.status == 404
        page.get_by_role("heading", name="There is nothing here").wait_for()
        page.get_by_text("What to do").wait_for()


def _log_in(page: Page, app: App, name: str, path: str = "/account") -> None:
    page.goto(app.url + path)
    page.get_by_label("Name or e-mail").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(app.url + path)
    page.wait_for_function("window.did_handshake")


def test_nobody_gets_in_without_the_password(page: Page, shared: App) -> None:
    page.goto(shared.url + "/projects?after=a")
    page.get_by_label("Name or e-mail").fill("ada")
    page.get_by_label("Password").fill("something else entirely")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").filter(has_text="password").wait_for()
    assert "/login?next=/projects" in page.url
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_function("location.pathname + location.search === '/projects?after=a'")


def _me(app: App, token: str) -> int:
    request = urllib.request.Request(
        app.url + "/api/v1/me", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            json.load(answer)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_token_is_shown_once_and_can_be_taken_back(page: Page, shared: App) -> None:
    _log_in(page, shared, "bob")
    page.get_by_text("Make a token").click()
    page.get_by_label("What it is for").fill("the phone")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_text("it is shown only this once").wait_for()
    token = page.locator(".notice code").inner_text()
    assert _me(shared, token) == 200
    page.reload()
    page.wait_for_function("window.did_handshake")
    assert token not in page.content()
    page.get_by_role("button", name="Revoke the phone").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    page.get_by_text("None yet.").wait_for()
    assert _me(shared, token) == 401


def test_an_admin_lets_in_whom_no_mail_has_confirmed(page: Page, shared: App) -> None:
    _log_in(page, shared, "ada")
    page.get_by_role("button", name="Vouch for the address of eve").click()
    page.get_by_text("eve may log in now.").wait_for()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    _log_in(page, shared, "eve")
    page.get_by_role("heading", name="eve").wait_for()


def test_people_are_for_admins_and_others_runs_for_nobody(page: Page, shared: App) -> None:
    _log_in(page, shared, "ada")
    page.get_by_role("heading", name="People").wait_for()
    page.goto(shared.url + "/new/recipe")
    page.wait_for_function("window.did_handshake")
    page.get_by_label("Recipe or spec").fill("classes: [apple, boat]")
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**/runs/r_*")
    run = page.url.removeprefix(shared.url)
    page.goto(shared.url + "/account")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    _log_in(page, shared, "bob")
    assert page.get_by_role("heading", name="People").count() == 0
    for path in (run, "/projects/apple-boat", "/projects/apple-boat/pictures"):
        answer = page.goto(shared.url + path)
        assert answer is not None
        assert answer.status == 404
