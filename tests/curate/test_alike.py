"""Copies that were changed: sketches, frames, hashes of variants, and overlays that prove them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from benchmarks.beside.planting import COPIES, changed
from tellapart.doors import Picture
from tellapart.learn import alike, hashing, nearness, overlay, verdicts
from tellapart.plugins.analyzers.phash import PerceptualHash
from tellapart.plugins.analyzers.sketch import Sketch


def scene(seed: int) -> Image.Image:
    """A picture with large and small things in it, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    sizes = ((4, 3), (8, 6), (16, 12))
    layers = [rng.integers(0, 256, (high, wide, 3), dtype=np.uint8) for wide, high in sizes]
    whole = [
        np.asarray(Image.fromarray(layer).resize((240, 180), Image.Resampling.BICUBIC), np.float32)
        for layer in layers
    ]
    return Image.fromarray((0.5 * whole[0] + 0.3 * whole[1] + 0.2 * whole[2]).astype(np.uint8))


def seen(image: Image.Image) -> Picture:
    return Picture("0" * 64, b"", np.asarray(image.convert("RGB")), *image.size, "JPEG")


def found(images: list[Image.Image], vectors: np.ndarray) -> nearness.Pairs:
    hashes = [str(PerceptualHash().measure(seen(image))["phash"]) for image in images]
    sketches = alike.Sketches.read([Sketch().measure(seen(image)) for image in images])
    return nearness.find(hashes, vectors, nearness.LOOSE_BITS, sketches)


def same(count: int) -> np.ndarray:
    """Features of pictures that a network holds to be much alike."""
    rng = np.random.default_rng(0)
    base, own = rng.normal(size=(1, 64)), rng.normal(size=(count, 64))
    return (base + 0.2 * own).astype(np.float32)


@pytest.mark.parametrize("kind", [kind for kind in COPIES if kind != "copy"])
def test_every_kind_of_copy_is_found_and_nothing_else(kind: str, tmp_path: Path) -> None:
    originals = [scene(seed) for seed in range(8)]
    copies = []
    for place, image in enumerate(originals):
        path = tmp_path / f"{place}.png"
        image.save(path)
        (tmp_path / "copy.jpg").write_bytes(changed(path, kind, random.Random(place)))
        with Image.open(tmp_path / "copy.jpg") as copy:
            copies.append(copy.convert("RGB"))
    near = found([*originals, *copies], same(16)).near(10, 0.75, 0.93)
    pairs = set(map(tuple, near.rows.tolist()))
    assert pairs <= {(i, i + 8) for i in range(8)}
    # Features of a framed picture are its frame's too: not every one is found.
    assert len(pairs) >= (6 if kind == "border" else 8)
    if kind == "flip":
        assert {alike.KINDS[one] for one in near.kinds.tolist()} == {"mirrored"}
    elif kind in ("crop", "border"):  # a crop of the framed one is the other: both words are right
        assert {alike.KINDS[one] for one in near.kinds.tolist()} <= {"framed", "cropped", ""}


def test_the_same_hash_and_overlay_of_other_features_is_no_copy() -> None:
    image = scene(1)
    wide = Image.new("RGB", (300, 180), (0, 0, 0))
    wide.paste(image, (30, 0))
    apart = np.eye(2, 64, dtype=np.float32)
    assert len(found([image, wide], apart).near(10, 0.75, 0.93).rows) == 0
    assert len(found([image, wide], same(2)).near(10, 0.75, 0.93).rows) == 1
    assert len(found([image, wide], same(2)).near(10, 0.75).rows) == 0  # laid only where asked


def test_drawings_that_differ_in_size_and_place_are_not_copies() -> None:
    icons = []
    for size, place in ((24, 3), (40, 20), (60, 30), (75, 10)):
        icon = Image.new("RGB", (96, 96), "white")
        ImageDraw.Draw(icon).ellipse((place, place, place + size, place + size), "navy")
        icons.append(icon)
    found_pairs = found(icons, same(4))
    assert not (found_pairs.likeness > 0).any()
    assert len(found_pairs.near(0, 0.75, 0.8).rows) == 0


def test_hashes_of_drawings_must_be_nearer_than_those_of_photographs() -> None:
    """Half of the bits of a drawing are those of its ground, whatever is drawn."""
    drawings = []
    for wide in (30, 36):
        drawing = Image.new("RGB", (96, 96), "white")
        ImageDraw.Draw(drawing).rectangle((20, 20, 20 + wide, 70), "navy")
        drawings.append(drawing)
    pairs = replace(found(drawings, same(2)), bits=np.array([8]), cosines=np.ones(1))
    assert pairs.faint.tolist() == [True]
    assert len(pairs.near(10, 0.75).rows) == 0
    assert len(replace(pairs, bits=np.array([5])).near(10, 0.75).rows) == 1
    photographs = [scene(1), scene(1).resize((120, 90))]
    assert found(photographs, same(2)).faint.tolist() == [False]


def test_the_same_in_another_paint_is_no_copy() -> None:
    image = scene(1)
    y, cb, cr = image.convert("YCbCr").split()
    painted = Image.merge("YCbCr", (y, cr, cb)).convert("RGB")
    turned = painted.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert len(found([image, turned], same(2)).near(10, 0.75, 0.93).rows) == 0
    plain = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert len(found([image, plain], same(2)).near(10, 0.75, 0.93).rows) == 1


