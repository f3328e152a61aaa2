"""Verdicts: each reason, their order, and what they never depend on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.learn import nearness, verdicts
from tellapart.learn.verdicts import Candidate, Decision, Limits
from tellapart.recipe.schema import Curate
from tellapart.steps.curate import scoring

LIMITS = Limits(32, 1.0, 10, 0.75, 0.65, 0.01, None)
FINE = {"width": 200, "height": 100, "entropy": 6.0, "blur": 0.2}


def one(name: str, label: str = "a", **more: Any) -> Candidate:
    return replace(Candidate(name, label, f"sha-{name}", figures=FINE), **more)


def pairs(*near: tuple[int, int, int, float]) -> nearness.Pairs:
    table = list(near)
    return nearness.Pairs(
        np.array([row[:2] for row in table], np.int64).reshape(-1, 2),
        np.array([row[2] for row in table], np.int64),
        np.array([row[3] for row in table], np.float64),
    )


def judge(
    candidates: list[Candidate],
    near: nearness.Pairs | None = None,
    limits: Limits = LIMITS,
    shas: list[str] | None = None,
) -> dict[str, Decision]:
    shas = shas or [item.sha256 for item in candidates]
    classes = sorted({item.label for item in candidates})
    found = verdicts.decide(candidates, shas, near or pairs(), limits, classes)
    assert [item.id for item in found] == [item.id for item in candidates]
    assert all(item.kept == (item.reason == "") for item in found)
    assert all(item.reason in ("", *verdicts.REASONS) for item in found)
    return {item.id: item for item in found}


def test_a_plain_picture_is_kept():
    assert judge([one("x")])["x"] == Decision("x", True)


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        (
            {"figures": None, "error": {"reason": "truncated"}},
            "unreadable",
            {"reason": "truncated"},
        ),
        ({"figures": {**FINE, "height": 31}}, "too_small", {"side": 31, "min_side": 32}),
        (
            {"figures": {**FINE, "entropy": 0.9}},
            "low_information",
            {"entropy": 0.9, "min_entropy": 1.0},
        ),
        ({"scores": {"off_topic": 0.6}}, "off_topic", {"score": 0.6, "threshold": 0.65}),
        (
            {"scores": {"mislabelled": 0.001, "suggested": 1.0}},
            "mislabelled",
            {"quality": 0.001, "threshold": 0.01, "looks_like": "b"},
        ),
    ],
)
def test_each_reason_says_what_met_what(change, reason, detail):
    found = judge([one("x", **change), one("y", "b")])
    assert (found["x"].reason, found["x"].detail) == (reason, detail)
    assert found["y"].kept


def test_values_at_the_threshold_are_kept():
    edge = {**FINE, "height": 32, "entropy": 1.0}
    scores = {"off_topic": 0.65, "mislabelled": 0.01}
    assert judge([one("x", figures=edge, scores=scores)])["x"].kept


def test_blur_is_off_until_asked_for():
    hazy = one("x", figures={**FINE, "blur": 0.9})
    assert judge([hazy])["x"].kept
    found = judge([hazy], limits=replace(LIMITS, max_blur=0.8))["x"]
    assert (found.reason, found.detail) == ("blurred", {"blur": 0.9, "max_blur": 0.8})


def test_switched_off_reasons_are_silent():
    odd = one("x", scores={"off_topic": 0.0, "mislabelled": 0.0, "suggested_fit": 1.0})
    assert judge([odd], limits=replace(LIMITS, off_topic=None, mislabelled=None))["x"].kept
    assert judge([odd], limits=replace(LIMITS, mislabelled=None))["x"].reason == "off_topic"


def test_alien_to_its_class_is_mislabelled_where_another_fits():
    scores = {"off_topic": 0.3, "mislabelled": 0.2, "suggested": 1.0, "suggested_fit": 0.95}
    found = judge([one("x", scores=scores), one("y", "b")])["x"]
    assert (found.reason, found.detail["looks_like"]) == ("mislabelled", "b")
    scores["suggested_fit"] = 0.5
    assert judge([one("x", scores=scores), one("y", "b")])["x"].reason == "off_topic"


def test_a_label_is_wrong_only_where_another_is_more_likely_than_not():
    scores = {"mislabelled": 0.001, "suggested": 1.0, "suggested_chance": 0.04}
    assert judge([one("x", scores=scores), one("y", "b")])["x"].kept
    scores["suggested_chance"] = 0.6
    assert judge([one("x", scores=scores), one("y", "b")])["x"].reason == "mislabelled"


def test_of_many_classes_that_cannot_be_told_apart_no_picture_is_called_mislabelled():
    """Each probability is about 1 in 120, below the threshold: hard, but no wrong label."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(120), 8)
    vectors = rng.normal(size=(len(y), 32)).astype(np.float32)
    doubts = scoring._doubts(vectors, y, np.arange(len(y)))
    assert (doubts["mislabelled"] < Curate().mislabelled).mean() > 0.5
    cases = [
        one(
            f"{i}",
            f"{label}",
            sha256=f"{i}",
            scores={name: float(values[i]) for name, values in doubts.items()},
        )
        for i, label in enumerate(y)
    ]
    limits = replace(LIMITS, mislabelled=Curate().mislabelled)
    assert all(found.kept for found in judge(cases, limits=limits).values())


