"""Candidates of an account's decks: review, results, pictures, a person's word."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Hashable, Sequence
from typing import Any

from tellapart import images, registry
from tellapart.deck import Deck
from tellapart.decks import shapes as ledger
from tellapart.doors import DeckSource
from tellapart.errors import (
    InputError,
    MissingExtraError,
    NotFoundError,
    OverloadedError,
    PictureError,
    TellapartError,
    WorkerError,
)
from tellapart.runtime.desk import deck_rows as rows
from tellapart.runtime.desk import thumbs
from tellapart.runtime.desk.deck_shapes import (
    ACTIONS,
    LABELS,
    OUTCOMES,
    CandidateView,
    DeckOriginal,
    Label,
    ProgressView,
    ReviewView,
)
from tellapart.runtime.desk.pictures import MEDIA_TYPES
from tellapart.runtime.desk.running import Running
from tellapart.runtime.desk.shapes import Page, Thumbnail

#: Candidates on one page, and in one look at what is to be reviewed; ids left out of it.
MOST_ON_A_PAGE, MOST_TO_REVIEW, MOST_SKIPPED = 200, 20, 200
_STANDS = ("corrected", "confirmed", "none")
#: An estimate of how far labelling is counts so many seconds, or until so many labels more.
_SECONDS, _ANEW = 20.0, 5
#: Seconds for which the last estimate is told where nobody waits for a new one, and what is told
#: where there is none.
_LASTING = 86_400.0
_UNKNOWN = {"accuracy": None, "low": None, "high": None, "saved": None, "stop": False, "why": ""}
#: Seconds for which somebody who labels waits for the best order and a new estimate.
_SOON = 2.0
#: Seconds for which counts are kept.
_MOMENTS = 2.0
#: Candidates that wait for a label are counted up to here.
_MOST_WAITING = 100_000


class DeckLooking(Running):
    """What a deck has seen, and what a person says of it."""

    def deck_review(self, name: str, *, limit: int = 3, skip: Sequence[str] = ()) -> ReviewView:
        """What a person should look at next; `skip`: ids of candidates to be left out."""
        deck = self._deck(name)
        self._memory.tasting.warm(self.engine, self.settings, deck.name)
        limit, left_out = min(max(1, limit), MOST_TO_REVIEW), list(skip)[:MOST_SKIPPED]
        ids: list[str]
        try:
            ids = self._tasted(deck, "review", _SOON, limit=limit, skip=left_out)
        except (OverloadedError, WorkerError):  # nobody waits for the best order
            waiting = deck.ledger.unlabelled(limit + len(left_out))
            ids = [id for id in waiting if id not in left_out][:limit]
        found = deck.ledger.candidates(ids)
        progress = self._progress(deck)
        items = [rows.candidate_view(row, because(row)) for row in found]
        return ReviewView(items=items, progress=progress, can_undo=progress.labels > 0)

    def deck_answer(self, name: str, candidate: str, label: Label | None) -> ProgressView:
        """A person's word on a candidate; None takes it back. Learned from in the background."""
        deck = self._deck(name)
        if label is None:
            deck.candidate(candidate)
            deck.undo(candidate)
        else:
            deck.correct(candidate, label_of(label))
        self._learn_soon(deck)
        return self._progress(deck, wait=False)

    def deck_undo(self, name: str) -> ReviewView:
        """Take the last word back; its candidate comes first again.

        Raises `InputError` where there is none.
        """
        deck = self._deck(name)
        back = deck.undo()
        if back is None:
            raise InputError(
                f"Nothing was said of a candidate of the deck {name!r}.",
                expected="a label that can be taken back",
                do="Look at the next candidate.",
            )
        following = self.deck_review(name, skip=[back.id])
        first = rows.candidate_view(deck.candidate(back.id), because(back))
        return ReviewView([first, *following.items], following.progress, following.can_undo)

    def deck_progress(self, name: str) -> ProgressView:
        """How far labelling has come, and whether to stop."""
        return self._progress(self._deck(name))

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
        name or of the text.
        """
        _one_of("action", action, ACTIONS)
        _one_of("outcome", outcome, OUTCOMES)
        _one_of("label", label, _STANDS)
        deck = self._deck(name)
        self._memory.tasting.warm(self.engine, self.settings, deck.name)  # a correction may follow
        page = deck.results(
            ledger.Filters(
                action=action,
                state=outcome,
                rule=rule or None,
                match=match,
                label=label,
                waiting="judged",
                words=(q or "").strip() or None,
                limit=min(max(1, limit), MOST_ON_A_PAGE),
                after=after or "",
            )
        )
        return Page([rows.candidate_view(row) for row in page.items], page.next or None, page.total)

    def deck_candidate(self, name: str, candidate: str) -> CandidateView:
        """One candidate with everything known of it."""
        return rows.candidate_view(self._deck(name).candidate(candidate))

    def deck_picture(self, name: str, candidate: str, position: int) -> DeckOriginal:
        """A candidate's picture as it came. Raises `NotFoundError` where it is not kept."""
        deck = self._deck(name)
        one = _picture(deck, candidate, position)
        data = deck.picture(candidate, position)
        try:
            kind = images.probe(data)[0]
        except PictureError:
            kind = ""
        return DeckOriginal(
            data=data,
            media_type=MEDIA_TYPES.get(kind, "application/octet-stream"),
            sha256=one.sha256,
            name=f"{candidate}-{position}.{kind.lower() or 'bin'}",
        )

    def deck_thumbnail(
        self, name: str, candidate: str, position: int, size: int = 256, *, known: str = ""
    ) -> Thumbnail:
        """A candidate's picture, small. Kept nowhere: it goes when the picture goes.

        Without its bytes where `known` holds its tag.
        """
        deck, side = self._deck(name), thumbs.rounded(size)
        one = _picture(deck, candidate, position)
        tag = thumbs.etag(one.sha256, side)
        if tag in known:
            return Thumbnail(b"", thumbs.MEDIA_TYPE, tag)
        with self._memory.drawing:
            data = thumbs.draw(deck.picture(candidate, position), side)
        return Thumbnail(data, thumbs.MEDIA_TYPE, tag)

    def deck_heat(self, name: str, candidate: str, position: int) -> Thumbnail:
        """A candidate's picture with what spoke for a like laid over it."""
        deck = self._deck(name)
        one = _picture(deck, candidate, position)
        found = self._tasted(deck, "heat", candidate=candidate, position=one.position)
        data = base64.b64decode(found)
        tag = hashlib.sha256(data).hexdigest()[:32]
        return Thumbnail(data, thumbs.MEDIA_TYPE, f'"heat-{tag}"')

    # -- inside -----------------------------------------------------------------------------

    def _deck(self, name: str) -> Deck:
        return Deck.open(self.engine, self.settings, name)

    def _whose(self, deck: Deck) -> Hashable:
        return ("deck", deck.ledger.id)

    def _kind(self, source: str) -> type[DeckSource] | None:
        """The class of a source; None where it is not installed any more."""
        try:
            return registry.load("deck", source)
        except (InputError, MissingExtraError):
            return None

    def _deck_counts(self, deck: Deck, row: ledger.DeckRow) -> ledger.Counts:
        """Its counts of some moments ago: of ten thousand candidates they take half a second.

        Never of before the last turn that `row` knows: what was counted amid it is not what it
        left.
        """
        what = ("counts", (row.last_turn or {}).get("ended"))
        return self._memory.get(self._whose(deck), what, deck.counts, _MOMENTS)

    def _tasted(self, deck: Deck, verb: str, patience: float = 30.0, **values: Any) -> Any:
        """What takes a network or a fit: see `tasting`."""
        asked = (self.engine, self.settings, deck.name, verb, values)
        return self._memory.tasting.ask(*asked, patience=patience)

    def _learn_soon(self, deck: Deck) -> None:
        """Learn from the labels so far after every few; a deck that is on judges with it only
        after the gate."""
        number = len(deck.ledger.said())
        if not number or number % _ANEW:
            return

        def learn() -> None:
            # What cannot be learned now is learned with the next labels, or said when asked for.
            with contextlib.suppress(TellapartError):
                self._tasted(deck, "learn")
                self._memory.forget(("deck", deck.ledger.id, "estimate"))
                self._progress(deck)

        self._memory.tasting.learn_soon(deck.ledger.id, learn)

    def _progress(self, deck: Deck, *, wait: bool = True) -> ProgressView:
        """How far labelling is: labels as they stand, the estimate of some seconds ago.

        An estimate takes tenths of a second, and somebody who labels says a word a second; not
        to `wait` takes the last one there was.
        """
        row = deck.row
        said, counts = deck.ledger.said(), self._deck_counts(deck, row)
        words, kind = [one.label for one in said], self._kind(row.source)
        whose = ("deck", deck.ledger.id, "estimate")
        last: dict[str, Any] = self._memory.get((*whose, "last"), "last", dict, _LASTING)
        if wait:
            with contextlib.suppress(OverloadedError, WorkerError):
                last |= self._memory.get(
                    whose,
                    len(words) // _ANEW,
                    lambda: self._tasted(deck, "progress", _SOON),
                    _SECONDS,
                )
        found = {**_UNKNOWN, **last}
        return ProgressView(
            labels=len(words),
            likes=words.count("like"),
            passes=words.count("pass"),
            accuracy=found["accuracy"],
            low=found["low"],
            high=found["high"],
            saved=found["saved"],
            stop=found["stop"],
            why=found["why"],
            held_back=sum(one.part == "held" for one in said),
            to_review=len(deck.ledger.unlabelled(_MOST_WAITING)),
            dry_reviewed=counts.reviewed_dry,
            least_dry=kind.least_dry if kind else 0,
        )


def because(row: ledger.CandidateRow) -> str:
    """Why a candidate is shown for review, one word."""
    if row.label is not None:
        return ""
    if row.action is not None and row.action.person:
        return "person"
    if row.new_looking:
        return "new"
    return "dry" if row.action is not None and row.action.mode == "dry" else "learn"


def _picture(deck: Deck, candidate: str, position: int) -> ledger.PictureRow:
    for one in deck.candidate(candidate).pictures:
        if one.position == position and one.sha256:
            return one
    raise NotFoundError(
        f"The candidate {candidate} has no picture {position} that is kept.",
        expected="a picture that was fetched, and whose time has not run out",
        do="Look at the candidate: its pictures are listed there.",
    )


def label_of(label: str) -> Label:
    """The word, if it is one that a person may say. Raises `InputError`."""
    _one_of("label", label, LABELS)
    return label  # type: ignore[return-value]


def _one_of(what: str, word: str | None, known: Sequence[str]) -> None:
    if word is not None and word not in known:
        raise InputError(
            f"There is no {what} {word[:40]!r}.",
            expected=f"one of {', '.join(known)}",
            do="Correct the word.",
        )
