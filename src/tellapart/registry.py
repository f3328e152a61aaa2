"""Find plug-ins by door and name; import one only when it is used.

Built-ins stand in the table below; a stranger's package advertises its own under the entry-point
groups `tellapart.sources`, `.formats`, `.analyzers`, `.exporters`, `.decks`. A few of ours are
there only with an extra: what it brings is what they need, and its presence is the switch.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any, Literal, overload

from tellapart import doors
from tellapart.errors import InputError, MissingExtraError

Door = Literal["source", "format", "analyzer", "exporter", "deck"]

_CONTRACTS: dict[str, type] = {
    "source": doors.Source,
    "format": doors.Format,
    "analyzer": doors.Analyzer,
    "exporter": doors.Exporter,
    "deck": doors.DeckSource,
}

BUILT_IN: dict[str, dict[str, str]] = {
    "source": {
        "openverse": "tellapart.plugins.sources.openverse:Openverse",
        "commons": "tellapart.plugins.sources.commons:Commons",
        "inaturalist": "tellapart.plugins.sources.inaturalist:INaturalist",
        "flickr": "tellapart.plugins.sources.flickr:Flickr",
        "pexels": "tellapart.plugins.sources.pexels:Pexels",
        "huggingface": "tellapart.plugins.sources.huggingface:HuggingFace",
        "urls": "tellapart.plugins.sources.urls:Urls",
        "folder": "tellapart.plugins.sources.folder:Folder",
        "zip": "tellapart.plugins.sources.zip:Zip",
    },
    "format": {
        # Those that look for names of their own come first; `imagefolder` takes any folder.
        "lobe": "tellapart.plugins.formats.lobe:Lobe",
        "teachable-machine": "tellapart.plugins.formats.teachable_machine:TeachableMachine",
        "fiftyone": "tellapart.plugins.formats.fiftyone:FiftyOne",
        "roboflow": "tellapart.plugins.formats.roboflow:Roboflow",
        "webdataset": "tellapart.plugins.formats.webdataset:WebDataset",
        "autotrain": "tellapart.plugins.formats.autotrain:AutoTrain",
        "labelstudio": "tellapart.plugins.formats.labelstudio:LabelStudio",
        "metadata": "tellapart.plugins.formats.metadata:Metadata",
        "csv": "tellapart.plugins.formats.csv:Csv",
        "pics": "tellapart.plugins.formats.pics:Pics",
        "tree": "tellapart.plugins.formats.tree:Tree",
        "imagefolder": "tellapart.plugins.formats.imagefolder:ImageFolder",
    },
    "analyzer": {
        "basic": "tellapart.plugins.analyzers.basic:Basic",
        "phash": "tellapart.plugins.analyzers.phash:PerceptualHash",
        "sketch": "tellapart.plugins.analyzers.sketch:Sketch",
        "faces": "tellapart.plugins.analyzers.faces:Faces",
    },
    "exporter": {
        "onnx": "tellapart.plugins.exporters.onnx:Onnx",
        "dataset": "tellapart.plugins.exporters.dataset:Dataset",
        "coreml": "tellapart.plugins.exporters.coreml:CoreML",
        "model-repository": "tellapart.plugins.exporters.repository:Repository",
        "autotrain": "tellapart.plugins.exporters.autotrain:AutoTrain",
        "fiftyone": "tellapart.plugins.exporters.fiftyone:FiftyOne",
        "labelstudio": "tellapart.plugins.exporters.labelstudio:LabelStudio",
        "roboflow": "tellapart.plugins.exporters.roboflow:Roboflow",
        "webdataset": "tellapart.plugins.exporters.webdataset:WebDataset",
    },
    "deck": {
        "folder": "tellapart.plugins.decks.folder:Folder",
        "jsonl": "tellapart.plugins.decks.jsonl:JsonLines",
        "http": "tellapart.plugins.decks.http:Http",
    },
}

#: Ours that nobody has without asking: door → name → (class, extra, module that the extra brings).
OPTIONAL: dict[str, dict[str, tuple[str, str, str]]] = {
    "source": {
        "browser": ("tellapart.plugins.sources.browser:Browser", "browser", "playwright"),
    },
    "deck": {"tinder": ("tellapart.plugins.decks.tinder:Tinder", "tinder", "iso8601")},
}


def names(door: Door) -> tuple[str, ...]:
    """All plug-ins of a door: the built-in ones in their order, then strangers' by name."""
    built_in = [*_table(door), *(name for name in OPTIONAL.get(door, {}) if installed(door, name))]
    ours = {*built_in, *OPTIONAL.get(door, {})}
    return (*built_in, *sorted(set(_strangers(door)) - ours))


