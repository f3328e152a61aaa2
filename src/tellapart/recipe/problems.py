"""What is wrong with a recipe, gathered; how values are quoted and typos guessed."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path


def quote(value: object, limit: int = 60) -> str:
    """`value` as an error quotes it: short, on one line, whatever it is."""
    try:
        text = repr(str(value)) if isinstance(value, Path) else repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; endless nesting
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def guess(word: object, known: Collection[str]) -> str | None:
    """The nearest of the `known` words, if one is near."""
    text = word if isinstance(word, str) else quote(word)
    near = difflib.get_close_matches(text[:100].lower(), list(known), n=1, cutoff=0.6)
    return near[0] if near else None


class Problems:
    """All problems of one recipe, each said once."""

    def __init__(self) -> None:
        #: One dict a problem, as `RecipeError.problems` holds them.
        self.found: list[dict[str, str]] = []
        self._said: set[tuple[str, str]] = set()

    def say(self, path: str, what: str, expected: str, do: str) -> None:
        path = path or "recipe"
        if (path, what) not in self._said:
            self._said.add((path, what))
            self.found.append({"path": path, "what": what, "expected": expected, "do": do})

    def unknown(
        self, path: str, word: object, known: Collection[str], *, thing: str = "key"
    ) -> None:
        """`word` is none of the `known` ones; name the nearest."""
        near = guess(word, known)
        self.say(
            path,
            f"there is no {thing} {quote(word)}",
            "one of " + ", ".join(sorted(known)),
            f"Did you mean {near!r}?" if near else "Remove it, or use one of those.",
        )

    def within(self, path: str) -> bool:
        """Whether any problem lies at or below `path`."""
        return any(p["path"].startswith(path) for p in self.found)
