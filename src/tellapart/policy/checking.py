"""Check plain data against the schema: all problems at once, typos guessed, in three parts."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeGuard, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tellapart.errors import PolicyError
from tellapart.policy.adults import ADULT
from tellapart.policy.fields import extra_of
from tellapart.policy.schema import CONDITIONS, Policy

#: Line numbers from 1 by path, as `reading.parse_lines` gives them.
Lines = Mapping[str, int]


def check(data: object, *, people: bool = True, lines: Lines | None = None) -> Policy:
    """The policy that `data` (as read from YAML or JSON) describes; null is the default.

    `people`: whether the deck's candidates are people. Raises `PolicyError` whose `problems` lists
    every problem with its path, its line where known, what was found, expected, and what to do.
    """
    if data is None:
        return Policy.default(people)
    if isinstance(data, Policy):
        data = data.model_dump(mode="json")
    if not isinstance(data, Mapping):
        raise PolicyError(
            f"The policy is {quote(data)}.",
            expected="a mapping such as `model: {threshold: 0.4}`",
            do="Write `key: value` lines; docs/policy.md lists the keys.",
        )
    problems = _Problems()
    policy = problems.validated(_for_things(data) if people is False else dict(data))
    _together(data, people, problems)
    if problems.found or policy is None:
        raise _error(problems.found, lines)
    return policy


def quote(value: object, limit: int = 60) -> str:
    """`value` as an error quotes it: short, on one line, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; endless nesting
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def guess(word: object, known: Collection[str]) -> str | None:
    """The nearest of the `known` words, if one is near."""
    text = word if isinstance(word, str) else quote(word)
    near = difflib.get_close_matches(text[:100].lower(), list(known), n=1, cutoff=0.6)
    return near[0] if near else None


def _for_things(data: Mapping[Any, Any]) -> dict[Any, Any]:
    """The same with the default of things: no youngest age."""
    values = dict(data)
    age = values.get("age", {})
    if isinstance(age, Mapping):
        values["age"] = {"min": None, **age}
    return values


class _Problems:
    """All problems of one policy."""

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []

    def say(self, path: str, what: str, expected: str, do: str) -> None:
        problem = {"path": path, "what": what, "expected": expected, "do": do}
        if all(p["path"] != path for p in self.found):
            self.found.append(problem)

    def validated(self, values: dict[Any, Any]) -> Policy | None:
        """By the schema; its complaints in our words."""
        for key in [key for key in values if not isinstance(key, str)]:
            self._unknown(quote(key), values.pop(key) and key, Policy.model_fields)
        try:
            return Policy.model_validate(values)
        except ValidationError as error:
            for item in error.errors(include_url=False, include_context=False):
                self._translate(item["type"], item["loc"], values, item["input"])
        return None

    def _unknown(self, path: str, word: object, known: Collection[str]) -> None:
        near = guess(word, known)
        self.say(
            path,
            f"there is no key {quote(word)}",
            "one of " + ", ".join(known),
            f"Did you mean {near!r}?" if near else "Remove it, or use one of those.",
        )

    def _translate(
        self, kind: str, loc: tuple[int | str, ...], values: Mapping[Any, Any], given: object
    ) -> None:
        """One complaint: walk the models along its place to the key that it is about."""
        model: type[BaseModel] | None = Policy
        field: FieldInfo | None = None
        path, value = "", values  # type: Any, Any
        for part in loc:
            if isinstance(part, int):
                path = f"{path}[{part}]"
            else:
                known = model.model_fields.get(part) if model is not None else None
                if known is None:
                    if kind == "extra_forbidden" and model is not None:
                        where = f"{path}.{part}" if path else part
                        self._unknown(where, part, model.model_fields)
                        return
                    break  # a branch of a union: the field before it is the place
                field, path = known, f"{path}.{part}" if path else part
                model = _model_of(known)
            value = _inside(value, part)
        shown = given if value is _NOTHING else value
        if kind == "missing":
            self.say(path, f"{path} is missing", extra_of(field)["expected"], f"Write {path}.")
            return
        near = guess(shown, _choices(field)) if isinstance(shown, str) else None
        self.say(
            path,
            f"{path} is {quote(shown)}",
            extra_of(field).get("expected", "a value of the right kind"),
            f"Did you mean {near!r}?" if near else _advice(path, shown),
        )


