"""May a new head replace the one that acts? Only if it is better on what it never saw.

Three questions, each a candidate once:

1. *Frozen test set*: does the new head decide no fewer of them right than the old one, and is it
   no further from the answers on average?
2. *Feedback held back*: is it nearer to what the person said? The difference of both heads'
   |P(like) - answer| is tested with random signs, one-sided (a paired randomization test: Fisher,
   The Design of Experiments, 1935). Absolute error and not log loss, because labels flipped by
   chance only shrink its differences and never turn them round (Ghosh, Kumar, Sastry: Robust Loss
   Functions under Label Noise, AAAI 2017); log loss would reward a head for having become unsure.
   It must decide more of them right, too: surer alone is not better.
3. *Is that feedback like the test set?* The old head must not fail on it far more often (Fisher's
   exact test): where it does, the feedback is wrong, or was picked, or the taste has changed.
   What it says about the new head is then not to be trusted.

A challenger that fails 1 is refused; one that nothing is known of, or not enough, is in the shadow:
it scores beside the champion and decides nothing. What each guard catches: benchmarks/deck_gate.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import InputError
from tellapart.learn.ladder.judging import flipped
from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.rows import Labelled

#: Candidates held back, and in the frozen test set, before which nothing is decided.
LEAST = 30
LEAST_FROZEN = 20
#: Chance that a head no nearer to the person than the old one passes, over all looks.
LEVEL = 0.05
#: Chance that honest feedback, drawn like the test set, is taken for something else.
STRANGE = 0.01
#: Random signs are drawn so often that some so many are above the level.
_ABOVE, _MOST_FLIPS = 250, 199_999
TEST = "paired randomization test of |P(like) - answer|, one-sided, by candidate"

State = Literal["live", "shadow", "refused"]


@dataclass(frozen=True)
class Comparison:
    """Two heads on the same candidates, none of which either learned from."""

    #: Candidates; how many each decides as the person did.
    n: int
    champion: int
    challenger: int
    #: Candidates that only one of them decides right.
    won: int
    lost: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "n": self.n,
            "champion": self.champion,
            "challenger": self.challenger,
            "won": self.won,
            "lost": self.lost,
        }


@dataclass(frozen=True)
class Verdict:
    """What becomes of a challenger, by which test, and why."""

    state: State
    #: One sentence for a person.
    why: str
    #: Name of the test, what p had to be at most, and p; None: not asked.
    test: str
    level: float
    p: float | None
    #: Held-back candidates.
    n: int
    frozen: Comparison
    held_back: Comparison

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "state": self.state,
            "why": self.why,
            "test": self.test,
            "level": self.level,
            "p": None if self.p is None else round(self.p, 6),
            "n": self.n,
            "frozen": self.frozen.to_dict(),
            "held_back": self.held_back.to_dict(),
        }


def gate(
    champion: Taste | None,
    challenger: Taste,
    frozen: Labelled,
    held_back: Labelled,
    *,
    rule: str = "learned",
    threshold: float = 0.4,
    asked: int = 0,
) -> Verdict:
    """Decide whether `challenger` goes live in place of `champion`.

    Without a champion (None) it has to beat always passing and always liking. `frozen`: the
    deck's frozen test candidates. `held_back`: feedback that was never trained on, drawn without
    regard to whether the champion was right (`Pick.by_chance`). Neither head may have seen a
    candidate of either. `rule` and `threshold` are the deck's. `asked`: how many
    challengers this champion has met before; each is one more chance to look better by luck, so
    the k-th is tested at `LEVEL` / (k (k + 1)), which add up to `LEVEL`. Raises `InputError` for
    candidates that are in both sets, and for features of another base.
    """
    _apart(frozen, held_back)
    level = LEVEL / ((asked + 1) * (asked + 2))
    on_frozen = _Both.ask(champion, challenger, frozen, rule, threshold)
    on_feedback = _Both.ask(champion, challenger, held_back, rule, threshold)
    was, now = on_frozen.comparison(), on_feedback.comparison()

    def say(state: State, why: str, p: float | None = None) -> Verdict:
        return Verdict(state, why, TEST, level, p, now.n, was, now)

    if was.n < LEAST_FROZEN or now.n < LEAST:
        return say(
            "shadow",
            f"Too little to compare on: {was.n} candidates in the frozen test set, where "
            f"{LEAST_FROZEN} are needed, and {now.n} of feedback held back, where {LEAST} are.",
        )
    if was.challenger < was.champion:
        return say(
            "refused",
            f"On the frozen test set it decides {was.challenger} of {was.n} right, the champion "
            f"{was.champion}.",
        )
    nearer = float(on_frozen.nearer().mean())
    if nearer < 0:
        return say(
            "refused",
            f"On the frozen test set it is further from the answers by {-nearer:.3f} a candidate, "
            f"though it decides no fewer right ({was.challenger} of {was.n}).",
        )
    strange = _fails_more(now, was) if champion is not None else 1.0
    if strange <= STRANGE:
        return say(
            "shadow",
            f"The feedback held back is not like the frozen test set: the champion decides "
            f"{now.champion} of {now.n} right there, and {was.champion} of {was.n} here "
            f"(Fisher's exact test, p = {strange:.2g}). It holds wrong answers, was picked, or the "
            "taste has changed: look it through, or freeze a new test set.",
        )
    p = flipped(on_feedback.nearer(), min(_MOST_FLIPS, int(_ABOVE / level)))
    if p > level or now.challenger <= now.champion:
        return say(
            "shadow",
            f"Not better beyond noise on the feedback held back: right on {now.challenger} of "
            f"{now.n}, the champion on {now.champion} (p = {p:.2g}, at most {level:.2g} needed).",
            p,
        )
    return say(
        "live",
        f"Better on the feedback held back: right on {now.challenger} of {now.n}, the champion on "
        f"{now.champion} (p = {p:.2g} of at most {level:.2g}); on the frozen test set "
        f"{was.challenger} of {was.n} against {was.champion}.",
        p,
    )


def follow(
    champion: Taste,
    challenger: Taste,
    frozen: Labelled,
    held_back: Labelled,
    *,
    rule: str = "learned",
    threshold: float = 0.4,
) -> Verdict:
    """Decide whether `challenger` takes the place of a champion whose features come no more.

    So it is with another engine or precision of the same network: the old head may not judge any
    longer, so the new one need not be better. It is refused only where it is worse beyond noise on
    the frozen test set or on the feedback held back, each with half of `LEVEL`: it decides fewer
    right, and is further from the answers. What the old head said is told by its weights on the
    new features, which are much the same. Raises `InputError` as `gate`.
    """
    _apart(frozen, held_back)
    level = LEVEL / 2
    told = [_Both.ask(champion, challenger, one, rule, threshold) for one in (frozen, held_back)]
    was, now = (one.comparison() for one in told)
    further = [flipped(-one.nearer(), int(_ABOVE / level)) for one in told]
    worse = any(
        one.challenger < one.champion and p <= level
        for one, p in zip((was, now), further, strict=True)
    )
    counts = (
        f"right on {was.challenger} of {was.n} of the frozen test set and {now.challenger} of "
        f"{now.n} of the feedback held back, the head before on {was.champion} and {now.champion}"
    )
    why = f"The features of the head before come no more. This one is {{}}: {counts}."
    return Verdict(
        "refused" if worse else "live",
        why.format("worse beyond noise" if worse else "not worse beyond noise"),
        f"{TEST}, for worse",
        level,
        min(further),
        now.n,
        was,
        now,
    )


@dataclass(frozen=True)
class _Both:
    """What both heads say of the same candidates, (n,) each."""

    likes: NDArray[np.bool_]
    champion: NDArray[np.float64]
    challenger: NDArray[np.float64]
    threshold: float

    @classmethod
    def ask(
        cls,
        champion: Taste | None,
        challenger: Taste,
        judged: Labelled,
        rule: str,
        threshold: float,
    ) -> _Both:
        if not len(judged):
            return cls(np.empty(0, bool), np.empty(0), np.empty(0), threshold)
        new = challenger.judge(judged.pool, rule=rule)[1]
        if champion is None:  # a deck without a head: the same answer for all, the commoner one
            old = np.full(len(new), float(judged.answers().mean() > 0.5))
        else:
            old = champion.judge(judged.pool, rule=rule)[1]
        return cls(judged.answers(), old, new, threshold)

    def comparison(self) -> Comparison:
        old = (self.champion >= self.threshold) == self.likes
        new = (self.challenger >= self.threshold) == self.likes
        return Comparison(
            len(old),
            int(old.sum()),
            int(new.sum()),
            int((new & ~old).sum()),
            int((old & ~new).sum()),
        )

    def nearer(self) -> NDArray[np.float64]:
        """By how much the challenger is nearer to each answer."""
        return np.asarray(
            np.abs(self.champion - self.likes) - np.abs(self.challenger - self.likes), np.float64
        )


def _fails_more(there: Comparison, here: Comparison) -> float:
    """Chance that the champion fails on so many more of the feedback, were both drawn alike."""
    from scipy.stats import hypergeom

    wrong_there, wrong_here = there.n - there.champion, here.n - here.champion
    return float(hypergeom.sf(wrong_there - 1, there.n + here.n, wrong_there + wrong_here, there.n))


def _apart(frozen: Labelled, held_back: Labelled) -> None:
    both = np.intersect1d(frozen.groups, held_back.groups)
    if len(both):
        raise InputError(
            f"The candidate {str(both[0])!r} is in the frozen test set and in the feedback.",
            expected="no candidate in both",
            do="Hold back other candidates.",
        )
