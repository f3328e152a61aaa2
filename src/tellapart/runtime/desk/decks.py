"""Decks of an account: adding, switching, watching, reviewing, correcting.

Whatever a person can do with a deck is a method here; pages, REST and the command line call it
by the same words. What people are owed is kept below, by policy and turn; no method leads
around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tellapart.runtime.desk.deck_shapes import (
    CandidateView,
    Corrected,
    DeckRow,
    DeckView,
    Forgotten,
    HeadRow,
    Label,
    Mode,
    PolicyView,
    ProgressView,
    ReplayView,
    ReviewView,
    SourceView,
    TurnRow,
)
from tellapart.runtime.desk.running import Running
from tellapart.runtime.desk.shapes import Original, Page, Thumbnail


class Decks(Running):
    """The decks of one account. Every method raises `NotFoundError` for what is not its own."""

    def deck_sources(self) -> list[SourceView]:
        """The kinds of streams there are, with options, secrets and terms."""
        raise NotImplementedError

    def decks(self, *, limit: int = 50, after: str | None = None) -> Page[DeckRow]:
        """The account's decks, by name."""
        raise NotImplementedError

    def deck(self, name: str) -> DeckView:
        """One deck with all its settings."""
        raise NotImplementedError

    def deck_add(
        self,
        name: str,
        source: str,
        options: Mapping[str, Any] | None = None,
        *,
        project: str = "",
        people: bool | None = None,
        title: str = "",
        policy: Mapping[str, Any] | str | None = None,
        every: float | None = None,
    ) -> DeckView:
        """Make a deck, off. `people` must be said where its source does not know.

        `project` empty: one is made with it, of the same name. `every`: minutes between turns;
        None: the server's own (5).
        """
        raise NotImplementedError

    def deck_change(
        self,
        name: str,
        *,
        title: str | None = None,
        every: float | None = None,
        options: Mapping[str, Any] | None = None,
        people: bool | None = None,
    ) -> DeckView:
        """Change what is given. A deck of people stays one; new options switch it off."""
        raise NotImplementedError

    def deck_delete(self, name: str) -> None:
        """Forget a deck: candidates, pictures, verdicts, heads, secrets. Raises `BusyError`."""
        raise NotImplementedError

    def deck_mode(self, name: str, mode: Mode, why: str = "") -> DeckView:
        """Switch it `off`, to `dry` (decides, sends nothing) or `on`.

        `on` raises `RefusedError` with all that stands against it (`DeckView.may_on`).
        """
        raise NotImplementedError

    def deck_run(self, name: str, *, limit: int | None = None, key: str | None = None) -> TurnRow:
        """Queue one turn now; `limit`: candidates at most. A deck that is off makes none."""
        raise NotImplementedError

    def deck_turns(self, name: str, *, limit: int = 50, after: str | None = None) -> Page[TurnRow]:
        """Its turns, newest first."""
        raise NotImplementedError

    def deck_confirm(self, name: str, confirmed: bool = True) -> DeckView:
        """Confirm the terms of its source for this account, or take that back (switches off)."""
        raise NotImplementedError

    def deck_credential(self, name: str, secret: str, value: str) -> DeckView:
        """Store a secret of its source, encrypted; an empty one is forgotten (switches off)."""
        raise NotImplementedError

    # -- looking ----------------------------------------------------------------------------

    def deck_review(self, name: str, *, limit: int = 3, skip: Sequence[str] = ()) -> ReviewView:
        """What a person should look at next; `skip`: ids of candidates to be left out."""
        raise NotImplementedError

    def deck_answer(self, name: str, candidate: str, label: Label | None) -> ProgressView:
        """A person's word on a candidate; None takes it back. Learned from in the background."""
        raise NotImplementedError

    def deck_undo(self, name: str) -> ReviewView:
        """Take the last word back; its candidate comes first again."""
        raise NotImplementedError

    def deck_progress(self, name: str) -> ProgressView:
        """How far labelling has come, and whether to stop."""
        raise NotImplementedError

    def deck_results(
        self,
        name: str,
        *,
        action: str | None = None,
        rule: str | None = None,
        outcome: str | None = None,
        label: str | None = None,
        match: bool | None = None,
        q: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[CandidateView]:
        """Everything decided and done, newest first, each with its verdict.

        `label`: `corrected` (a person said otherwise), `confirmed` or `none`. `q`: a part of the
        name or the reason.
        """
        raise NotImplementedError

    def deck_candidate(self, name: str, candidate: str) -> CandidateView:
        """One candidate with everything known of it."""
        raise NotImplementedError

    def deck_correct(self, name: str, candidate: str, label: Label) -> Corrected:
        """Correct a verdict: the label is stored, the taste refitted, look-alikes scored anew.

        On a deck that is on, the refitted taste is a challenger: it is live only after its gate.
        """
        raise NotImplementedError

    def deck_forget(self, name: str, candidate: str) -> Forgotten:
        """Remove a candidate with all that came of it; the certificate."""
        raise NotImplementedError

    def deck_picture(self, name: str, candidate: str, position: int) -> Original:
        """A candidate's picture as a file."""
        raise NotImplementedError

    def deck_thumbnail(
        self, name: str, candidate: str, position: int, size: int = 256
    ) -> Thumbnail:
        """A candidate's picture, small."""
        raise NotImplementedError

    def deck_heat(self, name: str, candidate: str, position: int) -> Thumbnail:
        """A candidate's picture with what spoke for a like laid over it."""
        raise NotImplementedError

    # -- policy and taste -------------------------------------------------------------------

    def deck_policy(self, name: str) -> PolicyView:
        """Its policy, with the rules in their order and the duties that no policy ends."""
        raise NotImplementedError

    def deck_policy_set(self, name: str, policy: Mapping[str, Any] | str) -> PolicyView:
        """Replace its policy (an object, or YAML or JSON text). Raises `RecipeError`."""
        raise NotImplementedError

    def deck_replay(
        self, name: str, policy: Mapping[str, Any] | str | None = None, *, limit: int = 500
    ) -> ReplayView:
        """What `policy` (None: the deck's own) would have made of the stream; sends nothing."""
        raise NotImplementedError

    def deck_heads(self, name: str) -> list[HeadRow]:
        """Tastes learned, newest first: which is live, and why the others are not."""
        raise NotImplementedError

    def deck_retrain(self, name: str) -> HeadRow:
        """Learn from all labels now, and let the gate decide whether the result becomes live."""
        raise NotImplementedError

    def deck_rollback(self, name: str) -> HeadRow:
        """Put the taste that was live before back."""
        raise NotImplementedError
