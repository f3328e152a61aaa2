"""Text for terminals: aligned, and harmless whatever came from outside."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.cli.console import emit, plain, program, table, write


@given(st.text())
def test_nothing_from_outside_can_steer_a_terminal(text: str) -> None:
    shown = plain(text)
    assert len(shown) == len(text)
    assert "\x1b" not in shown and "\u202e" not in shown and "\r" not in shown
    assert all(c in "\n\t" or unicodedata.category(c) != "Cc" for c in shown)


def test_words_of_all_scripts_stay_as_they_are() -> None:
    for text in ("яблоко", "りんご", "क्‍ष", "👩‍🌾", "crème"):
        assert plain(text) == text


def test_columns_line_up_under_their_names() -> None:
    text = table([("a", 10, "x"), ("りんご", 5, "a\nb")], header=("name", "n", "note"))
    lines = text.splitlines()
    assert lines == ["NAME    N   NOTE", "a       10  x", "りんご  5   a b"]
    assert table([]) == ""


def test_results_go_out_as_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    write("before")
    emit({"path": "a\nb", "word": "яблоко", "odd": "\udcff"})
    out = capsys.readouterr().out
    assert json.loads(out.splitlines()[-1]) == {"path": "a\nb", "word": "яблоко", "odd": "\udcff"}
    with pytest.raises(ValueError, match="JSON"):
        emit(float("nan"))


def test_what_to_type_next_works_where_the_shell_does_not_know_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [".my venv/bin/tellapart", "demo"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "'.my venv/bin/tellapart'"
    (tmp_path / "tellapart").touch(mode=0o755)
    assert program() == "tellapart"
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py"])
    assert program() == "tellapart"
