"""The gate on feedback that is honest, poisoned, or says nothing new; many people each.

A champion learned from 50 candidates of a person; 30 others, drawn by chance, are the frozen test
set. Then the person judges up to 200 more, which teach challengers, and up to 100 that are held
back. The gate is asked three times, each time with more of both, until it says live:

- *honest*: as the person judges;
- *30 % flipped*: of all feedback, held back or not, 30 % by chance say the opposite;
- *30 % flipped, of one look*: the 30 % that look most alike, so that it can be learned;
- *nothing new*: each challenger learned from other candidates, but no more than the champion.

Two checks of the test itself: each candidate's two answers swapped by chance, so that neither head
is better (at most the level may pass), and how many of those let in are really worse, by all of
the person's other candidates.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import main
from benchmarks.beside import chains, tastes
from tellapart.errors import DataError
from tellapart.learn.ladder.judging import flipped
from tellapart.learn.taste import Labelled, Taste, Verdict, fit, gate

KINDS = ("honest", "30 % flipped", "30 % flipped, of one look", "nothing new")
STREAMS = {"mixed": 40, "grocery_10": 40}
_FIRST, _FROZEN, _HELD, _TAUGHT = 50, 30, 100, 200
FLIPPED = 0.3
#: Looks at growing feedback, each with more of it held back.
_LOOKS = (40, 70, 100)


def run(data: Path, small: bool) -> dict[str, Any]:
    streams = {"grocery_10": 3} if small else STREAMS
    rows = chains.Rows("deck_gate", small)
    figures: dict[str, Any] = {}
    for name, people in streams.items():
        shown = tastes.stream(data, name)
        figures[name] = {}
        for kind in KINDS:
            measured = [
                rows.get(f"{name}, {kind}, {seed}", partial(_person, shown, name, kind, seed))
                for seed in range(people)
            ]
            figures[name][kind] = _told(measured)
    return figures


def _person(shown: tastes.Stream, name: str, kind: str, seed: int) -> dict[str, Any]:
    """The verdicts at each look; empty where the first labels teach nothing."""
    person = tastes.person(shown, name, seed)
    sizes = np.cumsum([_FIRST, _FROZEN, _HELD, min(_TAUGHT, _room(person))])
    first, frozen, held, taught, rest = np.split(np.arange(len(person.likes)), sizes)
    said = _said(person, kind, np.concatenate([held, taught]), seed)
    verdicts: list[Verdict] = []
    try:
        challenger = champion = fit(person.labelled(first))
        for asked, held_back in enumerate(_LOOKS):
            if kind == "nothing new":
                part = taught[asked * _FIRST : (asked + 1) * _FIRST]
            else:
                more = taught[: len(taught) * (asked + 1) // len(_LOOKS)]
                part = np.concatenate([first, more])
            challenger = fit(person.labelled(part, said))
            judged = person.labelled(held[:held_back], said)
            verdicts.append(
                gate(champion, challenger, person.labelled(frozen), judged, asked=asked)
            )
            if verdicts[-1].state == "live":
                break
    except DataError:
        return {}
    was, now = person.right(champion, rest), person.right(challenger, rest)
    return {
        "states": [verdict.state for verdict in verdicts],
        "why": [re.sub(r"[\d.]+", "…", verdict.why.split(":")[0]) for verdict in verdicts],
        "champion": round(was, 5),
        "challenger": round(now, 5),
        "swapped": _swapped(champion, challenger, judged, seed),
    }


def _swapped(champion: Taste, challenger: Taste, judged: Labelled, seed: int) -> list[float]:
    """The test's p where each candidate's two answers are swapped by chance, five times."""
    old, new = (one.judge(judged.pool)[1] for one in (champion, challenger))
    nearer = np.abs(old - judged.answers()) - np.abs(new - judged.answers())
    rng = np.random.default_rng(seed)
    return [round(flipped(nearer * rng.choice([-1.0, 1.0], len(nearer)), 999), 4) for _ in range(5)]


def _room(person: tastes.Person) -> int:
    """Candidates that may teach: at least a quarter of all stay for the truth."""
    return len(person.likes) * 3 // 4 - _FIRST - _FROZEN - _HELD


def _said(
    person: tastes.Person, kind: str, feedback: NDArray[np.int64], seed: int
) -> NDArray[np.bool_]:
    """What the feedback says; the first labels and the frozen test set are the person's own."""
    said = person.likes.copy()
    rng = np.random.default_rng((seed, 1))
    if kind == "30 % flipped":
        wrong = feedback[rng.random(len(feedback)) < FLIPPED]
        said[wrong] = ~said[wrong]
    elif kind == "30 % flipped, of one look":
        looks = np.stack([person.features[person.rows[at]].mean(axis=0) for at in feedback])
        apart = looks - looks.mean(axis=0)
        near = apart @ apart[rng.integers(len(feedback))]
        wrong = feedback[np.argsort(-near)[: round(FLIPPED * len(feedback))]]
        said[wrong] = ~said[wrong]
    return said


def _told(found: list[dict[str, Any]]) -> dict[str, Any]:
    rows = [row for row in found if row]
    live = [row for row in rows if row["states"][-1] == "live"]
    at_first = sum(row["states"][0] == "live" for row in rows)
    reasons = Counter(row["why"][-1] for row in rows)
    swapped = [p for row in rows for p in row["swapped"]]
    return {
        "people": len(rows),
        "live": len(live),
        "live at the first look": at_first,
        "live though really worse": sum(row["challenger"] < row["champion"] for row in live),
        "champion, really": round(float(np.mean([row["champion"] for row in rows])), 4),
        "last challenger, really": round(float(np.mean([row["challenger"] for row in rows])), 4),
        "said": dict(reasons.most_common()),
        "the test alone, answers swapped": {
            "times": len(swapped),
            **{
                f"passed at {level:g}": round(float(np.mean(np.array(swapped) <= level)), 4)
                for level in (0.05, 0.025)
            },
        },
    }


if __name__ == "__main__":
    main(run)
