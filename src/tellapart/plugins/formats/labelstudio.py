"""Label Studio's JSON exports: tasks with annotations (JSON), or flat rows (JSON-MIN)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tellapart.doors import Format, Hit
from tellapart.plugins.formats.documents import facts, not_so, read_json, start_of
from tellapart.plugins.formats.places import Labels, Places, is_picture_name
from tellapart.plugins.formats.rows import to_hit

_EXPECTED = "a list of tasks as Label Studio exports it: JSON or JSON-MIN"
_TASK = re.compile(r'"(annotations|completions|annotation_id|annotator|lead_time)"\s*:')
#: What Label Studio puts before the name of an uploaded file.
_PREFIX = re.compile(r"^[0-9a-f]{8}-")
#: JSON files that are looked into to find the export among them.
_MOST_FILES = 20
_QUESTIONS = ("label", "class", "category", "choice")
_WEB = ("http://", "https://")


class LabelStudio(Format):
    """The export, with its pictures beside it, below it, or at their addresses on the web.

    A class is the one choice of a task's annotations; where they disagree, those marked as ground
    truth count, else the task has the problem `several_labels`. Predictions are no labels.
    """

    name = "labelstudio"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return _file(path) is not None

    def read(self, path: Path) -> Iterator[Hit]:
        """Tasks in the order of the export."""
        file = _file(path) or path
        tasks = read_json(file)
        if not isinstance(tasks, list):
            raise not_so(file, "is no list of tasks", _EXPECTED)
        labels, files = Labels(), Files(file.parent)
        for rank, task in enumerate(tasks):
            row = _row(task) if isinstance(task, Mapping) else None
            if row is None:
                yield Hit(rank=rank, problem="bad_row")
                continue
            row["file_name"] = files.find(str(row["file_name"]))
            yield to_hit(row, rank, files.places, labels)


class Files:
    """Finds a task's picture in the folder of its export, whatever the server called it."""

    def __init__(self, root: Path) -> None:
        self.places = Places(root)
        self._root = root

    def find(self, name: str) -> str:
        """The name below the folder, where some file there fits; web addresses as they are."""
        if name.lower().startswith((*_WEB, "data:")):
            return name
        tried = list(_names(name))
        return next((one for one in tried if _is_here(self._root, one)), tried[0])


def _file(path: Path) -> Path | None:
    """The export: the file itself, or the only one in a folder."""
    if path.is_file():
        return path if _is_one(path) else None
    if not path.is_dir():
        return None
    there = list(islice(path.glob("*.json"), _MOST_FILES + 1))
    if len(there) > _MOST_FILES:  # one beside each picture: of some other program
        return None
    found = [one for one in sorted(there) if one.is_file() and _is_one(one)]
    return found[0] if len(found) == 1 else None


def _is_one(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    start = start_of(path)
    return start.startswith("[") and bool(_TASK.search(start))


def _row(task: Mapping[str, Any]) -> dict[str, Any] | None:
    data = task.get("data")
    if isinstance(data, Mapping):
        image = _image(data)
        label: object = _agreed(task.get("annotations", task.get("completions")))
    else:  # JSON-MIN: the data and the choices side by side
        data, image = task, _image(task)
        label = _flat(task)
    if not image:
        return None
    return {**facts(data), "file_name": image, "label": label}


def _image(data: Mapping[str, Any]) -> str:
    """The picture of a task: under `image`, or under whatever else holds the name of one."""
    for key in ("image", "img", "picture", "url"):
        if isinstance(data.get(key), str) and data[key]:
            return str(data[key])
    texts = [v for key, v in data.items() if isinstance(v, str) and key != "page_url"]
    return next((text for text in texts if is_picture_name(urlsplit(text).path)), "")


def _agreed(annotations: object) -> object:
    """The class that all annotations name; None without one, a list of several."""
    made = [
        one
        for one in (annotations if isinstance(annotations, list) else ())
        if isinstance(one, Mapping) and not one.get("was_cancelled")
    ]
    truth = [one for one in made if one.get("ground_truth")]
    found: dict[str, dict[str, None]] = {}
    for one in truth or made:
        results = one.get("result")
        for result in results if isinstance(results, list) else ():
            if isinstance(result, Mapping) and result.get("type") == "choices":
                value = result.get("value")
                given = value.get("choices") if isinstance(value, Mapping) else None
                asked = found.setdefault(str(result.get("from_name")), {})
                asked.update(dict.fromkeys(_texts(given)))
    # Of several questions the one that is called so is about the class.
    about = next((name for name in _QUESTIONS if name in found), "")
    wanted = [found[about]] if about else list(found.values())
    return _one([text for answers in wanted for text in answers])


def _flat(task: Mapping[str, Any]) -> object:
    """The class of a JSON-MIN row: the one column that Label Studio did not add itself."""
    choice = task.get("choice", task.get("label", task.get("class")))
    if isinstance(choice, Mapping):
        choice = choice.get("choices")
    return _one(list(_texts(choice)))


def _texts(given: object) -> list[str]:
    if isinstance(given, str):
        return [given]
    return [each for each in given if isinstance(each, str)] if isinstance(given, list) else []


def _one(found: list[str]) -> object:
    return found[0] if len(found) == 1 else found or None


def _names(name: str) -> Iterator[str]:
    """Where a picture may lie, likeliest first."""
    parts = urlsplit(name)
    given = parse_qs(parts.query).get("d")
    path = given[0] if given else unquote(parts.path) if parts.scheme in ("", "file") else name
    path = path.lstrip("/").removeprefix("data/upload/").removeprefix("data/local-files/")
    pieces = path.replace("\\", "/").split("/")
    for start in range(len(pieces)):
        yield "/".join(pieces[start:])
    last = pieces[-1]
    for bare in dict.fromkeys((last, _PREFIX.sub("", last))):
        yield from (bare, f"images/{bare}", f"upload/{bare}", f"data/{bare}")


def _is_here(root: Path, name: str) -> bool:
    try:
        return bool(name) and ".." not in name.split("/") and (root / name).is_file()
    except (OSError, ValueError):
        return False
