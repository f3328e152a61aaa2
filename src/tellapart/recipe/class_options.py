"""What to search for to find a class's pictures, and what it is not, as people write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeGuard

from tellapart.recipe.naming import clean_word
from tellapart.recipe.problems import Problems, quote
from tellapart.recipe.schema import ClassOptions

MAX_QUERY = 200
MAX_WITHOUT = 60
_MAX_WORDS = 1000
_KEYS = tuple(ClassOptions.model_fields)
_LISTS = ("queries", "kinds", "synonyms")
#: `de`, `pt-BR`, `zh-Hans`.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


def class_options(word: str, options: object, problems: Problems) -> ClassOptions:
    """The options of the class `word` in the schema's form; what is wrong is said and left out."""
    path = f"classes.{word}"
    if options is None:
        return ClassOptions(queries=(word,))
    if not isinstance(options, Mapping):
        problems.say(
            path,
            f"its options are {quote(options)}",
            "a mapping such as `{queries: [apple fruit]}`",
            "Write the words to search for under `queries`.",
        )
        return ClassOptions(queries=(word,))
    for key in options:
        if key not in _KEYS:
            problems.unknown(f"{path}.{key}", key, _KEYS)
    found = {
        key: _words(options[key], f"{path}.{key}", problems, word)
        for key in _LISTS
        if options.get(key) is not None
    }
    if not found.get("queries"):
        found["queries"] = (word,)
    if options.get("without") is not None:
        found["without"] = without(options["without"], f"{path}.without", problems)
    return ClassOptions(
        **found,
        translations=_translations(options.get("translations"), path, problems),
    )


def without(value: object, path: str, problems: Problems) -> tuple[str, ...]:
    """A list of words to rule out; one word may stand for the list."""
    words = [value] if isinstance(value, str) else value
    if isinstance(words, list | tuple) and not words:
        return ()
    if _are_words(words, MAX_WITHOUT) and all(re.search(r"\w", word) for word in words):
        return _clean(words)
    problems.say(
        path,
        f"{path.rpartition('.')[2]} is {quote(value)}",
        f"a list of at most {_MAX_WORDS} words, each of 1 to {MAX_WITHOUT} characters",
        "Write for example `without: [logo, drawing]`.",
    )
    return ()


def _words(value: object, path: str, problems: Problems, word: str) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    key = path.rpartition(".")[2]
    if isinstance(words, list | tuple) and not words and key != "queries":
        return ()
    if _are_words(words, MAX_QUERY):
        return _clean(words)
    problems.say(
        path,
        f"{key} is {quote(value)}",
        f"a list of words to search for, each of 1 to {MAX_QUERY} characters",
        f"Write for example `{key}: [{word}]`.",
    )
    return ()


def _translations(value: object, path: str, problems: Problems) -> dict[str, tuple[str, ...]]:
    if value is None:
        return {}
    place, expected = f"{path}.translations", "a mapping from a language's code to words"
    if not isinstance(value, Mapping):
        problems.say(
            place,
            f"translations is {quote(value)}",
            expected,
            "Write for example `translations: {de: Apfel, fr: pomme}`.",
        )
        return {}
    found = {}
    for language, words in value.items():
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            problems.say(
                place,
                f"the language is {quote(language)}",
                "a language's code such as de or pt-BR (`no` needs no quotes here)",
                "Write the code, such as `de: Apfel`.",
            )
            continue
        listed = [words] if isinstance(words, str) else words
        if _are_words(listed, MAX_QUERY):
            found[language] = _clean(listed)
            continue
        problems.say(
            f"{place}.{language}",
            f"the translation is {quote(words)}",
            f"a word or a list of words, each of 1 to {MAX_QUERY} characters",
            "Write for example `de: Apfel`.",
        )
    return found


def _are_words(value: object, longest: int) -> TypeGuard[list[str] | tuple[str, ...]]:
    return (
        isinstance(value, list | tuple)
        and 0 < len(value) <= _MAX_WORDS
        and all(isinstance(word, str) and 0 < len(word.strip()) <= longest for word in value)
    )


def _clean(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clean_word(word) for word in words))
