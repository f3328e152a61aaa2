"""Every kind of mistake in a spec is told with its line, its layer and a fix; none is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tellapart.errors import RecipeError
from tellapart.recipe import read

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "mnist_cnn.json"


def cases(file: str) -> list[Any]:
    found = yaml.safe_load((HERE / file).read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in found]


OLD, OWN = cases("broken_old.yaml"), cases("broken_own.yaml")


def told(text: str, name: str, folder: Path) -> list[str]:
    """What is said of the file `name` with this text: line | path | what is wrong | fix."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        read(file)
    error = caught.value
    if not error.problems:
        return [f" | {error.what} | {error.do}"]
    for problem in error.problems:
        assert set(problem) == {"line", "path", "what", "expected", "do"}
        assert all(problem.values()), problem
        assert f"line {problem['line']}, {problem['path']}" in str(error)
    return [f"{p['line']} | {p['path']} | {p['what']} | {p['do']}" for p in error.problems]


def compare(found: list[str], wanted: list[str]) -> None:
    for one in wanted:
        line, path, rest = one.split(" | ", 2)
        if not path:  # text that cannot be read: the message itself names the line
            assert f"in line {line}, column " in rest
            wanted = [f" | {rest}"]
    assert found == wanted


@pytest.mark.parametrize("case", OLD)
def test_a_broken_old_spec_is_told(case: dict[str, Any], tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for edit in case["edits"]:
        assert text.count(edit["from"]) == 1
        text = text.replace(edit["from"], edit["to"])
    compare(told(text, "spec.json", tmp_path), case["said"])


@pytest.mark.parametrize("case", OWN)
def test_a_broken_recipe_is_told(case: dict[str, Any], tmp_path: Path) -> None:
    compare(told(case["text"], "recipe.yaml", tmp_path), case["said"])


def test_there_are_enough_kinds_of_mistakes() -> None:
    texts = {str(case.values[0].get("edits") or case.values[0]["text"]) for case in OLD + OWN}
    assert len(texts) == len(OLD) + len(OWN) >= 60
    assert sum(len(case.values[0]["said"]) > 2 for case in OLD + OWN) >= 4