def test_of_one_file_the_first_found_is_kept():
    same = [
        one("x", sha256="s", rank=3),
        one("y", sha256="s", rank=1),
        one("z", sha256="s", rank=2),
    ]
    found = judge(same, shas=["s"])
    assert found["y"].kept
    assert {found[k].reason for k in "xz"} == {"exact_duplicate"}
    assert {found[k].detail["of"] for k in "xz"} == {"y"}


def test_one_file_in_two_classes_is_kept_in_none():
    found = judge(
        [one("x", sha256="s"), one("y", "b", sha256="s"), one("z", sha256="s")], shas=["s"]
    )
    assert {item.reason for item in found.values()} == {"conflicting_label"}
    assert found["x"].detail["other_class"] == "b" and found["y"].detail["other_class"] == "a"


def test_of_near_duplicates_the_largest_is_kept_and_named():
    large = one("y", figures={**FINE, "width": 201}, rank=9)
    found = judge([one("x"), large], pairs((0, 1, 2, 0.97)))
    assert found["y"].kept
    assert found["x"].reason == "near_duplicate"
    assert found["x"].detail == {"of": "y", "bits": 2, "cosine": 0.97}


def test_near_duplicates_do_not_go_along_a_chain():
    row = [one(name, rank=i) for i, name in enumerate("abc")]
    found = judge(row, pairs((0, 1, 2, 0.97), (1, 2, 2, 0.97)))
    assert [found[k].kept for k in "abc"] == [True, False, True]
    assert found["b"].detail["of"] == "a"


def test_the_nearest_kept_one_is_named():
    row = [one(name, rank=i) for i, name in enumerate("abc")]
    found = judge(row, pairs((0, 2, 6, 0.97), (1, 2, 1, 0.97)))
    assert found["c"].detail["of"] == "b"


def test_near_duplicates_in_two_classes_are_kept_in_none():
    found = judge([one("x"), one("y", "b"), one("z")], pairs((0, 1, 1, 0.98)))
    assert found["x"].reason == found["y"].reason == "conflicting_label"
    assert found["x"].detail == {"of": "y", "other_class": "b", "bits": 1, "cosine": 0.98}
    assert found["z"].kept


def test_a_broken_or_tiny_picture_pushes_nobody_out():
    tiny = one("x", figures={**FINE, "height": 20, "width": 90_000})
    found = judge([tiny, one("y")], pairs((0, 1, 0, 1.0)))
    assert found["x"].reason == "too_small" and found["y"].kept


def test_a_test_picture_does_not_give_way_to_a_larger_copy():
    old = one("old", precedence=0)
    new = one("new", figures={**FINE, "width": 900})
    found = judge([old, new], pairs((0, 1, 1, 0.99)))
    assert found["old"].kept and found["new"].detail["of"] == "old"


def test_a_settled_picture_is_not_asked_again():
    scores = {"off_topic": 0.1, "mislabelled": 0.0}
    assert judge([one("x", scores=scores, settled=True)])["x"].kept
    found = judge([one("x", settled=True), one("y", "b")], pairs((0, 1, 0, 1.0)))
    assert found["x"].kept and found["y"].reason == "conflicting_label"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_order_of_arrival_changes_nothing(data):
    n = data.draw(st.integers(1, 9))
    candidates = [
        one(
            f"id{i}",
            data.draw(st.sampled_from("ab")),
            sha256=f"sha{data.draw(st.integers(0, n - 1))}",
            rank=data.draw(st.integers(0, 2)),
            scores=data.draw(st.sampled_from([{}, {"off_topic": 0.2}, {"mislabelled": 0.0}])),
        )
        for i in range(n)
    ]
    shas = sorted({item.sha256 for item in candidates})
    links = [
        (i, j, data.draw(st.integers(0, 12)), data.draw(st.sampled_from([0.7, 0.9, 0.99])))
        for j in range(len(shas))
        for i in range(j)
        if data.draw(st.booleans())
    ]
    first = judge(candidates, pairs(*links), shas=shas)
    order = data.draw(st.permutations(range(n)))
    turned = judge([candidates[i] for i in order], pairs(*reversed(links)), shas=shas)
    assert first == turned
    # Whoever is named as the kept copy is kept, or set aside for a later reason of its own.
    for item in first.values():
        if item.reason in ("exact_duplicate", "near_duplicate"):
            assert first[item.detail["of"]].reason not in ("exact_duplicate", "unreadable")
