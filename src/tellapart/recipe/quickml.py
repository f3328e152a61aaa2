"""The old network specs: one JSON file with `model` and `dataset`, or all of it at top level.

`translate` reads them with their misspelt keys and their tuples in strings, `convert` writes the
same recipe in our spelling. The loss was always categorical cross entropy, whatever the file said;
defaults are those of Keras 2.1. Unknown keys were ignored, and are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tellapart.recipe.layering import Draft
from tellapart.recipe.layers import PAIRS
from tellapart.recipe.naming import clean_word, slug
from tellapart.recipe.problems import Problems, guess, quote
from tellapart.recipe.wording import Place, Spelling, Words

_KINDS = {
    "DenseLyr": "dense",
    "Conv2DLyr": "conv2d",
    "MaxPooling2DLyr": "max_pool2d",
    "DropoutLyr": "dropout",
    "FlattenLyr": "flatten",
    "ReshapeLyr": "reshape",
    "BatchNormalizationLyr": "batch_norm",
}
#: The options each kind reads, in our words; the first ones must be there.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "dense": ("units", "activation"),
    "conv2d": (
        "filters",
        "kernel_size",
        "stride",
        "padding",
        "data_format",
        "dilation_rate",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    ),
    "max_pool2d": ("pool_size", "stride", "padding", "data_format"),
    "dropout": ("rate", "noise_shape", "seed"),
    "flatten": (),
    "reshape": ("dim",),
    "batch_norm": ("axis", "momentum", "epsilon"),
}
_TUPLES = frozenset({"kernel_size", "stride", "dilation_rate", "pool_size", "noise_shape", "dim"})
_MISSPELT = {
    "kernel_initializer": "kernal_initializer",
    "kernel_constraint": "kernel_contraint",
    "bias_constraint": "bias_contraint",
}
WORDS = Words(
    kinds={ours: old for old, ours in _KINDS.items()},
    options=_MISSPELT,
    examples={
        "units": "10",
        "activation": '"relu"',
        "filters": "32",
        "kernel_size": '"(3, 3)"',
        "rate": "0.5",
        "dim": '"(28, 28, 1)"',
    },
    tuples=_TUPLES,
)
#: Core ML names that apps built for the old models look up.
_CORE_ML = {"mnist": ("image", "digit_probs"), "iris": ("iris_features", "classification")}
_MARKS = ("model_name", "num_layers", "input_layer")
_OUR_OWN = ("classes", "data", "layers", "sources", "train", "split", "curate", "target", "compile")
_INFO = frozenset({"info", "__info__"})
_MODEL_KEYS = frozenset({*_MARKS, "optimizer"})
_DATASET_KEYS = frozenset({"name", "metrics", "epochs", "batch_size", "loss"})
_MAX_LAYERS = 1000
_MAX_NAME = 200
_MAX_NOTES = 100
_NUMBERS = re.compile(r"[(\[]?\s*((?:-?\d{1,9}|None)(?:\s*,\s*(?:-?\d{1,9}|None))*)?\s*,?\s*[)\]]?")


@dataclass
class Old:
    """An old spec read: in our keys, its layers with their places, its problems in its paths."""

    data: dict[str, Any]
    drafts: list[Draft]
    spelling: Spelling
    problems: Problems


def is_old(data: Mapping[Any, Any]) -> bool:
    """Whether `data` is meant as an old spec, of either layout."""
    if any(key in data for key in _OUR_OWN):
        return False
    model, dataset = data.get("model"), data.get("dataset")
    if isinstance(model, Mapping) or isinstance(dataset, Mapping):
        return True
    flat = sum(key in data for key in _MARKS) + ("layer_0" in data)
    return flat >= 2 or ("model" in data and "dataset" in data)


def translate(data: Mapping[Any, Any]) -> Old:
    """Read an old spec; nothing is raised, `problems` holds what is wrong."""
    return _Reader(data).read()


def convert(data: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of an old spec (or of our own) in our spelling, only what differs from defaults.

    `check` makes the same recipe of it. Raises `RecipeError` with all problems.
    """
    from tellapart.recipe.checking import check
    from tellapart.recipe.resolving import asked

    recipe = check(data)
    values = asked(recipe)
    if recipe.layers:
        values["layers"] = [layer.brief() for layer in recipe.layers]
    order = ("name", "title", "classes", "data", "target", "input", "layers", "train")
    first = {key: values.pop(key) for key in order if key in values}
    notes = {"notes": values.pop("notes")} if "notes" in values else {}
    return {**first, **values, **notes}


