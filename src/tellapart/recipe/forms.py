"""The parts of a recipe that people write in several forms: classes, sources, paths, licences.

Each is brought into the one form of the schema; what cannot be is said and left out, so that
the rest is checked in the same go.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from tellapart.recipe.class_options import MAX_QUERY, class_options
from tellapart.recipe.naming import (
    clean_word,
    is_name,
    name_of,
    name_of_data,
    same_word,
    slug,
    word_problem,
)
from tellapart.recipe.problems import Problems, quote
from tellapart.recipe.schema import LICENSES, SELL, SELLABLE, ClassOptions, Recipe, extra_of

_MAX_DEPTH = 40
_PATH_OPTIONS = frozenset({"file", "folder", "path"})


class Forms:
    """Normalizes one recipe's values; relative paths count from `base`."""

    def __init__(self, problems: Problems, base: Path, known: Collection[str] | None) -> None:
        self.problems = problems
        self.base = base
        self.known = known

    def classes(self, value: object) -> dict[str, ClassOptions]:
        expected = "a list of words, or a mapping from word to its options"
        if value is None:
            return {}
        pairs: list[tuple[object, object]]
        if isinstance(value, Mapping):
            pairs = list(value.items())
        elif isinstance(value, list | tuple):
            pairs = [(word, None) for word in value]
        else:
            self.problems.say(
                "classes", f"classes is {quote(value)}", expected, "Write `[apple, pear]`."
            )
            return {}
        classes: dict[str, ClassOptions] = {}
        seen: dict[str, str] = {}
        for index, (raw, options) in enumerate(pairs):
            word = self._word(raw, f"classes[{index}]")
            if word is None:
                continue
            if same_word(word) in seen:
                self.problems.say(
                    f"classes[{index}]",
                    f"the class {quote(word)} is {quote(seen[same_word(word)])} again",
                    "different words (upper and lower case do not differ)",
                    "Remove one of the two.",
                )
                continue
            seen[same_word(word)] = word
            classes[word] = class_options(word, options, self.problems)
        return classes

    def _word(self, raw: object, path: str) -> str | None:
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            raw = quote(raw)
        if not isinstance(raw, str):
            self.problems.say(
                path,
                f"the class is {quote(raw)}",
                "a word",
                "Write the word, in quotes if need be.",
            )
            return None
        word = clean_word(raw)
        problem = word_problem(word)
        if problem is None:
            return word
        self.problems.say(
            path,
            f"the class {quote(word)} {problem}",
            "a name of 1 to 100 characters that a folder may have",
            "Give it a plain name; what to search for goes into its `queries`.",
        )
        return None

    def sources(self, value: object) -> list[dict[str, Any]]:
        if isinstance(value, str | Mapping):
            value = [value]
        if not isinstance(value, list | tuple) or not value:
            self.problems.say(
                "sources",
                f"sources is {quote(value)}",
                "a list of source names, at least one",
                "Write for example `sources: [openverse, commons]`.",
            )
            return [{"name": "openverse"}]
        found: list[dict[str, Any]] = []
        for index, item in enumerate(value):
            path = f"sources[{index}]"
            options: object = {}
            if isinstance(item, Mapping) and len(item) == 1:
                item, options = next(iter(item.items()))
                options = {} if options is None else options
            if not isinstance(item, str) or not _are_options(options):
                self.problems.say(
                    path,
                    f"the source is {quote(item)}",
                    "a name, or one name with its options: `{urls: {file: list.csv}}`",
                    "Write the source's name.",
                )
                continue
            if self.known is not None and item not in self.known:
                self.problems.unknown(path, item, self.known, thing="source")
                continue
            found.append({"name": item, "options": self._options(options, f"{path}.{item}")})
        return found

    def _options(self, options: Mapping[Any, Any], path: str) -> dict[str, Any]:
        result = {}
        for key, value in options.items():
            if key in _PATH_OPTIONS and "://" not in str(value):
                value = self.path(value, f"{path}.{key}")
            result[str(key)] = str(value) if isinstance(value, Path) else value
        return result

    def data(self, values: dict[Any, Any]) -> None:
        """`data` is a path, the name of a known data set, or `project:NAME`."""
        value = values.pop("data")
        if isinstance(value, str) and value.strip().lower().startswith("project:"):
            name = value.strip()[len("project:") :].strip()
            if is_name(name):
                values["from_project"] = name
                return
            self.problems.say(
                "data",
                f"data is {quote(value)}",
                "`project:` and a project's name: "
                + extra_of(Recipe.model_fields["name"])["expected"],
                f"Write for example {'project:' + slug(name)!r}; `tellapart list` shows the names.",
            )
            return
        known = known_data(value)
        if known is not None:
            values["dataset"] = known
            return
        values["data"] = self.path(value, "data")

    def weights(self, values: dict[Any, Any]) -> None:
        """`train.weights` is a path, or none."""
        train = values.get("train")
        if not isinstance(train, Mapping) or "weights" not in train:
            return
        word = train["weights"]
        if not isinstance(word, str) or word.strip().lower() != "none":
            word = self.path(word, "train.weights") or "auto"
        values["train"] = {
            **train,
            "weights": "none" if isinstance(word, str) and word != "auto" else word,
        }

    def path(self, value: object, path: str) -> Path | None:
        if isinstance(value, str | Path) and str(value).strip() and "\0" not in str(value):
            try:
                return self.base / Path(str(value).strip()).expanduser()
            except (RuntimeError, ValueError):  # `~nobody`: no such user
                pass
        self.problems.say(
            path,
            f"{path} is {quote(value)}",
            "the path of a file or folder",
            "Write the path, in quotes if need be.",
        )
        return None

    def name(self, values: dict[Any, Any]) -> None:
        name = values.get("name")
        if isinstance(name, int | float) and not isinstance(name, bool):
            name = values["name"] = quote(name)
        if name is None:
            data = values.get("data")
            word = values.get("dataset") or values.get("from_project")
            if word is not None:
                values["name"] = slug(word)
            else:
                values["name"] = name_of(values["classes"]) if data is None else name_of_data(data)
        elif not isinstance(name, str) or not is_name(name):
            self.problems.say(
                "name",
                f"the name is {quote(name)}",
                extra_of(Recipe.model_fields["name"])["expected"],
                f"Write for example {slug(name) if isinstance(name, str) else 'fruit'!r}.",
            )
            values["name"] = "unnamed"


