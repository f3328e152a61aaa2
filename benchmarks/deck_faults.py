"""A deck's service misbehaves in every way, wherever it is asked: what becomes of the turn.

Token dead, forbidden, rate limited, recs exhausted, 500, hang, garbage, another schema, an answer
cut in the middle, … while candidates are asked for and while an act is sent, with the deck protocol
and with the unofficial service's shapes. Each time: no crash, no act that the fault does not leave
possible, the deck off where a person must act, and everything once when the service is well again.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import main
from benchmarks.deck_kills import compare
from benchmarks.standin import FAULTS, Standin, crowd
from tellapart import registry
from tellapart.deck import Deck
from tellapart.decks import listing
from tellapart.store.database import open_database

#: Faults after which a person must act: the deck is off then.
OFF = frozenset(
    ("token_dead", "forbidden", "rate_limited", "rate_limited_words", "rate_limited_id", "schema")
)
#: With these a service says that it has not done an act. One that says so and has done it is
#: believed: nobody could tell.
SAYS_NOT_DONE = frozenset(("exhausted", "gone", "rate_limited_words"))
#: Said at the entrance. The deck protocol is asked whether it was done after all before it is sent
#: anew; the unofficial service cannot be asked, and is believed: counted as that, not as right.
ENTRANCE = frozenset(("token_dead", "forbidden", "rate_limited"))
PEOPLE = 4


def one(kind: str, fault: str, where: str, done: bool) -> dict[str, Any]:
    """What a turn does about one fault, and the turns after it when all is well again."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Standin(crowd(PEOPLE, pictures=1), size=(32, 32)) as service,
    ):
        settings = service.settings(home=Path(folder), fetch_timeout=20.0)
        engine = open_database(settings)
        try:
            deck = _deck(engine, settings, service, kind)
            first = deck.turn(1)
            if first.states != {"done": 1}:
                raise RuntimeError(f"the first act: {first}")
            service.tell(fault, where, done=done, seconds=2.0)
            before = len(service.acts())
            # Only what never answers has to be waited for.
            patience = 1.0 if fault in ("hang", "slow") else 20.0
            hurried = replace(settings, fetch_timeout=patience)
            report = Deck.open(engine, hurried, deck.name).turn()
            row = deck.row
            acted = len(service.acts()) - before
            told = row.error or {}
            found = {
                "end": report.end,
                "states": report.states,
                "mode": row.mode,
                "error": told.get("code", ""),
                "said": bool(told.get("what") and told.get("do")) or report.error is None,
                "acted": acted,
            }
            service.mend()
            deck.ledger.switch("on", "a person acted")
            after = [deck.turn() for _ in range(2)]
            truth = compare(service, deck.ledger)
            found["then"] = [each.end for each in after]
            found["right"] = _right(found, truth, fault, where, done)
            return {**found, "ledger": truth["ledger"], "truth": truth}
        finally:
            engine.dispose()


def _deck(engine: Any, settings: Any, service: Standin, kind: str) -> Deck:
    listing.confirm(engine, "", kind, registry.load("deck", kind).confirm or "-")
    options = {"pause": 0} if kind == "tinder" else {"url": service.deck_url}
    policy = {"accept_all": True}
    deck = Deck.add(engine, settings, "faulty", kind, options, people=True, policy=policy)
    deck.credential("token", service.token)
    deck.ledger.switch("on", "to be tried")
    return deck


def _right(
    found: dict[str, Any], truth: dict[str, Any], fault: str, where: str, done: bool
) -> bool:
    """Whether it was handled as it is said to be."""
    wrong = ("acted_twice", "sent_twice", "acted_but_not_shown", "missed_but_acted", "lost")
    # What was surely not done (a token that is dead) may be sent again once a person has acted.
    harmless = fault in OFF or fault == "exhausted"
    once = all(truth[key] == 0 for key in wrong if not (harmless and key == "sent_twice"))
    if not (once and found["said"] and truth["done_but_not_by_the_service"] == 0):
        return False
    for_a_person = fault in OFF and fault not in _NOT_HERE.get(where, ())
    if for_a_person and found["mode"] != "off":
        return False
    # While candidates are asked for nothing is done; while it acts, one act at most is.
    return bool(found["acted"] <= (0 if where == "next" else 1))


#: Faults that have another sense, or none, at a place: an act has no candidate whose id could
#: speak, and another shape of its answer leaves a doubt, which is shown as unknown.
_NOT_HERE: dict[str, tuple[str, ...]] = {
    "act": ("rate_limited_id", "schema"),
}


def run(data: Path, small: bool) -> dict[str, Any]:
    """Every fault, at every place, before and after the act was done."""
    kinds = ("http",) if small else ("http", "tinder")
    faults = ("token_dead", "rate_limited", "error", "garbage") if small else tuple(FAULTS)
    each: dict[str, Any] = {}
    counted: Counter[str] = Counter()
    for kind in kinds:
        for fault in faults:
            for where, done in (("next", False), ("act", False), ("act", True)):
                if kind == "http" and fault in ("rate_limited_words", "rate_limited_id"):
                    continue  # words of the unofficial service
                if done and (fault == "slow" or fault in SAYS_NOT_DONE):
                    continue
                name = f"{kind} {where} {fault}{' after it was done' if done else ''}"
                found = one(kind, fault, where, done)
                found.pop("truth")
                each[name] = found
                if done and kind == "tinder" and fault in ENTRANCE:
                    counted["believed, though done"] += 1
                    continue
                counted["right" if found["right"] else "wrong"] += 1
    return {"tried": len(each), **counted, "crashed": 0, "each": each}


if __name__ == "__main__":
    main(run)
