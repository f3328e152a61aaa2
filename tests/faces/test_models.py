"""Where the models come from: checksums, licenses shown first, files and addresses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tellapart.errors import (
    FetchError,
    InputError,
    NotFoundError,
    RefusedError,
    VerificationError,
)
from tellapart.learn.faces import People, models
from tellapart.learn.faces.age_sex import UNKNOWN, AgeSex
from tellapart.settings import Settings
from tests.faces.conftest import nothing, saying


def _age_sex() -> bytes:
    """A model that says of two faces: 30 and 40 years, male and female."""
    says = {
        "age": np.array([[30], [40]], np.float32),
        "sex": np.array([[0.9, 0.1], [0.2, 0.8]], np.float32),
    }
    return saying(says, ["n", 3, 112, 112], "image")


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def test_without_a_detector_it_is_said_how_to_get_one(settings: Settings) -> None:
    with pytest.raises(NotFoundError) as caught:
        People(settings)
    assert "weights get yunet" in caught.value.do


def test_a_named_file_is_taken_as_it_is(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(saying(nothing(), [1, 3, 64, 64]))
    people = People(replace(settings, faces=own))
    assert people.look(np.zeros((64, 64, 3), np.uint8)) == []
    assert not people.estimates
    with pytest.raises(VerificationError, match="views of faces"):
        models.viewer(replace(settings, faces=own))
    with pytest.raises(NotFoundError, match=r"other\.onnx"):
        People(replace(settings, faces=tmp_path / "other.onnx"))


def test_another_file_under_that_name_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "yunet.onnx").write_bytes(saying(nothing(), [1, 3, 64, 64]))
    with pytest.raises(VerificationError, match="SHA-256"):
        People(replace(settings, weights_dir=tmp_path))
    with pytest.raises(VerificationError, match="SHA-256"):
        models.get_detector(settings, tmp_path / "yunet.onnx")


def test_a_download_is_checked(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "yunet_s_dynamic.onnx").write_bytes(b"something else")
    with _served(tmp_path) as host:
        here = replace(settings, faces_url=f"http://{host}/", allow_hosts=(host,))
        with pytest.raises(VerificationError, match="SHA-256"):
            models.get_detector(here)
        with pytest.raises(FetchError, match="cannot be fetched"):
            models.get_detector(replace(here, faces_url=f"http://{host}/nowhere"))
    assert not list(settings.cache_dir.rglob("yunet*"))


@pytest.mark.shared
def test_it_is_fetched_and_found(settings: Settings, yunet: Path) -> None:
    with _served(yunet.parent) as host:
        here = replace(settings, faces_url=f"http://{host}", allow_hosts=(host,))
        found = models.get_detector(here)
    assert found.read() == yunet.read_bytes() == models.viewer(settings)
    assert models.detector(settings).path == found.path
    found.path.write_bytes(b"damaged")
    with pytest.raises(VerificationError):
        models.detector(settings)


def _named(settings: Settings, tmp_path: Path, named: str) -> Settings:
    own = tmp_path / "faces.onnx"
    own.write_bytes(saying(nothing(), [1, 3, 64, 64]))
    return replace(settings, faces=own, age_sex=named)


def test_a_license_is_shown_before_anything_else(settings: Settings, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(_age_sex())
    here = _named(settings, tmp_path, str(model))
    with pytest.raises(InputError, match="nobody here was shown"):
        People(here)
    with pytest.raises(NotFoundError, match=r"license\.txt"):
        models.get_age_sex(here, lambda text: True)
    (tmp_path / "model.license.txt").write_text("Free for all.")
    shown: list[str] = []
    with pytest.raises(RefusedError):
        models.get_age_sex(here, lambda text: bool(shown.append(text)))
    assert shown == ["Free for all."]
    with pytest.raises(InputError):
        People(here)
    models.get_age_sex(here, lambda text: True)
    assert People(here).estimates
    # Without the setting nobody asked for estimates, whatever lies in the cache.
    assert not People(replace(here, age_sex=None)).estimates
    with pytest.raises(InputError, match="nobody here was shown"):
        People(replace(here, age_sex=str(tmp_path / "other.onnx")))
    model_here = settings.cache_dir / "faces/age_sex.onnx"
    model_here.write_bytes(b"changed")
    with pytest.raises(VerificationError, match="not the file that it was"):
        People(here)


def test_it_comes_from_an_address_too(settings: Settings, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "age_sex_112.onnx").write_bytes(_age_sex())
    (site / "LICENSE").write_text("MIT")
    with _served(site) as host:
        here = replace(_named(settings, tmp_path, f"http://{host}/"), allow_hosts=(host,))
        shown: list[str] = []
        models.get_age_sex(here, lambda text: shown.append(text) is None)
    assert shown == ["MIT"] and People(here).estimates


def test_nothing_is_asked_of_nobody(settings: Settings) -> None:
    with pytest.raises(InputError, match="No model of ages"):
        models.get_age_sex(settings, lambda text: True)
    assert models.age_sex(settings) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        saying({"age": np.zeros((1, 1), np.float32)}, ["n", 3, 112, 112], "image"),
        saying(
            {"age": np.zeros((3, 1), np.float32), "sex": np.zeros((2, 2), np.float32)},
            ["n", 3, 112, 112],
            "image",
        ),
    ],
)
def test_what_is_no_such_model_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match="ages and sexes"):
        AgeSex(data)


def test_a_face_and_its_mirror_image_are_asked_about() -> None:
    ((age, sex),) = AgeSex(_age_sex()).estimate(np.zeros((1, 112, 112, 3), np.uint8))
    assert (age.years, age.error) == (35, UNKNOWN.error)
    assert sex is not None and sex.sex == "male" and sex.probability == pytest.approx(0.55)
    assert AgeSex(_age_sex()).estimate(np.zeros((0, 112, 112, 3), np.uint8)) == []
