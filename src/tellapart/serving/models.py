"""The models a server holds: by name, then by version."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tellapart.errors import InputError, NotFoundError


@dataclass(frozen=True)
class ModelInfo:
    """What the front knows of one model in one version."""

    name: str
    version: int
    #: The classes, in the order of every list of probabilities.
    labels: tuple[str, ...]
    #: What it answers.
    kind: Literal["picture", "row"]
    #: The input's name in the model, and one item's shape: (height, width, channels) or (columns,).
    input: str
    shape: tuple[int, ...]
    #: How a picture is brought to that shape, and its color; None for rows.
    view: str | None
    color: str | None
    #: The columns of a row; empty for pictures.
    columns: tuple[str, ...]
    #: Raw outputs by name: dtype (`float32`) and one item's shape.
    outputs: Mapping[str, tuple[str, tuple[int, ...]]]
    #: Below these a prediction abstains; None: never.
    min_familiarity: float | None
    min_probability: float | None
    #: False where training was stopped before its end.
    finished: bool
    #: What runs it: engine, precision, threads, device.
    runs_on: Mapping[str, Any]
    #: SHA-256 of the model.
    sha256: str

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.version

    @property
    def item_bytes(self) -> int:
        """Bytes of one item as the model sees it: uint8 pixels, or float32 of a row."""
        return math.prod(self.shape) * (4 if self.kind == "row" else 1)


class Models:
    """All models of one generation of workers. The first given is the default."""

    def __init__(self, infos: Iterable[ModelInfo] = ()) -> None:
        self._by_name: dict[str, dict[int, ModelInfo]] = {}
        for info in infos:
            versions = self._by_name.setdefault(info.name, {})
            if info.version in versions:
                raise InputError(
                    f"Two bundles hold version {info.version} of {info.name!r}.",
                    expected="each version of a model once",
                    do="Leave one of the bundles out.",
                )
            versions[info.version] = info

    def __iter__(self) -> Iterator[ModelInfo]:
        for versions in self._by_name.values():
            for version in sorted(versions):
                yield versions[version]

    def __len__(self) -> int:
        return sum(map(len, self._by_name.values()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    @property
    def default(self) -> ModelInfo:
        """The first model in its highest version. Raises `NotFoundError` where there is none."""
        return self.find("")

    def versions(self, name: str) -> tuple[int, ...]:
        """The versions of a model, lowest first. Raises `NotFoundError`."""
        self.find(name)
        return tuple(sorted(self._by_name[name]))

    def find(self, name: str = "", version: int | None = None) -> ModelInfo:
        """A model by name (empty: the default) and version (None: the highest).

        Raises `NotFoundError`, which lists what there is.
        """
        if not name and self._by_name:
            name = next(iter(self._by_name))
        versions = self._by_name.get(name)
        if versions is None:
            listed = ", ".join(map(repr, self._by_name)) or "none: the server holds no model yet"
            raise NotFoundError(
                f"There is no model {name!r}.",
                expected=f"one of the models {listed}" if self._by_name else listed,
                do="Name one of these, or none for the first." if self._by_name else "Wait.",
            )
        if version is None:
            return versions[max(versions)]
        if version not in versions:
            raise NotFoundError(
                f"There is no version {version} of the model {name!r}.",
                expected=f"one of the versions {', '.join(map(str, sorted(versions)))}",
                do="Name one of these, or none for the highest.",
            )
        return versions[version]
