"""Layers as people write them, to the models of `layers.py`; every problem with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pydantic import ValidationError

from tellapart.recipe.fields import extra_of
from tellapart.recipe.layers import KINDS, PAIRS, Broken, Layer
from tellapart.recipe.problems import Problems, guess, quote
from tellapart.recipe.wording import Place, Shape, our_places

_MAX_LAYERS = 1000
#: `with` is a word of Python's own.
_INNER = {"with": "with_", "with_": "with__"}
_FORM = "the kind of a layer, or one kind with its options: `{dense: {units: 10}}`"
#: What people call the kinds elsewhere.
_SAME = {
    "conv": "conv2d",
    "convolution2d": "conv2d",
    "linear": "dense",
    "maxpool": "max_pool2d",
    "maxpool2d": "max_pool2d",
    "maxpooling2d": "max_pool2d",
    "avgpool2d": "avg_pool2d",
    "averagepooling2d": "avg_pool2d",
    "globalaveragepooling2d": "global_avg_pool",
    "batchnorm2d": "batch_norm",
    "batchnormalization": "batch_norm",
}


@dataclass(frozen=True)
class Draft:
    """One layer as written: its kind ('' where it is none), its options by our words, its place."""

    kind: str
    options: Mapping[str, Any]
    place: Place
    #: The options as they stand in the file, where they had to be read first; for messages.
    written: Mapping[str, object] = field(default_factory=dict)
    #: Our words of options whose problem was said already.
    said: frozenset[str] = frozenset()
    #: Whether its options are no mapping, which was said.
    faulty: bool = False


def drafts(value: object, problems: Problems) -> list[Draft]:
    """The layers of the key `layers`, in our spelling."""
    if not isinstance(value, list | tuple) or not value:
        problems.say(
            "layers",
            f"layers is {quote(value)}",
            "a list of layers, at least one",
            "Write for example `layers: [flatten, {dense: {units: 10}}]`.",
        )
        return []
    if len(value) > _MAX_LAYERS:
        problems.say(
            "layers",
            f"there are {len(value)} layers",
            f"at most {_MAX_LAYERS}",
            "Use fewer layers.",
        )
        value = value[:_MAX_LAYERS]
    found = [_pair(item, f"layers[{index}]", problems) for index, item in enumerate(value)]
    counters = {kind: count(1) for kind, _ in found}
    named = []
    for kind, options in found:
        word, name = kind or "layer", (options or {}).get("name")
        named.append((word, str(name or f"{word}_{next(counters[kind])}")[:64], bool(name)))
    return [
        Draft(kind, options or {}, place, faulty=options is None)
        for (kind, options), place in zip(found, our_places(named), strict=True)
    ]


def _pair(item: object, path: str, problems: Problems) -> tuple[str, dict[str, Any] | None]:
    """(kind, options) of one item: ('', {}) where it is no layer, None for wrong options."""
    options: object = {}
    word = item
    if isinstance(item, Mapping) and len(item) == 1:
        word, options = next(iter(item.items()))
    if not isinstance(word, str) or (isinstance(item, Mapping) and len(item) != 1):
        do = "Write `- flatten` or `- dense: {units: 10}`."
        if isinstance(item, Mapping) and any(key in KINDS for key in item):
            kind = next(key for key in item if key in KINDS)
            do = f"Indent the options below `{kind}:`, or write `{kind}: {{…}}`; one layer an item."
        problems.say(path, f"the layer is {quote(item)}", _FORM, do)
        return "", {}
    if word not in KINDS:
        plain = word.strip().lower().replace(" ", "").replace("_", "").removesuffix("lyr")
        near = _SAME.get(plain) or next(
            (kind for kind in KINDS if kind.replace("_", "") == plain), None
        )
        near = near or guess(word, list(KINDS))
        problems.say(
            path,
            f"there is no layer {quote(word)}",
            "one of " + ", ".join(KINDS),
            f"Did you mean {near!r}?" if near else "Use one of those.",
        )
        return "", {}
    if options is None:
        options = {}
    if not isinstance(options, Mapping):
        needed = next((k for k, f in KINDS[word].model_fields.items() if f.is_required()), "name")
        needed = needed.rstrip("_")
        problems.say(
            f"{path}.{word}",
            f"the options of {word} are {quote(options)}",
            f"a mapping such as `{{{needed}: …}}`",
            f"Write `{word}: {{{needed}: {quote(options)}}}`.",
        )
        return word, None
    return word, {str(key) if isinstance(key, str) else quote(key): v for key, v in options.items()}


def build(drafts: Sequence[Draft], problems: Problems) -> list[Layer]:
    """One layer a draft; a `Broken` one, which gives what it most likely would, for each that
    is wrong."""
    return [_build(draft, problems) for draft in drafts]


def _build(draft: Draft, problems: Problems) -> Layer:
    name = draft.options.get("name")
    name = name if isinstance(name, str) and name else None
    if not draft.kind or draft.faulty:
        return Broken.model_construct(name=name, gives=None, was=draft.kind)
    model = KINDS[draft.kind]
    given = {_INNER.get(key, key): value for key, value in draft.options.items()}
    _formats(given, draft, problems)
    try:
        layer = model.model_validate(given)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False)
        keys = [_ours(item["loc"][0]) if item["loc"] else "" for item in items]
        misspelt = {
            guess(key, list(model.model_fields))
            for item, key in zip(items, keys, strict=True)
            if item["type"] == "extra_forbidden"
        }
        for item, key in zip(items, keys, strict=True):
            known = item["type"] == "missing" and key in misspelt
            if key not in draft.said and not known:
                _say(item["type"], item["loc"], draft, problems)
    else:
        if not draft.said:
            return layer
    return Broken.model_construct(name=name, gives=_likely(draft.kind, given), was=draft.kind)


def _ours(part: object) -> str:
    return next((ours for ours, inner in _INNER.items() if inner == part), str(part))


def _say(kind: str, loc: tuple[int | str, ...], draft: Draft, problems: Problems) -> None:
    model, place = KINDS[draft.kind], draft.place
    key = str(loc[0]) if loc else ""
    ours = _ours(key)
    if kind == "extra_forbidden" or key not in model.model_fields:
        known = [place.word(_ours(k)) for k in model.model_fields]
        near = guess(ours, known)
        problems.say(
            place.option(ours),
            f"{place.label} has no option {quote(ours)}",
            "one of " + ", ".join(known),
            f"Did you mean {near!r}?" if near else "Remove it, or use one of those.",
        )
        return
    extra = extra_of(model.model_fields[key])
    word = place.word(ours)
    if kind == "missing":
        problems.say(
            place.path,
            f"{place.label} has no {word}",
            _expected(ours, extra["expected"], place),
            f"Write its {word}, for example `{place.example(ours)}`.",
        )
        return
    value = draft.written.get(ours, draft.options.get(ours))
    words = re.split(", | or ", extra["expected"].removeprefix("null, "))
    near = guess(value, words) if isinstance(value, str) and len(words) > 1 else None
    optional = not model.model_fields[key].is_required()
    problems.say(
        place.option(ours),
        f"{place.label} has {word} {quote(value)}",
        _expected(ours, extra["expected"], place),
        f"Did you mean {near!r}?"
        if near
        else f"Change it, or leave {word} out for the default."
        if optional
        else f"Change it, for example to {place.value(ours)}.",
    )


def _expected(key: str, words: str, place: Place) -> str:
    """What an option may be, in the spelling of its place."""
    if key == "dim" and place.words.old:
        return f"one size, or height, width and channels, written as {place.value(key)}"
    return f'{words}, written as "(3, 3)"' if key in PAIRS & place.words.tuples else words


def _formats(given: dict[str, Any], draft: Draft, problems: Problems) -> None:
    """`data_format` is known but only in one form."""
    if draft.kind not in {"conv2d", "max_pool2d", "avg_pool2d"} or "data_format" not in given:
        return
    value = given.pop("data_format")
    if value is None or (isinstance(value, str) and value.strip().lower() == "channels_last"):
        return
    problems.say(
        draft.place.option("data_format"),
        f"{draft.place.label} has data_format {quote(value)}",
        "channels_last: height × width × channels",
        "Remove data_format, and write the input as height, width, channels.",
    )


def _likely(kind: str, given: Mapping[str, Any]) -> Shape | None:
    """What a faulty layer would give; a size of 0 is not known, None: it depends."""

    def size(key: str) -> int:
        value = given.get(key)
        good = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 65_536
        return int(value) if good and value is not None else 0

    if kind == "dense":
        return (size("units"),)
    if kind == "conv2d":
        return (0, 0, size("filters"))
    if kind in {"flatten", "global_avg_pool"}:
        return (0,)
    return None
