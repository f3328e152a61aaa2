"""What a recipe may say of the browser source, read and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args
from urllib.parse import quote, urlsplit

from tellapart.errors import InputError

Size = Literal["full", "thumbnail"]
_EXAMPLE = "{browser: {url: 'https://www.example.org/search?q={query}', select: 'img.result'}}"
_MAX_TEXT = 2000


@dataclass(frozen=True)
class Options:
    """The options of one browser source. Bounds hold for one query."""

    #: Address of the page, `{query}` standing for the words that are searched for.
    url: str
    #: CSS selector of the pictures: `img`, or whatever links to or holds them.
    select: str = "img"
    #: `full`: what it links to, or the largest it offers; `thumbnail`: what the page shows.
    size: Size = "full"
    #: Attribute that holds the picture's address, before anything else is looked at.
    attribute: str = ""
    #: Key of the address, where that attribute holds JSON.
    key: str = ""
    #: CSS selector of the button, or link, that brings more.
    more: str = ""
    #: CSS selector of what is clicked once at first, such as a banner's "reject all".
    dismiss: str = ""
    #: CSS selector of what the page shows where nothing was found.
    none: str = ""
    #: Whether the page gets its own pictures to show, instead of a blank one in place of each.
    load_pictures: bool = False
    #: Seconds for which a page that brings nothing more is watched before it counts as read.
    patience: float = 3.0
    scrolls: int = 100
    pictures: int = 1000
    requests: int = 2000
    megabytes: float = 200.0
    seconds: float = 180.0

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Options:
        """Raises `InputError` for an option that is missing, unknown or of another kind."""
        known = {field.name: field for field in fields(cls)}
        for name, value in options.items():
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                guess = f" Did you mean {near[0]!r}?" if near else ""
                raise _problem(
                    f"has no option {str(name)[:80]!r}.{guess}", f"one of {', '.join(known)}"
                )
            _check(name, value, str(known[name].type))
        found = cls(**{"url": "", **options})
        _check_url(found.url)
        return found

    def address(self, query: str) -> str:
        """The page to open for `query`."""
        return self.url.replace("{query}", quote(query, safe=""))

    @property
    def host(self) -> str:
        """The template's host, with its port where one is written."""
        return urlsplit(self.url).netloc.lower()


def _check(name: str, value: object, kind: str) -> None:
    if kind == "bool":
        right, words = isinstance(value, bool), "true or false"
    elif kind in ("int", "float"):
        whole = isinstance(value, int) and not isinstance(value, bool)
        right = (whole or (kind == "float" and isinstance(value, float))) and 0 < value <= 1e6  # type: ignore[operator]
        words = f"a {'whole ' if kind == 'int' else ''}number above 0, at most 1,000,000"
    elif kind == "Size":
        right, words = value in get_args(Size), "full or thumbnail"
    else:
        right = isinstance(value, str) and len(value) <= _MAX_TEXT and "\0" not in value
        words = f"a text of at most {_MAX_TEXT} characters"
    if not right:
        raise _problem(f"has {name}: {str(value)[:80]!r}.", words)


def _check_url(url: str) -> None:
    if not url:
        raise _problem("has no `url`.", _EXAMPLE)
    try:
        parts = urlsplit(url.strip())
        right = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        right = False
    if right and "@" in parts.netloc:
        # Not quoted: it may be a password.
        raise _problem("has a url with a user's name in it.", "an address without one")
    if not right or "{query}" in parts.netloc:
        raise _problem(f"has the url {url[:160]!r}.", "an http: or https: address with `{query}`")
    if "{query}" not in url:
        raise _problem(
            f"has the url {url[:160]!r}, the same for every class.",
            "`{query}` in it, where the words to search for belong",
        )


def _problem(what: str, expected: str) -> InputError:
    return InputError(
        f"The source `browser` {what}",
        expected=expected,
        do=f"Correct the source's options in the recipe, for example {_EXAMPLE}.",
    )
