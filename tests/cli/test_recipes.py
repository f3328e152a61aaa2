"""`recipe schema`, `recipe check` and `run`'s reading of recipe files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tellapart.cli import main
from tellapart.recipe import schema


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_a_good_recipe_is_shown_with_a_reason_for_each_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fruit.yaml"
    path.write_text("classes: [apple, pear]\nper_class: 20\n")
    assert main(["recipe", "check", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["recipe"]["per_class"] == 20
    assert shown["reasons"]["per_class"] == "asked for"
    assert main(["recipe", "check", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(shown["reasons"])
    assert any(line.split()[:2] == ["per_class", "20"] for line in lines)
    assert all("# " in line for line in lines)


@pytest.mark.parametrize("verb", [("recipe", "check"), ("run",)])
def test_a_wrong_recipe_lists_all_its_problems(
    verb: tuple[str, ...], home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fruit.yaml"
    path.write_text("classes: [apple]\nsources: [opnverse]\nseed: x\n")
    assert main([*verb, str(path), "--json"]) == 2
    out, err = capsys.readouterr()
    problems = json.loads(out)["error"]["problems"]
    assert [p["path"] for p in problems] == ["classes", "sources[0]", "seed"]
    assert err.count("do next:") == 3
    assert main([*verb, str(tmp_path / "none.yaml")]) == 3
    assert not home.exists()
