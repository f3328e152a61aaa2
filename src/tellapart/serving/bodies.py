"""From a request's body to what is to be answered: pictures, rows, or where pictures are.

A body is one picture's bytes, a multipart form with files, or JSON. Everything here comes from
strangers, so that each form has its bounds and whatever cannot be read is a 4xx.
"""

from __future__ import annotations

import binascii
import contextlib
import json
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from tellapart.errors import InputError, RequestError, TellapartError
from tellapart.serving.forms import files
from tellapart.serving.request import Request

#: Brackets and commas of a JSON body: each costs some 60 bytes once it is read.
_MOST_MARKS = 200_000
#: Media types that say nothing (curl calls any body a form): JSON is then told by its bracket.
#: Never for others, or a text file sent as a picture could have the server fetch a URL.
_UNDECLARED = frozenset(("", "application/x-www-form-urlencoded", "text/plain"))
_BLANKS = b"\t\n\f\r "
_ONE = ("image", "url", "path", "row")
_MANY = {"images": "image", "urls": "url", "paths": "path", "rows": "row"}
_EXPECTED = (
    'a picture\'s bytes, a multipart form with files, or JSON: {"image": base64}, {"url": …}, '
    '{"row": {…}}, {"images": […]}, {"rows": […]}, {"instances": […]}'
)


class Item(NamedTuple):
    """One thing to answer: `content` is a file's bytes, a row as JSON text, a URL or a path."""

    kind: Literal["picture", "row", "url", "path"]
    content: bytes


class Asked(NamedTuple):
    """What a body asks for; an item that cannot be read is its error."""

    items: list[Item | TellapartError]
    #: Whether a list is answered, however many items it has.
    many: bool
    #: The whole body, where it is one of Label Studio's: these are told by their `tasks`.
    tasks: dict[str, Any] | None = None


def read(data: bytes, request: Request, most: int) -> Asked:
    """What a body of `request` asks for: at most `most` items.

    Raises `InputError` or `RequestError` where it cannot be read at all.
    """
    kind = request.media_type
    if kind == "multipart/form-data":
        found = files(data, request.header(b"content-type"), most)
        return Asked([Item("picture", one) for one in found], len(found) > 1)
    if not data:
        raise InputError(
            "The request has no body.", expected=_EXPECTED, do="Send a picture as the body."
        )
    if _is_json(kind, data):
        return read_json(parse(data), most)
    return Asked([Item("picture", data)], False)


def plain(data: bytes, request: Request) -> bool:
    """Whether `read` would take a body for one picture."""
    kind = request.media_type
    return bool(data) and kind != "multipart/form-data" and not _is_json(kind, data)


def _is_json(kind: str, data: bytes) -> bool:
    declared = kind == "application/json" or kind.endswith("+json")
    return declared or (kind in _UNDECLARED and _looks_like_json(data))


def parse(data: bytes, most_marks: int = _MOST_MARKS) -> Any:
    """JSON, read within bounds. Raises `RequestError` (400, 413)."""
    if len(data) > most_marks and sum(map(data.count, (b"[", b"{", b","))) > most_marks:
        raise RequestError(
            "The JSON has too many elements.",
            expected=f"at most {most_marks:,} brackets and commas",
            do="Send fewer at once, or send pictures as bytes.",
            status=413,
        )
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        text = str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise RequestError(
            f"The body is not JSON: {text}.",
            expected="JSON in UTF-8",
            do="Correct it; send a picture as image/jpeg, image/png or without a media type.",
            status=400,
        ) from None


def read_json(value: Any, most: int) -> Asked:
    """What a JSON body asks for. Raises `InputError`, `RequestError`."""
    if isinstance(value, list):
        return Asked(_each(value, most, _instance), True)
    if not isinstance(value, dict):
        raise _unknown(f"The JSON is {_short(value)}.")
    if "tasks" in value:
        return Asked([], True, value)
    keys = [key for key in value if key in (*_ONE, *_MANY, "instances")]
    if len(keys) != 1 or len(value) != 1:
        raise _unknown(f"The JSON has the keys {_short(list(value)[:20])}.")
    key, inner = keys[0], value[keys[0]]
    if key in _ONE:
        return Asked([_item(key, inner)], False)
    if not isinstance(inner, list):
        raise _unknown(f"The key {key!r} holds {_short(inner)}.")
    if key == "instances":
        return Asked(_each(inner, most, _instance), True)
    return Asked(_each(inner, most, lambda one: _item(_MANY[key], one)), True)


