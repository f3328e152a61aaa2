"""Checking: all problems at once, each with a place, a quoted value and a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import InputError, RecipeError
from tellapart.recipe import Recipe, asked, canonical, check, resolve

TWO = ["apple", "pear"]


def problems(data: object, **known: Any) -> dict[str, dict[str, str]]:
    with pytest.raises(RecipeError) as caught:
        check(data, **known)
    for problem in caught.value.problems:
        assert set(problem) == {"path", "what", "expected", "do"}
        assert all(problem.values()), problem
    return {problem["path"]: problem for problem in caught.value.problems}


def test_words_alone_are_a_whole_recipe() -> None:
    recipe = check({"classes": TWO})
    assert recipe.labels == ("apple", "pear")
    assert recipe.name == "apple-pear"
    assert recipe.classes["apple"].queries == ("apple",)
    assert [source.name for source in recipe.sources] == ["openverse", "commons"]
    assert (recipe.per_class, recipe.effort, recipe.seed) == (100, "quick", 0)


def test_all_problems_are_said_at_once_with_typos_guessed() -> None:
    found = problems(
        {
            "clases": ["a"],
            "classes": ["a", "A", "x/y", True],
            "per_class": "many",
            "effort": "quik",
            "seed": -1,
            "split": {"tarin": 1},
            "train": {"veiw": 1, "view": "sqash", "C": "aut"},
            "sources": ["opnverse"],
            "licenses": ["by", "bu-sa"],
            "curate": {"off_topic": 2, "max_blur": True},
        },
        sources=["openverse", "commons", "urls"],
    )
    assert set(found) == {
        "clases",
        "classes[1]",
        "classes[2]",
        "classes[3]",
        "per_class",
        "effort",
        "seed",
        "split.tarin",
        "train.veiw",
        "train.view",
        "train.C",
        "sources[0]",
        "licenses[1]",
        "curate.off_topic",
        "curate.max_blur",
    }
    for path, word in {
        "clases": "classes",
        "effort": "quick",
        "split.tarin": "train",
        "train.veiw": "view",
        "train.view": "squash",
        "train.C": "auto",
        "sources[0]": "openverse",
        "licenses[1]": "by-sa",
    }.items():
        assert found[path]["do"] == f"Did you mean {word!r}?"
    assert "'many'" in found["per_class"]["what"]
    assert found["per_class"]["expected"] == "a whole number from 1 to 10000"


def test_the_message_lists_every_problem() -> None:
    with pytest.raises(RecipeError) as caught:
        check({"classes": TWO, "seed": "x", "mature": "perhaps"})
    text = str(caught.value)
    assert text.startswith("The recipe has 2 problems.")
    assert "seed: seed is 'x'" in text
    assert "mature: mature is 'perhaps'" in text
    assert caught.value.to_dict()["error"]["problems"] == caught.value.problems


@pytest.mark.parametrize(
    "word",
    [
        "",
        "   ",
        "a/b",
        "a\\b",
        ".hidden",
        "..",
        "end.",
        "a\0b",
        "a\nb",
        "x" * 101,
        "𝕏" * 60,
        "\ud800",
    ],
)
def test_class_names_that_no_folder_may_have(word: str) -> None:
    assert "classes[1]" in problems({"classes": ["good", word]})


@pytest.mark.parametrize("word", ["яблоко", "りんご", "crème brûlée", "a.b", "it's", "🍎", "CON 1"])
def test_class_names_in_any_language(word: str) -> None:
    assert word in check({"classes": ["other", word]}).classes


def test_class_names_are_trimmed_composed_and_unique_whatever_their_case() -> None:
    recipe = check({"classes": ["  green   apple ", "cafe\u0301"]})
    assert recipe.labels == ("café", "green apple")
    for twice in (["Apple", "apple "], ["straße", "STRASSE"], ["café", "cafe\u0301"]):
        assert "again" in problems({"classes": twice})["classes[1]"]["what"]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({}, "classes"),
        ({"classes": []}, "classes"),
        ({"classes": ["apple"]}, "classes"),
        ({"classes": "apple"}, "classes"),
        ({"classes": [f"c{n}" for n in range(1001)]}, "classes"),
        ({"classes": TWO, "data": "here"}, "data"),
        ({"data": "here", "sources": ["commons"]}, "sources"),
        ({"data": ["here"]}, "data"),
        ({"data": "a\0b"}, "data"),
        ({"classes": TWO, "sources": []}, "sources"),
        ({"classes": TWO, "sources": [{"urls": 5}]}, "sources[0]"),
        ({"classes": TWO, "sources": [{"a": {}, "b": {}}]}, "sources[0]"),
        ({"classes": TWO, "split": {"test": 0.9}}, "split"),
        ({"classes": TWO, "split": {"train": 1}}, "split.train"),
        ({"classes": TWO, "split": 3}, "split"),
        ({"classes": TWO, "per_class": True}, "per_class"),
        ({"classes": TWO, "per_class": 1.5}, "per_class"),
        ({"classes": TWO, "per_class": 10**400}, "per_class"),
        ({"classes": TWO, "curate": {"min_entropy": float("nan")}}, "curate.min_entropy"),
        ({"classes": {"a": {"querys": ["b"]}, "b": None}}, "classes.a.querys"),
        ({"classes": {"a": {"queries": []}, "b": None}}, "classes.a.queries"),
        ({"classes": {"a": 5, "b": None}}, "classes.a"),
        ({"classes": TWO, "name": "My Fruit"}, "name"),
        ({"classes": TWO, "name": "../up"}, "name"),
        ({"classes": TWO, 7: 1}, "7"),
    ],
)
def test_each_wrong_value_is_named_by_its_path(data: dict[Any, Any], path: str) -> None:
    assert list(problems(data)) == [path]


@pytest.mark.parametrize("data", [None, 5, "classes", [1, 2], True])
def test_anything_but_a_mapping_is_refused(data: object) -> None:
    with pytest.raises(RecipeError, match="The recipe is"):
        check(data)


def test_one_class_only_says_what_to_do() -> None:
    found = problems({"classes": ["apple"]})["classes"]
    assert "'apple'" in found["what"]
    assert "told apart" in found["do"]


def test_numbers_and_paths_may_be_written_as_words(tmp_path: Path) -> None:
    recipe = check({"data": tmp_path, "per_class": "20", "seed": "3", "train": {"C": "0.5"}})
    assert (recipe.data, recipe.per_class, recipe.seed, recipe.train.C) == (tmp_path, 20, 3, 0.5)
    assert check({"classes": [1, 2.5], "name": 12}).labels == ("1", "2.5")


def test_paths_count_from_the_recipe(tmp_path: Path) -> None:
    assert check({"data": "set"}, base=tmp_path).data == tmp_path / "set"
    options = {"file": "list.csv", "note": "x", "path": "https://example.org/x"}
    recipe = check({"classes": TWO, "sources": [{"urls": options}]}, base=tmp_path)
    assert recipe.sources[0].options == {**options, "file": str(tmp_path / "list.csv")}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"classes": ["Pear", "apple"]}, "apple-pear"),
        ({"classes": ["hot dog", "not hot dog"]}, "hot-dog-not-hot-dog"),
        ({"classes": ["яблоко", "груша"]}, "груша-яблоко"),
        ({"data": "/x/My Pictures"}, "my-pictures"),
        ({"data": "/x/trashnet_100"}, "trashnet_100"),
        ({"data": "/x/v1.2"}, "v1.2"),
        ({"data": "/x/list.csv"}, "list"),
        ({"data": "/x/y/.."}, "x"),
    ],
)
def test_a_name_is_made_where_none_is_given(data: dict[str, Any], name: str) -> None:
    assert check(data).name == name


@given(st.text(max_size=300))
def test_every_text_gives_a_valid_and_settled_name(text: str) -> None:
    from tellapart.recipe import is_name, slug

    name = slug(text)
    assert is_name(name)
    assert slug(name) == name


@pytest.mark.parametrize("word", ["CC BY-SA 4.0", "cc-by-sa", "by_sa", "BY-SA"])
def test_licenses_may_be_written_as_people_do(word: str) -> None:
    assert check({"classes": TWO, "licenses": [word]}).licenses == ("by-sa",)


def test_auto_and_null_mean_the_default() -> None:
    plain = check({"classes": TWO})
    same = check(
        {
            "classes": TWO,
            "name": None,
            "per_class": "auto",
            "sources": "auto",
            "curate": {"min_side": "auto"},
            "train": {"C": "auto", "view": "auto"},
        }
    )
    assert same == plain


def test_a_threshold_of_null_is_off_and_not_the_default() -> None:
    recipe = check({"classes": TWO, "curate": {"off_topic": None, "mislabelled": None}})
    assert recipe.curate.off_topic is None
    assert recipe.curate.mislabelled is None


def test_every_value_that_will_run_has_a_reason() -> None:
    recipe = check({"classes": TWO, "per_class": 20, "curate": {"min_side": 64}})
    full, reasons = resolve(recipe)
    assert full == recipe
    leaves = {
        f"{key}.{inner}" if isinstance(value, dict) and key != "classes" else key
        for key, value in canonical(recipe).items()
        for inner in (value if isinstance(value, dict) and key != "classes" else [""])
    }
    assert set(reasons) == leaves
    assert all(reasons.values())
    told = {path for path, why in reasons.items() if why == "asked for"}
    assert told == {"classes", "per_class", "curate.min_side"}


def test_what_was_asked_stays_apart_from_what_was_chosen() -> None:
    recipe = check({"classes": TWO, "curate": {"min_side": 64}})
    assert asked(recipe) == {
        "name": "apple-pear",
        "classes": {"apple": {"queries": ["apple"]}, "pear": {"queries": ["pear"]}},
        "curate": {"min_side": 64},
    }
    assert check(asked(recipe)) == recipe


def test_the_canonical_form_depends_on_meaning_alone(tmp_path: Path) -> None:
    one = check({"classes": ["pear", "apple"], "licenses": ["by", "cc0"], "name": "fruit"})
    two = check({"name": "fruit", "licenses": ["cc0", "by"], "classes": ["apple", "pear"]})
    assert canonical(one) == canonical(two)
    here = check({"data": tmp_path / "a", "name": "x"})
    there = check({"data": "/elsewhere/b", "name": "x"})
    assert canonical(here) == canonical(there)
    listed = check({"classes": TWO, "sources": [{"urls": {"file": str(tmp_path / "l.csv")}}]})
    for recipe in (here, listed):
        assert str(tmp_path) not in repr(canonical(recipe))
        assert check(canonical(recipe)).name == recipe.name
    changed = check({"classes": ["pear", "apple"], "name": "fruit", "seed": 1})
    assert canonical(changed) != canonical(one)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = sorted(Recipe.model_fields)
LIKELY = st.dictionaries(
    st.sampled_from(KEYS) | st.text(max_size=8),
    JSON
    | st.sampled_from(["auto", TWO, {"a": None, "b": {"queries": "c"}}, [{"urls": {"file": "x"}}]])
    | st.dictionaries(
        st.sampled_from(["min_side", "train", "test", "validation", "C", "view", "group_by"]), JSON
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=300)
@given(JSON | LIKELY)
def test_any_json_is_a_recipe_or_a_recipe_error(data: object) -> None:
    try:
        recipe = check(data, sources=["openverse", "commons", "urls"])
    except InputError as error:
        assert isinstance(error, RecipeError)
        assert error.what and error.expected and error.do
        str(error)
        return
    assert check(asked(recipe)) == recipe
    assert canonical(check(canonical(recipe))) == canonical(recipe)


def test_endless_and_huge_values_are_refused() -> None:
    deep: dict[str, Any] = {}
    deep["sources"] = [{"urls": deep}]
    assert "sources[0]" in problems({"classes": TWO, **deep})
    nested: Any = 1
    for _ in range(5000):
        nested = [nested]
    assert "seed" in problems({"classes": TWO, "seed": nested})


@pytest.mark.parametrize("data", [{"data": "iris"}, {"data": "t.csv", "target": "kind"}])
def test_batch_norm_of_single_samples_is_refused(data: dict[str, Any]) -> None:
    layers: list[Any] = [{"dense": {"units": 8}}, "batch_norm", {"dense": {"units": 3}}]
    given = {**data, "layers": layers, "train": {"batch_size": 1}}
    with pytest.raises(RecipeError) as caught:
        check(given)
    (problem,) = caught.value.problems
    assert problem["path"] == "train.batch_size"
    assert "batch_norm" in problem["what"] and "2" in problem["expected"] and problem["do"]
    assert check({**given, "train": {"batch_size": 2}})
    assert check({**given, "layers": [layers[0], layers[2]]})


def test_batch_norm_of_one_map_at_a_time_is_fine() -> None:
    maps: list[Any] = [{"conv2d": {"filters": 2, "kernel_size": 3}}, "batch_norm"]
    ends: list[Any] = ["flatten", {"dense": {"units": 10}}]
    given = {"data": "digits", "layers": [*maps, *ends], "train": {"batch_size": 1}}
    assert check(given).train.batch_size == 1
    maps.insert(1, "global_avg_pool")
    with pytest.raises(RecipeError, match="problem"):
        check({**given, "layers": [*maps, ends[1]]})