class _Reader:
    """Reads one spec. `model` and `dataset` are where their keys stand: groups, or the top."""

    def __init__(self, data: Mapping[Any, Any]) -> None:
        self.problems = Problems()
        self.notes: list[str] = []
        # Apps built for the old models read one file.
        self.values: dict[str, Any] = {"compile": {"coreml_single_file": True}}
        self._missing_layers = False
        grouped = "model" in data or isinstance(data.get("dataset"), Mapping)
        self.model = self._group(data, "model") if grouped else data
        self.dataset = self._group(data, "dataset") if grouped else data
        self.m, self.d = ("model.", "dataset.") if grouped else ("", "")
        self.top = data if grouped else {}

    def _group(self, data: Mapping[Any, Any], key: str) -> Mapping[Any, Any]:
        value = data.get(key)
        if isinstance(value, Mapping):
            return value
        found = f"{key} is {quote(value)}" if key in data else f"there is no {key}"
        near = _near(key, data)
        keys = '"model_name", "num_layers", …' if key == "model" else '"name", "epochs", …'
        do = f"Rename {near!r} to {key!r}." if near else f'Add `"{key}": {{{keys}}}`.'
        self.problems.say(key, found, f"a mapping with {keys}", do)
        return {}

    def read(self) -> Old:
        if "model" not in self.problems_at():
            self._name()
            self._optimizer()
            self._input()
        drafts = [] if "model" in self.problems_at() else self._layers()
        if "dataset" not in self.problems_at():
            self._dataset()
        self._ignored()
        if self.notes:
            self.values["notes"] = [clean_word(note) for note in self.notes[:_MAX_NOTES]]
        self.values.setdefault("name", "unnamed")
        paths = {
            "name": f"{self.m}model_name",
            "input": f"{self.m}input_layer.dim",
            "data": f"{self.d}name",
            "train.optimizer": f"{self.m}optimizer",
            **{f"train.{key}": self.d + key for key in ("epochs", "batch_size", "metrics")},
        }
        examples = {"train.optimizer": '"adadelta"', "train.epochs": "12", "input": '"(28, 28, 1)"'}
        spelling = Spelling(WORDS, paths, examples)
        return Old(self.values, drafts, spelling, self.problems)

    def problems_at(self) -> set[str]:
        return {p["path"] for p in self.problems.found}

    def _missing(self, given: Mapping[Any, Any], group: str, key: str, example: str) -> None:
        near = _near(key, given)
        self.problems.say(
            group.rstrip(".") or "recipe",
            f"{group.rstrip('.') or 'the spec'} has no {key}",
            f"{key}, such as {example}",
            f"Rename {near!r} to {key!r}." if near else f'Add `"{key}": {example}`.',
        )

    def _name(self) -> None:
        if "model_name" not in self.model:
            self._missing(self.model, self.m, "model_name", '"simple CNN"')
            return
        value = self.model["model_name"]
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = quote(value)
        title = (
            clean_word("".join(c if c.isprintable() else " " for c in value))
            if isinstance(value, str)
            else ""
        )
        if not title or len(title) > _MAX_NAME:
            self.problems.say(
                f"{self.m}model_name",
                f"model_name is {quote(value)}",
                f"a name of 1 to {_MAX_NAME} characters",
                'Write for example `"model_name": "simple CNN"`.',
            )
            return
        self.values["name"] = slug(title)
        if title != self.values["name"]:
            self.values["title"] = title

    def _optimizer(self) -> None:
        if self.model.get("optimizer") is None:
            self._missing(self.model, self.m, "optimizer", '"adadelta"')
        else:
            self._train("optimizer", self.model["optimizer"])

    def _train(self, key: str, value: object) -> None:
        self.values.setdefault("train", {})[key] = value

    def _input(self) -> None:
        given = self.model.get("input_layer")
        path = f"{self.m}input_layer"
        example = '"(28, 28, 1)"'
        if given is None:
            self._missing(self.model, self.m, "input_layer", f'{{"dim": {example}}}')
        elif not isinstance(given, Mapping):
            self.problems.say(
                path,
                f"input_layer is {quote(given)}",
                f'a mapping such as {{"dim": {example}}}',
                f'Write `"input_layer": {{"dim": {example}}}`.',
            )
        elif given.get("dim") is None:
            self._missing(given, f"{path}.", "dim", example)
        else:
            sizes = _sizes(given["dim"])
            kept = [size for size in sizes or () if size is not None and size > 0]
            if len(kept) not in {1, 3}:
                self.problems.say(
                    f"{path}.dim",
                    f"the input's dim is {quote(given['dim'])}",
                    'one size or three, such as "(4)" or "(28, 28, 1)"; sizes up to 0 do not count',
                    f'Write for example `"dim": {example}`.',
                )
            else:
                self.values["input"] = kept

    def _layers(self) -> list[Draft]:
        # Unwritten layers are no layers; the key tells that this is a network.
        self.values["layers"] = True
        there = [
            key
            for key in self.model
            if isinstance(key, str) and re.fullmatch(r"layer_\d{1,6}", key)
        ]
        if "num_layers" not in self.model:
            self._missing(self.model, self.m, "num_layers", str(max(len(there), 1)))
            number = len(there)
        else:
            found = self._number(self.model["num_layers"])
            if found is None or not 1 <= found <= _MAX_LAYERS:
                self.problems.say(
                    f"{self.m}num_layers",
                    f"num_layers is {quote(self.model['num_layers'])}",
                    f"a whole number from 1 to {_MAX_LAYERS}: the layers without the input",
                    f'Write `"num_layers": {max(len(there), 1)}`.',
                )
                found = len(there)
            number = min(found, _MAX_LAYERS)
        drafts = [self._layer(f"layer_{index}", number) for index in range(number)]
        late = [key for key in there if int(key[6:]) >= number]
        if late and "num_layers" in self.model:
            self.notes.append(
                f"{', '.join(sorted(late, key=lambda k: int(k[6:]))[:20])} not used: "
                f"num_layers is {number}."
            )
        return drafts

    def _number(self, value: object) -> int | None:
        if isinstance(value, str) and re.fullmatch(r"\s*\d{1,6}\s*", value):
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def _gap(self, index: int, number: int) -> None:
        """A layer that is counted but not there; said of the first one only."""
        key = f"layer_{index}"
        later = any(f"layer_{n}" in self.model for n in range(index + 1, number))
        near = _near(key, self.model, alike=lambda word: not re.fullmatch(r"layer_\d+", word))
        self._missing_layers = True
        self.problems.say(
            f"{self.m}num_layers" if "num_layers" in self.model else self.m.rstrip(".") or "recipe",
            f"there are to be {number} layers, but there is no {key}",
            f"layer_0 to layer_{number - 1}",
            f"Rename {near!r} to {key!r}."
            if near
            else f"Add {key}: layers are counted from 0 without a gap."
            if later or not index
            else f"Add {key}, or set num_layers to {index} if there are no more.",
        )

    def _layer(self, key: str, number: int) -> Draft:
        path = f"{self.m}{key}"
        if key not in self.model:
            if not self._missing_layers:
                self._gap(int(key[6:]), number)
            return Draft("", {"name": key}, Place(path, key, path, WORDS))
        given = self.model[key]
        word = given.get("layer") if isinstance(given, Mapping) else None
        kind = _KINDS.get(word, "") if isinstance(word, str) else ""
        place = Place(path, f"{key} ({word})" if kind else key, path, WORDS)
        known = ", ".join(_KINDS)
        if not isinstance(given, Mapping):
            self.problems.say(
                path,
                f"{key} is {quote(given)}",
                'a mapping such as {"layer": "FlattenLyr"}',
                "Write the layer's kind and its options in braces.",
            )
        elif word is None:
            near = _near("layer", given)
            do = (
                f"Rename {near!r} to 'layer'." if near else 'Add for example `"layer": "DenseLyr"`.'
            )
            self.problems.say(path, f"{key} has no layer, its kind", f"one of {known}", do)
        elif not kind:
            near = _kind_near(word)
            do = f"Did you mean {near!r}?" if near else "Use one of those."
            self.problems.say(
                f"{path}.layer", f"{key} is the layer {quote(word)}", f"one of {known}", do
            )
        if not kind or not isinstance(given, Mapping):
            return Draft("", {"name": key}, place)
        return self._options(kind, given, key, place)

    def _options(self, kind: str, given: Mapping[Any, Any], key: str, place: Place) -> Draft:
        options: dict[str, Any] = {"name": key}
        written: dict[str, object] = {}
        said: set[str] = set()
        allowed = _OPTIONS[kind]
        old = {place.word(ours): ours for ours in allowed} | {ours: ours for ours in allowed}
        for word, value in given.items():
            ours = old.get(word) if isinstance(word, str) else None
            if ours is None:
                said.update(self._stray(word, allowed, place))
            elif value is not None or (kind, ours) == ("dense", "activation"):
                written[ours] = value
                read = _sizes(value) if ours in _TUPLES else value
                if ours == "dim":
                    read = [size for size in read or () if size is not None and size > 0]
                elif ours == "noise_shape" and isinstance(read, list):
                    # As in Keras, its first size is that of the batch.
                    if read[0] == 1:
                        self.notes.append(
                            f"{place.label}: noise_shape begins with 1, one draw for the whole "
                            "batch; here it is drawn anew for every sample."
                        )
                    read = [size if size and size > 0 else None for size in read[1:]]
                elif ours == "activation" and value == "hard_sigmoid":
                    self.notes.append(
                        f"{place.label}: hard_sigmoid is Keras 3's, clip(x / 6 + 0.5, 0, 1); "
                        "Keras 2 had clip(0.2 x + 0.5, 0, 1)."
                    )
                elif ours in PAIRS and isinstance(read, list) and len(read) == 1:
                    read = read[0]  # "(3)" is 3
                options[ours] = value if read is None or (ours in _TUPLES and not read) else read
        if kind == "dense" and "activation" not in given and "activation" not in said:
            said.add("activation")
            self.problems.say(
                place.path,
                f"{place.label} has no activation",
                "the function of its outputs, or null",
                f"Write its activation, for example `{place.example('activation')}`.",
            )
        return Draft(kind, options, place, written, frozenset(said))

    def _stray(self, word: object, allowed: tuple[str, ...], place: Place) -> list[str]:
        """A key that a layer does not know: ignored, unless it looks misspelt (the key meant)."""
        if word == "layer" or word in _INFO:
            return []
        old = {place.word(ours): ours for ours in allowed}
        near = guess(word, list(old)) if isinstance(word, str) else None
        if near:
            self.problems.say(
                f"{place.path}.{word}",
                f"{place.label} has no option {quote(word)}",
                "one of " + ", ".join(place.word(ours) for ours in allowed),
                f"Did you mean {near!r}?",
            )
            return [old[near]]
        self.notes.append(f"{place.label}: {quote(word)} is ignored.")
        return []

    def _dataset(self) -> None:
        from tellapart.datasets import FACTS, canonical

        if self.dataset.get("name") is None:
            self._missing(self.dataset, self.d, "name", '"MNIST"')
        else:
            value = self.dataset["name"]
            known = canonical(value) if isinstance(value, str) else None
            if known is None:
                near = guess(value, list(FACTS))
                self.problems.say(
                    f"{self.d}name",
                    f"there is no data set {quote(value)}",
                    "one of " + ", ".join(FACTS),
                    f"Did you mean {near!r}?" if near else "Name one of those.",
                )
            else:
                self.values["data"] = known
                if known in _CORE_ML:
                    names = dict(
                        zip(("coreml_input", "coreml_output"), _CORE_ML[known], strict=True)
                    )
                    self.values["compile"] |= names
        if self.dataset.get("epochs") is None:
            self._missing(self.dataset, self.d, "epochs", "12")
        else:
            self._train("epochs", self.dataset["epochs"])
        if self.dataset.get("batch_size") is not None:
            self._train("batch_size", self.dataset["batch_size"])
        if self.dataset.get("loss") is not None:
            self.notes.append(
                f"loss {quote(self.dataset['loss'])} is ignored, as it always was: "
                "categorical cross entropy."
            )
        self._metrics(self.dataset.get("metrics"))

    def _metrics(self, value: object) -> None:
        if value is None:
            return
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple):
            self.problems.say(
                f"{self.d}metrics",
                f"metrics is {quote(value)}",
                'a list such as ["accuracy"]',
                'Write `"metrics": ["accuracy"]`.',
            )
            return
        others = [item for item in value if item not in ("accuracy", "acc")]
        if others:
            self.notes.append(f"metrics {quote(others)} are ignored: the accuracy is shown.")

    def _ignored(self) -> None:
        """Keys that mean nothing are named in a note."""
        groups = [(self.top, "", frozenset({"model", "dataset"}))]
        if self.top:
            groups += [
                (self.model, self.m, _MODEL_KEYS),
                (self.dataset, self.d, _DATASET_KEYS),
            ]
        else:
            groups = [(self.model, "", _MODEL_KEYS | _DATASET_KEYS)]
        found = [
            f"{prefix}{key}"
            for group, prefix, known in groups
            for key in group
            if key not in known | _INFO and not re.fullmatch(r"layer_\d+", str(key))
        ]
        if found:
            shown = ", ".join(name if len(name) <= 40 else name[:39] + "…" for name in found[:20])
            more = f" and {len(found) - 20} more" if len(found) > 20 else ""
            self.notes.append(f"Keys without a meaning are ignored: {shown}{more}.")