def installed(door: Door, name: str) -> bool:
    """Whether the extra of one of ours in `OPTIONAL` is installed."""
    return find_spec(OPTIONAL[door][name][2]) is not None


@overload
def load(door: Literal["source"], name: str) -> type[doors.Source]: ...
@overload
def load(door: Literal["format"], name: str) -> type[doors.Format]: ...
@overload
def load(door: Literal["analyzer"], name: str) -> type[doors.Analyzer]: ...
@overload
def load(door: Literal["exporter"], name: str) -> type[doors.Exporter]: ...
@overload
def load(door: Literal["deck"], name: str) -> type[doors.DeckSource]: ...


def load(door: Door, name: str) -> type[Any]:
    """The class of a plug-in, imported now.

    A built-in wins over a stranger of the same name. Raises `InputError` for an unknown name
    (with the nearest one), for a name that two packages claim, and for a plug-in that cannot be
    imported or does not keep the door's contract (naming its package); `MissingExtraError` for
    one of ours whose extra is not installed.
    """
    target = _table(door).get(name)
    if name in OPTIONAL.get(door, {}):
        target, extra, _ = OPTIONAL[door][name]
        if not installed(door, name):
            raise MissingExtraError(
                f"The {door} {name!r} is not installed.",
                expected=f"the extra `{extra}`",
                do=f"Install it: pip install 'tellapart[{extra}]'.",
            )
    if target is not None:
        module, _, attribute = target.partition(":")
        found: type[Any] = getattr(import_module(module), attribute)
        return found
    candidates = _strangers(door).get(name, [])
    if not candidates:
        near = difflib.get_close_matches(name, names(door), n=1)
        raise InputError(
            f"There is no {door} {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""),
            expected=f"one of {', '.join(names(door))}",
            do="Correct the name, or install the package that brings it.",
        )
    if len(candidates) > 1:
        raise InputError(
            f"The {door} {name!r} comes with several packages: "
            f"{', '.join(sorted(_package(point) for point in candidates))}.",
            expected="one package a name",
            do="Uninstall all but one of them.",
        )
    return _load_stranger(door, candidates[0])


def _load_stranger(door: str, point: EntryPoint) -> type[Any]:
    contract = _CONTRACTS[door]
    try:
        found = point.load()
    # A stranger's module may fail with anything; it must not look like a fault of ours.
    except Exception as error:
        raise InputError(
            f"The {door} {point.name!r} of the package {_package(point)} cannot be imported: "
            f"{type(error).__name__}: {error}",
            expected=f"{point.value} to import",
            do=f"Upgrade or uninstall {_package(point)} (pip uninstall {_package(point)}).",
        ) from error
    if not (isinstance(found, type) and issubclass(found, contract)):
        raise InputError(
            f"The {door} {point.name!r} of the package {_package(point)} is {found!r}.",
            expected=f"a class that extends tellapart.doors.{contract.__name__}",
            do=f"Upgrade or uninstall {_package(point)}, or tell its author.",
        )
    return found


def _table(door: str) -> dict[str, str]:
    try:
        return BUILT_IN[door]
    except KeyError:
        raise InputError(
            f"There is no door {door!r}.",
            expected=f"one of {', '.join(BUILT_IN)}",
            do="Use one of these words.",
        ) from None


@cache
def _strangers(door: str) -> dict[str, list[EntryPoint]]:
    """Advertised plug-ins by name. Reading the installed packages takes some 20 ms: once."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"tellapart.{door}s"):
        found.setdefault(point.name, []).append(point)
    return found


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(".")[0]
