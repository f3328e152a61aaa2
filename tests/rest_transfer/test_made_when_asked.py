"""Core ML of a model of pictures: made once, by whoever asks first; the others wait or come again.

That the exporter itself makes a right model is tried with the exporters.
"""

from __future__ import annotations

import contextlib
import io
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tellapart.errors import DataError, OverloadedError
from tellapart.runtime import exporting
from tellapart.settings import Settings
from tests.rest_transfer.conftest import FROZEN

HEAD = {"format": 1, "backbone": {"timm": "tf_efficientnet_lite0"}}


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return replace(Settings(), home=tmp_path)


def test_only_of_one_network_with_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: object())
    weights = ("weights.safetensors",)
    assert exporting.can_make(HEAD, weights)
    assert not exporting.can_make(HEAD, ())
    assert not exporting.can_make({**HEAD, "format": 2}, weights)
    assert not exporting.can_make({**HEAD, "backbone": {"timm": "x", "parts": [1]}}, weights)
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    assert not exporting.can_make(HEAD, weights)


def test_it_is_made_once_for_all_who_ask(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made, gate = [], threading.Event()

    def export(bundle: Path, folder: Path) -> None:
        gate.wait(20)
        made.append(bundle)
        (folder / "x.mlpackage" / "Data").mkdir(parents=True)
        (folder / "x.mlpackage" / "Data" / "model").write_bytes(b"model")

    monkeypatch.setattr(exporting, "_exported", export)
    bundle = FROZEN / "colors-1.zip"
    monkeypatch.setattr(exporting, "PATIENCE", 0.05)
    with pytest.raises(OverloadedError) as caught:
        exporting.core_ml(here, bundle, "ab" * 32)
    assert caught.value.retry_after > 0
    monkeypatch.setattr(exporting, "PATIENCE", 20.0)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(exporting.core_ml, here, bundle, "ab" * 32) for _ in range(4)]
        gate.set()
        (file,) = {one.result() for one in asked}
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        assert archive.namelist() == ["x.mlpackage/Data/model"]
    assert exporting.core_ml(here, bundle, "ab" * 32) == file
    assert made == [bundle] and [one.name for one in file.parent.iterdir()] == ["coreml.zip"]


def test_what_cannot_be_made_says_why(here: Settings) -> None:
    """A real process: this bundle was made for none of timm's networks."""
    with pytest.raises(DataError, match=r"holds no weights\.safetensors") as caught:
        for _ in range(10):
            with contextlib.suppress(OverloadedError):  # a machine with much else to do
                exporting.core_ml(here, FROZEN / "colors-1.zip", "cd" * 32)
    assert caught.value.do
    assert not list(here.cache_dir.rglob("*.zip"))
