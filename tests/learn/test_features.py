"""Vectors come in order, once per picture, and one bad picture stops nothing."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellapart import images
from tellapart.errors import PictureError, StorageError
from tellapart.learn import backbone, features
from tellapart.learn.engine import Engine
from tellapart.settings import Settings


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"), threads=2)


@pytest.fixture(scope="module")
def trunk(config: Settings) -> backbone.Backbone:
    return backbone.embedded(config.cache_dir)


def _drawn(number: int) -> bytes:
    ramp = np.add.outer(np.arange(64), np.arange(80)) * (number + 1) % 256
    pixels = np.stack([ramp, ramp.T[:64, :1] + 0 * ramp, 255 - ramp], axis=2).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _items(count: int) -> list[tuple[str, features.Loader]]:
    drawn = [_drawn(number) for number in range(count)]
    return [(hashlib.sha256(d).hexdigest(), (lambda d=d: d)) for d in drawn]


def _refuse() -> bytes:
    raise AssertionError("decoded twice")


def _gone() -> bytes:
    return Path("/no/such/folder/picture.png").read_bytes()


def test_order_values_and_bad_pictures(config: Settings, trunk: backbone.Backbone) -> None:
    items = _items(11)
    items[3] = ("bad", lambda: b"<html>no picture</html>")
    items[7] = ("gone", _gone)
    told: list[int] = []

    def observe(done: int) -> None:
        told.append(done)
        raise RuntimeError("a broken progress bar")

    found = list(features.extract(items, trunk, "squash", config, observe))
    assert [sha for sha, _ in found] == [sha for sha, _ in items]
    assert told == [4, 8, 11]
    assert isinstance(found[3][1], PictureError)
    assert found[3][1].reason == "not_a_picture"
    assert isinstance(found[7][1], PictureError)
    engine = Engine(trunk.onnx, threads=1, cache_dir=config.cache_dir)
    for at in (0, 10):
        pixels = images.load(_drawn(at), 224, "squash")[None]
        assert np.array_equal(found[at][1], engine.run(pixels)["features"][0])
    assert not np.array_equal(found[0][1], found[10][1])


def test_prepared_pixels_are_taken_as_they_are(config: Settings, trunk: backbone.Backbone) -> None:
    ((sha, loader),) = _items(1)
    pixels = images.load(_drawn(0), 224, "crop")
    engine = Engine(trunk.onnx, threads=1, cache_dir=config.cache_dir)
    pairs = [
        next(features.extract([item], trunk, "crop", config, engine=engine))[1]
        for item in ((sha, loader), (sha, lambda: pixels))
    ]
    assert np.array_equal(*pairs)


def test_works_lazily_and_stops_when_left(config: Settings, trunk: backbone.Backbone) -> None:
    loaded: list[int] = []
    drawn = _drawn(1)

    def loader(number: int) -> Callable[[], bytes]:
        return lambda: (loaded.append(number), drawn)[1]

    items = [(str(number), loader(number)) for number in range(200)]
    stream = features.extract(items, trunk, "squash", config)
    next(stream)
    stream.close()
    most = 2 * (2 * config.worker_threads) * features.BATCH
    assert 0 < len(loaded) <= most


def test_nothing_asked_nothing_loaded(config: Settings) -> None:
    absent = backbone.Backbone("x", "x", 224, 1280, Path("/none"), "", (0,) * 3, (1,) * 3, Path())
    assert list(features.extract([], absent, "squash", config)) == []


def test_matrix_computes_once(tmp_path: Path, trunk: backbone.Backbone) -> None:
    config = Settings(home=tmp_path, threads=1)
    items = _items(5)
    items.append(items[2])
    items.append(("bad", lambda: b""))
    told: list[int] = []
    vectors, errors = features.matrix(items, trunk, "squash", config, told.append)
    assert vectors.shape == (7, 1280)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors[:6]).all()
    assert np.isnan(vectors[6]).all()
    assert np.array_equal(vectors[2], vectors[5])
    assert {sha: error.reason for sha, error in errors.items()} == {"bad": "empty"}
    assert told[-1] == 6
    again, errors = features.matrix(
        [(sha, _refuse) for sha, _ in items[:5]], trunk, "squash", config
    )
    assert np.array_equal(again, vectors[:5])
    assert errors == {}
    other, _ = features.matrix(items[:1], trunk, "pad", config)
    assert not np.array_equal(other, vectors[:1])


def _shas(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def test_cache_keeps_keys_apart_and_order(tmp_path: Path) -> None:
    cache = features.FeatureCache(tmp_path, "one", dim=3)
    shas = _shas(4)
    rows = np.arange(9, dtype=np.float32).reshape(3, 3)
    cache.put(shas[:3], rows)
    cache.put(shas[:1], rows[:1] + 100)
    found, missing = cache.get([shas[3], shas[2], shas[0], shas[2], shas[3]])
    assert missing == [shas[3]]
    assert np.isnan(found[[0, 4]]).all()
    assert np.array_equal(found[1:4], [rows[2], rows[0] + 100, rows[2]])
    assert features.FeatureCache(tmp_path, "two", dim=3).get(shas)[1] == shas
    assert features.FeatureCache(tmp_path, "one", dim=4).get(shas)[1] == shas
    empty, none = cache.get([])
    assert empty.shape == (0, 3)
    assert none == []
    with pytest.raises(ValueError, match="expected"):
        cache.put(shas, rows)


def test_ten_thousand_come_back_as_they_were(tmp_path: Path) -> None:
    cache = features.FeatureCache(tmp_path, "k")
    shas = _shas(10_000)
    table = np.random.default_rng(0).random((10_000, 1280), np.float32)
    cache.put(shas, table)
    found, missing = cache.get(shas)
    assert missing == []
    assert np.array_equal(found, table)


def _write_for_ever(folder: Path) -> None:
    cache = features.FeatureCache(folder, "k", dim=8)
    for number in range(1_000_000):
        both = [f"{number}-a", f"{number}-b"]
        cache.put(both, np.full((2, 8), number, np.float32))


def test_a_kill_leaves_whole_transactions(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        writer = context.Process(target=_write_for_ever, args=(tmp_path,), daemon=True)
        writer.start()
        cache = features.FeatureCache(tmp_path, "k", dim=8)
        deadline = time.monotonic() + 20
        while cache.get(["20-a"])[1] and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join(10)
        found, missing = cache.get([f"{n}-{side}" for n in range(5000) for side in "ab"])
        assert len(missing) % 2 == 0
        assert len(missing) < 10_000
        expected = np.repeat(np.arange(5000), 2)
        there = np.isfinite(found[:, 0])
        assert np.array_equal(found[there, 0], expected[there])


def test_a_damaged_cache_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "features-v1.sqlite").write_bytes(b"no database " * 1000)
    cache = features.FeatureCache(tmp_path, "k", dim=2)
    cache.put(["a"], np.ones((1, 2), np.float32))
    assert cache.get(["a"])[1] == []
    assert (tmp_path / "features-v1.damaged").exists()


def test_an_unwritable_cache_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="TELLAPART_HOME"):
        features.FeatureCache(tmp_path / "file", "k")


def test_real_photographs(shared_data: Path, config: Settings, trunk: backbone.Backbone) -> None:
    """Two classes of photographs lie apart: each is nearest to one of its own kind."""
    names = ("airplanes", "watch")
    files = [
        file
        for name in names
        for file in sorted((shared_data / "caltech101_10" / name).glob("*.jpg"))[:8]
    ]
    items = [(str(file), file.read_bytes) for file in files]
    found = dict(features.extract(items, trunk, "squash", config))
    vectors = np.stack([vector for vector in found.values() if isinstance(vector, np.ndarray)])
    assert vectors.shape == (16, 1280)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T - 2 * np.eye(16)
    assert (cosines.argmax(1) // 8 == np.arange(16) // 8).all()
