"""Yesterday's stream under another policy, before it is applied."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import ActionRow, DeckRow
from tellapart.policy import Decision, Judged, Policy, Recorded, Replayed, Standing, replay, seed_of
from tellapart.steps.decide.turn import facts_of


def replayed(ledger: Ledger, deck: DeckRow, policy: Policy, limit: int = 500) -> Replayed:
    """Decide the deck's last candidates anew; nothing is looked at, sent or stored."""
    records = [
        _record(ledger, deck, candidate, recorded, action)
        for candidate, recorded, action in ledger.verdicts(limit)
        if recorded and action.rule != "problem"
    ]
    return replay(records, policy, deck.people)


def _record(
    ledger: Ledger, deck: DeckRow, candidate: str, recorded: dict[str, Any], action: ActionRow
) -> Recorded:
    judged = {
        int(at): Judged(int(at), score, problem)
        for at, (score, problem) in recorded.get("judged", {}).items()
    }
    return Recorded(
        candidate=candidate,
        decision=Decision(
            action=action.action,
            rule=action.rule,
            reason=action.reason,
            picture=action.picture,
            score=action.score,
            person=action.person,
            explored=action.explored,
        ),
        facts=facts_of(ledger.seen(candidate)),
        standing=Standing(
            now=datetime.fromisoformat(recorded["now"]),
            likes_left=recorded["likes_left"],
            super_likes_left=recorded["super_likes_left"],
            session=recorded["session"],
            today=recorded["today"],
        ),
        judged=judged,
        whole=recorded.get("whole"),
        chance=(lambda: seed_of(deck.id, candidate)) if recorded.get("chance") else None,
    )
