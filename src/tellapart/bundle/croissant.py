"""Croissant 1.0 of a data set: what lies where and what each column says, as JSON-LD.

`mlcroissant` (1.1 was tried) validates it and reads the pictures with their rows through it. It
applies a pattern twice and from the start, and only to the side that is the source of a join:
hence the pattern of `file_name`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tellapart.bundle import card_people, licenses
from tellapart.bundle.dataset import COLUMNS, FOLDER, SPLITS, DataSet
from tellapart.bundle.write import Copy

FILE = f"{FOLDER}/croissant.json"
_VERSION = "http://mlcommons.org/croissant/1.0"
_RESPONSIBLE = "http://mlcommons.org/croissant/RAI/1.0"
_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".avif": "image/avif",
}
_ABOUT = {
    "label": "The class.",
    "split": "Where it belongs: pictures alike never stand in two of them.",
    "source": "Where it was found.",
    "page_url": "Its page at the source.",
    "file_url": "Where the file was fetched.",
    "creator": "Who made it.",
    "license": "Its licence's code, such as by-sa.",
    "license_url": "The licence's page.",
    "sha256": "SHA-256 of the file.",
}
_PREFIXED = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject"),
    *("fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
    *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{word: f"cr:{word}" for word in _PREFIXED},
}


def added(data: DataSet, name: str, people: Mapping[str, Any] | None = None) -> DataSet:
    """`data` with `croissant.json`; as it is where it holds no picture.

    `people`: how many pictures were `looked` at for faces, and how many had one (`with_faces`).
    """
    rows = [row for split in SPLITS for row in _rows(data, split)]
    if not rows:
        return data
    text = json.dumps(_described(data, rows, name, people), ensure_ascii=False, indent=1) + "\n"
    return replace(data, files={**data.files, FILE: text.encode("utf-8", "replace")})


def _described(
    data: DataSet, rows: Sequence[Mapping[str, str]], name: str, people: Mapping[str, Any] | None
) -> dict[str, Any]:
    labels = sorted({row["label"] for row in rows})
    personal = people is not None and card_people.mostly(people)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [_VERSION, _RESPONSIBLE] if personal else _VERSION,
        "name": name,
        "description": (
            f"{len(rows):,} pictures of {len(labels):,} classes ({', '.join(labels[:20])}"
            f"{', …' if len(labels) > 20 else ''}), each with its origin and its own licence. "
            "Credit: ATTRIBUTION.csv."
        ),
        "license": _licenses(rows),
        "isLiveDataset": False,
        "keywords": labels,
        **(_faces() if personal else {}),
        "distribution": [_lists(), _pictures(data)],
        "recordSet": [_splits(rows), _labels(labels), _records()],
    }


def _faces() -> dict[str, Any]:
    uses = " ".join(card_people.NOT_FOR)
    return {
        "rai:personalSensitiveInformation": ["Most pictures show faces of people."],
        "rai:dataLimitations": [f"{card_people.LEAD} {uses} {card_people.WHY}"],
    }


def _licenses(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Each licence once: its page, or its name where no version is known."""
    return sorted({row["license_url"] or licenses.read(row["license"]).title for row in rows})


def _lists() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "lists",
        "name": "lists",
        "description": "One list a split.",
        "encodingFormat": "text/csv",
        "includes": "*/metadata.csv",
    }


def _pictures(data: DataSet) -> dict[str, Any]:
    endings = {
        "." + name.rpartition(".")[2] for name, file in data.files.items() if isinstance(file, Copy)
    }
    known = [ending for ending in _TYPES if ending in endings]
    return {
        "@type": "cr:FileSet",
        "@id": "files",
        "name": "files",
        "description": "The pictures, unchanged: split/class/SHA-256.",
        "encodingFormat": [_TYPES[ending] for ending in known] or ["application/octet-stream"],
        "includes": [f"{split}/*/*{ending}" for split in SPLITS for ending in sorted(endings)],
    }


def _splits(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    there = {row["split"] for row in rows}
    kinds = {split: f"cr:{split.capitalize()}Split" for split in SPLITS}
    kinds["train"] = "cr:TrainingSplit"
    url = {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [_field("splits", "name", "The split."), url],
        "data": [
            {"splits/name": split, "splits/url": kinds[split]} for split in SPLITS if split in there
        ],
    }


def _labels(labels: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "labels",
        "name": "labels",
        "dataType": "sc:Enumeration",
        "key": {"@id": "labels/name"},
        "field": [_field("labels", "name", "The class.")],
        "data": [{"labels/name": label} for label in labels],
    }


def _records() -> dict[str, Any]:
    image = _from_files("image", "The picture.", "content") | {"dataType": "sc:ImageObject"}
    name = _from_files("file_name", "The file, below its split's folder.", "fullpath")
    name["source"]["transform"] = {"regex": f"^(?:(?:{'|'.join(SPLITS)})/)?([^/]+/[^/]+)$"}
    name["references"] = {"fileSet": {"@id": "lists"}, "extract": {"column": "file_name"}}
    columns = [
        _field("pictures", column, _ABOUT[column])
        | {"source": {"fileSet": {"@id": "lists"}, "extract": {"column": column}}}
        for column in COLUMNS
        if column != "file_name"
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "One row a picture.",
        "field": [image, name, *columns],
    }


def _from_files(name: str, about: str, what: str) -> dict[str, Any]:
    source = {"fileSet": {"@id": "files"}, "extract": {"fileProperty": what}}
    return _field("pictures", name, about) | {"source": source}


def _field(records: str, name: str, about: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{name}",
        "name": name,
        "description": about,
        "dataType": "sc:Text",
    }


def _rows(data: DataSet, split: str) -> Sequence[Mapping[str, str]]:
    content = data.files.get(f"{FOLDER}/{split}/metadata.csv")
    if not isinstance(content, bytes):
        return []
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
