"""Networks widened by their stages' features, and looked at in four ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.learn import backbone, features, keeping, stages
from tellapart.learn.backbone import Backbone, Part
from tellapart.learn.composing import compose
from tellapart.learn.engine import Engine
from tellapart.settings import Settings

_BOTH = ("features", "feature_map")
_WAYS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return backbone.embedded(tmp_path_factory.mktemp("cache"), 96)


@pytest.fixture(scope="module")
def wide(net: Backbone) -> Backbone:
    return stages.widened(net, (2.0, 0.5), net.onnx.parent)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)


def _run(net: Backbone, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = Engine(net.onnx, threads=1).run(np.ascontiguousarray(pictures), _BOTH)
    return found["features"], found["feature_map"]


def _turned(pictures: np.ndarray, way: tuple[bool, bool]) -> np.ndarray:
    mirrored, upside = way
    return pictures[:, :: -1 if upside else 1, :: -1 if mirrored else 1]


def test_the_last_sums_of_the_two_coarsest_grids_are_tapped(net: Backbone) -> None:
    assert [(tap.dim, tap.side) for tap in stages.taps(net)] == [(112, 6), (192, 3)]


def test_stages_come_first_scaled_and_the_rest_stays(
    net: Backbone, wide: Backbone, pictures: np.ndarray
) -> None:
    once = stages.widened(net, (1.0, 1.0), net.onnx.parent)
    before, last_map = _run(net, pictures)
    plain, _ = _run(once, pictures)
    scaled, its_map = _run(wide, pictures)
    assert wide.dim == once.dim == 112 + 192 + 1280
    np.testing.assert_allclose(plain[:, 304:], before, atol=1e-5)
    gain = np.repeat([2.0, 0.5, 1.0], [112, 192, 1280])
    np.testing.assert_allclose(scaled, plain * gain, atol=1e-5)
    np.testing.assert_allclose(its_map.mean(axis=(2, 3)), scaled, atol=1e-5)
    np.testing.assert_allclose(its_map[:, 304:], last_map, atol=1e-5)


def test_it_is_kept_and_found_by_its_facts(wide: Backbone, tmp_path: Path) -> None:
    facts = keeping.keep(tmp_path / "kept", wide)
    again = keeping.found(tmp_path / "kept", facts, tmp_path / "cache")
    assert (again.dim, again.key, again.has_map) == (wide.dim, wide.key, True)
    assert again.onnx.read_bytes() == wide.onnx.read_bytes()


def test_composed_networks_have_no_stages_and_scales_must_match(net: Backbone) -> None:
    both = compose([Part(net), Part(net)], net.onnx.parent)
    assert stages.taps(both) == ()
    with pytest.raises(ValueError, match="3 scales for 2 stages"):
        stages.widened(net, (1, 1, 1), net.onnx.parent)


def test_scales_are_powers_of_two_that_give_half_the_length() -> None:
    draws = np.random.default_rng(0)
    widths = np.repeat([4.0, 0.1, 1.0], [10, 20, 40])
    vectors = (100 + draws.normal(size=(300, 70)) * widths).astype(np.float32)
    scales = stages.scales_of(vectors, (10, 20))
    assert all(np.log2(scale) % 1 == 0 for scale in scales)
    away = vectors - vectors.mean(axis=0)
    length = [np.sqrt((away[:, a:b] ** 2).sum()) for a, b in ((0, 10), (10, 30), (30, 70))]
    for scale, own in zip(scales, length, strict=False):
        assert 2**-1.51 <= scale * own / length[2] <= 2**-0.49


@pytest.mark.parametrize("upside", [False, True])
def test_four_ways_in_one_graph(wide: Backbone, pictures: np.ndarray, upside: bool) -> None:
    part = Part(wide, scale=0.5, mirror=True, upside=upside)
    assert list(part.ways) == _WAYS[: 4 if upside else 2]
    whole, whole_map = _run(compose([part], wide.onnx.parent), pictures)
    seen = [_run(wide, _turned(pictures, way)) for way in part.ways]
    np.testing.assert_allclose(whole, np.mean([v for v, _ in seen], axis=0) / 2, atol=1e-5)
    back = [
        each[:, :, :: -1 if way[1] else 1, :: -1 if way[0] else 1]
        for (_, each), way in zip(seen, part.ways, strict=True)
    ]
    np.testing.assert_allclose(whole_map, np.mean(back, axis=0) / 2, atol=1e-5)


def test_the_cache_keeps_ways_apart(wide: Backbone, pictures: np.ndarray, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, threads=1)
    items = [(f"{n:064}", lambda n=n: pictures[n]) for n in range(3)]
    part = Part(wide, scale=2.0, mirror=True, upside=True)
    net = compose([part, Part(wide)], wide.onnx.parent)
    vectors, errors = features.matrix(items, net, "squash", settings)
    assert not errors
    inside, _ = _run(net, pictures)
    np.testing.assert_allclose(vectors, inside, atol=1e-4)
    keys = {features.cache_key(wide, "squash", way) for way in _WAYS}
    assert len(keys) == 4
    back = keeping.found(
        tmp_path / "kept", keeping.keep(tmp_path / "kept", net), tmp_path / "cache"
    )
    assert back.parts[0].upside and not back.parts[1].upside
