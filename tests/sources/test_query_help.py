"""Kinds, synonyms, translations and what a class is not: from the recipe to the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tellapart.catalog import Catalog, PictureRow
from tellapart.errors import CredentialError, DataError, FetchError, RecipeError
from tellapart.recipe import asked, check
from tellapart.recipe.resolving import canonical
from tellapart.settings import Settings
from tellapart.steps import collect, open_context
from tellapart.steps.collect.candidates import Pair, Plan
from tellapart.store.database import open_database
from tests.sources.conftest import Bench, write_zip
from tests.sources.services import DATA_SET, Services

PEAR = {"pear": {"queries": ["boat"]}}


class Desk:
    """Collects recipes and shows the ledger."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def collect(self, name: str = "p", **recipe: Any) -> dict[str, Any]:
        engine = open_database(self.settings)
        written = asked(check({"name": name, **recipe}))
        if name in Catalog.names(engine):
            Catalog.open(engine, name).save_recipe(written)
        else:
            Catalog.create(engine, name, written)
        return collect.run(open_context(self.settings, name, lambda _: None))

    def rows(self, name: str = "p", **conditions: Any) -> list[PictureRow]:
        rows = open_context(self.settings, name, lambda _: None).catalog.pictures(**conditions)
        return [row for row in rows if row.label == "apple"]


@pytest.fixture
def desk(bench_of: Callable[..., Bench]) -> Desk:
    return Desk(bench_of("pexels").settings)


def test_kinds_bring_their_share_each(desk: Desk) -> None:
    apple = {"kinds": ["granny smith", "red delicious"], "synonyms": ["malus"]}
    desk.collect(classes={"apple": apple, **PEAR}, sources=["pexels"], per_class=30)
    taken = Counter(row.query for row in desk.rows(status="ok"))
    assert set(taken) == {"granny smith", "red delicious"}
    assert abs(taken["granny smith"] - taken["red delicious"]) <= 2


def test_synonyms_and_translations_come_when_the_word_has_no_more(
    desk: Desk, services: Services
) -> None:
    apple = {"queries": ["nothing"], "synonyms": ["malus"], "translations": {"de": "Apfel"}}
    desk.collect(classes={"apple": apple, **PEAR}, sources=["pexels"], per_class=8)
    assert {row.query for row in desk.rows(status="ok")} == {"malus"}
    words = [one["query"] for one in services.queries("/pexels/v1/search")]
    assert words.index("nothing") < words.index("malus") and "Apfel" not in words


def test_what_it_is_not_is_refused_and_let_in_again(desk: Desk, services: Services) -> None:
    apple: dict[str, Any] = {"without": ["Table"]}
    both = {"classes": {"apple": apple, **PEAR}, "sources": ["flickr", "pexels"], "per_class": 5}
    desk.collect(**both)
    first = services.queries("/flickr/rest/")
    assert {"apple -Table", "boat"} == {one["text"] for one in first if "text" in one}
    # The service was asked to leave it out; the other, that cannot, is not even needed.
    assert {row.source for row in desk.rows(status="ok")} == {"flickr"}
    other = {**both, "sources": ["pexels"], "name": "other"}
    with pytest.raises(DataError, match="without"):  # all its titles say that they show a table
        desk.collect(**other)
    assert {(row.status, row.reason) for row in desk.rows("other")} == {("refused", "without")}
    desk.collect(**{**other, "classes": {"apple": None, **PEAR}})
    assert len(desk.rows("other", status="ok")) == 5
    with pytest.raises(DataError):  # and now of no class at all
        desk.collect(**{**other, "classes": {"apple": None, **PEAR}, "without": "table"})
    assert not desk.rows("other", status="ok")


def test_a_source_without_its_key_stops_no_other(desk: Desk, services: Services) -> None:
    desk.settings = Settings(**{**vars(desk.settings), "flickr_key": None})
    classes = {"apple": None, **PEAR}
    result = desk.collect(classes=classes, sources=["flickr", "pexels"], per_class=6)
    assert result["found"] == 12
    assert not services.queries("/flickr/rest/")
    with pytest.raises((CredentialError, FetchError), match="TELLAPART_FLICKR_KEY"):
        desk.collect(name="q", classes=classes, sources=["flickr"], per_class=6)


def test_a_data_set_of_the_hub_fills_classes(desk: Desk) -> None:
    source = {"huggingface": {"name": DATA_SET}}
    desk.collect(classes=["apple", "red boat"], sources=[source], per_class=20)
    taken = desk.rows(status="ok")
    assert len(taken) == 20 and {row.license for row in taken} == {"by"}
    assert {row.split_hint for row in taken} == {"test", "train"}