def test_an_even_ground_proves_nothing() -> None:
    """Two that stand on the same white ground at the same place, and are not the same."""
    things = []
    for seed in (1, 2):
        thing = Image.new("RGB", (240, 180), "white")
        thing.paste(scene(seed).convert("L").resize((110, 80)), (65, 50))
        things.append(thing)
    assert found(things, same(2)).likeness.max(initial=0.0) < 0.9


def test_pairs_of_very_many_are_not_those_of_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = found([scene(7), scene(7).transpose(Image.Transpose.FLIP_LEFT_RIGHT)], same(2))
    known = nearness.Known(("a", "b", "c"), pairs)
    assert known.among(("a", "b")) is not None
    monkeypatch.setattr(alike, "MOST", 2)
    # Of three no windows were laid; of two they would have been.
    assert known.among(("a", "b")) is None
    assert known.among(("a", "b", "c")) is not None


@pytest.mark.parametrize(("change", "kind"), [("mirrored", "mirrored"), ("framed", "framed")])
def test_what_was_changed_may_be_what_tells_classes_apart(change: str, kind: str) -> None:
    arrow = scene(2)
    other = arrow.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if change == "framed":
        other = Image.new("RGB", (270, 210), (200, 30, 30))
        other.paste(arrow, (15, 15))
    pairs = found([arrow, other], same(2))
    limits = verdicts.Limits(10, 1.0, 10, 0.75, None, None, None, 0.93)
    figures = {"width": 240, "height": 180, "entropy": 7.0, "blur": 0.1}

    def decided(*labels: str) -> list[verdicts.Decision]:
        shas = ["a" * 64, "b" * 64]
        candidates = [
            verdicts.Candidate(sha[0], label, sha, figures=figures)
            for sha, label in zip(shas, labels, strict=True)
        ]
        return verdicts.decide(candidates, shas, pairs, limits)

    assert all(one.kept for one in decided("left", "right"))
    first, second = decided("left", "left")
    assert first.kept and second.reason == "near_duplicate"
    assert second.detail["copy"] == kind and second.detail["likeness"] > 0.93


def test_a_frame_is_what_is_even_around_a_picture() -> None:
    framed = Image.new("RGB", (240, 200), (200, 30, 30))
    framed.paste(scene(3), (0, 20))
    top, bottom, left, right = bytes.fromhex(str(Sketch().measure(seen(framed))["frame"]))
    assert top / 255 == pytest.approx(0.1, abs=0.01)
    assert bottom == left == right == 0
    plain = Sketch().measure(seen(Image.new("RGB", (50, 40), "white")))
    assert plain["sketch"] == ""
    tiny = Sketch().measure(seen(Image.new("RGB", (1, 1))))
    assert tiny["frame"] == "00000000"


def test_a_sketch_comes_back_as_it_was_but_for_its_grays() -> None:
    gray = np.asarray(scene(4).convert("L").resize((32, 32)))
    text = overlay.packed(gray)
    assert len(text) == 684
    back = overlay.unpacked([text])[0]
    assert back.min() == 0 and back.max() == 15
    assert np.corrcoef(back.ravel(), gray.ravel())[0, 1] > 0.99


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=12) | st.binary(max_size=600).map(lambda data: data.hex()))
def test_what_is_no_sketch_is_nobodys_copy(text: str) -> None:
    shown = Sketch().measure(seen(scene(0)))
    for name in ("sketch", "colors"):
        sketches = alike.Sketches.read([{**shown, name: text}])
        assert not sketches.grays.any()


def test_hashes_of_the_mirrored_and_of_a_window_are_those_of_such_pictures() -> None:
    image = scene(5).convert("L")
    gray = np.asarray(image.resize((32, 32), Image.Resampling.BOX), np.float64)[None]
    turned = hashing.coded(hashing.mirrored(hashing.frequencies(gray)))
    assert turned == hashing.coded(hashing.frequencies(gray[:, :, ::-1]))
    part = hashing.WINDOWS[4]
    box = (part[2] * 240, part[0] * 180, part[3] * 240, part[1] * 180)
    window = np.asarray(image.resize((32, 32), Image.Resampling.BOX, box=box), np.float64)[None]
    ours = hashing.coded(hashing.of_parts(gray, np.array([part])))
    theirs = hashing.coded(hashing.frequencies(window))
    assert int(ours[0] ^ theirs[0]).bit_count() <= 4


def test_nothing_and_nobody_is_found_among_none() -> None:
    empty = found([], np.zeros((0, 4), np.float32))
    assert len(empty.near(10, 0.75, 0.93).rows) == 0
    one = found([scene(6)], same(1))
    assert len(one.rows) == 0


def test_kinds_and_likeness_are_kept_with_the_pairs(tmp_path: Path) -> None:
    image = scene(7)
    pairs = found([image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), scene(8)], same(3))
    shas = ("a" * 64, "b" * 64, "c" * 64)
    nearness.save(tmp_path / "p.npz", "f", nearness.Known(shas, pairs))
    known = nearness.load(tmp_path / "p.npz", "f")
    assert known is not None
    fewer = known.among(shas[:2])
    assert fewer is not None
    assert fewer.likeness.tolist() == pairs.likeness.tolist()
    assert fewer.kinds.tolist() == [alike.MIRRORED]
