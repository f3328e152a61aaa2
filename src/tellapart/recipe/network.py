"""A network before it is built: shapes through every layer, parameters and operations.

`trace` is the front half of a compiler. It needs no torch: every figure follows from the layers
and the shape of what goes in. Shapes are (height, width, channels) or (numbers,), no batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from tellapart.errors import RecipeError
from tellapart.recipe.estimating import epoch_seconds as epoch_seconds
from tellapart.recipe.layers import Broken, Layer
from tellapart.recipe.problems import Problems
from tellapart.recipe.shapes import Site, apply
from tellapart.recipe.wording import Place, Shape, our_places, shape_words

#: More cannot be held: an ONNX file ends at 2 GB, 4 bytes a parameter.
MAX_PARAMETERS = 500_000_000
#: More numbers in one sample's layer fill the memory at the smallest batch.
MAX_NUMBERS = 20_000_000


@dataclass(frozen=True)
class Traced:
    """One layer with what goes in and out of it; `flops` for one sample."""

    name: str
    kind: str
    #: Every option with its value, as `Layer.options` gives them.
    options: Mapping[str, Any]
    input: tuple[int, ...]
    output: tuple[int, ...]
    parameters: int
    #: Parameters that training changes; the others are running means and variances.
    trainable: int
    #: Operations, a multiplication and an addition counting as two.
    flops: int


@dataclass(frozen=True)
class Network:
    """All layers in order. `classes` is the size of the last output, if it was known."""

    input: tuple[int, ...]
    layers: tuple[Traced, ...]
    classes: int | None = None
    #: What whoever trains it should know.
    notes: tuple[str, ...] = ()

    @property
    def output(self) -> tuple[int, ...]:
        return self.layers[-1].output if self.layers else self.input

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        return sum(layer.trainable for layer in self.layers)

    @property
    def flops(self) -> int:
        """Operations for one sample, forward."""
        return sum(layer.flops for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; `from_dict` reads it back."""
        return {
            "input": list(self.input),
            "classes": self.classes,
            "notes": list(self.notes),
            "layers": [
                {
                    "name": layer.name,
                    "kind": layer.kind,
                    "options": dict(layer.options),
                    "input": list(layer.input),
                    "output": list(layer.output),
                    "parameters": layer.parameters,
                    "trainable": layer.trainable,
                    "flops": layer.flops,
                }
                for layer in self.layers
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Network:
        """The network that `to_dict` wrote. Raises KeyError or TypeError for anything else."""
        return cls(
            input=tuple(data["input"]),
            classes=data["classes"],
            notes=tuple(data["notes"]),
            layers=tuple(
                Traced(
                    **{
                        **layer,
                        "input": tuple(layer["input"]),
                        "output": tuple(layer["output"]),
                    }
                )
                for layer in data["layers"]
            ),
        )


def trace(
    layers: Sequence[Layer],
    input: tuple[int, ...],
    classes: int | None = None,
    places: Sequence[Place] | None = None,
) -> Network:
    """Follow the shape `input` through `layers`.

    `classes` is the number that the last layer must give (None: any). `places` say where each
    layer was written, for messages. Raises `RecipeError` with every problem; the rest of the
    layers is followed from what the faulty one would most likely have given.
    """
    problems = Problems()
    network = follow(layers, input, classes, problems, places)
    if problems.found or network is None:
        raise RecipeError(
            f"The network has {len(problems.found)} problem{'s' * (len(problems.found) != 1)}.",
            expected="layers that fit together, the last one giving one number a class",
            do="Correct the places listed.",
            problems=problems.found,
        )
    return network


def names(layers: Sequence[Layer]) -> tuple[str, ...]:
    """The name of every layer: as given, else its kind and the first free number."""
    taken = {layer.name for layer in layers if layer.name}
    counters = {layer.kind: count(1) for layer in layers}
    found = []
    for layer in layers:
        name = layer.name
        while not name:
            made = f"{layer.kind}_{next(counters[layer.kind])}"
            name = made if made not in taken else None
        found.append(name)
    return tuple(found)


def follow(
    layers: Sequence[Layer],
    input: Shape | None,
    classes: int | None,
    problems: Problems,
    places: Sequence[Place] | None = None,
) -> Network | None:
    """As `trace`, but says its problems to `problems`; None where there are any, or where a size
    is not known (a size of 0 in `input`, or None)."""
    called = names(layers)
    places = places or our_places(
        [(layer.kind, name, bool(layer.name)) for layer, name in zip(layers, called, strict=True)]
    )
    before = len(problems.found)
    found: list[Traced] = []
    earlier: dict[str, Shape | None] = {}
    shape, flattened = input, ""
    for index, (layer, name, place) in enumerate(zip(layers, called, places, strict=True)):
        if name in earlier:
            _twice(name, place, problems)
        later = frozenset(called[index:])
        site = Site(place, shape, problems, earlier, later, flattened)
        result = apply(layer, site)
        if result.output is not None and len(result.output) == 1 and len(shape or ()) == 3:
            flattened = place.label
        elif result.output is not None and len(result.output) == 3:
            flattened = ""
        found.append(
            Traced(
                name=name,
                kind=layer.kind,
                options={} if isinstance(layer, Broken) else layer.options(),
                input=shape or (),
                output=result.output or (),
                parameters=result.parameters,
                trainable=result.trainable,
                flops=result.flops,
            )
        )
        shape = earlier[name] = result.output
        if shape is not None and math.prod(shape) > MAX_NUMBERS:
            problems.say(
                place.path,
                f"{place.label} gives {shape_words(shape)}, {math.prod(shape):,} numbers a sample",
                f"at most {MAX_NUMBERS:,} numbers",
                "Use fewer filters or units, or shrink the picture before it.",
            )
            shape = None
    _end(layers, places, shape, classes, problems)
    _weight(found, places, problems)
    known = bool(input) and all(input or ()) and all(all(t.output) and t.output for t in found)
    broken = any(isinstance(layer, Broken) for layer in layers)
    if len(problems.found) > before or broken or not known:
        return None
    notes = (*_seed_notes(layers, places), *last_notes(layers, places))
    return Network(tuple(input or ()), tuple(found), classes, notes)


def _twice(name: str, place: Place, problems: Problems) -> None:
    problems.say(
        place.path,
        f"the name {name!r} is written twice",
        "a different name for every layer",
        "Rename one of the two.",
    )


def _end(
    layers: Sequence[Layer],
    places: Sequence[Place],
    shape: Shape | None,
    classes: int | None,
    problems: Problems,
) -> None:
    """The last layer must give one number a class."""
    if not layers or shape is None:
        return
    last, place = layers[-1], places[-1]
    if isinstance(last, Broken):
        return
    number = "one number a class" if classes is None else f"{classes} numbers, one a class"
    dense = place.words.kind("dense")
    units = "one unit a class" if classes is None else f"{classes} units"
    if len(shape) != 1:
        problems.say(
            place.path,
            f"{place.label}, the last layer, gives {shape_words(shape)}",
            number,
            f"Put a {place.words.kind('flatten')} and a {dense} with {units} after it.",
        )
    elif shape[0] and (shape[0] != classes if classes is not None else shape[0] < 2):
        made = last.kind == "dense"
        problems.say(
            place.option("units") if made else place.path,
            f"{place.label}, the last layer, gives {shape_words(shape)}",
            f"{number} of the data" if classes is not None else "at least 2 numbers, one a class",
            f"Set its {place.word('units')} to {classes or 'the number of classes'}."
            if made
            else f"Put a {dense} with {units} after it.",
        )


def _weight(found: Sequence[Traced], places: Sequence[Place], problems: Problems) -> None:
    total = sum(layer.parameters for layer in found)
    if total <= MAX_PARAMETERS:
        return
    index = max(range(len(found)), key=lambda i: found[i].parameters)
    problems.say(
        places[index].path,
        f"the network has {total:,} parameters, {found[index].parameters:,} of them in "
        f"{places[index].label}",
        f"at most {MAX_PARAMETERS:,}: an ONNX file cannot hold more",
        "Use fewer units there, or shrink what goes into it.",
    )


def last_activation(layers: Sequence[Layer]) -> str | None:
    """The function that the network's outputs went through; None where none did."""
    for layer in reversed(layers):
        if layer.kind == "activation":
            function: str = layer.options()["function"]
            return None if function == "linear" else function
        if layer.kind in {"conv2d", "dense"}:
            given: str | None = layer.options()["activation"]
            return given
        if layer.kind not in {"flatten", "reshape", "dropout"}:
            return None
    return None


def _seed_notes(layers: Sequence[Layer], places: Sequence[Place]) -> tuple[str, ...]:
    return tuple(
        f"{place.label}: its seed is ignored; all draws come from the recipe's seed."
        for layer, place in zip(layers, places, strict=True)
        if layer.kind == "dropout" and getattr(layer, "seed", None) is not None
    )


def last_notes(layers: Sequence[Layer], places: Sequence[Place]) -> tuple[str, ...]:
    """How the last activation becomes probabilities, where that needs saying."""
    function = last_activation(layers)
    if function in {None, "softmax"}:
        return ()
    if function == "sigmoid":
        return (
            "The last activation is sigmoid: the probability of a class is its share of the sum.",
        )
    return (f"The last activation is {function}: probabilities are the softmax over it.",)