def test_a_zip_fills_classes(desk: Desk, tmp_path: Path) -> None:
    source = {"zip": {"path": str(write_zip(tmp_path / "f.zip"))}}
    desk.collect(classes=["apple", "pear"], sources=[source], per_class=12)
    first = desk.rows(status="ok")
    assert len(first) == 12 and all(Path(row.path).is_file() for row in first)
    desk.collect(classes=["apple", "pear"], sources=[source], per_class=12)
    assert [row.id for row in desk.rows(status="ok")] == [row.id for row in first]


# ------------------------------------------------------------------ the plan


def plan_of(**recipe: Any) -> Plan:
    return Plan.of_recipe(check({"name": "p", **recipe}))


def test_kinds_go_first_and_in_turns() -> None:
    apple = {
        "queries": ["apple"],
        "kinds": ["a", "b"],
        "synonyms": "c",
        "translations": {"de": "d"},
    }
    plan = plan_of(classes={"apple": apple, "pear": None}, sources=["flickr"])
    assert [(p.query, p.turns) for p in plan.pairs("apple")] == [
        ("a", True),
        ("b", True),
        ("apple", False),
        ("c", False),
        ("d", False),
    ]
    assert [(p.query, p.turns) for p in plan.pairs("pear")] == [("pear", False)]


def test_what_was_asked_before_these_keys_is_asked_the_same() -> None:
    recipe = check({"name": "p", "classes": {"apple": {"queries": ["apple fruit"]}, "pear": None}})
    assert "without" not in canonical(recipe)
    assert canonical(recipe)["classes"] == {
        "apple": {"queries": ["apple fruit"]},
        "pear": {"queries": ["pear"]},
    }
    told = Plan.of_recipe(recipe).asked()
    assert not {"kinds", "without"} & set(told)
    more = check({**asked(recipe), "without": ["logo"]})
    assert check(asked(more)) == more and canonical(more)["without"] == ["logo"]


@pytest.mark.parametrize(
    ("title", "out"),
    [
        ("Apple Logo, 2019", True),
        ("apple-logo.png", True),
        ("LOGO", True),
        ("Logos of apples", False),
        ("catalogo", False),
        ("an apple on a white  background!", True),
        ("background, white", False),
        ("", False),
    ],
)
def test_titles_are_read_by_whole_words(title: str, out: bool) -> None:
    plan = plan_of(classes={"apple": {"without": ["logo", "white background"]}, "pear": None})
    assert plan.ruled_out("apple", title) is out and not plan.ruled_out("pear", title)


def test_services_are_asked_to_leave_it_out_as_far_as_there_is_room() -> None:
    words = ["logo", "white background", *(f"word{n}" for n in range(60))]
    sources = ["commons", "pexels"]
    plan = plan_of(classes={"apple": None, "pear": None}, without=words, sources=sources)
    pair = Pair("commons", "apple", 0, 0)
    asked_for = plan.words("apple", pair)
    assert asked_for.startswith('apple -logo -"white background" -word0')
    assert len(asked_for) <= 200 and plan.search_key("apple", pair) == asked_for
    assert plan.words("apple", Pair("pexels", "apple", 1, 1)) == "apple"


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"kinds": [5]}, "classes.a.kinds", "kinds is"),
        ({"synonyms": ["x" * 201]}, "classes.a.synonyms", "1 to 200"),
        ({"translations": ["Apfel"]}, "classes.a.translations", "mapping"),
        ({"translations": {"german": "Apfel"}}, "classes.a.translations", "'german'"),
        ({"translations": {"de": []}}, "classes.a.translations.de", "word"),
        ({"without": ["-"]}, "classes.a.without", "without is"),
        ({"without": "x" * 61}, "classes.a.without", "1 to 60"),
        ({"synonym": ["x"]}, "classes.a.synonym", "Did you mean 'synonyms'?"),
    ],
)
def test_problems_are_told_where_they_stand(options: Any, path: str, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check({"classes": {"a": options, "b": None}})
    (problem,) = caught.value.problems
    assert problem["path"] == path and says in " ".join(problem.values())


def test_a_list_at_the_top_is_checked_too() -> None:
    with pytest.raises(RecipeError) as caught:
        check({"classes": ["a", "b"], "without": {"x": 1}})
    assert caught.value.problems[0]["path"] == "without"
    assert check({"classes": ["a", "b"], "without": "logo"}).without == ("logo",)
