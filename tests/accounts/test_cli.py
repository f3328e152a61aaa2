"""`tellapart accounts …` from a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tellapart.accounts import Accounts
from tellapart.accounts.links import RESET
from tellapart.cli.entry import main
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tests.accounts.scene import HERE, PASSWORD, token_in


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    monkeypatch.setenv("TELLAPART_URL", "https://app.example")
    settings = Settings.from_env()
    return Accounts(open_database(settings), settings)


def _run(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["accounts", *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_an_account_is_made_listed_closed_opened_and_reset(
    here: Accounts, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _run(capsys, "add", "Ann", "ann@example.org", "--admin")
    assert made["account"]["role"] == "admin"
    session = here.reset_password(token_in(made["link"], RESET), PASSWORD)
    assert session.account.name == "Ann"
    _run(capsys, "add", "Bob", "bob@example.org")
    assert _run(capsys, "close", "bob")["account"]["closed"] is True
    assert _run(capsys, "open", "bob@example.org")["account"]["closed"] is False
    listed = _run(capsys, "list")
    assert [each["name"] for each in listed["accounts"]] == ["Ann", "Bob"]
    assert listed["sign_up_open"] is False
    assert _run(capsys, "open") == {"sign_up_open": True}
    assert _run(capsys, "close") == {"sign_up_open": False}
    link = _run(capsys, "reset", "ann")["link"]
    assert here.reset_password(token_in(link, RESET), "another horse battery")
    here.add("Uma", "uma@example.org", confirmed=False)
    assert _run(capsys, "confirm", "uma")["account"]["confirmed"] is True


def test_for_people(here: Accounts, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accounts", "list"]) == 0
    said = capsys.readouterr()
    assert said.out == "no accounts\n" and "closed" in said.err
    assert main(["accounts", "add", "Ann", "ann@example.org"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Ann (ann@example.org, user): open\nhttps://app.example/reset/")
    assert "everybody logs in" in said.err
    assert main(["accounts", "list"]) == 0
    assert "ann@example.org" in capsys.readouterr().out
    assert main(["accounts", "reset", "nobody"]) == 3
    assert "There is no account 'nobody'" in capsys.readouterr().err


def test_a_password_comes_by_standard_input_alone(
    here: Accounts, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    made = _run(capsys, "add", "Ann", "ann@example.org", "--password-stdin")
    assert "link" not in made
    session = here.log_in("ann", PASSWORD, address=HERE)
    monkeypatch.setattr("sys.stdin", io.StringIO("another horse battery\n"))
    _run(capsys, "reset", "ann", "--password-stdin")
    assert here.session(session.cookie) is None
    assert here.log_in("ann", "another horse battery", address=HERE)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["accounts", "reset", "ann", "--password-stdin"]) == 2
    assert "no password" in capsys.readouterr().err
