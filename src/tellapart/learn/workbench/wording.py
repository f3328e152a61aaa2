"""Words for a part of a class, out of what its pictures came with; none is made up.

A word counts where the part has it more often than the rest beyond chance: Fisher's exact test,
one-sided, corrected for all words tried (Bonferroni).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.learn.workbench.looks import Look
from tellapart.learn.workbench.shapes import Better, Word

#: A word must be so common in a part, and so many times as common as in the rest.
_COMMON, _TIMES = 0.2, 2.0
_CHANCE = 0.01
#: Words in a part's name, words listed, words that a query gets and that it leaves out.
_NAMED, _LISTED, _ADDED, _EXCLUDED = 3, 8, 2, 3
#: A word that is to be left out may stand in so many of the titles that stay.
_SPARED = 0.05
#: Texts are cut here: a title of a page may be a page.
_LONGEST = 300
_WORD = re.compile(r"[^\W\d_]{3,}")
#: Of file names and pages; they tell nothing of what is to be seen.
_EMPTY = frozenset(
    (
        *("jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "avif", "svg"),
        *("img", "image", "images", "photo", "photos", "picture", "pictures", "pic", "pics"),
        *("file", "files", "download", "thumb", "thumbnail", "small", "large", "full", "copy"),
        *("dsc", "dscn", "http", "https", "www", "com", "org", "net", "html", "php"),
        *("the", "and", "for", "with", "from", "von", "und", "der", "die", "das", "mit"),
        *("les", "des", "une", "sur", "del", "los", "las", "con", "por", "para"),
    )
)


@dataclass(frozen=True)
class Material:
    """What is known of each of one class's pictures, in one order."""

    #: Title and file name.
    texts: Sequence[str]
    sources: Sequence[str]
    queries: Sequence[str]
    creators: Sequence[str]
    looks: Sequence[Look]


def tokens(text: str) -> frozenset[str]:
    """The words of a text, lower case, without numbers and what says nothing."""
    return frozenset(_WORD.findall(text[:_LONGEST].lower())) - _EMPTY


def telling(material: Material, inside: NDArray[np.bool_]) -> tuple[Word, ...]:
    """What the pictures `inside` (n,) have more of than the others, the most telling first."""
    if inside.all() or not inside.any():
        return ()
    found: list[Word] = []
    kinds: dict[str, Sequence[Iterable[str]]] = {
        "title": [tokens(text) for text in material.texts],
        "source": [(one,) if one else () for one in material.sources],
        "query": [(one,) if one else () for one in material.queries],
        "creator": [(one,) if one else () for one in material.creators],
        "look": _by_picture(material.looks, len(inside)),
    }
    for kind, sets in kinds.items():
        found += _over(kind, sets, inside)
    order = {kind: place for place, kind in enumerate(kinds)}
    found.sort(key=lambda w: (-round(w.inside - w.outside, 4), order[w.kind], w.text))
    return tuple(found[:_LISTED])


def name(words: Sequence[Word], known: Collection[str]) -> str:
    """Its own words ("logo, vector"), else how it looks, else where it is from.

    Empty: nothing tells. `known`: words of the class itself, which all of it is called by.
    """
    own = tokens(" ".join(known))
    titles = [w.text for w in words if w.kind == "title" and w.text not in own]
    if titles:
        return ", ".join(titles[:_NAMED])
    looks = [w.text for w in words if w.kind == "look"]
    if looks:
        return ", ".join(looks[:_NAMED])
    origin = [w for w in words if w.kind in ("query", "source")]
    return f"{origin[0].kind} {origin[0].text}" if origin else ""


def better(
    query: str, material: Material, inside: NDArray[np.bool_], known: Collection[str]
) -> Better:
    """What to search for instead of `query`, so that the part `inside` (n,) stays away."""
    own = tokens(" ".join((query, *known)))
    sets = [tokens(text) for text in material.texts]
    stays = _over("title", sets, ~inside) if not inside.all() else []
    goes = _over("title", sets, inside) if not inside.all() else []
    added = [w.text for w in _strongest(stays) if w.text not in own]
    without = [w.text for w in _strongest(goes) if w.text not in own and w.outside <= _SPARED]
    return Better(" ".join([query, *added[:_ADDED]]), tuple(without[:_EXCLUDED]))


def _strongest(words: Iterable[Word]) -> list[Word]:
    return sorted(words, key=lambda w: (-round(w.inside - w.outside, 4), w.text))


def _by_picture(looks: Sequence[Look], n: int) -> list[list[str]]:
    return [[look.name for look in looks if look.mask[place]] for place in range(n)]


def _over(kind: str, sets: Sequence[Iterable[str]], inside: NDArray[np.bool_]) -> list[Word]:
    """What is over-represented `inside`, beyond chance."""
    from scipy.stats import hypergeom

    within: Counter[str] = Counter()
    everywhere: Counter[str] = Counter()
    for one, here in zip(sets, inside.tolist(), strict=True):
        everywhere.update(one)
        if here:
            within.update(one)
    n, m = int(inside.sum()), len(inside)
    tried = max(1, sum(1 for count in everywhere.values() if count > 1))
    found = []
    for text, count in within.items():
        share, rest = count / n, (everywhere[text] - count) / max(1, m - n)
        if share < _COMMON or share < _TIMES * rest:
            continue
        if tried * float(hypergeom.sf(count - 1, m, everywhere[text], n)) <= _CHANCE:
            found.append(Word(kind, text, round(share, 4), round(rest, 4)))
    return found


def sentence(label: str, size: int, of: int, title: str) -> str:
    """One line on a part: "69 % of apple (138 of 200): logo, vector"."""
    share = f"{100 * size / max(1, of):.0f} % of {label} ({size:,} of {of:,})"
    return f"{share}: {title}" if title else share
