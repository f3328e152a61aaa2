"""Pictures of a tuning: prepared once, varied a batch at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tellapart import images  # noqa: E402
from tellapart.learn.deep.tuning import Augmentation  # noqa: E402
from tellapart.learn.deep.tuning.augmenting import (  # noqa: E402
    Augmenter,
    kept_side,
    mixed,
    transforms,
)

HALF = (0.5, 0.5, 0.5)
_RAMP = np.arange(2 * 16 * 16 * 3).reshape(2, 16, 16, 3) % 251


def _batch() -> Any:
    return torch.from_numpy(_RAMP.astype(np.uint8))


def _varied(how: Augmentation, size: int = 16, seed: int = 0) -> Any:
    return Augmenter(how, size, HALF, HALF).varied(_batch(), np.random.default_rng(seed))


def test_prepared_pixels_are_those_of_the_one_decoder_and_made_once(
    make_feed: Any, items: Any, tmp_path: Path
) -> None:
    feed, places, told = make_feed(), np.array([3, 50, 7]), []
    pixels = feed.pixels(places, 40, tmp_path, lambda done, total: told.append(done) is None)
    assert pixels.shape == (3, 40, 40, 3) and told == [3]
    for row, place in enumerate(places):
        assert np.array_equal(pixels[row], images.load(items[place][1](), 40, "squash"))
    told.clear()
    again = feed.pixels(places, 40, tmp_path, lambda done, total: told.append(done) is None)
    assert np.array_equal(again, pixels) and told == []
    feed.pixels(places, 40, tmp_path / "cut", lambda done, total: False)
    assert not list((tmp_path / "cut").glob("*.npy"))


def test_soft_targets_stand_as_they_are(make_feed: Any) -> None:
    soft = np.tile([0.2, 0.5, 0.3], (60, 1))
    assert np.allclose(make_feed(soft).targets, soft) and set(make_feed(soft).y) == {1}
    hard = make_feed()
    assert hard.targets[4].tolist() == [0, 1, 0]
    assert hard.fingerprint != make_feed(soft).fingerprint
    assert hard.fingerprint != make_feed(train=41).fingerprint


def test_nothing_asked_for_is_what_the_finished_model_does() -> None:
    plain = Augmenter(Augmentation(), 16, HALF, HALF).plain(_batch())
    expected = (_batch().permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    assert torch.allclose(plain, expected, atol=1e-6)
    assert torch.equal(_varied(Augmentation()), plain)


def test_a_flip_is_exact_and_half_of_the_pictures_get_it() -> None:
    plain = _varied(Augmentation())
    flips = 0
    for seed in range(40):
        varied = _varied(Augmentation(flip=True), seed=seed)
        for one, other in zip(varied, plain, strict=True):
            mirrored = torch.equal(one, other.flip(2))
            assert mirrored or torch.equal(one, other)
            flips += mirrored
    assert 25 <= flips <= 55


@pytest.mark.parametrize("zoom", [1.0, 1 + 1e-9])
def test_pictures_are_turned_upside_down_as_well(zoom: float) -> None:
    how, plain, seen = Augmentation(flip="hv", zoom=zoom), _varied(Augmentation()), set()
    for seed in range(12):
        draws = np.random.default_rng(seed)
        mirrored, turned = draws.random(2) < 0.5, draws.random(2) < 0.5
        for row, one in enumerate(_varied(how, seed=seed)):
            axes = (2,) * bool(mirrored[row]) + (1,) * bool(turned[row])
            assert torch.allclose(one, plain[row].flip(axes), atol=1e-4)
            seen.add(axes)
    assert len(seen) == 4


def test_a_flip_by_resampling_is_the_flip() -> None:
    # A zoom by nothing moves nothing: the resampled flip alone is left.
    how, plain, flips = Augmentation(flip=True, zoom=1 + 1e-9), _varied(Augmentation()), 0
    for seed in range(8):
        mirrored = np.random.default_rng(seed).random(2) < 0.5
        flips += int(mirrored.sum())
        for one, other, turned in zip(_varied(how, seed=seed), plain, mirrored, strict=True):
            assert torch.allclose(one, other.flip(2) if turned else other, atol=1e-4)
    assert 0 < flips < 16


def test_zoom_and_turn_lead_to_places_reckoned_by_hand() -> None:
    none = np.zeros(1, bool)
    zoomed = transforms(Augmentation(zoom=2.0), none, none, np.random.default_rng(1))
    factor = np.random.default_rng(1).uniform(1, 2, 1)[0]
    assert np.allclose(zoomed[0], [[1 / factor, 0, 0], [0, 1 / factor, 0]], atol=1e-6)
    turned = transforms(Augmentation(rotate=30), none, none, np.random.default_rng(2))
    angle = math.radians(np.random.default_rng(2).uniform(-30, 30, 1)[0])
    at = turned[0] @ [0.5, 0.0, 1.0]  # right of the middle goes along the turned axis
    assert np.allclose(at, [0.5 * math.cos(angle), 0.5 * math.sin(angle)], atol=1e-6)
    mirrored = transforms(Augmentation(rotate=30), ~none, none, np.random.default_rng(2))
    assert np.allclose(mirrored[0] @ [-0.5, 0.0, 1.0], at, atol=1e-6)


def test_a_quarter_turn_moves_pixels_as_by_hand() -> None:
    augmenter = Augmenter(Augmentation(rotate=90), 16, HALF, HALF)

    class Most(np.random.Generator):
        def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
            return np.full(size, high)

    varied = augmenter.varied(_batch(), Most(np.random.PCG64(0)))
    plain = augmenter.plain(_batch())
    assert torch.allclose(varied, plain.rot90(1, (2, 3)), atol=1e-4)


def test_crops_stay_inside_and_keep_the_asked_share() -> None:
    how, count = Augmentation(crop=0.3), 400
    none = np.zeros(count, bool)
    maps = transforms(how, none, none, np.random.default_rng(0))
    corners = np.array([[x, y, 1.0] for x in (-1, 1) for y in (-1, 1)])
    assert np.abs(maps @ corners.T).max() <= 1 + 1e-5
    areas = maps[:, 0, 0] * maps[:, 1, 1]
    assert areas.min() >= 0.3 * 0.85 and areas.max() <= 1 and areas.std() > 0.1
    assert kept_side(how, 200) == 230 and kept_side(Augmentation(zoom=1.1), 200) == 200


def test_lighting_keeps_the_order_of_greys_and_its_bounds() -> None:
    how = Augmentation(lighting=0.2)
    plain, seen = _varied(Augmentation()), set()
    for seed in range(10):
        varied = _varied(how, seed=seed)
        assert varied.abs().max() <= 1 + 1e-6 and not torch.equal(varied, plain)
        order = plain[0].flatten().argsort()
        assert (varied[0].flatten()[order].diff() >= -1e-6).all()
        seen.add(round(float(varied.mean()), 4))
    assert len(seen) == 10


def test_mixup_mixes_pictures_and_targets_in_the_same_shares() -> None:
    x = torch.zeros(4, 3, 8, 8) + torch.arange(4.0).view(4, 1, 1, 1)
    targets = torch.eye(4)
    for seed in range(20):
        how = Augmentation(mixup=0.4)
        mixed_x, mixed_targets = mixed(x, targets, how, np.random.default_rng(seed))
        assert torch.allclose(mixed_targets.sum(1), torch.ones(4))
        # A picture's value is its number: the mean of numbers by the target's shares.
        assert torch.allclose(mixed_x[:, 0, 0, 0], mixed_targets @ torch.arange(4.0), atol=1e-5)


def test_cutmix_gives_targets_the_shares_of_the_area() -> None:
    x = torch.zeros(4, 1, 16, 16) + torch.arange(4.0).view(4, 1, 1, 1)
    boxes = 0
    for seed in range(20):
        how = Augmentation(cutmix=1.0)
        mixed_x, mixed_targets = mixed(x, torch.eye(4), how, np.random.default_rng(seed))
        for row in range(4):
            shares = torch.bincount(mixed_x[row].flatten().long(), minlength=4) / 256
            assert torch.allclose(mixed_targets[row], shares, atol=1e-5)
        boxes += len(mixed_x[0].unique()) == 2
    assert boxes > 5
    assert torch.equal(x[0], torch.zeros(1, 16, 16))  # the batch itself is left alone


def test_the_same_draws_give_the_same_batch() -> None:
    how = Augmentation(flip=True, zoom=1.2, rotate=10, lighting=0.1, crop=0.5)
    assert torch.equal(_varied(how, 12, 5), _varied(how, 12, 5))
    assert not torch.equal(_varied(how, 12, 5), _varied(how, 12, 6))
