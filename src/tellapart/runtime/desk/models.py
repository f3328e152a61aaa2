"""Trained versions of a project: figures, report, files, answers."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tellapart.bundle.write import file_sha256
from tellapart.catalog import Version
from tellapart.errors import InputError, NotFoundError, OverloadedError
from tellapart.runtime import exporting
from tellapart.runtime.desk.base import Base
from tellapart.runtime.desk.shapes import Download, FileKind, VersionView
from tellapart.runtime.slices import Sliced, zip_of
from tellapart.store.files import write_file

#: What a bundle holds for each kind of file, by how the member's name begins.
_MEMBERS: dict[FileKind, str] = {
    "onnx": "model.onnx",
    "coreml": "coreml/",
    "dataset": "dataset/",
    "report": "report.html",
    "card": "README.md",
    "metrics": "metrics.json",
}
_MEDIA_TYPES = {
    ".onnx": "application/octet-stream",
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".json": "application/json",
}
_PLOT = re.compile(r"[a-z0-9_]{1,80}\.png")
_SECONDS = 300.0
_NO_REPORT = "a bundle that is whole"


class Models(Base):
    """What a project has learned. `version` None: the newest."""

    def versions(self, project: str) -> list[VersionView]:
        """The packaged versions, newest first."""
        catalog = self.catalog(project)
        return [self._view(project, one) for one in reversed(catalog.versions())]

    def version(self, project: str, version: int | None = None) -> VersionView:
        """One version. Raises `NotFoundError`."""
        return self._view(project, self._version(project, version))

    def metrics(self, project: str, version: int | None = None) -> dict[str, Any]:
        """All figures of a version: the bundle's `metrics.json` (accuracy, `confusion`,
        `per_class`, `confident_errors`, `history`, …)."""
        return self._json(project, version, "metrics.json")

    def manifest(self, project: str, version: int | None = None) -> dict[str, Any]:
        """What the bundle says of itself: labels, recipe, data, licences, network."""
        return self._json(project, version, "manifest.json")

    def report(self, project: str, version: int | None = None) -> bytes:
        """The report as one HTML page; the newest version's with all pictures, for its owner."""
        newest = self._version(project, None)
        own = self.settings.projects_dir / project / "work" / "report.html"
        metrics = own.with_name("metrics.json")
        if version in (None, newest.version) and own.is_file() and metrics.is_file():
            # What lies beside the work may be of a run since, that has packaged nothing yet.
            same = metrics.read_bytes() == self._member(project, newest.version, "metrics.json")
            if same:
                return own.read_bytes()
        return self._member(project, version, "report.html")

    def plots(self, project: str, version: int | None = None) -> list[str]:
        """Names of the plots, such as `confusion.png`."""
        names = self._names(project, self._version(project, version))
        return sorted(name.removeprefix("plots/") for name in names if name.startswith("plots/"))

    def plot(self, project: str, name: str, version: int | None = None) -> bytes:
        """One plot as PNG. Raises `NotFoundError`."""
        if not _PLOT.fullmatch(name):
            raise NotFoundError(
                f"There is no plot {name!r}.",
                expected="a name such as confusion.png",
                do="List the version's plots.",
            )
        return self._member(project, version, f"plots/{name}")

    def bundle(self, project: str, version: int | None = None) -> Download:
        """The bundle's zip. Its SHA-256 is read once and remembered by time and size."""
        path = self._path(project, self._version(project, version))
        state = path.stat()
        key = ("sha256", str(path), state.st_mtime_ns, state.st_size)
        digest = self._memory.get("", key, lambda: file_sha256(path), 24 * 3600.0)
        return Download(path, path.name, "application/zip", state.st_size, digest)

    def file(self, project: str, kind: FileKind, version: int | None = None) -> Download:
        """A file out of a version, ready to be streamed.

        `coreml` is a zip of the package, `dataset` a zip of the pictures that may be passed on
        with the rows of all: both are sent straight out of the bundle. The others are copied out
        once and kept by the bundle's content. Core ML of a model of pictures is made when it is
        first asked for, which takes a minute. Raises `NotFoundError` where the version has none,
        `OverloadedError` while it is being made.
        """
        one = self._version(project, version)
        if kind == "bundle":
            return self.bundle(project, one.version)
        start = _MEMBERS[kind]
        if not any(name.startswith(start) for name in self._names(project, one)):
            if kind == "coreml" and self._can_make_core_ml(project, one):
                return self._core_ml(project, one)
            raise NotFoundError(
                f"Version {one.version} of {project!r} has no {kind}.",
                expected=f"one of {', '.join(self._view(project, one).files) or 'none'}",
                do="Download another one of its files, or train with that format switched on.",
            )
        path = self._path(project, one)
        state = path.stat()
        key = (kind, str(path), state.st_mtime_ns, state.st_size)
        name = f"{path.stem}-{kind}"
        if start.endswith("/"):
            content = self._memory.get("", key, lambda: _part(path, start), 24 * 3600.0)
            zipped = "application/zip"
            return Download(path, f"{name}.zip", zipped, content.bytes, "", content=content)
        whole = self._memory.get("", ("copy", *key), lambda: self._copied(project, one, start), 60)
        suffix = Path(start).suffix
        digest = self._memory.get("", ("sha256", *key), lambda: file_sha256(whole), 24 * 3600.0)
        size = whole.stat().st_size
        return Download(whole, f"{name}{suffix}", _MEDIA_TYPES[suffix], size, digest)

    def compare(self, project: str, first: int, second: int) -> dict[str, Any]:
        """Two versions side by side: `versions`, `metrics` (name → [first, second]), `classes`
        (class → [recall, recall]), `pictures` ([kept, kept]), `recipe` (key → [first, second],
        differences)."""
        both = [self.metrics(project, number) for number in (first, second)]
        manifests = [self.manifest(project, number) for number in (first, second)]
        views = [self.version(project, number) for number in (first, second)]
        names = list(dict.fromkeys([*views[0].metrics, *views[1].metrics]))
        recalls = [
            {row["class"]: row["recall"] for row in one.get("per_class", ())} for one in both
        ]
        recipes = [_flat(one.get("recipe", {})) for one in manifests]
        return {
            "versions": [view.to_dict() for view in views],
            "metrics": {name: [view.metrics.get(name) for view in views] for name in names},
            "classes": {
                label: [found.get(label) for found in recalls]
                for label in sorted({*recalls[0], *recalls[1]})
            },
            "pictures": [_kept(one) for one in both],
            "recipe": {
                key: [one.get(key) for one in recipes]
                for key in sorted({*recipes[0], *recipes[1]})
                if recipes[0].get(key) != recipes[1].get(key)
            },
        }

    async def predict(
        self,
        project: str,
        body: bytes,
        content_type: str,
        *,
        version: int | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """HTTP status and JSON of `serve` for the same body, through the same pool.

        `query`: as there, such as `{"why": "1"}`.
        """
        import asyncio

        path = await asyncio.to_thread(self.bundle_path, project, version)
        if self._residents is None:
            raise OverloadedError(
                "This server answers no predictions.",
                expected="a server that was started with resident models",
                do="Ask its keeper, or download the bundle and run `tellapart serve`.",
                retry_after=60.0,
            )
        return await self._residents.predict(path, body, content_type=content_type, query=query)

    def bundle_path(self, project: str, version: int | None = None) -> Path:
        """Where the bundle lies. Raises `NotFoundError`."""
        return self._path(project, self._version(project, version))

    def explain(
        self, project: str, picture: bytes, label: str | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Why the newest version answers a picture as it does: `Explanation.to_dict` (without
        paths), and the picture with its heat map as PNG. Takes a second or more."""
        self.catalog(project)
        found = self._memory.thinker.ask(
            "explain",
            self.settings,
            project=project,
            picture=base64.b64encode(picture).decode(),
            label=label,
        )
        return found["explanation"], base64.b64decode(found["picture"])

    # -- inside -----------------------------------------------------------------------------

    def _version(self, project: str, version: int | None) -> Version:
        known = self.catalog(project).versions()
        served = [one.version for one in known if one.file] or [one.version for one in known]
        for one in known:
            if one.version == (version if version is not None else served[-1]):
                return one
        raise NotFoundError(
            f"The project {project!r} has no version {version}."
            if known
            else f"The project {project!r} has no version yet.",
            expected=f"a version from 1 to {known[-1].version}" if known else "a packaged version",
            do="Name one of these." if known else "Run the project to its end.",
        )

    def _path(self, project: str, version: Version) -> Path:
        path = self.settings.projects_dir / project / "versions" / version.file
        if not version.file:
            raise NotFoundError(
                f"Version {version.version} of {project!r} held what was forgotten: it is "
                "withdrawn.",
                expected="a version made since",
                do="Run the project again.",
            )
        if not path.is_file():
            raise NotFoundError(
                f"The file of version {version.version} of {project!r} is gone.",
                expected="the bundle where it was written",
                do="Run the project again: it writes the bundle anew.",
            )
        return path

    def _names(self, project: str, version: Version) -> tuple[str, ...]:
        path = self._path(project, version)
        state = path.stat()
        key = ("names", str(path), state.st_mtime_ns, state.st_size)

        def read() -> tuple[str, ...]:
            with zipfile.ZipFile(path) as archive:
                return tuple(archive.namelist())

        return self._memory.get("", key, read, _SECONDS)

    def _member(self, project: str, version: int | None, name: str) -> bytes:
        one = self._version(project, version)
        if name not in self._names(project, one):
            raise NotFoundError(
                f"Version {one.version} of {project!r} has no {name}.",
                expected=_NO_REPORT,
                do="Look at what the version holds.",
            )
        with zipfile.ZipFile(self._path(project, one)) as archive:
            return archive.read(name)

    def _copied(self, project: str, version: Version, member: str) -> Path:
        """A member of the bundle as a file of its own in the cache."""
        digest = self.bundle(project, version.version).sha256
        target = self.settings.cache_dir / "members" / digest[:32] / member
        if not target.is_file():
            write_file(target, self._member(project, version.version, member))
        return target

    def _json(self, project: str, version: int | None, name: str) -> dict[str, Any]:
        one = self._version(project, version)
        path = self._path(project, one)
        state = path.stat()
        key = (name, str(path), state.st_mtime_ns, state.st_size)

        def read() -> dict[str, Any]:
            return cast(dict[str, Any], json.loads(self._member(project, one.version, name)))

        # Handed out to several: a caller that changes it changes its own copy.
        return dict(self._memory.get("", key, read, _SECONDS))

    def _view(self, project: str, version: Version) -> VersionView:
        try:
            path = self._path(project, version)
            names, size = self._names(project, version), path.stat().st_size
        except (NotFoundError, zipfile.BadZipFile):
            names, size = (), 0
        files: list[str] = ["bundle"] if names else []
        files += [
            kind
            for kind, start in _MEMBERS.items()
            if any(name.startswith(start) for name in names)
        ]
        if names and "coreml" not in files and self._can_make_core_ml(project, version):
            files.append("coreml")
        return VersionView(
            project=project,
            version=version.version,
            created=version.created_at,
            metrics=version.metrics,
            bytes=size,
            files=files,
        )

    def _can_make_core_ml(self, project: str, version: Version) -> bool:
        try:
            names = self._names(project, version)
            return exporting.can_make(self._json(project, version.version, "manifest.json"), names)
        except (NotFoundError, ValueError):
            return False

    def _core_ml(self, project: str, version: Version) -> Download:
        bundle = self.bundle(project, version.version)
        made = exporting.core_ml(self.settings, bundle.path, bundle.sha256)
        state = made.stat()
        key = ("sha256", str(made), state.st_mtime_ns, state.st_size)
        digest = self._memory.get("", key, lambda: file_sha256(made), 24 * 3600.0)
        name = f"{bundle.path.stem}-coreml.zip"
        return Download(made, name, "application/zip", state.st_size, digest)


def _kept(figures: Mapping[str, Any]) -> int | None:
    """How many pictures or rows a version was made of."""
    pictures, samples = figures.get("pictures"), figures.get("samples")
    if pictures:
        return int(pictures["kept"])
    return sum(sum(row.values()) for row in samples.values()) if samples else None


def _part(bundle: Path, start: str) -> Sliced:
    """A zip of the bundle's members below the folder `start`, its name taken off."""
    return zip_of(bundle, lambda name: name.removeprefix(start) if name.startswith(start) else None)


def _flat(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """A recipe as key paths: `train.C` and the like."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else key
        if isinstance(value, Mapping) and where != "classes":
            found.update(_flat(value, where))
        else:
            found[where] = value
    return found


def version_number(text: str) -> int | None:
    """What stands in an address: a number, or `latest` (None). Raises `InputError`."""
    if text == "latest":
        return None
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    raise InputError(
        f"The version is {text[:40]!r}.",
        expected="a number from 1 up, or latest",
        do="Correct it.",
    )
