"""Words as names: of classes (folders in the bundle) and of projects (folders, zip files)."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

MAX_NAME = 64
MAX_WORD = 100
#: File systems limit a name's bytes (255), not its characters.
_MAX_WORD_BYTES = 200
_LIST_SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".txt", ".zip"})
_NAME = re.compile(r"[^\W_][\w.-]*")


def clean_word(word: str) -> str:
    """A class name as it is stored: trimmed, inner spaces single, Unicode composed (NFC)."""
    return re.sub(r" +", " ", unicodedata.normalize("NFC", word.strip()))


def word_problem(word: str) -> str | None:
    """Why the cleaned `word` cannot be a class, in a few words; None where it can."""
    if not word:
        return "is empty"
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp", "Cn"} for c in word):
        return "holds a control character"
    if "/" in word or "\\" in word:
        return "holds a slash, but class names become folder names"
    if word.startswith(".") or word.endswith("."):
        return "begins or ends with a dot, but class names become folder names"
    if len(word) > MAX_WORD or len(word.encode()) > _MAX_WORD_BYTES:
        return f"has {len(word)} characters"
    return None


def same_word(word: str) -> str:
    """Equal for words that one file system may take for the same folder."""
    return unicodedata.normalize("NFC", word.casefold())


def is_name(name: str) -> bool:
    """Whether `name` can name a project on every file system."""
    return (
        len(name) <= MAX_NAME
        and len(name.encode("utf-8", "surrogatepass")) <= _MAX_WORD_BYTES
        and _NAME.fullmatch(name) is not None
        and not name.endswith(".")
        and name == unicodedata.normalize("NFC", name.lower())
    )


def slug(text: str) -> str:
    """A project name made of any text: lower case, `-` between words, at most 64 characters.

    A text that is too long keeps its beginning and gets eight digits of its hash, so that two
    long texts with the same beginning stay two names.
    """
    plain = unicodedata.normalize("NFC", text.lower())
    name = re.sub(r"[^\w.]+", "-", plain).strip("-._")
    name = name.rstrip(".")
    if is_name(name):
        return name
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    short = name[:50]
    while short and not is_name(f"{short}-{digits}"):
        short = short[:-1]
    return f"{short}-{digits}" if short else f"project-{digits}"


def name_of(words: Iterable[str]) -> str:
    """The name of a project for these classes; their order does not matter."""
    return slug("-".join(sorted(words, key=lambda word: (word.lower(), word))))


def name_of_data(path: Path) -> str:
    """The name of a project for this folder or file of pictures."""
    real = Path(os.path.normpath(path))
    return slug(real.stem if real.suffix.lower() in _LIST_SUFFIXES else real.name)
