"""Decks from the terminal, here and at a server, in the same words."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.standin import Standin, crowd
from tellapart.cli.deck_client import VERBS
from tellapart.cli.entry import main
from tellapart.demo.drawing import write_folder
from tellapart.settings import Settings
from tests.rest.conftest import Served, serving

if TYPE_CHECKING:
    from benchmarks.running_app import App

_EACH = 4


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Candidates in folders, half of them apples, half boats."""
    root = tmp_path_factory.mktemp("stream")
    write_folder(root / "drawn", ["apple", "boat"], _EACH)
    for word in ("apple", "boat"):
        for place, file in enumerate(sorted((root / "drawn" / word).iterdir())):
            one = root / "stream" / f"{word}-{place}"
            one.mkdir(parents=True)
            file.rename(one / file.name)
            (one / "profile.json").write_text(json.dumps({"name": f"{word} {place}"}))
    return root / "stream"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(Settings(home=tmp_path_factory.mktemp("there")), single_user=True) as running:
        yield running


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    def typed(text: str, *, terminal: bool = False) -> None:
        stdin = io.StringIO(text)
        stdin.isatty = lambda: terminal  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", stdin)

    typed("")
    return typed


def _json(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main(["deck", *words, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def _text(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["deck", *words]) == code, capsys.readouterr().err
    return capsys.readouterr().out


def test_every_address_is_one_of_the_rest() -> None:
    from tellapart import rest
    from tellapart.runtime.entrance import Access

    app = rest.build(None, Access())  # type: ignore[arg-type]
    known = {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    for name, verb in VERBS.items():
        path = f"/api/v1/decks/{verb.path}".rstrip("/")
        assert (verb.method, path) in known, name


def test_a_deck_from_its_first_turn_to_its_end(
    home: Path, stream: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], type_in: Any
) -> None:
    assert "folder:" in _text(capsys, "sources")
    assert _text(capsys, "list") == "no decks\n"
    add = ("add", "fruit", "folder", "-o", f"path={stream}")
    made = _json(capsys, *add, "--things", "--every", "10")
    assert (made["mode"], made["every"], made["people"]) == ("off", 10, False)
    assert _json(capsys, *add, code=2)["error"]["code"] == "input"
    assert _json(capsys, "run", "fruit", "--queue", code=2)["error"]["do"]
    assert _text(capsys, "dry", "fruit", "--why", "a look") == "fruit is dry\n"
    turn = _json(capsys, "run", "fruit")
    assert turn["state"] == "done" and turn["counts"]["judged"] == 2 * _EACH
    listed = _text(capsys, "list")
    assert listed.splitlines()[0].split()[:3] == ["DECK", "SOURCE", "STATE"] and "dry" in listed
    assert "fruit: dry (a look)" in _text(capsys, "show", "fruit")
    assert "a look" in _text(capsys, "log", "fruit", "--kind", "switch")
    assert _json(capsys, "log", "fruit", "--kind", "sale", code=2)["error"]["do"]
    page = _json(capsys, "results", "fruit", "--limit", "3")
    assert page["total"] == 2 * _EACH and len(page["items"]) == 3 and page["next"]
    assert "more: --after" not in _text(capsys, "results", "fruit")
    first = page["items"][0]["id"]
    shown = _text(capsys, "candidate", "fruit", first, "-o", str(tmp_path / "out"))
    assert "picture 0:" in shown and len(list((tmp_path / "out").iterdir())) == 1
    policy = _text(capsys, "policy", "fruit")
    file = tmp_path / "policy.yaml"
    file.write_text(policy.replace("accept_all: false", "accept_all: true"))
    assert _json(capsys, "replay", "fruit")["changed"] == 0
    tried = _json(capsys, "replay", "fruit", "-f", str(file))
    assert tried["changed"] + tried["same"] + tried["unsaid"] == 2 * _EACH
    assert _text(capsys, "replay", "fruit", "-f", str(file)).startswith(f"{2 * _EACH} candidates")
    assert "accept all" in _text(capsys, "policy", "fruit", "-f", str(file)).lower()
    file.write_text("modell: {}")
    wrong = _json(capsys, "policy", "fruit", "-f", str(file), code=2)
    assert wrong["error"]["problems"]
    gone = _json(capsys, "forget", "fruit", first, "--yes")
    assert gone["certificate"]
    assert _json(capsys, "candidate", "fruit", first, code=3)["error"]["code"] == "not_found"
    assert _json(capsys, "remove", "fruit", code=2)["error"]["do"]  # nobody can be asked
    assert _text(capsys, "remove", "fruit", "--yes") == "fruit is forgotten\n"
    assert _text(capsys, "list") == "no decks\n"


def test_labels_are_said_one_by_one_and_learned(
    home: Path, stream: Path, capsys: pytest.CaptureFixture[str], type_in: Any
) -> None:
    _json(capsys, "add", "fruit", "folder", "-o", f"path={stream}", "--things")
    _json(capsys, "dry", "fruit")
    _json(capsys, "run", "fruit")
    assert len(_json(capsys, "review", "fruit", "--limit", "2")["items"]) == 2
    assert "labels" in _text(capsys, "review", "fruit")
    type_in("a\nb\nx\n\n?\nq\n", terminal=True)
    said = _text(capsys, "review", "fruit")
    assert "your word: none yet" in said and "1 labels (0 like, 1 pass)" in said
    type_in("")
    everything = _json(capsys, "results", "fruit")["items"]
    for one in everything:
        word = "like" if one["name"].startswith("apple") else "pass"
        found = _json(capsys, "label", "fruit", one["id"], word)
    assert found["labels"] == 2 * _EACH
    assert _json(capsys, "label", "fruit", everything[0]["id"], "none")["labels"] == 2 * _EACH - 1
    assert _json(capsys, "undo", "fruit")["items"][0]["label"] is None
    assert _json(capsys, "label", "fruit", everything[0]["id"], "love", code=2)
    assert _json(capsys, "retrain", "fruit")["labels"] > 0
    done = _json(capsys, "correct", "fruit", everything[0]["id"], "pass")
    assert done["candidate"]["label"] == "pass"
    assert _json(capsys, "heads", "fruit")["items"]
    assert _text(capsys, "heads", "fruit").startswith("h_")


def test_a_server_is_asked_instead(
    house: Served, stream: Path, home: Path, capsys: pytest.CaptureFixture[str], type_in: Any
) -> None:
    at = ("--server", house.url)
    add = ("add", "far", "folder", "-o", f"path={stream}", "--things")
    made = _json(capsys, *add, *at)
    assert made["options"]["path"].startswith("upload:") and made["mode"] == "off"
    assert _json(capsys, "list", *at)["items"][0]["name"] == "far"
    assert not (home / "tellapart.sqlite").exists()
    assert _text(capsys, "dry", "far", *at) == "far is dry\n"
    queued = _json(capsys, "run", "far", "--limit", "3", *at)
    assert queued["state"] == "queued"
    assert _json(capsys, "turns", "far", *at)["items"][0]["run"] == queued["run"]
    assert _json(capsys, "on", "nosuch", *at, code=3)["error"]["code"] == "not_found"
    assert _json(capsys, "policy", "far", *at)["policy"]["accept_all"] is False
    assert _json(capsys, "replay", "far", *at)["candidates"] == 0
    assert _json(capsys, "review", "far", *at)["items"] == []
    assert _json(capsys, "results", "far", "--match", *at)["total"] == 0
    assert _json(capsys, "credential", "far", "token", "--forget", *at, code=3)
    type_in("secret\n")
    assert _json(capsys, "credential", "far", "token", *at, code=3)["error"]["expected"]
    assert _json(capsys, "off", "far", *at)["mode"] == "off"
    assert _json(capsys, "remove", "far", "--yes", *at) == {"removed": "far"}
    assert _json(capsys, "list", *at)["items"] == []


def test_a_turn_is_followed_at_a_server(
    own_app: App, stream: Path, home: Path, capsys: pytest.CaptureFixture[str], type_in: Any
) -> None:
    at = ("--server", own_app.url)
    _json(capsys, "add", "followed", "folder", "-o", f"path={stream}", "--things", *at)
    _json(capsys, "dry", "followed", *at)
    done = _json(capsys, "run", "followed", "--limit", "2", "--follow", *at)
    assert done["state"] == "done" and done["counts"]["judged"] == 2
    one = _json(capsys, "results", "followed", *at)["items"][0]
    out = home.parent / "out"
    shown = _json(capsys, "candidate", "followed", one["id"], "-o", str(out), *at)
    assert [Path(file).read_bytes()[:4] for file in shown["files"]]
    _json(capsys, "remove", "followed", "--yes", *at)


def test_the_list_says_what_went_wrong(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    type_in: Any,
) -> None:
    with Standin(crowd(3, words=("apple",), pictures=1)) as service:
        monkeypatch.setenv("TELLAPART_ALLOW_HOSTS", service.host)
        monkeypatch.setenv("TELLAPART_FETCH_TIMEOUT", "5")
        _json(capsys, "add", "people", "http", "-o", f"url={service.deck_url}", "--people")
        type_in(f"{service.token}\n")
        _json(capsys, "credential", "people", "token")
        _json(capsys, "dry", "people")
        service.tell("token_dead", "next", times=1)
        turn = _json(capsys, "run", "people")
        assert turn["state"] == "failed" and turn["error"]["do"]
        row = _json(capsys, "list")["items"][0]
        assert row["mode"] == "off" and row["error"]["what"] == turn["error"]["what"]
        said = _text(capsys, "list")
        assert "off" in said and turn["error"]["what"][:40] in said
        assert "do next:" in _text(capsys, "show", "people")
        _json(capsys, "dry", "people")
        assert _json(capsys, "run", "people")["counts"]["judged"] == 3
        assert _json(capsys, "list")["items"][0]["error"] is None
        assert service.acts() == []


def test_secrets_come_by_standard_input_and_terms_are_shown(
    home: Path, capsys: pytest.CaptureFixture[str], type_in: Any
) -> None:
    _json(capsys, "add", "people", "tinder")
    assert _json(capsys, "confirm", "people", code=2)["error"]["do"]  # nobody can be asked
    capsys.readouterr()
    assert main(["deck", "confirm", "people", "--yes"]) == 0
    said = capsys.readouterr()
    assert "forbid" in said.err and "confirmed 20" in said.out
    assert _json(capsys, "credential", "people", "token", code=2)["error"]["do"]
    type_in("abc-123\n")
    stored = _json(capsys, "credential", "people", "token")
    assert stored["needs"][0]["have"] is True and "abc-123" not in json.dumps(stored)
    refused = _json(capsys, "on", "people", code=2)["error"]
    assert "50" in json.dumps(refused)
    assert _json(capsys, "change", "people", "--things", code=2)["error"]["what"]
    assert _json(capsys, "confirm", "people", "--withdraw")["confirmed"] == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "x", "folder", "-o", "path"), "KEY=VALUE"),
        (("add", "x", "http", "-o", "url=http://x", "-o", "pause=soon", "--things"), "number"),
        (("add", "x", "tinder", "-o", "paid=perhaps"), "true or false"),
        (("show", "nosuch"), "nosuch"),
        (("list", "--server", "here"), "--server"),
        (("policy", "x", "-f", "nosuch.yaml"), "nosuch.yaml"),
    ],
)
def test_what_is_wrong_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert main(["deck", *words]) in (2, 3)
    assert said in capsys.readouterr().err
