"""Policy and taste of an account's decks: how they decide, what they learned, what may be live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tellapart import forgetting
from tellapart import policy as policies
from tellapart.deck import Deck
from tellapart.decks import shapes as ledger
from tellapart.runtime.desk import deck_rows as rows
from tellapart.runtime.desk.deck_looking import DeckLooking, label_of
from tellapart.runtime.desk.deck_shapes import (
    Corrected,
    Forgotten,
    HeadRow,
    Label,
    PolicyView,
    ReplayRow,
    ReplayView,
)

#: Rows of a replay that are shown; events of heads that are told.
MOST_SHOWN, _MOST_LOG = 5000, 500
#: Candidates whose score moved that are told.
_MOST_MOVED = 50
#: What holds whatever a policy says.
ALWAYS = (
    "Of people, whoever is not declared to be 18 or older is not judged, and nothing is kept.",
    "Of people, whoever an estimate does not show to be clearly adult is left to a person.",
    "What could not be judged is left, never liked.",
    "No act is sent twice; one whose outcome is not known is shown as unknown.",
)


class DeckLearning(DeckLooking):
    """What a deck decides by."""

    def deck_policy(self, name: str) -> PolicyView:
        """Its policy, with the rules in their order and the duties that no policy ends."""
        row = self._deck(name).row
        found = policies.check(row.policy, people=row.people)
        return PolicyView(
            policy=found.model_dump(mode="json"),
            default=policies.Policy.default(row.people).model_dump(mode="json"),
            text=policies.template(row.people, found),
            says=policies.describe(found, row.people),
            rules=[{"rule": rule, "about": about} for rule, about in policies.RULES.items()],
            always=list(ALWAYS if row.people else ALWAYS[2:]),
            schema=policies.schema(),
        )

    def deck_policy_set(self, name: str, policy: Mapping[str, Any] | str) -> PolicyView:
        """Replace its policy (an object, or YAML or JSON text); keys left out have their default.

        It counts from the next candidate on. Raises `PolicyError` with all problems.
        """
        deck = self._deck(name)
        deck.set_policy(self._parsed(policy, deck.row.people))
        self._memory.forget(self._whose(deck))
        return self.deck_policy(name)

    def deck_replay(
        self, name: str, policy: Mapping[str, Any] | str | None = None, *, limit: int = 500
    ) -> ReplayView:
        """What `policy` (None: the deck's own) would have made of the stream so far.

        Sends nothing, stores nothing. `limit`: rows shown at most; all are counted.
        """
        deck = self._deck(name)
        row = deck.row
        wanted: Mapping[str, Any] = row.policy
        if policy is not None:
            wanted = self._parsed(policy, row.people)
        found = deck.replay(wanted)
        most = min(max(1, limit), MOST_SHOWN)
        shown = found.differences[:most]
        names = deck.names([one.candidate for one in shown])
        return ReplayView(
            candidates=found.total,
            same=found.total - len(found.changed) - len(found.unsure),
            changed=len(found.changed),
            unsaid=len(found.unsure),
            moves=found.moves,
            rows=[_replayed(one, names) for one in shown],
            more=len(found.differences) - len(shown),
        )

    def deck_heads(self, name: str) -> list[HeadRow]:
        """Tastes learned, newest first: which is live, and why the others are not."""
        deck = self._deck(name)
        log = deck.log(_MOST_LOG)
        return [rows.head_row(one, log) for one in deck.heads()]

    def deck_retrain(self, name: str) -> HeadRow:
        """Learn from all labels now, and let the gate decide whether the result becomes live.

        Raises `DataError` for too few labels.
        """
        deck = self._deck(name)
        id = self._tasted(deck, "retrain")
        self._memory.forget(("deck", deck.ledger.id, "estimate"))
        return self._learned(deck, next(one for one in deck.heads() if one.id == id))

    def deck_rollback(self, name: str) -> HeadRow:
        """Put the taste that was live before back. Raises `InputError` where there is none."""
        deck = self._deck(name)
        return self._learned(deck, deck.rollback())

    def deck_correct(self, name: str, candidate: str, label: Label) -> Corrected:
        """Correct a verdict: the label is stored, the taste refitted, look-alikes scored anew.

        On a deck that is on, the refitted taste is a challenger: it is live only after its gate.
        """
        deck = self._deck(name)
        deck.correct(candidate, label_of(label))
        learned = self._tasted(deck, "learn", candidate=candidate)
        self._memory.forget(self._whose(deck))
        return Corrected(
            candidate=self.deck_candidate(name, candidate),
            moved=list(learned["moved"])[:_MOST_MOVED],
            head=learned["head"],
            state=learned["state"],
            said=learned["why"],
        )

    def deck_forget(self, name: str, candidate: str) -> Forgotten:
        """Remove a candidate with all that came of it; the certificate."""
        deck = self._deck(name)
        deck.candidate(candidate)
        gone = forgetting.forget(
            self.settings,
            self.engine,
            forgetting.Asked("candidate", candidate),
            owner=self.settings.owner,
        )
        self._memory.forget(self._whose(deck))
        return Forgotten(gone.to_dict())

    # -- inside -----------------------------------------------------------------------------

    def _learned(self, deck: Deck, head: ledger.HeadRow) -> HeadRow:
        self._memory.forget(self._whose(deck))
        return rows.head_row(head, deck.log(_MOST_LOG))

    def _parsed(self, policy: Mapping[str, Any] | str, people: bool) -> dict[str, Any]:
        """A policy as it is stored. Raises `PolicyError`."""
        if isinstance(policy, str):
            form = "json" if policy.lstrip().startswith("{") else "yaml"
            found = policies.parse(policy, people=people, form=form)
        else:
            found = policies.check(policy, people=people)
        return found.model_dump(mode="json")


def _replayed(one: policies.Difference, names: Mapping[str, str]) -> ReplayRow:
    return ReplayRow(
        candidate=one.candidate,
        name=names.get(one.candidate, ""),
        before=asdict(one.before),
        after=None if one.after is None else asdict(one.after),
        problem=one.unsure,
    )