def _near(
    key: str, given: Mapping[Any, Any], alike: Callable[[str], bool] = lambda word: True
) -> str | None:
    """A key of `given` that looks like `key` misspelt; one that `alike` admits."""
    known = _MODEL_KEYS | _DATASET_KEYS | {"model", "dataset", "dim", "layer"}
    words = [word for word in given if isinstance(word, str) and word not in known and alike(word)]
    lower = {word.lower(): word for word in words}
    near = guess(key, list(lower))
    return lower[near] if near else None


def _kind_near(word: object) -> str | None:
    if not isinstance(word, str):
        return None
    plain = re.sub(r"[\W_]", "", word.lower()).removesuffix("lyr").removesuffix("layer")
    by_plain = {old.lower().removesuffix("lyr"): old for old in _KINDS}
    return by_plain.get(plain) or by_plain.get(guess(plain, list(by_plain)) or "")


def _sizes(value: object) -> list[int | None] | None:
    """`"(3, 3)"`, `[3, 3]` and `3` as a list; None where it is none of these."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if isinstance(value, list | tuple):
        good = all(v is None or (isinstance(v, int) and not isinstance(v, bool)) for v in value)
        return list(value) if good else None
    if not isinstance(value, str) or len(value) > 200:
        return None
    match = _NUMBERS.fullmatch(value.strip())
    if match is None:
        return None
    words = re.findall(r"-?\d+|None", match.group(1) or "")
    return [None if word == "None" else int(word) for word in words]
