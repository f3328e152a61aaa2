"""A policy in plain sentences, as a commented file to begin with, as a schema, and as changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from tellapart.policy.adults import ADULT
from tellapart.policy.fields import extra_of
from tellapart.policy.schema import Policy, SuperLike
from tellapart.policy.texts import share
from tellapart.policy.vetoing import told

_UNSAFE = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_PEOPLE = (
    f"People who are not declared to be {ADULT} or older are not judged, and nothing of them is "
    "kept but a count. Where an estimated age is not clearly adult, nothing is done by itself and "
    "a person decides. No setting changes this."
)


def describe(policy: Policy, people: bool = True) -> list[str]:
    """What the policy does, one sentence or two a rule, in the order in which they are asked."""
    said = [_PEOPLE] if people is not False else []
    return [*said, *_limits(policy), *_rules(policy), *_model(policy)]


def _limits(policy: Policy) -> Iterator[str]:
    if policy.quiet.hours:
        spans = _listed([span.replace("-", " to ") for span in policy.quiet.hours])
        yield f"Nothing is done from {spans} ({policy.quiet.timezone})."
    limits = [
        f"{limit} {'act' if limit == 1 else 'acts'} in one {what}"
        for what, limit in (("session", policy.limits.session), ("day", policy.limits.day))
        if limit is not None
    ]
    yield f"At most {_listed(limits)}." if limits else "No limit but the service's own."
    for veto in policy.veto:
        yield f"{'Pass' if veto.do == 'pass' else 'A person decides'} if {told(veto)}."


def _rules(policy: Policy) -> Iterator[str]:
    if policy.pictures.on:
        least = policy.pictures.min
        yield f"Pass with {'no picture' if least == 1 else f'fewer than {least} pictures'}."
    if "out_of_likes" in policy.super_like.when:
        yield "When no likes are left, super like while there are super likes; then stop."
    else:
        yield "Stop when no likes are left."
    if policy.accept_all:
        yield "Like everything else: accept all is on, and the rules below are not asked."
    for part, name, unit in ((policy.age, "age", ""), (policy.distance, "distance", " km")):
        if part.on and (part.min is not None or part.max is not None):
            low = f"below {part.min:g}{unit}" if part.min is not None else ""
            high = f"above {part.max:g}{unit}" if part.max is not None else ""
            yield f"Pass with a declared {name} {' or '.join(filter(None, (low, high)))}."
    bio = policy.bio
    if bio.required:
        yield "Pass without a text."
    words = "bio_words" in policy.super_like.when
    for act, found in (
        ("Pass", bio.ban),
        ("Super like" if words else "Like", bio.super_like),
        ("Like", bio.like),
    ):
        if found:
            yield f"{act} if the text has {_listed([repr(word) for word in found], 'or')}."


def _model(policy: Policy) -> Iterator[str]:
    least = share(policy.threshold)
    if policy.model.costs is not None:
        costs = policy.model.costs
        least += f" (a wrong like costs {costs.wrong_like:g}, a missed one {costs.missed_like:g})"
    if policy.model.group == "first":
        yield f"Like as soon as one picture has a probability of {least}; else pass."
    else:
        yield f"Like if all pictures together have a probability of {least}; else pass."
    if "high_confidence" in policy.super_like.when:
        yield f"Super like from {share(policy.super_like.confidence)} on."
    if not policy.super_like.when:
        yield "Super likes are never used."
    yield "What the model could not judge is neither liked nor passed."
    if policy.explore:
        yield (
            f"While the deck is dry, {share(policy.explore)} of what the model would pass is liked "
            "by chance, to learn from it."
        )


def _listed(words: Sequence[str], last: str = "and", limit: int = 12) -> str:
    """`a, b and c`; many are cut short."""
    shown = list(words[:limit])
    if len(words) > limit:
        shown, last = [*shown, f"{len(words) - limit} more"], "and"
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}" if len(shown) > 1 else "".join(shown)


def template(people: bool = True, policy: Policy | None = None) -> str:
    """`policy` (None: the default) as a YAML file to go on from: every key, explained."""
    lines = [
        "# How this deck decides. Every key may be left out; docs/policy.md tells the defaults.",
        "# The order: quiet hours and limits, vetoes, then rules 1 to 7; the first that decides.",
    ]
    if people is not False:
        lines += [
            f"# People not declared to be {ADULT} or older are never judged, and where an",
            "# estimated age is not clearly adult a person decides. No key changes this.",
        ]
    policy = Policy.default(people) if policy is None else policy
    values = policy.model_dump(mode="json")
    for key, field in Policy.model_fields.items():
        lines += ["", *_comment(field.description or "", "")]
        part = getattr(policy, key)
        if not isinstance(part, BaseModel):
            lines.append(f"{key}: {_yaml(values[key])}")
            continue
        lines.append(f"{key}:")
        for inner, sub in type(part).model_fields.items():
            lines += [*_comment(sub.description or "", "  ")]
            lines.append(f"  {inner}: {_yaml(values[key][inner])}")
    return "\n".join(lines) + "\n"


def _comment(text: str, indent: str) -> Iterator[str]:
    line = f"{indent}#"
    for word in text.split():
        if len(line) + 1 + len(word) > 90:
            yield line
            line = f"{indent}#"
        line += f" {word}"
    yield line


def _yaml(value: object) -> str:
    """JSON is YAML but for a few letters that YAML takes for line breaks or refuses."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        told = [{k: v for k, v in item.items() if v is not None} for item in value]
        return "".join(f"\n  - {_yaml(item)}" for item in told)
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def changes(old: Policy, new: Policy) -> list[tuple[str, Any, Any]]:
    """What `new` says otherwise: (`model.threshold`, old value, new value), in the file's order."""
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    keys = list(dict.fromkeys([*before, *after]))
    return [
        (key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)
    ]


