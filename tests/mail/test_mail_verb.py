"""`tellapart mail EMAIL`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tellapart.cli.entry import main
from tests.mail.postbox import Postbox, read


def test_it_says_what_the_mail_server_answers(
    home: Path,
    postbox: Postbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["mail", "you@example.org"]) == 2
    assert "No mail server is named" in capsys.readouterr().err
    monkeypatch.setenv("TELLAPART_MAIL", postbox.url)
    assert main(["mail", "you@example.org"]) == 2
    assert "TELLAPART_MAIL_FROM" in capsys.readouterr().err
    monkeypatch.setenv("TELLAPART_MAIL_FROM", "app@app.example")
    assert main(["mail", "you@example.org", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sent"] == "you@example.org"
    assert read(postbox.accepted[0])["To"] == "you@example.org"
    postbox.refuse["rcpt"] = "550 no such user"
    assert main(["mail", "you@example.org"]) == 5
    assert "no such user" in capsys.readouterr().err
    assert main(["mail", "you"]) == 2
