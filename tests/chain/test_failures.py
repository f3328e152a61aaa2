"""What goes wrong is said in three parts with the right exit code, and nothing is lost."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tellapart.catalog import Catalog, PictureRow
from tellapart.demo.picture_web import Answer, PictureWeb
from tellapart.recipe import asked, check
from tellapart.settings import Settings
from tellapart.steps import collect, open_context
from tellapart.store.database import open_database


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the drawn folder, to be changed."""
    shutil.copytree(drawn, tmp_path / "things")
    return tmp_path / "things"


@pytest.fixture
def web() -> Iterator[PictureWeb]:
    with PictureWeb(["apple", "boat"], n=10, size=(96, 72), faults=False) as web:
        yield web


def test_an_empty_class_is_named(place: Callable[..., Any], folder: Path) -> None:
    (folder / "boat").mkdir()
    error = place().run("train", str(folder), "--quiet").failed(4, "data")
    assert "'boat'" in error["what"]


def test_classes_of_one_picture_or_of_each_others_pictures(
    place: Callable[..., Any], folder: Path
) -> None:
    here = place()
    (folder / "boat").mkdir()
    shutil.copyfile(sorted((folder / "apple").iterdir())[0], folder / "boat" / "stolen.jpg")
    error = here.run("train", str(folder), "--quiet").failed(4, "data")
    assert "'boat'" in error["what"] and "conflicting_label 1" in error["what"]
    twins = [row for row in here.pictures("things") if row["reason"] == "conflicting_label"]
    assert {row["class"] for row in twins} == {"apple", "boat"}
    assert len({row["sha256"] for row in twins}) == 1
    shutil.rmtree(folder / "boat")
    shutil.rmtree(folder / "car")
    shutil.copytree(folder / "apple", folder / "car")
    error = here.run("train", str(folder), "--quiet").failed(4, "data")
    assert "'apple'" in error["what"] and "'car'" in error["what"]


def test_a_class_of_one_picture_is_said(place: Callable[..., Any], folder: Path) -> None:
    for extra in sorted((folder / "car").iterdir())[1:]:
        extra.unlink()
    done = place().run("train", str(folder), "--quiet")
    if done.code:
        assert "'car'" in done.failed(4, "data")["what"]
    else:
        assert any("'car'" in note for note in done.shape["notes"])


def test_a_source_that_is_down_is_said(place: Callable[..., Any], web: PictureWeb) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        nobody = f"127.0.0.1:{reserved.getsockname()[1]}"
        hosts = f"{web.host},{nobody}"
        down = place(
            web=web,
            TELLAPART_OPENVERSE_URL=f"http://{nobody}/v1",
            TELLAPART_ALLOW_HOSTS=hosts,
        )
        words = ("make", "apple", "boat", "--name", "n", "--per-class", "6", "--quiet")
        alone = down.run(*words, "--source", "openverse")
        error = alone.failed(5, "fetch")
        assert "openverse" in error["what"] and "connection" in error["what"]
    # The same project goes on once the source is back, or with another one.
    back = place(web=web).run("collect", "n")
    assert back.code == 0 and back.shape["pictures"]["found"] == 12


def test_a_source_that_is_down_is_replaced(web: PictureWeb, home: Path) -> None:
    settings = _settings(web, home, openverse_url="http://127.0.0.1:1/v1")
    settings = replace(settings, allow_hosts=(web.host, "127.0.0.1:1"))
    found = _collected(settings)
    assert {row.source for row in found} == {"commons"} and len(found) == 8


def test_a_wrong_recipe_lists_every_problem(place: Callable[..., Any], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("clases: [a, b]\nper_class: many\nsources: [openvers]\nsplit: {test: 2}\n")
    done = place().run("run", str(recipe), "--quiet")
    problems = done.shape["error"]["problems"]
    assert done.code == 2 and len(problems) >= 4
    assert all(p["path"] and p["what"] and p["expected"] and p["do"] for p in problems)
    assert "classes" in done.err and "openverse" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    "answer",
    [
        b"{not json",
        b"<!DOCTYPE html><html><body>Log in to the hotel's network</body></html>",
        b"[1, 2, 3]",
        b'{"results": "none"}',
        b'{"results": [7, null, {}, {"url": 5}, {"url": null, "license": []}]}',
        b'{"results": [' + b"[" * 90_000 + b"]" * 90_000 + b"]}",
        b'{"results": [' + b'{"url": "x"},' * 900_000 + b"{}]}",
        b"\xff\xfe\x00garbage",
        b"",
        b'{"results": [' + b", ".join(b'{"url": "no-url-%d"}' % i for i in range(20)) + b"]}",
    ],
    ids=[
        "broken",
        "html",
        "list",
        "text",
        "wrong-types",
        "deep",
        "huge",
        "bytes",
        "empty",
        "the-same",
    ],
)
def test_a_service_that_answers_nonsense_is_left_for_the_next(
    place: Callable[..., Any], web: PictureWeb, answer: bytes, home: Path
) -> None:
    web.script("/v1/images/", *[Answer(200, answer)] * 100)
    found = _collected(_settings(web, home))
    assert {row.source for row in found} == {"commons"} and len(found) == 8
    requests = sum(n for path, n in web.requests.items() if path.startswith("/v1/images/"))
    assert requests <= 2 * 8  # a service that repeats itself is not asked for ever


def _settings(web: PictureWeb, home: Path, **changes: Any) -> Settings:
    base = Settings(
        home=home,
        openverse_url=web.openverse_url,
        commons_url=web.commons_url,
        allow_hosts=(web.host,),
        fetch_timeout=10,
    )
    return replace(base, **changes)


def _collected(settings: Settings) -> list[PictureRow]:
    """The pictures that collect brings in for two words of four pictures each."""
    recipe = check({"name": "n", "classes": ["apple", "boat"], "per_class": 4})
    Catalog.create(open_database(settings), "n", asked(recipe))
    collect.run(open_context(settings, "n"))
    return open_context(settings, "n").catalog.pictures(status="ok")
