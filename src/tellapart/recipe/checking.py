"""Check plain data against the schema; list all problems at once, guess at typos."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tellapart.errors import RecipeError
from tellapart.recipe import shipped
from tellapart.recipe.agreeing import Agreement, material
from tellapart.recipe.class_options import without
from tellapart.recipe.depth import settle
from tellapart.recipe.forms import Forms, known_data, licenses
from tellapart.recipe.layering import Draft, build
from tellapart.recipe.layering import drafts as layer_drafts
from tellapart.recipe.layers import Broken
from tellapart.recipe.positions import Lines, line_of
from tellapart.recipe.problems import Problems, guess, quote
from tellapart.recipe.quickml import is_old, translate
from tellapart.recipe.resolving import GROUPS
from tellapart.recipe.schema import MAX_CLASSES, Recipe, Split, extra_of, written_keys
from tellapart.recipe.wording import OURS_WHOLE, Spelling


def check(
    data: object,
    *,
    base: Path | None = None,
    sources: Collection[str] | None = None,
    lines: Lines | None = None,
) -> Recipe:
    """The recipe that `data` (as read from YAML or JSON) describes, in our spelling or the old.

    Relative paths count from `base` (default: the current folder). `sources` are the known
    names; None leaves them unchecked. `lines` are the line numbers by path, as `parse_lines`
    gives them. Raises `RecipeError` whose `problems` lists every problem with its path, its line
    where known, what was found, what was expected and what to do.
    """
    if not isinstance(data, Mapping):
        raise RecipeError(
            f"The recipe is {quote(data)}.",
            expected="a mapping such as `classes: [apple, pear]`",
            do="Write `key: value` lines; `tellapart recipe schema` lists the keys.",
        )
    problems = Problems()
    spelling, said = OURS_WHOLE, Problems()
    drafts: Sequence[Draft] | None = None
    if is_old(data):
        old = translate(data)
        data, drafts, spelling, said = old.data, old.drafts, old.spelling, old.problems
    else:
        data = _started(data, problems)
    written = _without_auto(data)
    if drafts is None and "layers" in written:
        drafts = layer_drafts(written["layers"], problems)
    recipe = _whole(written, drafts, Forms(problems, base or Path.cwd(), sources), spelling)
    if problems.found or said.found or recipe is None:
        raise _error(said.found + _respelled(problems, spelling), lines)
    return recipe


def _started(data: Mapping[Any, Any], problems: Problems) -> Mapping[Any, Any]:
    """`data` with the keys of the shipped recipe that it starts from, where it names one."""
    name = data.get("recipe")
    if not isinstance(name, str) or name not in shipped.names():
        return data  # the schema says what is wrong with it
    rest = {key: value for key, value in data.items() if key != "recipe"}
    if "layers" in rest or rest.get("target") is not None or known_data(rest.get("data")):
        problems.say(
            "recipe",
            f"recipe is {quote(name)}, but what is asked for is no tuning on pictures",
            "pictures: words to search for, a labelled folder or a list",
            "Remove recipe, or layers, target and the data set's name.",
        )
        return rest
    return shipped.start_from(name, rest)


def _whole(
    written: dict[Any, Any], drafts: Sequence[Draft] | None, forms: Forms, spelling: Spelling
) -> Recipe | None:
    """Check every key by itself and all together; None where the schema refuses some."""
    problems = forms.problems
    values = _normalize(dict(written), forms)
    built = build(drafts, problems) if drafts is not None else []
    values["layers"] = tuple(layer for layer in built if not isinstance(layer, Broken))
    known = material(values, drafts is not None)
    settle(values, written, known.model_kind)
    recipe = _Validation(problems).run(values)
    if recipe is not None:
        _shares(recipe.split, problems)
    agreement = Agreement(values, written, known, problems, spelling.words)
    if spelling is OURS_WHOLE or "data" in written:
        agreement.check()
    shape = agreement.shape()
    if drafts:
        agreement.follow(built, [draft.place for draft in drafts], shape)
    if recipe is None:
        return None
    if known.model_kind == "network" and recipe.input is None and shape and all(shape):
        recipe = recipe.model_copy(update={"input": shape})
    # What was made here (the name, …) was not asked for: `resolve` gives its reason.
    recipe.model_fields_set.intersection_update(written)
    given = written.get("train")
    recipe.train.model_fields_set.intersection_update(given if isinstance(given, Mapping) else ())
    if recipe.dataset is not None or recipe.from_project is not None:
        recipe.model_fields_set.add("data")
    return recipe


def _respelled(problems: Problems, spelling: Spelling) -> list[dict[str, str]]:
    """The problems in the order of our keys, with the paths of the file."""
    found = []
    for problem in sorted(problems.found, key=lambda p: _order(p["path"])):
        ours, path = problem["path"], spelling.path(problem["path"])
        if ours == "classes" and spelling is not OURS_WHOLE:
            continue  # an old spec without a data set was told so
        if path != ours:
            what, do = problem["what"], problem["do"]
            if do.startswith("Change it") and ours in spelling.examples:
                do = f"Change it, for example to {spelling.examples[ours]}."
            do = do.replace(f"leave {ours} ", f"leave {path} ")
            if what.startswith(f"{ours} "):
                what = path + what[len(ours) :]
            problem = {**problem, "path": path, "what": what, "do": do}
        found.append(problem)
    return found


def _error(found: list[dict[str, str]], lines: Lines | None) -> RecipeError:
    """All problems, in the file's order where its lines are known."""
    if lines is not None:
        found = [{**p, "line": str(_line(p["path"], lines))} for p in found]
        found.sort(key=lambda p: int(p["line"]))
    return RecipeError(
        f"The recipe has {len(found)} problem{'s' * (len(found) != 1)}.",
        expected="a recipe that follows `tellapart recipe schema`",
        do="Correct the places listed.",
        problems=found,
    )


