"""Clusters, words, slices and giveaways on numbers whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tellapart.learn.metrics import wilson
from tellapart.learn.workbench import edges, giveaways, slicing, wording
from tellapart.learn.workbench.clustering import MOST, parts
from tellapart.learn.workbench.looks import Look, looks
from tellapart.learn.workbench.shapes import ClassClusters, Copy, Word, read
from tellapart.steps.workbench import copies

# -- clusters ---------------------------------------------------------------------------------


def heaps(*sizes: int, far: float = 4.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 64 features around as many middles, and the heap of each."""
    dice = np.random.default_rng(seed)
    middles = dice.normal(size=(len(sizes), 64)) * far / 8
    rows = [m + dice.normal(size=(n, 64)) * 0.25 for m, n in zip(middles, sizes, strict=True)]
    return np.concatenate(rows).astype(np.float32), np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.parametrize(
    "sizes", [(100, 60), (40, 60), (200, 8), (80, 40, 20), (1300, 400)], ids=str
)
def test_heaps_are_found_whole(sizes: tuple[int, ...]) -> None:
    rows, truth = heaps(*sizes)
    order = np.random.default_rng(1).permutation(len(rows))
    found = parts(rows[order], np.zeros(64))
    assert [len(part.rows) for part in found] == sorted(sizes, reverse=True)
    for part in found:
        assert len(set(truth[order][part.rows].tolist())) == 1


@pytest.mark.parametrize("n", [1, 5, 16, 120, MOST + 50])
def test_one_heap_is_one_part(n: int) -> None:
    for seed in range(3 if n < MOST else 1):
        found = parts(heaps(n, seed=seed)[0], np.zeros(64))
        assert [len(part.rows) for part in found] == [n]
        assert sorted(found[0].rows.tolist()) == list(range(n))


def test_equal_rows_are_one_part() -> None:
    assert len(parts(np.ones((40, 64), np.float32), np.zeros(64))) == 1
    assert len(parts(np.zeros((40, 64), np.float32), np.zeros(64))) == 1


# -- words ------------------------------------------------------------------------------------


def material(texts: list[str]) -> wording.Material:
    n = len(texts)
    dark = np.arange(n) % 2 == 0
    return wording.Material(
        texts, ["web"] * n, ["apple"] * n, [""] * n, [Look("dark", "up to 90", dark)]
    )


def test_a_name_is_made_of_words_that_are_there() -> None:
    texts = ["Apple logo vector"] * 20 + ["IMG_0001 apple-tree.jpg"] * 10 + ["red apple"] * 10
    inside = np.arange(40) < 20
    words = wording.telling(material(texts), inside)
    assert wording.name(words, ["apple"]) == "logo, vector"
    assert {word.text for word in words} <= {"logo", "vector"}
    proposed = wording.better("apple", material(texts), inside, ["apple"])
    assert proposed.exclude == ("logo", "vector")
    assert set(proposed.query.split()) <= {"apple", "tree", "red"} and "apple" in proposed.query


def test_nothing_is_said_without_evidence() -> None:
    texts = [f"DSC_{n:04d}.jpg" for n in range(60)]
    inside = np.arange(60) < 20
    assert wording.telling(material(texts), inside) == ()
    assert wording.name((), ["apple"]) == ""
    assert wording.better("apple", material(texts), inside, ["apple"]) == wording.Better(
        "apple", ()
    )
    # A word in three of twenty is none that names them.
    texts = ["logo"] * 3 + ["x"] * 57
    assert wording.telling(material(texts), inside) == ()
    assert wording.sentence("apple", 138, 200, "logo") == "69 % of apple (138 of 200): logo"


def test_looks_name_what_words_do_not() -> None:
    texts = [f"{n}.jpg" for n in range(60)]
    inside = np.arange(60) % 2 == 0
    words = wording.telling(material(texts), inside)
    assert words == (Word("look", "dark", 1.0, 0.0),)
    assert wording.name(words, ["apple"]) == "dark"


@given(st.text(max_size=400))
def test_any_text_has_words(text: str) -> None:
    assert all(len(word) >= 3 and word == word.lower() for word in wording.tokens(text))


def test_shapes_come_back_from_json() -> None:
    one = ClassClusters("apple", 3, ())
    assert read(list[ClassClusters], [one.to_dict()]) == [one]


# -- slices -----------------------------------------------------------------------------------


def told(right: np.ndarray, labels: list[str]) -> slicing.Told:
    ids = [str(n) for n in range(len(labels))]
    return slicing.Told(ids, labels, right, ids)


def test_a_slice_of_a_hard_class_is_not_weak_for_that() -> None:
    dice = np.random.default_rng(0)
    labels = ["easy"] * 300 + ["hard"] * 100
    right = np.concatenate([dice.random(300) < 0.98, dice.random(100) < 0.6])
    hard = slicing.Cut("look", "tall", "", np.arange(400) >= 310)
    weak = slicing.Cut("look", "dark", "", np.arange(400) < 60)
    found = slicing.measure(told(right, labels), [hard])
    assert found[0].accuracy < 0.75 and not found[0].weak and abs(found[0].expected - 0.6) < 0.25
    right[:60] = dice.random(60) < 0.7
    found = slicing.measure(told(right, labels), [hard, weak])
    assert [one.name for one in found if one.weak] == ["dark"]
    assert found[0].classes == {"easy": 60} and found[0].n == 60
    assert (found[0].low, found[0].high) == wilson(found[0].correct, 60)
    assert set(found[0].wrong) <= {str(n) for n in range(60)}


