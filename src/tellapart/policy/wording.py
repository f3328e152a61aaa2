"""Finding a policy's words in a text: whole words, in any case, however they are encoded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

#: Scripts that write words without spaces: a word's edge there is no edge of letters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)


def find(words: Sequence[str], text: str) -> str | None:
    """The first of the `words` that `text` has, as the policy writes it; None: it has none."""
    plain = _plain(text)
    return next((word for word in words if _pattern(word).search(plain)), None)


def _plain(text: str) -> str:
    """One spelling for what reads the same: NFKC, no case, straight quotes, single spaces."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def _pattern(word: str) -> re.Pattern[str]:
    """`word` as a whole; a star at an end lets it go on there."""
    plain = _plain(word)
    core = plain.strip("*").strip()
    before = "" if plain.startswith("*") or _open(core[:1]) else r"(?<!\w)"
    after = "" if plain.endswith("*") or _open(core[-1:]) else r"(?!\w)"
    return re.compile(before + re.escape(core) + after)


def _open(letter: str) -> bool:
    """Whether a word may begin or end here in the middle of other letters."""
    return _UNSPACED.match(letter) is not None or not (letter.isalnum() or letter == "_")
