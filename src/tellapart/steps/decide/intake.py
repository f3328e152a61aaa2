"""What comes to a turn: candidates that may be judged, and their pictures when they are asked for.

Whoever is not declared an adult is turned away here, before anything of them is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tellapart.decks.base import Erased
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import TurnReport, now
from tellapart.decks.stream import Seen
from tellapart.doors import Candidate, DeckPicture, DeckSource
from tellapart.errors import NotFoundError, TellapartError
from tellapart.forgetting import Refusals
from tellapart.policy import Decision, Policy, check, declared_adult, unreadable
from tellapart.steps import fingerprint
from tellapart.steps.decide.eyes import Album
from tellapart.steps.decide.plan import (
    BATCH,
    MOST,
    NEXT_S,
    PICTURE_S,
    Plan,
    declared,
    never_again,
    offered,
    unforeseen,
)

#: Candidates without a judgement in a row after which the stream is taken for exhausted.
_VAIN = 2_000


class Intake:
    """The part of a turn that takes candidates in."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.deck = plan.deck
        self.ledger = Ledger(plan.engine, plan.deck.id)
        self.policy: Policy = check(plan.deck.policy, people=plan.deck.people)
        self.digest = fingerprint(plan.deck.policy)[:16]
        self.refusals = Refusals(plan.settings, plan.engine, plan.deck.owner)
        self.report = TurnReport(plan.turn, plan.deck.mode, now())
        self._end = time.monotonic() + plan.seconds
        #: Whether another turn has taken the deck over.
        self._lost = False
        #: Whether somebody was dropped of whom something had been kept.
        self._erased = False
        #: Who is no adult; forgotten with the turn.
        self._turned_away: set[str] = set()
        self._known: set[str] = set()
        #: Known ones that are to be offered again, so that their age is heard anew.
        self._waiting: set[str] = set()
        self._done: set[str] = set()
        self._acts = 0
        #: What the service has left, where it said so by an error only.
        self._out: dict[str, int] = {}
        self._source: DeckSource
        self._pictures: dict[str, tuple[DeckPicture, ...]] = {}

    # -- what comes -------------------------------------------------------------------------

    async def _stream(self) -> AsyncIterator[tuple[Seen, bool]]:
        """Candidates to be judged: first what an earlier turn left.

        Of people the source is heard before those are judged: who is declared no adult meanwhile
        is gone by then.
        """
        pending = self.ledger.pending(self.deck.mode, self.plan.head)
        first: list[tuple[Seen, bool]] = []
        over = False
        if pending and self._people(False):
            first, over = await self._hear({seen.ref for seen in pending})
        for seen in pending:
            if not self._going():
                return
            with contextlib.suppress(NotFoundError):
                fresh = self.ledger.seen(seen.id)
                self._done.add(fresh.ref)
                yield fresh, False
        for one in first:
            if not self._going():
                return
            yield one
        vain = 0
        while not over and self._going() and vain < _VAIN:
            found = await self._next()
            if not found:
                return
            for candidate in found:
                if not self._going():
                    return
                taken = self._take(candidate)
                vain = vain + 1 if taken is None else 0
                if taken is not None:
                    yield taken, candidate.person is True

    async def _hear(self, waiting: set[str]) -> tuple[list[tuple[Seen, bool]], bool]:
        """What the source offers now, those who wait for a judgement among it; whether that is
        all. A service is asked a few times, a folder or list is read as a whole."""
        self._waiting = waiting
        self._done |= waiting  # offered again they are guarded, and not taken twice
        found: list[tuple[Seen, bool]] = []
        local = self._source.local
        try:
            for _ in range(_VAIN if local else 2):
                if not self._going() or len(found) >= (_VAIN if local else BATCH):
                    return found, False
                offered_now = await self._next()
                if not offered_now:
                    return found, True
                for candidate in offered_now:
                    taken = self._take(candidate)
                    if taken is not None:
                        found.append((taken, candidate.person is True))
            return found, False
        finally:
            self._waiting = set()

    async def _next(self) -> list[Candidate]:
        async with asyncio.timeout(NEXT_S):
            return await self._source.next(BATCH)

    def _take(self, candidate: Candidate) -> Seen | None:
        """Keep what may be kept of a candidate; None: it is not judged, or not again."""
        if self.refusals and self.refusals.candidate(self.deck.source, candidate.ref):
            return None
        if self._people(candidate.person is True) and not declared_adult(declared(candidate)):
            self._no_adult(candidate.ref)
            return None
        if candidate.ref in self._known or candidate.ref in self._done:
            return None
        self._done.add(candidate.ref)
        self._pictures[candidate.ref] = candidate.pictures
        seen = self.ledger.offer(offered(candidate))
        given = {at: one.data for at, one in enumerate(candidate.pictures) if one.data}
        if given:  # they cannot be had again, should this turn be cut off
            self._album(seen).take(given)
            seen = self.ledger.seen(seen.id)
        if candidate.problem:
            self._keep(seen, unreadable(candidate.problem), {})
            return None
        return seen

    def _people(self, person: bool) -> bool:
        """Whether the adult guard is on; once a deck has held a person it stays on."""
        if person and not self.deck.people:
            self.policy = self.policy.for_people()
            policy = self.policy.model_dump(mode="json")
            gone = self.ledger.guard(policy)
            self.report.not_adult += gone.number
            self._gone(gone)
            self.digest = fingerprint(policy)[:16]
            self.deck = replace(self.deck, people=True, policy=policy)
        return self.deck.people or self._source.people is True

    def _no_adult(self, ref: str) -> None:
        """Nothing is kept but a count, also of what was kept before they were known to be none."""
        if ref not in self._turned_away:  # a source may offer somebody twice
            self._turned_away.add(ref)
            self.report.not_adult += 1
            self.ledger.count_not_adult()
        self._gone(self.ledger.forget_ref(ref))

    def _gone(self, gone: Erased) -> None:
        """Those acted upon are never looked at again, known by a keyed digest alone."""
        never_again(self.refusals, self.deck.source, gone)
        self._erased = self._erased or gone.number > 0
        if gone.learned:
            (self.plan.folder / "labels.csv").unlink(missing_ok=True)

    def _album(self, seen: Seen) -> Album:
        loop = asyncio.get_running_loop()
        given = self._pictures.get(seen.ref) or tuple(
            DeckPicture(file_url=url, path=Path(path) if path else None)
            for _, _, url, path, _ in seen.pictures
        )

        def fetch(positions: Sequence[int]) -> Sequence[bytes | TellapartError]:
            work = self._fetch([given[position] for position in positions])
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        return Album(self.ledger, self.plan.folder, seen, fetch, self.refusals)

    async def _fetch(self, pictures: Sequence[DeckPicture]) -> list[bytes | TellapartError]:
        async def one(picture: DeckPicture) -> bytes | TellapartError:
            try:
                async with asyncio.timeout(PICTURE_S):
                    return await self._source.picture(picture)
            except TellapartError as error:
                return error
            except Exception as error:
                return unforeseen(error)

        return list(await asyncio.gather(*(one(picture) for picture in pictures)))

    def _going(self) -> bool:
        """Whether there is time, and nobody wants the turn to end."""
        if self.plan.cancelled() or self._lost:
            self.report.end = "cancelled"
        elif time.monotonic() > self._end:
            self.report.end = "time"
        elif self.report.judged >= MOST:
            self.report.end = "limit"
        else:
            row = self.ledger.row()
            if row.mode != self.deck.mode or row.people > self.deck.people:
                self.report.end = "switched off"
        return not self.report.end

    def _keep(self, seen: Seen, decision: Decision, recorded: Mapping[str, Any]) -> None:
        """Store a verdict on which nothing is sent."""
        raise NotImplementedError
