"""Recipe files: what people write is understood, what is wrong or hostile is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import InputError, NotFoundError, RecipeError
from tellapart.recipe import check, parse, read


def write(folder: Path, text: str | bytes, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_yaml_and_json_mean_the_same(tmp_path: Path) -> None:
    yaml = "classes: [apple, pear]\nper_class: 20\ncurate:\n  min_side: 64\n"
    values = {"classes": ["apple", "pear"], "per_class": 20, "curate": {"min_side": 64}}
    recipe = read(write(tmp_path, yaml))
    assert recipe == read(write(tmp_path, json.dumps(values), "recipe.json")) == check(values)
    assert recipe.curate.min_side == 64


def test_paths_count_from_the_recipes_folder(tmp_path: Path) -> None:
    inner = tmp_path / "deep"
    inner.mkdir()
    assert read(write(inner, "data: ../pictures")).data == inner / ".." / "pictures"


def test_class_names_are_taken_as_written(tmp_path: Path) -> None:
    words = ["yes", "no", "1.10", "007", "null", "true", "2024-01-01", "1:30", "0x1F"]
    text = f"classes: [{', '.join(words)}]"
    recipe = read(write(tmp_path, text))
    assert list(recipe.classes) == words
    mapped = read(write(tmp_path, "classes:\n  on: {queries: [light on]}\n  off:\n"))
    assert mapped.labels == ("off", "on")
    assert mapped.classes["on"].queries == ("light on",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("classes: [a, b]\nseed: 1\nseed: 2\n", "'seed' is written twice"),
        ("curate:\n  min_side: 1\n  min_side: 2\n", "'min_side' is written twice"),
        ("curate:\n\tmin_side: 1\n", "Indent with spaces"),
        ("classes: [a, b\n", "not valid YAML"),
        ("a: b: c\n", "line 1"),
        ("x: &a [1]\ny: *a\n", "alias"),
        ("a: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("{[1]: 2}\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("a: " + "9" * 5000, "not valid YAML"),
        ("a: !!int x", "not valid YAML"),
        ("[" * 500, "not valid YAML"),
        ("a: " + "[" * 100 + "]" * 100, "nested deeper"),
        ("", "The recipe is None"),
        ("- apple\n- pear\n", "The recipe is ['apple', 'pear']"),
        ("just words", "The recipe is 'just words'"),
        ("\0", "not valid YAML"),
    ],
)
def test_broken_yaml_says_where_and_what(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(write(tmp_path, text))
    assert says in str(caught.value)
    assert caught.value.do


def test_laughing_yaml_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for one, two in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{two}: &{two} [" + ", ".join([f"*{one}"] * 9) + "]")
    with pytest.raises(RecipeError, match="alias"):
        read(write(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "a": 2}', "written twice"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"seed": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"classes": ["a", "b"], "seed": NaN}', "seed"),
    ],
)
def test_broken_json(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(write(tmp_path, text, "recipe.json"))
    assert says in str(caught.value)


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"missing\.yaml"):
        read(tmp_path / "missing.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)
    with pytest.raises(RecipeError, match="not UTF-8"):
        read(write(tmp_path, b"\xff\xfe\x00c"))
    with pytest.raises(RecipeError, match="larger than"):
        read(write(tmp_path, b"#" * 1_000_001))


def test_a_recipe_from_windows_reads_the_same(tmp_path: Path) -> None:
    text = "\ufeffclasses: [apple, pear]\r\nseed: 3\r\n"
    assert read(write(tmp_path, text)).seed == 3


@settings(deadline=None, max_examples=300)
@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(list("{}[]:,&*!|>-'\"#%@`? \n\tab1.~<")), max_size=40).map("".join),
    st.sampled_from(["yaml", "json"]),
)
def test_any_text_is_data_or_a_recipe_error(text: str, form: str) -> None:
    try:
        check(parse(text, form=form))
    except RecipeError as error:
        str(error)