def _flat(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{path}{key}.")
        else:
            found[path + key] = value
    return found


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a policy, each key described, for editors.

    It admits what `check` admits in form; what several keys say together only `check` tells.
    """
    found = Policy.model_json_schema()
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "Tellapart policy"
    for owner in (found, *found["$defs"].values()):
        for field in owner.get("properties", {}).values():
            for word in ("expected", "why", "title"):
                field.pop(word, None)
    for key, known in Policy.model_fields.items():  # left out where the part says the same
        found["properties"][key].setdefault("description", known.description)
    text: dict[str, Any] = {"type": "string"}
    for owner, key in (
        *(("Bio", key) for key in ("ban", "super_like", "like")),
        *(("Quiet", "hours"), ("Veto", "contains"), ("Veto", "equals")),
    ):
        _or(found["$defs"][owner]["properties"][key], text)
    _or(found["$defs"]["Veto"]["properties"]["equals"], {"type": ["number", "boolean"]})
    when = found["$defs"][SuperLike.__name__]["properties"]["when"]
    _or(when, {"enum": ["dont", "out_of_likes", "bio_words", "high_confidence", None]})
    return found


def _or(field: dict[str, Any], form: dict[str, Any]) -> None:
    """Admit `form` beside what the field admits."""
    kept: dict[str, Any] = {
        key: field.pop(key) for key in ("description", "default") if key in field
    }
    inner = field.pop("anyOf", None) or [dict(field)]
    field.clear()
    field.update(kept, anyOf=[*inner, form])


def rows() -> list[tuple[str, str, str, str]]:
    """Every key with its meaning, what it admits, and its default with the reason: the page."""
    found: list[tuple[str, str, str, str]] = []
    for key, field in Policy.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            for inner, sub in type(default).model_fields.items():
                found.append(_row(f"{key}.{inner}", sub))
        else:
            found.append(_row(key, field))
    return found


def inner_rows(part: type[BaseModel], prefix: str = "") -> list[tuple[str, str, str, str]]:
    """The same for the keys of a part that a policy need not have, such as a veto rule."""
    return [_row(prefix + key, field) for key, field in part.model_fields.items()]


def _row(path: str, field: Any) -> tuple[str, str, str, str]:
    words = extra_of(field)
    why = words["why"]
    if not field.is_required():
        shown = _yaml(field.get_default(call_default_factory=True))
        why = f"`{shown.strip(chr(34))}`: {why}"
    return path, field.description or "", words["expected"], why
