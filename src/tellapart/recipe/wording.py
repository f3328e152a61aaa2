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

    def kind(self, kind: str) -> str:
        return self.kinds.get(kind, kind)

    def option(self, key: str) -> str:
        return self.options.get(key, key)


OURS = Words()


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
    """`28×28×1`, `10 numbers`; a size that is not known is a question mark."""
    if shape is None:
        return "a shape that is not known"
    if len(shape) == 1:
        if not shape[0]:
            return "a row of numbers"
        return f"{shape[0]} number{'s' * (shape[0] != 1)}"
    return "×".join(str(size) if size else "?" for size in shape)
