"""How messages name layers, options and shapes: in our spelling or in that of an old spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: (height, width, channels) or (numbers,); a size of 0 is not known; None: nothing is.
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Words:
    """The words of one spelling. What is not listed has the same word in both."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    #: By our word of an option.
    options: Mapping[str, str] = field(default_factory=dict)
    #: Values for examples, as they are written, by our word of an option.
    examples: Mapping[str, str] = field(default_factory=dict)
    #: Our words of options whose numbers stand in a string; empty in our spelling.
    tuples: frozenset[str] = frozenset()

    @property
    def old(self) -> bool:
        return bool(self.tuples)

    def shape(self, sizes: Sequence[int]) -> str:
        """A list of sizes as it is written."""
        inner = ", ".join(map(str, sizes))
        return f'"({inner})"' if self.old else f"[{inner}]"

    def kind(self, kind: str) -> str:
        return self.kinds.get(kind, kind)

    def option(self, key: str) -> str:
        return self.options.get(key, key)


OURS = Words(
    examples={
        "units": "10",
        "filters": "32",
        "kernel_size": "3",
        "rate": "0.5",
        "dim": "[28, 28, 1]",
        "function": "relu",
        "with": "conv2d_1",
    }
)


@dataclass(frozen=True)
class Place:
    """Where one layer was written. `path` leads to it, `options` to its options."""

    path: str
    label: str
    options: str
    words: Words = OURS

    def option(self, key: str) -> str:
        """The path of the option `key`."""
        return f"{self.options}.{self.words.option(key)}"

    def word(self, key: str) -> str:
        """How this spelling calls the option `key`."""
        return self.words.option(key)

    def value(self, key: str) -> str:
        """A value that the option `key` may have, as it is written."""
        return self.words.examples.get(key, "1")

    def example(self, key: str) -> str:
        """The option `key` with a value, as it is written."""
        word = f'"{self.word(key)}"' if self.words.old else self.word(key)
        return f"{word}: {self.value(key)}"


def our_places(named: Sequence[tuple[str, str, bool]]) -> list[Place]:
    """Places of layers in our spelling; one (kind, name, whether the name was given) a layer."""
    return [
        Place(
            path=f"layers[{index}]",
            label=f"{name} ({kind})" if given else name,
            options=f"layers[{index}].{kind}",
        )
        for index, (kind, name, given) in enumerate(named)
    ]


def shape_words(shape: Sequence[int] | None) -> str:
    """`28×28×1`, `10 numbers`, or in general where a size is not known."""
    if shape is None:
        return "a shape that is not known"
    if len(shape) == 1:
        if not shape[0]:
            return "a row of numbers"
        return f"{shape[0]} number{'s' * (shape[0] != 1)}"
    return "×".join(map(str, shape)) if all(shape) else "a picture"


@dataclass(frozen=True)
class Spelling:
    """How a file says what our keys mean: words of layers, and written paths by our paths."""

    words: Words = OURS
    paths: Mapping[str, str] = field(default_factory=dict)
    #: Values of keys that must be there, as they are written, by our paths.
    examples: Mapping[str, str] = field(default_factory=dict)

    def path(self, ours: str) -> str:
        """The path as it was written; that of the nearest key above where this one was not."""
        found = max((p for p in self.paths if _within(ours, p)), key=len, default=None)
        return ours if found is None else self.paths[found] + ours[len(found) :]


#: Our own spelling.
OURS_WHOLE = Spelling()


def _within(path: str, parent: str) -> bool:
    return path == parent or path.startswith((f"{parent}.", f"{parent}["))