def test_slices_by_chance_are_rarely_weak() -> None:
    alarms = 0
    for seed in range(60):
        dice = np.random.default_rng(seed)
        labels = dice.choice(["a", "b", "c"], 400).tolist()
        right = dice.random(400) < 0.85
        cuts = [slicing.Cut("look", str(n), "", dice.random(400) < 0.15) for n in range(8)]
        alarms += any(one.weak for one in slicing.measure(told(right, labels), cuts))
    assert alarms <= 6


def test_few_pictures_are_no_slice() -> None:
    cuts = [
        slicing.Cut("look", "few", "", np.arange(100) < 5),
        slicing.Cut("look", "nearly all", "", np.arange(100) < 95),
    ]
    assert slicing.measure(told(np.ones(100, bool), ["a"] * 100), cuts) == ()


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_corrects_upwards_and_keeps_the_order(chances: list[float]) -> None:
    found = slicing.holm(chances)
    assert all(0 <= one <= 1 and one >= p for one, p in zip(found, chances, strict=True))
    by_rank = [found[i] for i in np.argsort(np.array(chances), kind="stable").tolist()]
    assert by_rank == sorted(by_rank)
    if chances:
        assert min(found) == pytest.approx(min(1.0, len(chances) * min(chances)))


# -- giveaways --------------------------------------------------------------------------------


def test_a_class_is_given_away_by_one_cue_and_no_other() -> None:
    dice = np.random.default_rng(0)
    labels = ["cat"] * 60 + ["dog"] * 60 + ["fox"] * 60
    size = dice.normal(size=(180, 2))
    size[:57] += 6
    cues = [giveaways.Cue("file_size", size), giveaways.Cue("border", dice.normal(size=(180, 4)))]
    found = giveaways.search(labels, [str(n) for n in range(180)], cues)
    assert len(found) == 6
    assert [(one.label, one.cue) for one in found if one.gives_away] == [("cat", "file_size")]


def test_one_scene_is_one_witness() -> None:
    labels = ["cat"] * 60 + ["dog"] * 60
    values = np.r_[np.zeros(60), np.ones(60)][:, None]
    scenes = [f"s{n // 6}" for n in range(120)]  # ten of each: too few to say anything
    assert giveaways.search(labels, scenes, [giveaways.Cue("source", values)]) == []


def test_labels_by_chance_are_not_given_away() -> None:
    warned = 0
    for seed in range(3):
        dice = np.random.default_rng(seed)
        labels = dice.choice(["a", "b", "c", "d"], 160).tolist()
        cues = [giveaways.Cue(str(n), dice.normal(size=(160, 3))) for n in range(4)]
        tried = giveaways.search(labels, [str(n) for n in range(160)], cues)
        warned += sum(one.gives_away for one in tried)
    assert warned == 0


# -- looks and edges --------------------------------------------------------------------------


def picture(border: int = 0, ground: tuple[int, int, int] | None = None) -> np.ndarray:
    dice = np.random.default_rng(3)
    noise = dice.integers(0, 255, (96, 128, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    if ground is not None:
        image = Image.new("RGB", (128, 96), ground)
        ImageDraw.Draw(image).ellipse((30, 20, 100, 80), fill=(200, 30, 30))
    if border:
        ImageDraw.Draw(image).rectangle((0, 0, 127, 95), outline=(10, 10, 10), width=border)
    return np.asarray(image)


def test_border_and_plain_ground_are_two_things() -> None:
    framed, plain, busy = (
        edges.of_pixels(pixels)
        for pixels in (picture(border=6), picture(ground=(250, 250, 250)), picture())
    )
    assert edges.has_border(framed) and not edges.is_plain(framed)
    assert edges.is_plain(plain) and not edges.has_border(plain)
    assert not edges.has_border(busy) and not edges.is_plain(busy)
    assert framed["left"] == pytest.approx(6 / 128, abs=0.01)
    both = edges.of_pixels(picture(border=6, ground=(250, 250, 250)))
    assert edges.has_border(both)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_slivers_have_edges_too(shape: tuple[int, int]) -> None:
    found = edges.of_pixels(np.full((*shape, 3), 7, np.uint8))
    assert found["ring_r"] == 7 and edges.is_plain(found) and not edges.has_border(found)


def test_a_word_never_stands_for_what_is_ordinary() -> None:
    usual = {"brightness": 130.0, "blur": 0.2, "contrast": 60.0, "width": 640, "height": 480}
    assert looks([usual] * 50, [None] * 50) == []
    found = looks([{**usual, "brightness": 20.0 + n} for n in range(100)], [None] * 100)
    assert [one.name for one in found] == ["dark"]
    assert int(found[0].mask.sum()) == 10 and "of 255" in found[0].rule


# -- copies -----------------------------------------------------------------------------------


def copy(id: str, **values: object) -> Copy:
    usual = Copy(id, "cat", 640, 480, 300.0, 9000, "", False, False, True, "", "train")
    return replace(usual, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ([copy("b", width=320, height=240)], "largest (640 × 480)"),
        ([copy("b", width=700, height=540, framed=True)], "without a frame"),
        ([copy("b", sharpness=40.0)], "sharpest"),
        ([copy("b", width=630, height=470)], "a little larger (640 × 480)"),
        ([copy("b")], "as good as the others"),
    ],
)
def test_the_best_copy_and_why(others: list[Copy], why: str) -> None:
    ranked = sorted([*others, copy("a")], key=copies.best_first)
    assert ranked[0].id == "a" and copies.why(ranked) == why
    free = sorted([copy("b"), copy("z", shareable=True)], key=copies.best_first)
    assert free[0].id == "z" and copies.why(free) == "may be passed on"
