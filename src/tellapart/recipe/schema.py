"""What a recipe may say: every key with its meaning, its limits, its default and the reason.

A recipe is data: it names registered things and never holds code. Whatever is not written (or
written as `auto`) is chosen here; the `why` of each field is the reason shown to the user and
stored beside the resolved recipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from tellapart.recipe import budgets
from tellapart.recipe.fields import Number, Part, Size, Whole, extra_of, says
from tellapart.recipe.groups import Curate, Split
from tellapart.recipe.layers import AnyLayer
from tellapart.recipe.rules import Rules
from tellapart.recipe.training import Compile, Train

__all__ = [
    "LICENSES",
    "MAX_CLASSES",
    "ClassOptions",
    "Compile",
    "Curate",
    "Number",
    "Recipe",
    "Rules",
    "SourceSpec",
    "Split",
    "Train",
    "Whole",
    "extra_of",
    "written_keys",
]

#: Licence codes as sources report them, most open first.
LICENSES = ("cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
#: Means the licences under which a picture, changed or not, may be sold.
SELL = "sell"
SELLABLE = ("cc0", "pdm", "by", "by-sa")
MAX_CLASSES = 1000
#: Seconds for the whole command where pictures are learned from and no budget is asked for.
BUDGETS = {"good": 600.0, "best": 7200.0}

#: Pictures a class with `enough`, where no number is written.
MOST_IN_ROUNDS = 1000

Effort = Literal["quick", "good", "best"]
#: Recipes that come with the program, as files in `recipe/shipped`.
Shipped = Literal["swipr", "picaisso"]
Budget = Annotated[float, BeforeValidator(budgets.read)] | Literal["auto"]
License = Literal["cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd"]
#: A host's name, or address, with or without a port; no wildcard.
Host = Annotated[
    str,
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    Field(pattern=r"^(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$"),
]
DataKind = Literal["pictures", "arrays", "table"]
ModelKind = Literal["head", "network", "table"]


class ClassOptions(Part):
    """One class: what to search for to find pictures of it."""

    queries: tuple[str, ...] = says(
        (),
        "Words to search for, tried in this order. Left out: the class's own name.",
        expected="a list of words to search for, each at most 200 characters",
    )
    kinds: tuple[str, ...] = says(
        (),
        "Kinds of it, such as `[granny smith, red delicious]`: searched for before `queries`, in "
        "turns, so that each brings its share.",
        expected="a list of words to search for, each at most 200 characters",
        why="no kinds were named",
    )
    synonyms: tuple[str, ...] = says(
        (),
        "Other words for the same, searched for after `queries`.",
        expected="a list of words to search for, each at most 200 characters",
        why="no other words were named",
    )
    translations: dict[str, tuple[str, ...]] = says(
        {},
        "The word in other languages, such as `{de: Apfel, fr: [pomme]}`, searched for last.",
        expected="a mapping from a language's code to words, such as {de: Apfel}",
        why="no translations were named",
    )
    without: tuple[str, ...] = says(
        (),
        "What it is not, such as `[logo, iphone]`: a hit whose title holds one of these words is "
        "refused, and services that can are asked to leave it out.",
        expected="a list of words, each at most 60 characters",
        why="nothing was ruled out",
    )

    @property
    def searched(self) -> tuple[str, ...]:
        """All that is searched for one after another, without the kinds."""
        translated = (word for words in self.translations.values() for word in words)
        return tuple(dict.fromkeys((*self.queries, *self.synonyms, *translated)))

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what says nothing, so that a recipe of before these keys stays what it was."""
        return {k: v for k, v in handler(self).items() if v or k == "queries"}


class SourceSpec(Part):
    """One source of pictures, named as registered, with its own options."""

    name: str = says(
        ..., "Registered name of the source, such as `openverse`.", expected="a source's name"
    )
    options: dict[str, Any] = says(
        {}, "Options of this source alone, such as `file` for `urls`.", expected="a mapping"
    )

    @model_serializer
    def _short(self) -> str | dict[str, Any]:
        """Back to the form a recipe is written in: the bare name, or `{name: options}`."""
        return {self.name: self.options} if self.options else self.name


