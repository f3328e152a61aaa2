"""Check plain data against the schema; list all problems at once, guess at typos."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tellapart.errors import RecipeError
from tellapart.recipe.naming import (
    clean_word,
    is_name,
    name_of,
    name_of_data,
    same_word,
    slug,
    word_problem,
)
from tellapart.recipe.schema import LICENSES, MAX_CLASSES, ClassOptions, Recipe

_MAX_QUERY = 200
_PATH_OPTIONS = frozenset({"file", "folder", "path"})


def check(
    data: object, *, base: Path | None = None, sources: Collection[str] | None = None
) -> Recipe:
    """The recipe that `data` (as read from YAML or JSON) describes.

    Relative paths count from `base` (default: the current folder). `sources` are the known
    names; None leaves them unchecked. Raises `RecipeError` whose `problems` lists every problem
    with its path, what was found, what was expected and what to do.
    """
    return _Check(base or Path.cwd(), sources).run(data)


def quote(value: object, limit: int = 60) -> str:
    """`value` as an error quotes it: short, on one line, whatever it is."""
    try:
        text = repr(str(value)) if isinstance(value, Path) else repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; endless nesting
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def guess(word: object, known: Collection[str]) -> str | None:
    """The nearest of the `known` words, if one is near."""
    near = difflib.get_close_matches(str(word)[:100].lower(), list(known), n=1, cutoff=0.6)
    return near[0] if near else None


class _Check:
    def __init__(self, base: Path, sources: Collection[str] | None) -> None:
        self.base = base
        self.sources = sources
        self.problems: list[dict[str, str]] = []

    def say(self, path: str, what: str, expected: str, do: str) -> None:
        if not any(p["path"] == path and p["what"] == what for p in self.problems):
            self.problems.append({"path": path, "what": what, "expected": expected, "do": do})

    def run(self, data: object) -> Recipe:
        if not isinstance(data, Mapping):
            raise RecipeError(
                f"The recipe is {quote(data)}.",
                expected="a mapping such as `classes: [apple, pear]`",
                do="Write `key: value` lines; `tellapart recipe schema` lists the keys.",
            )
        values = _without_auto(data)
        values["classes"] = self._classes(values.get("classes"))
        if values.get("data") is not None:
            values["data"] = self._path(values["data"], "data")
            if values.get("sources"):
                self.say(
                    "sources",
                    f"sources are {quote(values['sources'])} although data is given",
                    "either `data` or `sources` to search",
                    "Remove one of the two.",
                )
            values["sources"] = ()
        elif "sources" in values:
            values["sources"] = self._sources(values["sources"])
        if "licenses" in values:
            values["licenses"] = _licenses(values["licenses"])
        self._name(values)
        recipe = self._validate(values)
        if recipe is not None:
            self._across(recipe)
        if self.problems or recipe is None:
            self.problems.sort(key=lambda p: _order(p["path"]))
            n = len(self.problems)
            raise RecipeError(
                f"The recipe has {n} problem{'s' * (n != 1)}.",
                expected="a recipe that follows `tellapart recipe schema`",
                do="Correct the places listed.",
                problems=self.problems,
            )
        return recipe

    # -- parts that people write in several forms ------------------------------------------

    def _classes(self, value: object) -> dict[str, ClassOptions]:
        expected = "a list of words, or a mapping from word to its options"
        if value is None:
            return {}
        pairs: list[tuple[object, object]]
        if isinstance(value, Mapping):
            pairs = list(value.items())
        elif isinstance(value, list | tuple):
            pairs = [(word, None) for word in value]
        else:
            self.say("classes", f"classes is {quote(value)}", expected, "Write `[apple, pear]`.")
            return {}
        classes: dict[str, ClassOptions] = {}
        seen: dict[str, str] = {}
        for index, (raw, options) in enumerate(pairs):
            word = self._word(raw, f"classes[{index}]")
            if word is None:
                continue
            if same_word(word) in seen:
                self.say(
                    f"classes[{index}]",
                    f"the class {quote(word)} is {quote(seen[same_word(word)])} again",
                    "different words (upper and lower case do not differ)",
                    "Remove one of the two.",
                )
                continue
            seen[same_word(word)] = word
            classes[word] = self._class_options(word, options)
        return classes

    def _word(self, raw: object, path: str) -> str | None:
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            raw = quote(raw)
        if not isinstance(raw, str):
            self.say(
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
        self.say(
            path,
            f"the class {quote(word)} {problem}",
            "a name of 1 to 100 characters that a folder may have",
            "Give it a plain name; what to search for goes into its `queries`.",
        )
        return None

    def _class_options(self, word: str, options: object) -> ClassOptions:
        path = f"classes.{word}"
        if options is None:
            return ClassOptions(queries=(word,))
        if not isinstance(options, Mapping):
            self.say(
                path,
                f"its options are {quote(options)}",
                "a mapping such as `{queries: [apple fruit]}`",
                "Write the words to search for under `queries`.",
            )
            return ClassOptions(queries=(word,))
        for key in options:
            if key != "queries":
                self._unknown(f"{path}.{key}", key, ["queries"])
        queries = options.get("queries")
        if queries is None:
            queries = [word]
        elif isinstance(queries, str):
            queries = [queries]
        if (
            not isinstance(queries, list | tuple)
            or not queries
            or not all(isinstance(q, str) and 0 < len(q.strip()) <= _MAX_QUERY for q in queries)
        ):
            self.say(
                f"{path}.queries",
                f"queries is {quote(queries)}",
                f"a list of words to search for, each of 1 to {_MAX_QUERY} characters",
                f"Write for example `queries: [{word}]`.",
            )
            queries = [word]
        return ClassOptions(queries=tuple(dict.fromkeys(clean_word(q) for q in queries)))

    def _sources(self, value: object) -> list[dict[str, Any]]:
        if isinstance(value, str | Mapping):
            value = [value]
        if not isinstance(value, list | tuple) or not value:
            self.say(
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
            if not isinstance(item, str) or not isinstance(options, Mapping):
                self.say(
                    path,
                    f"the source is {quote(item)}",
                    "a name, or one name with its options: `{urls: {file: list.csv}}`",
                    "Write the source's name.",
                )
                continue
            if self.sources is not None and item not in self.sources:
                self._unknown(path, item, self.sources, thing="source")
                continue
            found.append({"name": item, "options": self._options(options, f"{path}.{item}")})
        return found

    def _options(self, options: Mapping[Any, Any], path: str) -> dict[str, Any]:
        result = {}
        for key, value in options.items():
            if key in _PATH_OPTIONS and "://" not in str(value):
                value = self._path(value, f"{path}.{key}")
            result[str(key)] = str(value) if isinstance(value, Path) else value
        return result

    def _path(self, value: object, path: str) -> Path | None:
        if isinstance(value, str | Path) and str(value).strip() and "\0" not in str(value):
            try:
                return self.base / Path(str(value).strip()).expanduser()
            except (RuntimeError, ValueError):  # `~nobody`: no such user
                pass
        self.say(
            path,
            f"{path} is {quote(value)}",
            "the path of a file or folder",
            "Write the path, in quotes if need be.",
        )
        return None

    def _name(self, values: dict[Any, Any]) -> None:
        name = values.get("name")
        if isinstance(name, int | float) and not isinstance(name, bool):
            name = values["name"] = quote(name)
        if name is None:
            data = values.get("data")
            values["name"] = name_of(values["classes"]) if data is None else name_of_data(data)
        elif not isinstance(name, str) or not is_name(name):
            self.say(
                "name",
                f"the name is {quote(name)}",
                _extra(Recipe.model_fields["name"])["expected"],
                f"Write for example {slug(name) if isinstance(name, str) else 'fruit'!r}.",
            )
            values["name"] = "unnamed"

    # -- everything else: by the schema ----------------------------------------------------

    def _validate(self, values: dict[Any, Any]) -> Recipe | None:
        for key in [key for key in values if not isinstance(key, str)]:
            self._unknown(quote(key), key, Recipe.model_fields)
            del values[key]
        try:
            return Recipe.model_validate(values)
        except ValidationError as error:
            for item in error.errors(include_url=False, include_context=False):
                self._translate(item["type"], item["loc"], item["input"])
        return None

    def _translate(self, kind: str, loc: tuple[int | str, ...], value: object) -> None:
        model: type[BaseModel] = Recipe
        field: FieldInfo | None = None
        path = ""
        for part in loc:
            if isinstance(part, int):
                path += f"[{part}]"
                continue
            known = model.model_fields.get(str(part)) if path == "" or field else None
            if known is None:
                if kind == "extra_forbidden":
                    where = f"{path}.{part}" if path else str(part)
                    self._unknown(where, part, model.model_fields)
                    return
                break  # a branch of a union: the field before it is the place
            field, path = known, f"{path}.{part}" if path else str(part)
            kinds = [k for k in (known.annotation, *get_args(known.annotation)) if _is_model(k)]
            if not kinds:
                model = BaseModel
            else:
                model = kinds[0]
        extra = _extra(field)
        words = [w for w in _words(field) if isinstance(w, str)]
        near = guess(value, words) if isinstance(value, str) else None
        self.say(
            path or "recipe",
            f"{path or 'the recipe'} is {quote(value)}",
            extra.get("expected", "a value of the right kind"),
            f"Did you mean {near!r}?" if near else _advice(path, value),
        )

    def _unknown(
        self, path: str, word: object, known: Collection[str], *, thing: str = "key"
    ) -> None:
        near = guess(word, known)
        self.say(
            path,
            f"there is no {thing} {quote(word)}",
            "one of " + ", ".join(sorted(known)),
            f"Did you mean {near!r}?" if near else "Remove it, or use one of those.",
        )

    def _across(self, recipe: Recipe) -> None:
        """What several keys say together."""
        if any(p["path"].startswith("classes") for p in self.problems):
            return  # the count would be of what is left over
        number = len(recipe.classes)
        if recipe.data is not None and number:
            self.say(
                "data",
                "both `data` and `classes` are given",
                "either words to search for or data of your own",
                "Remove one of the two; the data's own folders or labels are its classes.",
            )
        elif recipe.data is None and number < 2:
            found = f"only the class {quote(next(iter(recipe.classes)))}" if number else "no class"
            self.say(
                "classes",
                f"there is {found}, and no data",
                f"2 to {MAX_CLASSES} classes, or `data`",
                "Name what it is to be told apart from, such as `[apple, pear]`.",
            )
        elif number > MAX_CLASSES:
            self.say("classes", f"there are {number} classes", f"2 to {MAX_CLASSES}", "Use fewer.")
        parts = recipe.split
        total = parts.train + parts.validation + parts.test
        if abs(total - 1) > 1e-6:
            self.say(
                "split",
                f"train + validation + test is {total:g}",
                "shares that add up to 1, such as 0.7, 0.1 and 0.2",
                f"Set train to {1 - parts.validation - parts.test:g}, or change the others."
                if parts.validation + parts.test < 1
                else "Lower validation and test.",
            )


def _without_auto(data: Mapping[Any, Any]) -> dict[Any, Any]:
    """`auto` and null at the top mean: choose for me, as if the key had not been written."""
    result: dict[Any, Any] = {}
    for key, value in data.items():
        if value == "auto" and key not in {"name", "data"}:
            continue
        if value is None:
            continue
        if key in {"curate", "split", "train"} and isinstance(value, Mapping):
            value = {k: v for k, v in value.items() if not (isinstance(v, str) and v == "auto")}
        result[key] = value
    return result


def _licenses(value: object) -> object:
    """`CC BY-SA 4.0`, `cc-by-sa` and `by_sa` all mean `by-sa`."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        return value
    return [_license(item) if isinstance(item, str) else item for item in value]


