"""Yesterday's stream under another policy, before it is applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import ActionRow, DeckRow
from tellapart.errors import DataError
from tellapart.policy import Decision, Judged, Policy, Recorded, Replayed, Standing, replay, seed_of
from tellapart.steps.decide.plan import facts_of


class _Blind:
    """Eyes that see nothing any more; that there is no model of ages is known all the same."""

    def judge(self) -> Iterable[Judged]:
        raise _gone()

    def whole(self, judged: Sequence[Judged]) -> float | None:
        raise _gone()

    def ages(self) -> None:
        return None


def _gone() -> DataError:
    return DataError(
        "The picture was never looked at.",
        expected="a verdict for which it was",
        do="Take a dry turn under the new policy.",
    )


def replayed(
    ledger: Ledger, deck: DeckRow, policy: Policy, limit: int = 500, *, estimates: bool = False
) -> Replayed:
    """Decide the deck's last candidates anew; nothing is looked at, sent or stored.

    `estimates`: whether these settings name a model of ages, which may refuse somebody.
    """
    records = [
        _record(ledger, deck, candidate, recorded, action)
        for candidate, recorded, action in ledger.verdicts(limit)
        if recorded and action.rule != "problem"
    ]
    return replay(records, policy, deck.people, None if estimates else lambda _: _Blind())


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