class Recipe(Part):
    """What to tell apart and how. Made by `check` or `read`, which say what is wrong."""

    name: str = says(
        ...,
        "Name of the project, its folder and its bundles. Left out: made of the classes or the "
        "folder's name.",
        expected="lower-case letters, digits, `-`, `_` and `.`, at most 64, first a letter "
        "or digit",
        why="made of the classes or the folder's name",
    )
    classes: dict[str, ClassOptions] = says(
        {},
        "What to tell apart: a list of words, or a mapping from class to its options "
        "(`{apple: {queries: [apple fruit]}}`). Left out with `data`.",
        expected=f"2 to {MAX_CLASSES} different words",
        why="the folders or the labels of the data are the classes",
    )
    data: Path | None = says(
        None,
        "What to use instead of searching: a labelled folder or CSV (relative to the recipe's "
        "folder), a table (CSV, TSV, Parquet) with `target`, the name of a known data set such "
        "as `mnist`, or `project:NAME` for the pictures of another project.",
        expected="the path of a labelled folder, CSV or table, or the name of a data set",
        why="pictures are searched for",
    )
    rules: Rules | None = says(
        None,
        "How the pictures of `data` get their classes, where folders and labels do not say it "
        "outright: folders that are classes, and what disqualifies.",
        expected="a mapping with `buckets`",
        why="the folders or the labels of the data are the classes",
    )
    sources: tuple[SourceSpec, ...] = says(
        (SourceSpec(name="openverse"), SourceSpec(name="commons")),
        "Where to search, in order of preference: names, or `{name: options}` such as "
        "`{urls: {file: list.csv}}`.",
        expected="a list of source names",
        why="need no key, and give the licence of every picture",
    )
    per_class: Whole = says(
        100,
        "Pictures wanted per class when searching; with `enough`, the most (1000 where it is left "
        "out).",
        expected="a whole number from 1 to 10000",
        why="enough for a first honest figure; found in about a minute",
        ge=1,
        le=10_000,
    )
    # Off unless asked for: a number of pictures, and sources in an order, are wishes too.
    enough: Number | None = says(
        None,
        "Collect in rounds, more from the cleaner sources, until the next hundred pictures are "
        "expected to bring less than so many points of accuracy, and four times as many less than "
        "five times that; null: `per_class` pictures, no more and no fewer.",
        expected="a number above 0 and at most 10, such as 0.2, or null",
        why="so many pictures were asked for as `per_class` says",
        gt=0,
        le=10,
    )
    effort: Effort = says(
        "quick",
        "The one dial: quick trains a linear head on frozen features, in seconds; for tables the "
        "better of two quick models. good trains a network (data sets by name, tables), or for "
        "pictures climbs a ladder of ever dearer models within 10 minutes; best within 2 hours.",
        expected="quick, good or best",
        why="seconds on a CPU",
    )
    budget: Budget = says(
        "auto",
        "Time for the whole command, with good or best on pictures, or with `train.stages`.",
        expected="auto, or a time from 1 second to 30 days such as 90s, 5m or 2h",
        why="10 minutes with good, 2 hours with best; stages take what they take",
    )
    seed: Whole = says(
        0,
        "Seed of everything that is drawn by chance.",
        expected="a whole number from 0 to 4294967295",
        why="the same recipe and pictures give the same bundle",
        ge=0,
        le=2**32 - 1,
    )
    licenses: tuple[License, ...] = says(
        (),
        "Licences that pictures may have; empty: any open licence. `sell` means those under which "
        "they may be sold, changed too: " + ", ".join(SELLABLE) + ". Rows of own lists that state "
        "another one are refused; those that state none are yours.",
        expected="sell, or a list of licence codes: " + ", ".join(LICENSES),
        why="any open licence will do for learning; the bundle says what may be passed on",
    )
    without: tuple[str, ...] = says(
        (),
        "What no class is, such as `[logo, drawing]`: as `without` of a class, for all of them.",
        expected="a list of words, each at most 60 characters",
        why="nothing was ruled out",
    )
    mature: bool = says(
        False,
        "Whether sources may return pictures marked as mature.",
        expected="true or false",
        why="off unless asked for",
    )
    ignore_robots: tuple[Host, ...] = says(
        (),
        "Hosts (`name` or `name:port`) whose robots.txt is left aside: your own act, noted in the "
        "project. Opt-out headers are heeded all the same.",
        expected="a list of host names, such as `[www.example.org]`",
        why="every site's robots.txt is obeyed",
    )
    curate: Curate = says(Curate, "What is set aside, and when.", expected="a mapping")
    split: Split = says(
        Split, "How pictures are divided into train, validation, test.", expected="a mapping"
    )
    train: Train = says(
        Train, "The training of the linear head, or of the network.", expected="a mapping"
    )

    target: Annotated[str, Field(min_length=1, max_length=200)] | Whole | None = says(
        None,
        "Column of the table that is to be told: its name, or its number from 0 (-1: the last).",
        expected="a column's name, or its number from 0 (-1: the last)",
        why="the data is no table of one's own",
    )
    input: tuple[Size, ...] | None = says(
        None,
        "Shape of what goes into the network: [height, width, channels], or [numbers].",
        expected="[height, width, channels] with 1 or 3 channels, or [numbers]",
        why="the shape of the data",
        max_length=3,
    )
    layers: tuple[AnyLayer, ...] = says(
        (),
        "The network, layer by layer: `flatten`, or `{dense: {units: 10}}`.",
        expected="a list of layers",
        why="no network of one's own",
    )
    compile: Compile = says(Compile, "What the trained model is written as.", expected="a mapping")
    title: str = says(
        "",
        "The name as people see it, where `name` had to be made safe.",
        expected="at most 200 characters",
        why="the name itself",
        max_length=200,
    )
    notes: tuple[str, ...] = says(
        (),
        "What whoever reads the results should know, such as what was ignored in an old spec.",
        expected="a list of sentences",
        why="nothing to add",
        max_length=100,
    )
    recipe: Shipped | None = says(
        None,
        "A recipe that comes with the program, to start from; other keys replace its own.",
        expected="swipr or picaisso",
        why="none was named",
    )
    dataset: str | None = says(
        None,
        "Canonical name of the known data set that `data` names; written as `data`.",
        expected="a known data set's name, written as `data`",
        why="no known data set was named",
    )
    from_project: str | None = says(
        None,
        "Name of the project whose pictures are used; written as `data: project:NAME`.",
        expected="a project's name, written as `data: project:NAME`",
        why="no other project was named",
    )

    @property
    def labels(self) -> tuple[str, ...]:
        """The named classes in alphabetical order; empty where they come from `data`."""
        return tuple(sorted(self.classes))

    @property
    def in_rounds(self) -> bool:
        """Whether pictures are collected in rounds, until there are `enough`."""
        return self.enough is not None and bool(self.classes)

    @property
    def most_per_class(self) -> int:
        """Pictures per class that are wanted, or with `enough` at most."""
        unsaid = self.in_rounds and "per_class" not in self.model_fields_set
        return MOST_IN_ROUNDS if unsaid else self.per_class

    @property
    def data_kind(self) -> DataKind:
        """`pictures` (searched, folder, list, project), `arrays` (pictures by name) or `table`."""
        if self.dataset is not None:
            from tellapart.datasets import FACTS

            return "table" if FACTS[self.dataset].kind == "table" else "arrays"
        return "table" if self.target is not None else "pictures"

    @property
    def model_kind(self) -> ModelKind:
        """`head` (on frozen features), `network` (of layers, or made for arrays) or `table`."""
        if self.layers:
            return "network"
        return {"pictures": "head", "arrays": "network", "table": "table"}[self.data_kind]  # type: ignore[return-value]

    @property
    def tuned(self) -> bool:
        """Whether a pretrained network may be tuned: `stages`, or good or best on pictures."""
        return self.model_kind == "head" and bool(self.train.stages or self.effort != "quick")

    @property
    def quantized(self) -> bool | Literal["auto"]:
        """Whether an int8 model is made too; `auto`: where that can be had."""
        if self.model_kind != "head" or self.compile.int8 != "auto":
            return self.model_kind == "head" and self.compile.int8 is True
        return "auto" if self.effort != "quick" and self.budget == "auto" else False

    @property
    def budget_seconds(self) -> float | None:
        """Time for the whole command; None: it takes what it takes."""
        if self.budget != "auto":
            return self.budget
        if self.model_kind != "head" or self.train.stages:
            return None
        return BUDGETS.get(self.effort)


def written_keys() -> tuple[str, ...]:
    """The keys that a recipe may be written with; the others are what `data` was found to mean."""
    return tuple(key for key in Recipe.model_fields if key not in {"dataset", "from_project"})