def _license(word: str) -> str:
    plain = "-".join(word.lower().replace("_", " ").replace("-", " ").split())
    plain = (
        plain.removesuffix("-4.0").removesuffix("-3.0").removesuffix("-2.0").removesuffix("-1.0")
    )
    for candidate in (plain, plain.removeprefix("cc-")):
        if candidate in LICENSES:
            return candidate
    return word


def _advice(path: str, value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return "Write one value of that kind."
    return f"Change it, or leave {path} out for the default." if path else "Correct it."


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _words(field: FieldInfo | None) -> tuple[Any, ...]:
    """The words a field admits, through unions, tuples and annotations."""
    found: list[Any] = []
    waiting: list[Any] = [field.annotation] if field is not None else []
    while waiting:
        for item in get_args(waiting.pop()):
            if isinstance(item, str):
                found.append(item)
            else:
                waiting.append(item)
    return tuple(found)


def _extra(field: FieldInfo | None) -> dict[str, str]:
    extra = field.json_schema_extra if field is not None else None
    return {k: str(v) for k, v in extra.items()} if isinstance(extra, dict) else {}


def _order(path: str) -> tuple[int, str]:
    first = path.split(".")[0].split("[")[0]
    keys = list(Recipe.model_fields)
    return (keys.index(first) if first in keys else len(keys), path)