_NOTHING = object()


def _inside(value: Any, part: int | str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part, _NOTHING)
    if isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
        return value[part]
    return value if isinstance(part, int) else _NOTHING  # one word stands for a list of it


def _advice(path: str, value: object) -> str:
    if isinstance(value, str) and value.strip().lower() in {"yes", "on", "no", "off"}:
        return "Write true or false." if path.split(".")[-1] != "when" else "Write dont."
    return f"Change it, or leave {path} out for the default."


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, also in a tuple or a union."""
    waiting: list[Any] = [field.annotation]
    while waiting:
        item = waiting.pop()
        if isinstance(item, type) and issubclass(item, BaseModel):
            return item
        waiting.extend(get_args(item))
    return None


def _choices(field: FieldInfo | None) -> list[str]:
    """The words that a field admits."""
    found: list[str] = []
    waiting: list[Any] = [field.annotation] if field is not None else []
    while waiting:
        for item in get_args(waiting.pop()):
            if isinstance(item, str):
                found.append(item)
            else:
                waiting.append(item)
    return found


def _together(data: Mapping[Any, Any], people: bool, problems: _Problems) -> None:
    """What several keys say together, as far as they are written."""
    for group in ("age", "distance"):
        part = data.get(group)
        if not isinstance(part, Mapping):
            continue
        least, most = part.get("min"), part.get("max")
        if group == "age" and people is not False:
            for key, value in (("min", least), ("max", most)):
                if _is_number(value) and value < ADULT:
                    problems.say(
                        f"age.{key}",
                        f"age.{key} is {quote(value)}, and candidates are people",
                        f"{ADULT} or more: people under {ADULT} are never judged, whatever a "
                        "policy says",
                        f"Write {ADULT}, or leave it out.",
                    )
        if _is_number(least) and _is_number(most) and least > most:
            problems.say(
                group,
                f"{group}.min is {least:g} and {group}.max is {most:g}",
                "a range from the smaller to the larger",
                "Exchange the two.",
            )
    _one_threshold(data, problems)
    vetoes = data.get("veto")
    for number, veto in enumerate(vetoes if isinstance(vetoes, list | tuple) else ()):
        if isinstance(veto, Mapping):
            given = [key for key in CONDITIONS if veto.get(key) is not None]
            if len(given) != 1:
                problems.say(
                    f"veto[{number}]",
                    f"the rule has {' and '.join(given) or 'no condition'}",
                    "one condition: " + ", ".join(CONDITIONS),
                    "Make two rules of it." if given else "Add one, such as `above: 1500`.",
                )


def _one_threshold(data: Mapping[Any, Any], problems: _Problems) -> None:
    """Costs replace the threshold; both written, one would be ignored without a word."""
    model = data.get("model")
    if not isinstance(model, Mapping) or not isinstance(model.get("costs"), Mapping):
        return
    default = Policy.model_fields["model"].get_default(call_default_factory=True)
    if model.get("threshold", default.threshold) != default.threshold:
        problems.say(
            "model",
            f"model.threshold is {quote(model['threshold'])} although model.costs are given",
            "either of the two: costs set the threshold",
            "Remove one of them.",
        )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _error(found: list[dict[str, str]], lines: Lines | None) -> PolicyError:
    """All problems, in the file's order where its lines are known."""
    if lines is not None:
        found = [{**p, "line": str(_line(p["path"], lines))} for p in found]
        found.sort(key=lambda p: int(p["line"]))
    return PolicyError(
        f"The policy has {len(found)} problem{'s' * (len(found) != 1)}.",
        expected="a policy that follows docs/policy.md",
        do="Correct the places listed.",
        problems=found,
    )


def _line(path: str, lines: Lines) -> int:
    """The line of `path`, or of the nearest value around it."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path, 1)
