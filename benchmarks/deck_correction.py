"""A correction: how long until its candidate and those that look like it are scored anew.

A deck of things made of real photographs, one to three pictures a candidate, judged dry by a head
that learned from some of them. Then verdicts are corrected one by one, through `Deck.correct` and
`Deck.learn`: the label is stored, the head fitted, all candidates at hand scored. Told is the time
of both together, how far the scores of the corrected one and of its look-alikes moved, and in what
direction. On a live deck the head that judges must stay the same until the gate has spoken.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks import main, need, spread
from tellapart.deck import Deck
from tellapart.decks.shapes import Filters, Label
from tellapart.settings import Settings
from tellapart.steps.decide.tasting import head_of
from tellapart.store.database import open_database

_SET = "caltech101_10"
#: Looks that the person likes.
_LIKED = ("Motorbikes", "bonsai", "chandelier", "watch")


def run(data: Path, small: bool) -> dict[str, Any]:
    candidates, first, corrections = (60, 30, 3) if small else (400, 200, 30)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        looks = _folders(need(data / _SET), home / "stream", candidates)
        settings = Settings(home=home / "home")
        deck = Deck.add(
            open_database(settings),
            settings,
            "things",
            "folder",
            {"path": str(home / "stream")},
            people=False,
        )
        deck.dry()
        deck.turn(candidates)
        rows = _by_ref(deck)
        refs = sorted(rows)
        for ref in refs[:first]:
            deck.correct(rows[ref], _wish(looks[ref]))
        deck.learn()
        return _corrected(deck, rows, looks, refs[first : first + corrections])


def _folders(source: Path, target: Path, count: int) -> dict[str, str]:
    """One folder a candidate, its pictures linked or copied; what each one looks like."""
    rng = np.random.default_rng(0)
    looks: dict[str, str] = {}
    left = {
        folder.name: [*sorted(folder.glob("*.jpg"))]
        for folder in sorted(source.iterdir())
        if folder.is_dir()
    }
    for number in range(count):
        look = str(rng.choice([name for name, pictures in left.items() if len(pictures) > 3]))
        folder = target / f"{number:04d}"
        folder.mkdir(parents=True)
        for place in range(int(rng.integers(1, 4))):
            picture = left[look].pop()
            (folder / f"{place}.jpg").write_bytes(picture.read_bytes())
        (folder / "profile.json").write_text(json.dumps({"name": folder.name, "bio": "a thing"}))
        looks[folder.name] = look
    return looks


def _wish(look: str) -> Label:
    return "like" if look in _LIKED else "pass"


def _by_ref(deck: Deck) -> dict[str, str]:
    """Candidates' ids by the names of their folders."""
    found: dict[str, str] = {}
    after = ""
    while True:
        page = deck.results(Filters(limit=100, after=after))
        found |= {row.ref: row.id for row in page.items}
        if not page.next:
            return found
        after = page.next


def _corrected(
    deck: Deck, rows: dict[str, str], looks: dict[str, str], corrected: list[str]
) -> dict[str, Any]:
    seconds, own, alike, directions = [], [], [], []
    deck.retrain()
    before = deck.ledger.head("champion")
    for ref in corrected:
        word: Label = "pass" if _wish(looks[ref]) == "like" else "like"
        start = time.perf_counter()
        deck.correct(rows[ref], word)
        lesson = deck.learn(rows[ref])
        seconds.append(time.perf_counter() - start)
        turned = 1 if word == "like" else -1
        moved = [
            turned * (one["after"] - one["before"])
            for one in lesson["moved"]
            if one["before"] is not None
        ]
        own.append(moved[0])
        alike.append(mean(moved[1:]))
        directions.append(moved[0] > 0)
    labels = deck.progress()["labels"]
    live = head_of(deck.ledger, replace(deck.row, mode="on"))
    after = deck.ledger.head("champion")
    return {
        "candidates": len(rows),
        "labels at the end": labels,
        "corrections": len(corrected),
        "seconds from the word to the new scores": spread(seconds),
        "corrected ones that moved the right way": round(mean(directions), 3),
        "P(like) moved, the corrected one": spread(own),
        "P(like) moved, its look-alikes": spread(alike),
        "a live deck's head before and after": {
            "same": (before and before[0].id) == (after and after[0].id),
            "judges": live is None or (after is not None and live[0].id == after[0].id),
        },
    }


if __name__ == "__main__":
    main(run)
