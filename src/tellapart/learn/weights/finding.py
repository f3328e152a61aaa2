"""Find weights by name: a file, a folder, the cache, the embedded package, the hub."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tellapart.errors import InputError, MissingExtraError, NotFoundError, TellapartError
from tellapart.learn import backbone
from tellapart.learn.weights import files
from tellapart.settings import Settings

Source = Literal["file", "cache", "embedded", "hub"]
#: The folder of downloaded weights in the cache.
FOLDER = "weights"
_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")


@dataclass(frozen=True)
class Weights:
    """A file of pretrained weights, and what is known of it."""

    #: As people call it: timm's name, maybe with a tag (`resnet50.a1_in1k`) or more words.
    name: str
    #: timm's name of the network, and what its function is called with beside.
    model: str
    path: Path
    source: Source
    sha256: str
    license: str = "unknown"
    args: tuple[tuple[str, Any], ...] = ()
    #: How pictures are prepared, and the side in pixels it was trained at; None: as timm says.
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None
    parameters: int | None = None
    #: What a person should know of where the file came from; "": nothing.
    note: str = ""

    @property
    def key(self) -> str:
        """Names what a network made of them depends on: the file, and how it is put to use."""
        given = json.dumps([self.model, self.args, self.mean, self.std], default=list)
        return backbone.digest(f"{self.sha256}\0{given}".encode())


def find(
    name: str,
    settings: Settings,
    file: Path | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> Weights:
    """The weights of timm's network `name` (a tag after a point chooses among several).

    In this order: `file` (safetensors, or torch's own format, read as tensors only), the folder
    TELLAPART_WEIGHTS, the cache, the model hub, whose `watch` is told the bytes that are here, of
    how many. The embedded network's bare name means that one, whatever else is called so.
    Raises `InputError` for what is no name, `NotFoundError` where there is no such file,
    `VerificationError` for one that is damaged, `MissingExtraError` where only the hub is left and
    timm is not installed, `FetchError` where the hub does not give it.
    """
    found = local(name, settings, file)
    if found is not None:
        return found
    from tellapart.learn.weights.hub import download

    return download(name, settings, watch)


def local(name: str, settings: Settings, file: Path | None = None) -> Weights | None:
    """What `find` would give without the model hub; None where only that is left."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name of a network.",
            expected="a name of timm's, such as resnet50 or mobilenetv3_small_050.lamb_in1k",
            do="See `tellapart weights list`, or timm's own list.",
        )
    if file is not None:
        return _given(name, Path(file))
    own = _embedded(settings) if name == backbone.NAME else None
    return own or next((found for found in _local(settings) if _is(found, name)), None)


def available(settings: Settings) -> list[Weights]:
    """All that is here, without the network: the local folder's, the cache's and the embedded.

    Files that cannot be read are left out.
    """
    return list(_local(settings))


def _given(name: str, path: Path) -> Weights:
    if not path.is_file():
        raise NotFoundError(
            f"There is no weights file {str(path)!r}.",
            expected="a file of safetensors, or torch's own (.pth)",
            do="Correct the path.",
        )
    return describe(path, "file", name)


def _local(settings: Settings) -> Iterator[Weights]:
    folders: list[tuple[Path | None, Source]] = [
        (settings.weights_dir, "file"),
        (settings.cache_dir / FOLDER, "cache"),
    ]
    for folder, source in folders:
        for path in _within(folder):
            with contextlib.suppress(TellapartError):
                yield describe(path, source)
    found = _embedded(settings)
    if found is not None:
        yield found


def _within(folder: Path | None) -> list[Path]:
    """The files of weights in a folder; none where it cannot be read."""
    with contextlib.suppress(OSError):
        if folder is not None and folder.is_dir():
            return [
                path
                for path in sorted(folder.iterdir())
                if path.suffix in files.ENDINGS and path.name[0] != "." and path.is_file()
            ]
    return []


def describe(path: Path, source: Source, name: str | None = None) -> Weights:
    """What is known of a file: from `NAME.json` beside it, from its own head, from its name.

    Raises `VerificationError` for a file that is damaged.
    """
    facts = {**files.metadata(path), **files.sidecar(path)}
    stem = path.name[: -len(path.suffix)]
    return Weights(
        name=name or str(facts.get("name", stem)),
        model=str(facts.get("model") or name or stem),
        path=path,
        source=source,
        sha256=files.sha256(path),
        license=_line(facts.get("license", "unknown")),
        args=tuple(sorted(dict(facts.get("args", {})).items())),
        mean=_figures(facts.get("mean")),
        std=_figures(facts.get("std")),
        size=facts.get("size"),
        parameters=files.parameters(path),
        note=_line(facts.get("note", "")),
    )


def _is(found: Weights, name: str) -> bool:
    """Whether a file is what `name` asks for: its own name, or its network's without a tag."""
    asked, _, tag = name.partition(".")
    if name in (found.name, found.model):
        return True
    return not tag and asked in (found.model.partition(".")[0], found.name.partition(".")[0])


def _embedded(settings: Settings) -> Weights | None:
    try:
        net = backbone.embedded(settings.cache_dir)
    except MissingExtraError:
        return None
    return Weights(
        name=net.name,
        model=net.name,
        path=net.weights,
        source="embedded",
        sha256=net.sha256,
        license=net.license,
        mean=net.mean,
        std=net.std,
        size=net.size,
        parameters=4_652_008,
    )


def _line(text: str) -> str:
    """A text of others' as one line that a terminal shows and does not obey."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _figures(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)
