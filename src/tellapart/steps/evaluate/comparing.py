"""How a trained model does on each split, which candidate is better, and what to say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import metrics
from tellapart.learn.history import still_falling
from tellapart.report.learned import Candidate, Epoch, Fit
from tellapart.steps.samples import Samples

SPLITS = ("train", "validation", "test")
#: Fewer test samples than that make a wide interval: ±7 points at 90 %.
_SMALL = 75
#: Gaps between train and test below this are never called overfitting.
_GAP = 0.02
#: Epochs after which the first one should no longer be the best.
_FEW = 4


def fits(samples: Samples, probabilities: NDArray[np.float32]) -> list[Fit]:
    """The trained model's figures on each split that has samples."""
    found = []
    for split in SPLITS:
        places = samples.rows_of(split)
        if not len(places):
            continue
        told, y = probabilities[places].astype(np.float64), samples.y[places]
        correct = int((told.argmax(axis=1) == y).sum())
        low, high = metrics.wilson(correct, len(y))
        sure = np.clip(told[np.arange(len(y)), y], 1e-15, 1)
        found.append(
            Fit(
                split=split,
                n=len(y),
                correct=correct,
                accuracy=round(correct / len(y), 6),
                low=low,
                high=high,
                log_loss=round(float(-np.log(sure).mean()), 6),
            )
        )
    return found


def history(facts: Mapping[str, Any]) -> list[Epoch]:
    """The epochs that were noted while training; figures that are not finite are None."""
    return [
        Epoch(
            number=int(epoch["epoch"]),
            loss=_finite(epoch.get("loss")),
            accuracy=_finite(epoch.get("accuracy")),
            validation_loss=_finite(epoch.get("validation_loss")),
            validation_accuracy=_finite(epoch.get("validation_accuracy")),
            learning_rate=_finite(epoch.get("learning_rate")),
            partial=bool(epoch.get("partial")),
        )
        for epoch in facts.get("history") or ()
    ]


def candidates(facts: Mapping[str, Any]) -> list[Candidate]:
    """The candidates that could be measured on held-out samples, as they were compared."""
    found = []
    for one in facts.get("candidates") or ():
        score = one.get("cross_validation") or one.get("validation") or {}
        accuracy, n = _finite(score.get("accuracy")), int(score.get("n") or 0)
        if accuracy is None or not n:
            continue
        low, high = metrics.wilson(round(accuracy * n), n)
        found.append(
            Candidate(
                name=str(one["name"]),
                accuracy=round(accuracy, 6),
                low=low,
                high=high,
                log_loss=_finite(score.get("log_loss")),
                n=n,
                chosen=bool(one.get("chosen")),
                why=str(one.get("why") or ""),
            )
        )
    return found


def verdict(facts: Mapping[str, Any]) -> str:
    """Which candidate is better, and whether by more than chance; empty with fewer than two."""
    told = {one.name: one for one in candidates(facts)}
    best = next((one for one in told.values() if one.chosen), None)
    if best is None or len(told) < 2:
        return ""
    apart: list[str] = []
    alike: list[str] = []
    for one in facts["candidates"]:
        if one["name"] in told and not one.get("chosen"):
            beyond = (one.get("difference") or {}).get("beyond_noise")
            if beyond is None:  # not told on the same rows: intervals that do not touch
                other = told[one["name"]]
                beyond = other.high < best.low or other.low > best.high
            (apart if beyond else alike).append(one["name"])
    said = (
        f"{_capital(best.name)} was taken: right on {best.accuracy:.1%} of {best.n} held-out rows."
    )
    if apart:
        said += f" That is better than {_list(apart)} by more than chance."
    if alike:
        said += f" The difference to {_list(alike)} is within what chance alone makes."
    return said


def notes(found: Sequence[Fit], facts: Mapping[str, Any], things: str) -> list[str]:
    """What the figures say, in plain words: small test, learned by heart, stopped too early."""
    by_split = {fit.split: fit for fit in found}
    said = []
    test, train = by_split.get("test"), by_split.get("train")
    if test is not None and test.n < _SMALL:
        said.append(
            f"The test has only {test.n} {things}: its figures are rough. "
            f"The true accuracy lies between {test.low:.0%} and {test.high:.0%}."
        )
    if test is not None and train is not None and _by_heart(train, test):
        more = "More samples, dropout or fewer parameters" if facts.get("network") else "More rows"
        said.append(
            f"It is right on {train.accuracy:.1%} of the training {things}, but on "
            f"{test.accuracy:.1%} of the test {things}: part of it was learned by heart "
            f"(overfitting). {more} would narrow that gap."
        )
    epochs = history(facts)
    if len(epochs) >= _FEW and facts.get("best_epoch") == 1:
        said.append(
            f"Of {len(epochs)} epochs the first was the best on the validation {things}: it "
            "learned nothing of use after that. A smaller learning rate, other layers or more "
            f"{things} may help."
        )
    # Training has said it in the same words already; not so in what is passed on.
    falling = still_falling(facts)
    return [*said, falling] if falling else said


def _by_heart(train: Fit, test: Fit) -> bool:
    """Whether the gap is more than chance: beyond the intervals of both shares together.

    Newcombe's interval for the difference of two shares (Statistics in Medicine 17, 1998).
    """
    gap = train.accuracy - test.accuracy
    apart = math.hypot(train.accuracy - train.low, test.high - test.accuracy)
    return gap > max(apart, _GAP)


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