def from_base64(text: str) -> bytes:
    """The bytes of base64 text, of either alphabet; blanks and missing padding are forgiven.

    Raises `InputError`.
    """
    try:
        plain = text.encode("ascii").translate(_URL_SAFE, _BLANKS).rstrip(b"=")
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        why = "it has other letters" if isinstance(error, UnicodeEncodeError) else str(error)
        raise InputError(
            f"The text {_short(text)} is not base64: {why}.",
            expected="a file's bytes in base64",
            do="Encode the whole file, or send it as the body.",
        ) from None


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def _each(values: list[Any], most: int, one: Callable[[Any], Item]) -> list[Item | TellapartError]:
    if not values:
        raise _unknown("The list is empty.")
    if len(values) > most:
        raise too_many(len(values), most)
    found: list[Item | TellapartError] = []
    for value in values:
        try:
            found.append(one(value))
        except InputError as error:
            found.append(error)
    return found


def _instance(value: Any) -> Item:
    """One of a list: an object as it may stand alone, or a picture's base64."""
    if isinstance(value, str):
        return _item("image", value)
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in (*_ONE, "b64"):
            key, inner = next(iter(value.items()))
            return _item("image" if key == "b64" else key, inner)
        raise _unknown(f"An instance has the keys {_short(list(value)[:20])}.")
    raise _unknown(f"An instance is {_short(value)}.")


def _item(key: str, value: Any) -> Item:
    if key == "row":
        return Item("row", row_text(value))
    if key == "image" and isinstance(value, dict) and list(value) == ["b64"]:
        value = value["b64"]
    if not isinstance(value, str):
        raise InputError(
            f"The key {key!r} holds {_short(value)}.",
            expected={"image": "base64 text", "url": "a URL", "path": "a path"}[key],
            do="Give it as text.",
        )
    if key == "path":
        return Item("path", _encoded(value))
    if key == "image" and value[:64].lstrip()[:5].lower() != "data:":
        return Item("picture", from_base64(value))
    return address(value)


def address(text: str) -> Item:
    """What a URL leads to; the bytes at once where it holds them (`data:`). Raises `InputError`."""
    head, comma, body = text.partition(",")
    if comma and head.strip().lower().startswith("data:") and head.lower().endswith(";base64"):
        return Item("picture", from_base64(body))
    return Item("url", _encoded(text))


def row_text(value: Any) -> bytes:
    """A row as JSON text. Raises `InputError` where it is no object or list."""
    if isinstance(value, dict | list):
        with contextlib.suppress(RecursionError):
            return json.dumps(value).encode("ascii")
    raise InputError(
        f"A row is {_short(value)}.",
        expected="an object of cells by column, or a list of cells",
        do='Write {"row": {"column": value, …}}; null where a cell is missing.',
    )


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"The text {_short(text)} holds half a letter (a lone surrogate).",
            expected="text in Unicode",
            do="Correct it.",
        ) from None


def _looks_like_json(data: bytes) -> bool:
    return data[:64].lstrip(_BLANKS)[:1] in (b"{", b"[")


def _unknown(what: str) -> InputError:
    return InputError(what, expected=_EXPECTED, do="Bring the request into one of these forms.")


def too_many(count: int, most: int) -> RequestError:
    """The error for a request of `count` items."""
    return RequestError(
        f"The request holds {count:,} pictures or rows.",
        expected=f"at most {most:,}",
        do="Send them in several requests.",
        status=413,
    )


def _short(value: Any) -> str:
    """A value for a message: cut, and never the whole of a picture."""
    if isinstance(value, str):
        return repr(value[:40]) + ("…" if len(value) > 40 else "")
    if isinstance(value, dict):
        return f"an object of {len(value):,} keys"
    if isinstance(value, list):
        return repr([_short(one) for one in value[:20]]) if len(value) <= 20 else "a long list"
    return repr(value)[:40]
