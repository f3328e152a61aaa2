"""Where the models of faces come from: what is known of their files, and how they get here."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tellapart.bundle import faces
from tellapart.errors import (
    FetchError,
    InputError,
    NotFoundError,
    RefusedError,
    StorageError,
    VerificationError,
)
from tellapart.learn import backbone
from tellapart.settings import Settings

#: What `weights get` calls the two.
YUNET, AGE_SEX = "yunet", "age_sex"
#: SHA-256 → what it is: the same weights, once for pictures of any size, once for 640 × 640.
DETECTORS = {
    faces.VIEWER: "yunet_s_dynamic.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": "yunet_s_640_640.onnx",
}
#: Of YuNet's weights; their notice travels with them.
DETECTOR_LICENSE = "Apache-2.0"
_FETCHED = "yunet_s_dynamic.onnx"
_NAMES = ("yunet.onnx", *DETECTORS.values(), "face_detection_yunet_2023mar.onnx")
AGE_SEX_FILE, LICENSE_FILE = "age_sex_112.onnx", "LICENSE"
FOLDER = "faces"
_MOST, _MOST_TEXT = 200_000_000, 200_000


@dataclass(frozen=True)
class ModelFile:
    """A model's file that is here."""

    path: Path
    sha256: str

    def read(self) -> bytes:
        """Its bytes. Raises `VerificationError` where they are no longer those it was found by."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise _unreadable(self.path, error) from None
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise _changed(self.path)
        return data


def detector(settings: Settings) -> ModelFile:
    """YuNet's weights: TELLAPART_FACES, the folder TELLAPART_WEIGHTS, what `weights get` brought.

    Raises `NotFoundError` where there are none, `VerificationError` for another file under that
    name; only the file that TELLAPART_FACES names may be one that is not known here.
    """
    if settings.faces is not None:
        if not settings.faces.is_file():
            raise NotFoundError(
                f"There is no face detector {str(settings.faces)!r}.",
                expected="YuNet's ONNX file, which TELLAPART_FACES names",
                do="Correct the path, or unset it and run: tellapart weights get yunet",
            )
        return _here(settings.faces)
    folders = [settings.cache_dir / FOLDER]
    if settings.weights_dir is not None:
        folders.insert(0, settings.weights_dir)
    for path in (folder / name for folder in folders for name in _NAMES):
        if path.is_file():
            return _known(_here(path))
    raise NotFoundError(
        "There are no weights of a face detector.",
        expected="YuNet's (230 KB, Apache-2.0)",
        do="Run: tellapart weights get yunet; or name the file in TELLAPART_FACES.",
    )


def viewer(settings: Settings) -> bytes:
    """The detector of the views of faces, which goes into their bundles.

    Raises `NotFoundError` without one, `VerificationError` where another one is at hand.
    """
    found = detector(settings)
    if found.sha256 != faces.VIEWER:
        raise VerificationError(
            f"{str(found.path)!r} is not the detector that views of faces are made with.",
            expected=f"{_FETCHED}, SHA-256 {faces.VIEWER}",
            do="Unset TELLAPART_FACES, then run: tellapart weights get yunet",
        )
    return found.read()


def provide(settings: Settings) -> None:
    """Let this process prepare pictures in a view of faces. Raises what `viewer` raises."""
    faces.provide(viewer(settings))


def age_sex(settings: Settings) -> ModelFile | None:
    """The model of ages and sexes; None where no one asked for one.

    Raises `InputError` where the settings name one whose license nobody has been shown, and
    `VerificationError` where it is another file than the one that was shown.
    """
    path, told = _age_sex_places(settings)
    try:
        shown = json.loads(told.read_bytes())
        found = ModelFile(path, str(shown["sha256"]))
        named = str(shown["named"])
    except (OSError, ValueError, KeyError, TypeError):
        if settings.age_sex is None:
            return None
        named, found = "", ModelFile(path, "")
    if settings.age_sex is not None and (named != settings.age_sex or not path.is_file()):
        raise InputError(
            f"TELLAPART_AGE_SEX names {settings.age_sex!r}, whose license nobody here was shown.",
            expected="a model of ages and sexes whose license a person has read",
            do="Run: tellapart weights get age_sex",
        )
    if settings.age_sex is None or not path.is_file():
        return None
    if _here(path).sha256 != found.sha256:
        raise _changed(path)
    return found


def get_detector(settings: Settings, file: Path | None = None) -> ModelFile:
    """Bring YuNet's weights into the cache, from `file` or from where it is published.

    Raises `VerificationError` for another file, `FetchError` where it cannot be had.
    """
    url = f"{settings.faces_url.rstrip('/')}/{_FETCHED}"
    data = _read(file) if file is not None else _fetch(url, settings, _MOST)
    digest = hashlib.sha256(data).hexdigest()
    _known(ModelFile(file or Path(_FETCHED), digest))
    target = settings.cache_dir / FOLDER / _NAMES[0]
    backbone.write(target, data)
    return ModelFile(target, digest)


def get_age_sex(
    settings: Settings, accept: Callable[[str], bool], license: Path | None = None
) -> ModelFile:
    """Bring the model of ages and sexes that TELLAPART_AGE_SEX names, once `accept` has said yes.

    `accept` is given the license's text, before anything else of the model is read: from the file
    `license`, else from beside the model. Raises `InputError` where no model is named,
    `RefusedError` where the answer is no, `NotFoundError` and `FetchError` where model or license
    cannot be had, `VerificationError` for what is no such model.
    """
    from tellapart.learn.faces.age_sex import AgeSex

    named = settings.age_sex
    if named is None:
        raise InputError(
            "No model of ages and sexes is named.",
            expected="in TELLAPART_AGE_SEX a file, or the base URL of one: none comes with us",
            do="Set it, read docs/people.md, then run: tellapart weights get age_sex",
        )
    license_, model = _from_url(named, settings) if _is_url(named) else _from_file(named)
    text = license_() if license is None else _read(license).decode("utf-8", "replace")
    if not accept(text):
        raise RefusedError(
            "The license of the model of ages and sexes was not agreed to.",
            expected="a person's yes",
            do="Unset TELLAPART_AGE_SEX, or run the same command again.",
            reason="license",
        )
    data = model()
    AgeSex(data)  # raises for what is no such model
    digest = hashlib.sha256(data).hexdigest()
    path, told = _age_sex_places(settings)
    facts = {"named": named, "sha256": digest, "license": text}
    backbone.write(path, data)
    backbone.write(told, json.dumps(facts, indent=1).encode())
    return ModelFile(path, digest)


def _age_sex_places(settings: Settings) -> tuple[Path, Path]:
    folder = settings.cache_dir / FOLDER
    return folder / f"{AGE_SEX}.onnx", folder / f"{AGE_SEX}.json"


_Two = tuple[Callable[[], str], Callable[[], bytes]]


def _from_url(base: str, settings: Settings) -> _Two:
    base = base.rstrip("/")

    def license_() -> str:
        return _fetch(f"{base}/{LICENSE_FILE}", settings, _MOST_TEXT).decode("utf-8", "replace")

    return license_, lambda: _fetch(f"{base}/{AGE_SEX_FILE}", settings, _MOST)


def _from_file(name: str) -> _Two:
    path = Path(name).expanduser()
    beside = (path.with_suffix(".license.txt"), path.with_suffix(".LICENSE"))
    places = [*beside, *(path.parent / each for each in (LICENSE_FILE, "LICENSE.txt"))]

    def license_() -> str:
        found = next((place for place in places if place.is_file()), None)
        if not path.is_file() or found is None:
            raise NotFoundError(
                f"There is no file {str(path if not path.is_file() else places[0])!r}.",
                expected="the model, and its license's text beside it: NAME.license.txt or LICENSE",
                do="Put it there; without its license it cannot be shown to anybody.",
            )
        return _read(found)[:_MOST_TEXT].decode("utf-8", "replace")

    return license_, lambda: _read(path)


def _is_url(named: str) -> bool:
    return urlsplit(named).scheme in ("http", "https")


def _here(path: Path) -> ModelFile:
    try:
        return ModelFile(path, backbone.file_sha256(path))
    except OSError as error:
        raise _unreadable(path, error) from None


def _known(found: ModelFile) -> ModelFile:
    if found.sha256 not in DETECTORS:
        raise VerificationError(
            f"{str(found.path)!r} is not YuNet's weights as they were published: its SHA-256 is "
            f"{found.sha256}.",
            expected=" or ".join(DETECTORS),
            do="Fetch it again: tellapart weights get yunet",
        )
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _fetch(url: str, settings: Settings, most: int) -> bytes:
    from tellapart.fetch import Fetcher, Limits

    limits = Limits(seconds=settings.fetch_timeout, max_bytes=most)

    async def read() -> bytes:
        async with Fetcher(settings, limits=limits) as fetcher:
            # A documented address of one file that was asked for: robots.txt is about crawlers.
            return (await fetcher.get(url, expect="any", robots=False)).data

    try:
        return _run(read())
    except FetchError as error:
        raise FetchError(
            f"The model cannot be fetched: {error.what}",
            expected=f"the file at {url}",
            do="Run the same command again, or give the file itself (docs/people.md).",
            reason=error.reason,
        ) from None


def _run(work: Any) -> bytes:
    """Also where an event loop already runs (a notebook): then in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return bytes(asyncio.run(work))
    with ThreadPoolExecutor(max_workers=1) as pool:
        return bytes(pool.submit(asyncio.run, work).result())


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{str(path)!r} cannot be read ({error.strerror or error}).",
        expected="a file that this user may read",
        do="Change its permissions, or name another file.",
    )


def _changed(path: Path) -> VerificationError:
    return VerificationError(
        f"{str(path)!r} is not the file that it was.",
        expected="the file that `tellapart weights get` brought",
        do="Get it again: tellapart weights get",
    )
