"""Pictures in a Parquet file, as the members of an archive: one file a row, and who they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, Any

from tellapart.datasets.unpacking import Limits, Member, RefusedArchiveError, refused
from tellapart.errors import MissingExtraError

_METADATA = "metadata.csv"
_LABELS = ("label", "labels", "class", "class_name", "category", "fine_label", "text")
_PICTURES = ("image", "img", "picture", "photo")
#: First bytes → the end of the file's name.
_KINDS = (
    (b"\xff\xd8", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"RIFF", ".webp"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)


@dataclass
class _Shard:
    """One file: which columns matter, and the row that was read last.

    Row by row, for what takes a few bytes in the file may be gigabytes outside of it.
    """

    file: Any
    picture: str
    label: str | None
    names: list[str]
    _at: int = -1
    _held: Any = field(default=None, repr=False)
    _rows: Iterator[Any] = field(default=iter(()), repr=False)

    def row(self, number: int) -> tuple[bytes, str]:
        """Picture and class of a row, both empty where it has none; quick in the rows' order."""
        if self._at < 0 or number < self._at:
            names = [self.picture, *([] if self.label is None else [self.label])]
            # One thread: the file may be damaged in any way.
            rows = self.file.iter_batches(batch_size=1, columns=names, use_threads=False)
            self._rows, self._at = (one for one in rows if one.num_rows), -1
        while self._at < number:
            self._held = next(self._rows, None)
            if self._held is None:
                raise ValueError("it holds fewer rows than it says")
            self._at += 1
        said = None if self.label is None else self._held.column(self.label)[0].as_py()
        return self._picture(), self._named(said)

    def _picture(self) -> bytes:
        import pyarrow.compute as compute

        held = self._held.column(self.picture)
        inner = compute.struct_field(held, "bytes") if held.type.num_fields else held
        return inner[0].as_py() or b""

    def _named(self, value: object) -> str:
        if value is None or isinstance(value, list | dict | bytes):
            return ""
        if isinstance(value, int) and not isinstance(value, bool) and self.names:
            return self.names[value] if 0 <= value < len(self.names) else ""
        return str(value).strip()

    def open(self, number: int) -> AbstractContextManager[IO[bytes]]:
        return BytesIO(self.row(number)[0])


@contextmanager
def opened(archive: Path, limits: Limits) -> Iterator[tuple[list[Member], list[str]]]:
    """The members, and what is wrong with the whole; what a damaged file raises becomes an
    `InputError`. Nothing is read beyond `limits`. Raises `MissingExtraError` where no reader is
    installed."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError(
            f"{archive.name!r} is a Parquet file, and its reader is not installed.",
            expected="the package pyarrow",
            do="Run `pip install tellapart[parquet]`.",
        ) from None
    try:
        with parquet.ParquetFile(archive) as file:
            shard = _shard(file)
            if (rows := file.metadata.num_rows) >= limits.members:
                raise refused([f"it holds {rows:,} rows, more than {limits.members:,}"])
            most = limits.most(archive.stat().st_size)
            if _said(shard) > most:
                raise _too_large(most)
            yield list(_members(shard, most)), []
    except (pyarrow.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        text = (str(error).splitlines() or [""])[0][:200]
        raise refused([f"it cannot be read as Parquet ({type(error).__name__}: {text})"]) from error


def _members(shard: _Shard, total: int) -> Iterator[Member]:
    lines, size = StringIO(), 0
    rows = csv.writer(lines)
    rows.writerow(("file_name", "label"))
    for number in range(shard.file.metadata.num_rows):
        data, label = shard.row(number)
        size += len(data) + len(label)
        if size > total:
            raise _too_large(total)
        name = f"pictures/{number:07d}{_suffix(data)}"
        # On one line: a class of several lines is none.
        rows.writerow((name, " ".join(label.split())))
        yield Member(name, len(data), len(data), False, (), partial(shard.open, number))
    text = lines.getvalue().encode("utf-8", "replace")
    yield Member(_METADATA, len(text), len(text), False, (), partial(BytesIO, text))


def _said(shard: _Shard) -> int:
    """Bytes of the pages that are read, unpacked, as the file has it: a page is unpacked whole,
    however short the row."""
    names = tuple(f"{name}." for name in (shard.picture, shard.label) if name)
    about = shard.file.metadata
    groups = map(about.row_group, range(about.num_row_groups))
    chunks = (group.column(at) for group in groups for at in range(group.num_columns))
    return sum(
        max(0, chunk.total_uncompressed_size)
        for chunk in chunks
        if f"{chunk.path_in_schema}.".startswith(names)
    )


def _too_large(most: int) -> RefusedArchiveError:
    return refused([f"it would unpack to more than {most:,} bytes"])


def _shard(file: Any) -> _Shard:
    """Which columns hold pictures and classes: as the file's own description says, else by name."""
    schema = file.schema_arrow
    features = _features(schema.metadata or {})
    picture = next((name for name in schema.names if _is_picture(schema, name, features)), None)
    if picture is None:
        raise refused([f"none of its columns ({', '.join(schema.names)[:200]}) holds pictures"])
    labelled = (n for n in schema.names if features.get(n, {}).get("_type") == "ClassLabel")
    known = (name for name in _LABELS if name in schema.names)
    label = next(labelled, None) or next(known, None)
    names = features.get(label or "", {}).get("names")
    return _Shard(file, picture, label, [str(name) for name in names or ()])


def _is_picture(schema: Any, name: str, features: Mapping[str, Any]) -> bool:
    import pyarrow.types as types

    kind = schema.field(name).type
    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    said = features.get(name, {}).get("_type") == "Image" or name.lower() in _PICTURES
    return said and bool(types.is_binary(kind) or types.is_large_binary(kind))


def _features(metadata: Mapping[bytes, bytes]) -> dict[str, dict[str, Any]]:
    """The columns as `datasets` describes them in the file; empty where it does not."""
    try:
        found = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {str(k): v for k, v in found.items() if isinstance(v, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _suffix(data: bytes) -> str:
    """The end of a name that fits the bytes; what is no picture is found out when it is read."""
    return next((suffix for start, suffix in _KINDS if data.startswith(start)), ".jpg")
