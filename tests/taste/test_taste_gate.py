"""No worse head goes live, whatever the feedback."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.errors import InputError
from tellapart.learn.taste import Taste, Verdict, fit, follow, gate
from tests.taste.conftest import Stream, stream


def _gate(made: Stream, said: np.ndarray, *, first: int = 14, held: int = 60) -> Verdict:
    """A champion of `first` labels; a challenger of 150 pieces of feedback more; both gated."""
    frozen, held_back = np.arange(20, 60), np.arange(60, 60 + held)
    train = np.concatenate([np.arange(first), np.arange(130, 280)])
    champion = fit(made.labelled(np.arange(first)))
    challenger = fit(made.labelled(train, likes=said))
    return gate(champion, challenger, made.labelled(frozen), made.labelled(held_back, likes=said))


def test_honest_feedback_goes_live_and_poisoned_never() -> None:
    lived = 0
    for seed in range(6):
        made = stream(300, looks=16, seed=seed, noise=1.2)
        honest = _gate(made, made.likes)
        lived += honest.state == "live"
        assert honest.n == 60 and honest.level == 0.025
        rng = np.random.default_rng(seed)
        poisoned = made.likes.copy()
        flipped = 60 + np.flatnonzero(rng.random(240) < 0.3)
        poisoned[flipped] = ~poisoned[flipped]
        assert _gate(made, poisoned).state != "live"
    assert lived >= 4


def test_too_few_stay_in_the_shadow(made: Stream) -> None:
    verdict = _gate(made, made.likes, held=29)
    assert verdict.state == "shadow" and verdict.p is None and verdict.n == 29
    assert "Too little to compare on" in verdict.why
    taste = fit(made.labelled(np.arange(50)))
    empty = made.labelled(np.arange(60, 100)).only(
        np.zeros(len(made.labelled(np.arange(60, 100))), bool)
    )
    assert gate(taste, taste, made.labelled(np.arange(60, 100)), empty).state == "shadow"


def test_a_head_is_not_better_than_itself(made: Stream) -> None:
    taste = fit(made.labelled(np.arange(50)))
    verdict = gate(
        taste, taste, made.labelled(np.arange(60, 100)), made.labelled(np.arange(100, 200))
    )
    assert verdict.state == "shadow" and verdict.p == 1.0
    assert verdict.held_back.won == verdict.held_back.lost == 0
    assert "Not better beyond noise" in verdict.why
    assert verdict.to_dict()["held_back"]["n"] == 100


def test_surer_alone_is_not_better(made: Stream) -> None:
    taste = fit(made.labelled(np.arange(100)))
    surer = Taste(taste.weight * 3, taste.bias * 3, whole_weights=taste.whole_weights)
    verdict = gate(
        taste,
        surer,
        made.labelled(np.arange(100, 160)),
        made.labelled(np.arange(160, 300)),
        threshold=0.5,
    )
    assert verdict.state != "live"


def test_worse_on_the_frozen_set_is_refused(made: Stream) -> None:
    champion = fit(made.labelled(np.arange(100)))
    turned = Taste(-champion.weight, -champion.bias)
    verdict = gate(
        champion,
        turned,
        made.labelled(np.arange(100, 160)),
        made.labelled(np.arange(160, 300), likes=~made.likes),
    )
    assert verdict.state == "refused" and "frozen test set" in verdict.why


def test_feedback_unlike_the_frozen_set_proves_nothing(made: Stream) -> None:
    champion = fit(made.labelled(np.arange(100)))
    verdict = gate(
        champion,
        champion,
        made.labelled(np.arange(100, 160)),
        made.labelled(np.arange(160, 300), likes=~made.likes),
    )
    assert verdict.state == "shadow" and "not like the frozen test set" in verdict.why


def test_the_first_head_beats_the_commoner_answer(made: Stream) -> None:
    frozen, held = made.labelled(np.arange(100, 160)), made.labelled(np.arange(160, 300))
    assert gate(None, fit(made.labelled(np.arange(100))), frozen, held).state == "live"
    rng = np.random.default_rng(0)
    noise = fit(made.labelled(np.arange(40), likes=rng.random(300) < 0.3))
    assert gate(None, noise, frozen, held).state != "live"


def test_every_look_makes_the_next_one_stricter(made: Stream) -> None:
    champion, challenger = fit(made.labelled(np.arange(14))), fit(made.labelled(np.arange(100)))
    sets = made.labelled(np.arange(100, 160)), made.labelled(np.arange(160, 300))
    levels = [gate(champion, challenger, *sets, asked=asked).level for asked in range(50)]
    assert levels == sorted(levels, reverse=True) and sum(levels) < 0.05


def test_sets_must_be_apart(made: Stream) -> None:
    taste = fit(made.labelled(np.arange(50)))
    with pytest.raises(InputError, match="c080"):
        gate(taste, taste, made.labelled(np.arange(60, 81)), made.labelled(np.arange(80, 120)))


def test_a_head_whose_features_come_no_more_is_followed(made: Stream) -> None:
    frozen, held = made.labelled(np.arange(100, 140)), made.labelled(np.arange(140, 200))
    old = fit(made.labelled(np.arange(100)))
    same = follow(old, old, frozen, held)
    assert same.state == "live" and same.frozen.won == same.frozen.lost == 0
    nothing = frozen.only(np.zeros(len(frozen), bool))
    assert follow(old, old, nothing, nothing).state == "live"
    said = made.likes.copy()
    said[:100] = ~said[:100]
    turned = follow(old, fit(made.labelled(np.arange(100), likes=said)), frozen, held)
    assert turned.state == "refused" and turned.p is not None and turned.p <= turned.level
    assert "worse beyond noise" in turned.why and "come no more" in turned.why
    with pytest.raises(InputError, match="in the frozen test set and in the feedback"):
        follow(old, old, frozen, frozen)
