"""What licences allow: which pictures may be passed on, and how to answer "may I use this?"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

#: What stands where a row says nothing: someone's rights, not known to us.
UNKNOWN = "unknown"
_CC = re.compile(r"^(?:cc-)?(by(?:-nc)?(?:-(?:sa|nd))?)(?:-(\d\.\d)(?:-[a-z]{2,3})?)?$")
_FREE = {
    "cc0": "cc0",
    "cc-0": "cc0",
    "cc-zero": "cc0",
    "cc0-1.0": "cc0",
    "pdm": "pdm",
    "pdm-1.0": "pdm",
    "cc-pdm": "pdm",
    "public-domain": "pdm",
}
_TITLES = {"cc0": "CC0", "pdm": "Public domain", UNKNOWN: "No licence known"}


@dataclass(frozen=True)
class License:
    """One licence, by its lower-case code (`by-sa`), and what it asks for."""

    code: str
    #: Whether unchanged copies may be passed on at all (with the conditions below).
    may_pass_on: bool
    attribution: bool = False
    noncommercial: bool = False
    noderivatives: bool = False
    sharealike: bool = False

    @property
    def title(self) -> str:
        """As people write it: `CC BY-NC-SA`."""
        if self.code in _TITLES:
            return _TITLES[self.code]
        return f"CC {self.code.upper()}" if self.may_pass_on else self.code


def read(text: str) -> License:
    """The licence behind a code or name as sources and CSV files write it.

    What is not known (to us) to allow passing on does not: an empty text, "all rights reserved",
    and names that are not Creative Commons or public domain.
    """
    word = re.sub(r"[\s_]+", "-", text.strip().lower())
    if word in _FREE:
        return License(_FREE[word], may_pass_on=True)
    match = _CC.match(word)
    if match is None:
        return License(word[:60] or UNKNOWN, may_pass_on=False)
    parts = match[1].split("-")
    return License(
        match[1],
        may_pass_on=True,
        attribution=True,
        noncommercial="nc" in parts,
        noderivatives="nd" in parts,
        sharealike="sa" in parts,
    )


def rules_out(text: str, allowed: Collection[str]) -> bool:
    """Whether a picture of one's own lists states a licence that is not among the `allowed` codes.

    One that states none is its owner's affair; nothing allowed: everything is.
    """
    return bool(allowed and text.strip()) and read(text).code not in allowed


def deed(text: str, version: str) -> str:
    """The web page of a licence, where the row names none but its code and version do."""
    code = read(text).code
    if code == "cc0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    if code == "pdm":
        return "https://creativecommons.org/publicdomain/mark/1.0/"
    if read(text).may_pass_on and re.fullmatch(r"[1-4]\.[0-9]", version):
        return f"https://creativecommons.org/licenses/{code}/{version}/"
    return ""


def counts(licenses: Iterable[str]) -> dict[str, int]:
    """Number of pictures by licence code, in alphabetical order."""
    found = Counter(read(text).code for text in licenses)
    return {code: found[code] for code in sorted(found)}
