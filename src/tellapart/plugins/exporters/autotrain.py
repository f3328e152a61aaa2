"""AutoTrain: one zip a split, in it one folder a class with JPEG and PNG pictures."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tellapart.datasets.samples import Sample, uniquely
from tellapart.datasets.unpacking import ESCAPED, escaped, is_litter
from tellapart.errors import DataError
from tellapart.fetch.sniff import media_type
from tellapart.images import decode
from tellapart.plugins.exporters.conventions import Convention, by_split

_NAMES = {"train": "train.zip", "validation": "valid.zip", "test": "test.zip", "": "data.zip"}
#: What no folder's name holds anywhere, and what an escaped one writes in percent signs.
_NO_FOLDER = re.compile(r"[/\\\x00-\x1f\x7f]")
_CODED = re.compile(r"^.|[/\\\x00-\x1f\x7f%]", re.DOTALL)
#: Of a folder as it is unpacked: bytes that file systems take, signs that a class may have.
_MOST_BYTES, _MOST_SIGNS = 255, 200
_AS_IT_IS = {"image/jpeg": ".jpg", "image/png": ".png"}


class AutoTrain(Convention):
    """`train.zip`, `valid.zip`, `test.zip`; pictures without a split are in `data.zip`.

    AutoTrain takes JPEG and PNG alone: other pictures become PNG, their pixels stay.
    """

    name = "autotrain"

    def lay_out(self, samples: Sequence[Sample], folder: Path) -> None:
        for split, inside in by_split(samples):
            with zipfile.ZipFile(folder / _NAMES[split], "w") as file:
                for sample, name, _ in uniquely(inside):
                    data = sample.read()
                    ending = _AS_IT_IS.get(media_type(data))
                    if ending is None:
                        data, ending = _png(data), ".png"
                    info = zipfile.ZipInfo(f"{_folder(sample.label)}/{name}{ending}")
                    info.external_attr = 0o644 << 16
                    file.writestr(info, data)


def _folder(label: str) -> str:
    """The class as a folder's name; in percent signs where no folder can be called so, or where
    readers pass over such a folder. Raises `DataError` for one that is too long."""
    name, lower = label, label.lower()
    special = is_litter(label) or lower.startswith("__macosx") or label.startswith(ESCAPED)
    if special or _NO_FOLDER.search(label):
        # The first sign too: by a dot or `__` such folders are told.
        name = ESCAPED + _CODED.sub(_coded, label)
    there = escaped(name)
    if len(there) > _MOST_SIGNS or len(there.encode("utf-8", "replace")) > _MOST_BYTES:
        raise DataError(
            f"The class {label[:40]!r}… is too long for a folder's name.",
            expected="classes that can be folders: AutoTrain knows a class by its folder",
            do="Give the class a shorter name, or choose a format with a list of the classes.",
        )
    return name


def _coded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found.group().encode())


def _png(data: bytes) -> bytes:
    out = io.BytesIO()
    decode(data).save(out, "PNG")
    return out.getvalue()
