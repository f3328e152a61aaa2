"""What the keys of a recipe say together: the kind of data, of model, and what suits both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tellapart.recipe.depth import check_train
from tellapart.recipe.layers import Layer
from tellapart.recipe.network import Network, follow
from tellapart.recipe.problems import Problems, quote
from tellapart.recipe.wording import OURS, Place, Shape, Words, shape_words

#: Files that are a table where a target is named.
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".parquet", ".pq"})
_PICTURE_INPUT = (64, 64, 3)
#: Names that Core ML gives to its own outputs.
_CORE_ML_OWN = "classLabel"


@dataclass(frozen=True)
class Material:
    """What is known of the data before it is read."""

    data_kind: str
    model_kind: str
    #: Shape of one sample; a size of 0 is not known.
    shape: Shape
    classes: int | None
    #: How messages call it.
    called: str


def material(values: Mapping[str, Any], layered: bool) -> Material:
    """What `values` (normalized, perhaps faulty) tell about the data; `layered`: has layers."""
    dataset = values.get("dataset")
    number = len(values.get("classes") or ()) or None
    if dataset is not None:
        from tellapart.datasets import FACTS

        facts = FACTS[dataset]
        kind = "table" if facts.kind == "table" else "arrays"
        shape, number, called = facts.shape, len(facts.classes), dataset
    elif is_table(values):
        kind, shape, called = "table", (0,), "the table"
    else:
        kind, shape, called = "pictures", _PICTURE_INPUT, "the pictures"
    model = {"pictures": "head", "arrays": "network", "table": "table"}[kind]
    return Material(kind, "network" if layered else model, shape, number, called)


def is_table(values: Mapping[str, Any]) -> bool:
    return values.get("target") is not None and values.get("dataset") is None


class Agreement:
    """Checks one recipe's keys against each other; problems are said in the words of `words`."""

    def __init__(
        self,
        values: Mapping[str, Any],
        written: Mapping[Any, Any],
        known: Material,
        problems: Problems,
        words: Words = OURS,
    ) -> None:
        self.values = values
        self.written = written
        self.known = known
        self.problems = problems
        self.words = words

    def check(self) -> None:
        """Everything but the layers."""
        self._target()
        self._rules()
        self._effort()
        self._input()
        kinds = self.known.model_kind, self.known.data_kind
        check_train(self.values, self.written, *kinds, self.problems)
        self._compile()
        if self.known.data_kind != "pictures" and self.written.get("curate"):
            self.problems.say(
                "curate",
                f"curate is given although the data is {self.known.called}",
                "curate only for pictures of one's own or searched ones",
                "Remove curate.",
            )

    def follow(
        self, layers: Sequence[Layer], places: Sequence[Place], shape: Shape | None
    ) -> Network | None:
        """Follow the shapes through the layers."""
        found = follow(layers, shape, self.known.classes, self.problems, places)
        # Where a table's width is not known yet, any will do to see what lies where.
        guessed = shape and tuple(size or 1 for size in shape)
        self._alone(found or follow(layers, guessed, self.known.classes, Problems(), places))
        return found

    def _alone(self, network: Network | None) -> None:
        """Batch norm has nothing to normalize in a single number a channel."""
        train = self.written.get("train")
        if network is None or not isinstance(train, Mapping) or train.get("batch_size") != 1:
            return
        for layer in network.layers:
            if layer.kind == "batch_norm" and math.prod(layer.output[:-1]) == 1:
                self.problems.say(
                    "train.batch_size",
                    f"train.batch_size is 1, but {layer.name} is a "
                    f"{self.words.kind('batch_norm')} over the numbers of a batch",
                    "2 or more",
                    f"Write for example 32, or remove {layer.name}.",
                )
                return

    def shape(self) -> Shape | None:
        """What goes into the first layer, as far as that is known."""
        given = self.values.get("input")
        if given is None:
            return self.known.shape
        if self.problems.within("input"):
            return self.known.shape if self.values.get("dataset") else None
        return tuple(given)

    def _target(self) -> None:
        path, target = self.values.get("data"), self.values.get("target")
        suffix = path.suffix.lower() if isinstance(path, Path) else ""
        if target is None:
            if suffix in {".parquet", ".pq"}:
                self.problems.say(
                    "data",
                    f"data is {quote(path.name if isinstance(path, Path) else path)}, a table, "
                    "and there is no target",
                    "the column that is to be told, as `target`",
                    "Add `target: NAME`, or `target: -1` for the last column.",
                )
        elif self.values.get("dataset") is not None:
            self.problems.say(
                "target",
                f"target is {quote(target)} although the data is {self.known.called}",
                "a target only for a table of one's own",
                "Remove target; a data set by name brings its own.",
            )
        elif suffix not in TABLE_SUFFIXES and not self.problems.within("data"):
            self.problems.say(
                "target",
                f"target is {quote(target)}, but data is no table",
                "a CSV, TSV or Parquet file as `data`",
                "Remove target, or give the path of a table as data.",
            )

    def _rules(self) -> None:
        if self.values.get("rules") is None or self.problems.within("data"):
            return
        own = self.known.data_kind == "pictures" and self.values.get("data") is not None
        if not own or self.values.get("from_project") is not None:
            self.problems.say(
                "rules",
                "rules are given, but the data is no folder, list or catalog of one's own",
                "`data` with the path of a folder, a list or an older catalog",
                "Add data, or remove rules.",
            )

    def _effort(self) -> None:
        effort = self.written.get("effort")
        if effort == "best" and self.known.data_kind != "pictures":
            self.problems.say(
                "effort",
                f"effort is 'best', but the data is {self.known.called}",
                "good; best is a longer search for models of pictures",
                "Write good.",
            )
        elif (
            effort == "quick" and self.known.data_kind == "arrays" and "layers" not in self.written
        ):
            self.problems.say(
                "effort",
                f"effort is 'quick', but {self.known.called} is learned by a network",
                "good, or `layers`",
                "Write good or leave effort out, or add `layers`.",
            )

    def _input(self) -> None:
        given = self.values.get("input")
        if given is None or self.problems.within("input"):
            return
        wanted = self.known.shape
        if self.known.model_kind != "network":
            self.problems.say(
                "input",
                f"input is {self.words.shape(given)}, but there is no network",
                "input only beside `layers`",
                "Add `layers`, or remove input.",
            )
        elif self.values.get("dataset") is not None and tuple(given) != wanted:
            self.problems.say(
                "input",
                f"input is {self.words.shape(given)}, but {self.known.called} holds "
                + shape_words(wanted),
                self.words.shape(wanted),
                f"Write {self.words.shape(wanted)}"
                + ("" if self.words.old else ", or leave it out")
                + (
                    f"; a {self.words.kind('flatten')} as first layer makes one row of it."
                    if len(given) == 1 and len(wanted) == 3
                    else "."
                ),
            )
        elif self.known.data_kind == "table" and len(given) != 1:
            self.problems.say(
                "input",
                f"input is {self.words.shape(given)}, but a row of a table is no picture",
                "[numbers], the number of columns without the target",
                "Leave input out: it is counted when the table is read.",
            )
        elif self.known.data_kind == "pictures" and (
            len(given) != 3 or given[2] not in {1, 3} or max(given[:2]) > 4096
        ):
            self.problems.say(
                "input",
                f"input is {self.words.shape(given)}",
                "[height, width, channels]: sides up to 4096, 1 channel (gray) or 3 (color)",
                f"Write for example {self.words.shape(_PICTURE_INPUT)}.",
            )

    def _compile(self) -> None:
        given = self.written.get("compile")
        if not isinstance(given, Mapping):
            return
        if self.known.model_kind == "head":
            if set(given) - {"int8"}:
                self.problems.say(
                    "compile",
                    f"compile is {quote(dict(given))}, but there are no layers",
                    "of compile only int8 for pictures without layers",
                    "Add `layers`, or remove compile.",
                )
            return
        if "int8" in given:
            self.problems.say(
                "compile.int8",
                f"compile.int8 is {quote(given['int8'])}, but the model has no pretrained network",
                "int8 only for pictures without `layers`",
                "Remove it.",
            )
        one, two = given.get("coreml_input"), given.get("coreml_output")
        for key, name in (("coreml_input", one), ("coreml_output", two)):
            if name == _CORE_ML_OWN or (
                key == "coreml_output" and name is not None and name == one
            ):
                self.problems.say(
                    f"compile.{key}",
                    f"compile.{key} is {quote(name)}, "
                    + (
                        "a name of Core ML's own"
                        if name == _CORE_ML_OWN
                        else "the input's name too"
                    ),
                    f"a name of its own, not {_CORE_ML_OWN} and not the input's",
                    "Use another name, such as "
                    + ("image" if key == "coreml_input" else "probabilities")
                    + ".",
                )