def known_data(value: object) -> str | None:
    """The data set that a bare word names; `./mnist` is a folder."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_QUERY:
        return None
    if set(value) & set("/\\.~"):
        return None
    from tellapart.datasets import canonical

    return canonical(value.strip())


def licenses(value: object) -> object:
    """`CC BY-SA 4.0`, `cc-by-sa` and `by_sa` all mean `by-sa`; `sell` means those of `SELLABLE`."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        return value
    found: list[object] = []
    for item in value:
        sell = isinstance(item, str) and item.strip().lower() == SELL
        found += SELLABLE if sell else [_license(item) if isinstance(item, str) else item]
    return list(dict.fromkeys(found)) if all(isinstance(one, str) for one in found) else found


def _license(word: str) -> str:
    plain = "-".join(word.lower().replace("_", " ").replace("-", " ").split())
    plain = (
        plain.removesuffix("-4.0").removesuffix("-3.0").removesuffix("-2.0").removesuffix("-1.0")
    )
    for candidate in (plain, plain.removeprefix("cc-")):
        if candidate in LICENSES:
            return candidate
    return word


def _are_options(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and is_plain(value)


def is_plain(value: object, depth: int = _MAX_DEPTH) -> bool:
    """Whether `value` is what JSON can hold, finite and not too deep."""
    if isinstance(value, Mapping):
        return depth > 0 and all(
            isinstance(k, str) and is_plain(v, depth - 1) for k, v in value.items()
        )
    if isinstance(value, list | tuple):
        return depth > 0 and all(is_plain(v, depth - 1) for v in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() <= 64
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | bool)