def _line(path: str, lines: Lines) -> int:
    """The line of `path`; of `recipe` for what stands only in the recipe started from."""
    top = re.split(r"[.\[]", path)[0]
    return line_of(path if top in lines or "recipe" not in lines else "recipe", lines) or 1


def _normalize(values: dict[Any, Any], forms: Forms) -> dict[Any, Any]:
    """Bring what people write in several forms into the schema's one."""
    values["classes"] = forms.classes(values.get("classes"))
    for key in ("dataset", "from_project"):
        if key in values:
            forms.problems.say(key, f"{key} is {quote(values.pop(key))}", *_written_as_data(key))
    if values.get("data") is not None:
        forms.data(values)
        if values.get("sources"):
            forms.problems.say(
                "sources",
                f"sources are {quote(values['sources'])} although data is given",
                "either `data` or `sources` to search",
                "Remove one of the two.",
            )
        values["sources"] = ()
    elif "sources" in values:
        values["sources"] = forms.sources(values["sources"])
    if "licenses" in values:
        values["licenses"] = licenses(values["licenses"])
    if "without" in values:
        values["without"] = without(values["without"], "without", forms.problems)
    _classes_or_data(values, forms.problems)
    forms.name(values)
    forms.weights(values)
    for key in [key for key in values if not isinstance(key, str)]:
        forms.problems.unknown(quote(key), key, written_keys())
        del values[key]
    return values


class _Validation:
    """By the schema; its complaints in our words."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def run(self, values: dict[Any, Any]) -> Recipe | None:
        try:
            return Recipe.model_validate(values)
        except ValidationError as error:
            for item in error.errors(include_url=False, include_context=False):
                self._translate(item["type"], item["loc"], _as_written(values, item))
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
                    known_keys = written_keys() if model is Recipe else model.model_fields
                    self.problems.unknown(where, part, known_keys)
                    return
                break  # a branch of a union: the field before it is the place
            field, path = known, f"{path}.{part}" if path else str(part)
            kinds = [k for k in (known.annotation, *get_args(known.annotation)) if _is_model(k)]
            if not kinds:
                model = BaseModel
            else:
                model = kinds[0]
        extra = extra_of(field)
        words = [w for w in _words(field) if isinstance(w, str)]
        near = guess(value, words) if isinstance(value, str) else None
        self.problems.say(
            path or "recipe",
            f"{path or 'the recipe'} is {quote(value)}",
            extra.get("expected", "a value of the right kind"),
            f"Did you mean {near!r}?" if near else _advice(path, value),
        )


def _written_as_data(key: str) -> tuple[str, str]:
    if key == "dataset":
        return "the name of a data set, as `data`", "Write for example `data: mnist`."
    return (
        "`project:` and the project's name, as `data`",
        "Write for example `data: project:fruit`.",
    )


def _as_written(values: Mapping[str, Any], item: Any) -> object:
    """The value an error is about, before words of the same meaning were made one."""
    value: Any = values
    for part in item["loc"]:
        keyed = isinstance(value, Mapping) and part in value
        listed = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if not keyed and not listed:
            break
        value = value[part]
    return item["input"] if value is values else value


def _classes_or_data(values: Mapping[str, Any], problems: Problems) -> None:
    """Either words to search for or data of one's own, and enough to tell apart."""
    number = len(values["classes"])
    if problems.within("classes"):
        return  # the count would be of what is left over
    given = any(values.get(key) is not None for key in ("data", "dataset", "from_project"))
    if given and number:
        problems.say(
            "data",
            "both `data` and `classes` are given",
            "either words to search for or data of your own",
            "Remove one of the two; the data's own folders or labels are its classes.",
        )
    elif not given and number < 2 and not problems.within("data"):
        found = f"only the class {quote(next(iter(values['classes'])))}" if number else "no class"
        problems.say(
            "classes",
            f"there is {found}, and no data",
            f"2 to {MAX_CLASSES} classes, or `data`",
            "Name what it is to be told apart from, such as `[apple, pear]`.",
        )
    elif number > MAX_CLASSES:
        problems.say("classes", f"there are {number} classes", f"2 to {MAX_CLASSES}", "Use fewer.")


def _shares(parts: Split, problems: Problems) -> None:
    total = parts.train + parts.validation + parts.test
    if abs(total - 1) > 1e-6:
        rest = 1 - parts.validation - parts.test
        problems.say(
            "split",
            f"train + validation + test is {total:g}",
            "shares that add up to 1, such as 0.7, 0.1 and 0.2",
            f"Set train to {rest:g}, or change the others."
            if rest > 0
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
        if key in GROUPS and isinstance(value, Mapping):
            value = {k: _deeper(k, v) for k, v in value.items() if not _is_auto(v)}
        result[key] = value
    return result


def _is_auto(value: object) -> bool:
    return isinstance(value, str) and value == "auto"


def _deeper(key: object, value: object) -> object:
    """The same inside of augmentation and stages."""
    if key == "augmentation" and isinstance(value, Mapping):
        return {k: v for k, v in value.items() if not _is_auto(v)}
    if key == "stages" and isinstance(value, Mapping):
        value = [value]
    if key == "stages" and isinstance(value, list | tuple):
        return [
            {k: v for k, v in stage.items() if not _is_auto(v) and v is not None}
            if isinstance(stage, Mapping)
            else stage
            for stage in value
        ]
    return value


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


def _order(path: str) -> tuple[int, str]:
    first = path.split(".")[0].split("[")[0]
    keys = list(Recipe.model_fields)
    return (keys.index(first) if first in keys else len(keys), path)
