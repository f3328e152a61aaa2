"""The files of a multipart form (RFC 7578), found by searching for its boundary.

A parser that goes letter by letter can be kept busy for seconds by one hostile body; a search
cannot.
"""

from __future__ import annotations

import re

from tellapart.errors import RequestError

#: Names under which a field without a file name is taken for a file all the same.
_NAMES = frozenset(("file", "files", "image", "images", "file[]", "files[]", "picture"))
_HEAD = 8192
_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70})"?', re.IGNORECASE)
_FILE = re.compile(rb";\s*filename\*?\s*=", re.IGNORECASE)
_NAME = re.compile(rb';\s*name\s*=\s*"?([^";\r\n]{0,100})', re.IGNORECASE)


def files(data: bytes, content_type: str, most: int) -> list[bytes]:
    """The bytes of each file of a form; at most `most`.

    Files are the parts with a file name, and those whose name is `file` or `image`. Raises
    `RequestError`: 400 for a broken form or one without files, 413 for too many.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _broken("its Content-Type names no boundary")
    line = b"--" + found[1].rstrip().encode("ascii")
    start = 0 if data.startswith(line) else data.find(b"\r\n" + line) + 2
    if start == 1:
        raise _broken("its boundary does not occur")
    files: list[bytes] = []
    parts = 0
    start += len(line)
    while not data.startswith(b"--", start):
        parts += 1
        end = data.find(b"\r\n" + line, start)
        if end < 0:
            raise _broken("its end is missing")
        content = _content(data, start, end)
        if content is not None:
            files.append(content)
        if len(files) > most or parts > 4 * most + 16:
            raise RequestError(
                f"The form has more than {most:,} files.",
                expected=f"at most {most:,}",
                do="Send them in several requests.",
                status=413,
            )
        start = end + 2 + len(line)
    if not files:
        raise _broken("it has no file")
    return files


def _content(data: bytes, start: int, end: int) -> bytes | None:
    """The content of the part in `data[start:end]`; None where it is no file."""
    edge = data.find(b"\r\n\r\n", start, min(end + 2, start + _HEAD))
    if edge < 0:
        raise _broken("a part has no headers, or more than 8 KB of them")
    head = data[start:edge]
    name = _NAME.search(head)
    if _FILE.search(head) is None and (
        name is None or name[1].lower().decode("latin-1") not in _NAMES
    ):
        return None
    return data[edge + 4 : end]


def _broken(why: str) -> RequestError:
    return RequestError(
        f"The multipart form cannot be read: {why}.",
        expected="multipart/form-data with a part `file`, as `curl -F file=@picture.jpg` sends it",
        do="Send such a form, or the picture's bytes as the body.",
        status=400,
    )
