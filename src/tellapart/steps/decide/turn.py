"""One turn: ask the source for candidates, judge each by the policy, act where the deck is on.

Nothing is judged twice and nothing sent twice, however often a turn is cut off: what was seen and
not judged comes first in the next one, what was sent without an answer is asked for, never sent
again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tellapart import registry
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import DeckRow, TurnReport, iso, now
from tellapart.decks.stream import Offered, Seen
from tellapart.decks.verdicts import ACTS, Limits, Verdict
from tellapart.doors import Candidate, DeckContext, DeckPicture, DeckSource
from tellapart.errors import (
    ExhaustedError,
    Interrupted,
    ServiceError,
    TellapartError,
    WorkerError,
)
from tellapart.fetch import Fetcher
from tellapart.forgetting import Refusals
from tellapart.policy import (
    Decision,
    Facts,
    Policy,
    Standing,
    check,
    decide,
    decide_as_told,
    declared_adult,
    seed_of,
    unreadable,
)
from tellapart.settings import Settings
from tellapart.steps import fingerprint
from tellapart.steps.decide.acting import Acting, UnclearError, out_until
from tellapart.steps.decide.eyes import AgeModel, Album, Looking
from tellapart.steps.decide.tasting import Judge

#: Candidates asked for at a time; a turn's candidates and seconds at most; seconds that a source
#: may take to give candidates, and to give a picture.
BATCH, MOST, TURN_S, NEXT_S, PICTURE_S = 20, 500, 240.0, 90.0, 60.0
#: Seconds between two signs of life.
RENEW_S = 10.0
#: Candidates without a judgement in a row after which the stream is taken for exhausted.
_VAIN = 2_000


@dataclass(frozen=True)
class Plan:
    """What one turn works with."""

    #: The owner's.
    settings: Settings
    engine: sa.Engine
    deck: DeckRow
    folder: Path
    turn: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    confirmed: bool = False
    limit: int | None = None
    seconds: float = TURN_S
    #: Made on first use: a turn that rules alone decide loads no model.
    judge: Callable[[], Judge] = field(default=lambda: _nobody())
    ages: Callable[[], AgeModel | None] = lambda: None
    #: The id of the head that `judge` gives, known without loading anything.
    head: str = ""
    cancelled: Callable[[], bool] = lambda: False
    progress: Callable[[int], None] = lambda judged: None


def take(plan: Plan) -> TurnReport:
    """Take one turn, to its end. Never raises what a service or a model does: it is in the report.

    The caller holds the deck (`Ledger.hold`). Raises `StorageError` and `Interrupted`.
    """
    return asyncio.run(_Turn(plan).run())


class _Turn:
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
        self._known: set[str] = set()
        self._done: set[str] = set()
        self._acts = 0
        #: What the service has left, where it said so by an error only.
        self._out: dict[str, int] = {}
        self._source: DeckSource
        self._pictures: dict[str, tuple[DeckPicture, ...]] = {}

    async def run(self) -> TurnReport:
        start = time.perf_counter()
        renewing = asyncio.create_task(self._renew())
        try:
            async with Fetcher(self.plan.settings) as fetcher:
                self._source = self._open(fetcher)
                await self._work()
        except Interrupted as error:
            self.report.end = self.report.end or "cancelled"
            self.report.error = _shape(error)
            self._close(start)
            raise
        except TellapartError as error:
            self._met(error)
        except Exception as error:  # a stranger's source may fail with anything
            self._met(_unforeseen(error))
        finally:
            renewing.cancel()
        self._close(start)
        return self.report

    async def _renew(self) -> None:
        """Say now and then that the turn goes on, however long its source takes."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await asyncio.to_thread(self.ledger.renew, self.plan.turn)
            except Interrupted:
                self._lost = True
                return
            except TellapartError:
                continue  # the database is away: it is tried again

    def _open(self, fetcher: Fetcher) -> DeckSource:
        self._known = self.ledger.known_refs(self.deck.mode)
        context = DeckContext(
            settings=self.plan.settings,
            fetcher=fetcher,
            options=self.deck.options,
            secrets=self.plan.secrets,
            confirmed=self.plan.confirmed,
            known=lambda ref: ref in self._known or ref in self._done,
        )
        return registry.load("deck", self.deck.source)(context)

    async def _work(self) -> None:
        self.acting = Acting(self.ledger, self._source)
        self.report.reconciled = await self.acting.reconcile(self._going)
        if self.deck.mode == "on" and self.deck.last_turn is not None:
            before = datetime.fromisoformat(self.deck.last_turn["started"]) - timedelta(days=1)
            await self.acting.hear(before)
        async for seen, person in self._stream():
            self.report.seen += 1
            if not await self._one(seen, person):
                return
            self.plan.progress(self.report.judged)
            if self.plan.limit is not None and self.report.judged >= self.plan.limit:
                self.report.end = "limit"
                return
        self.report.end = self.report.end or "exhausted"

    # -- what comes -------------------------------------------------------------------------

    async def _stream(self) -> AsyncIterator[tuple[Seen, bool]]:
        """Candidates to be judged: first what an earlier turn left."""
        for seen in self.ledger.pending(self.deck.mode, self.plan.head):
            if not self._going():
                return
            self._done.add(seen.ref)
            yield seen, False
        vain = 0
        while self._going() and vain < _VAIN:
            async with asyncio.timeout(NEXT_S):
                found = await self._source.next(BATCH)
            if not found:
                return
            for candidate in found:
                if not self._going():
                    return
                seen_or_none = self._take(candidate)
                vain = vain + 1 if seen_or_none is None else 0
                if seen_or_none is not None:
                    yield seen_or_none, candidate.person is True

    def _take(self, candidate: Candidate) -> Seen | None:
        """Keep what may be kept of a candidate; None: it is not judged, or not again."""
        if self.refusals and self.refusals.candidate(self.deck.source, candidate.ref):
            return None
        if self._people(candidate.person is True) and not declared_adult(_facts(candidate)):
            self._no_adult(candidate.ref)
            return None
        if candidate.ref in self._known or candidate.ref in self._done:
            return None
        self._done.add(candidate.ref)
        self._pictures[candidate.ref] = candidate.pictures
        seen = self.ledger.offer(_offered(candidate))
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
            self.report.not_adult += gone
            self._erased = self._erased or gone > 0
            self.digest = fingerprint(policy)[:16]
            self.deck = replace(self.deck, people=True, policy=policy)
        return self.deck.people or self._source.people is True

    def _no_adult(self, ref: str) -> None:
        """Nothing is kept but a count, also of what was kept before they were known to be none."""
        self.report.not_adult += 1
        self.ledger.count_not_adult()
        self._erased = self.ledger.forget_ref(ref) or self._erased

    # -- judging ----------------------------------------------------------------------------

    async def _one(self, seen: Seen, person: bool) -> bool:
        """Judge one candidate and act; whether the turn goes on."""
        album = self._album(seen)
        for _ in range(3):  # again where the service says that it has none of these left
            looking = Looking(album, self.plan.judge, self.plan.ages)
            standing = self._standing()
            decision = await asyncio.to_thread(self._decide, seen, person, standing, looking)
            if not decision.kept:
                self._no_adult(seen.ref)
                return True
            if decision.action == "stop":
                self._stop(decision)
                return False
            verdict = self._verdict(seen, decision, _recorded(standing, looking))
            self._keep_looks(seen, album, looking)
            outcome = await self._act(seen, verdict)
            if outcome == "again":
                continue
            # Where a rule decided they are fetched all the same, to be shown and learned from
            # when a person corrects it; no model looks at them.
            await asyncio.to_thread(_quietly, lambda: album.get(0))
            return outcome == "on"
        return True

    def _decide(self, seen: Seen, person: bool, standing: Standing, looking: Looking) -> Decision:
        people, facts = self._people(person), facts_of(seen)
        told = self.ledger.word(seen.id) if self.deck.mode == "on" else None
        if told is not None:
            return decide_as_told(self.policy, people, facts, standing, told)
        chance: random.Random | None = None
        if self.deck.mode != "on":
            chance = seed_of(self.deck.id, seen.id)
        return decide(self.policy, people, facts, standing, looking, chance)

    def _standing(self) -> Standing:
        left = {
            "likes_left": self._source.likes_left,
            "super_likes_left": self._source.super_likes_left,
            **self._out,
        }
        at = datetime.now(UTC).replace(microsecond=0)
        today = self.ledger.acts_of(f"{at:%Y-%m-%d}")
        return Standing(now=at, session=self._acts, today=today, **left)

    def _album(self, seen: Seen) -> Album:
        loop = asyncio.get_running_loop()
        offered = self._pictures.get(seen.ref) or tuple(
            DeckPicture(file_url=url, path=Path(path) if path else None)
            for _, _, url, path, _ in seen.pictures
        )

        def fetch(positions: Sequence[int]) -> Sequence[bytes | TellapartError]:
            work = self._fetch([offered[position] for position in positions])
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
                return _unforeseen(error)

        return list(await asyncio.gather(*(one(picture) for picture in pictures)))

    def _keep_looks(self, seen: Seen, album: Album, looking: Looking) -> None:
        """Keep scores and features; features of faces never."""
        ids = {position: id for id, position, *_ in seen.pictures}
        scores: dict[int, tuple[float | None, str]] = {
            ids[position]: (one.score, album.problems.get(position, ""))
            for position, one in looking.judged.items()
        }
        for position, problem in album.problems.items():
            scores.setdefault(ids[position], (None, problem))
        if not scores and not looking.features:
            return
        judge = self.plan.judge() if looking.features else None
        features = {ids[position]: data for position, data in looking.features.items()}
        keeps = judge is not None and judge.keeps
        base = judge.sight.key if judge is not None else ""
        self.ledger.looked(scores, self.plan.head, base, features if keeps else None)

    def _verdict(self, seen: Seen, decision: Decision, recorded: Mapping[str, Any]) -> Verdict:
        return Verdict(
            candidate=seen.id,
            action=decision.action,
            rule=decision.rule,
            reason=decision.reason,
            picture=decision.picture,
            score=decision.score,
            person=decision.person,
            explored=decision.explored,
            head=self.plan.head,
            policy=self.digest,
            recorded={**recorded, "chance": self.deck.mode != "on"},
        )

    # -- acting -----------------------------------------------------------------------------

    async def _act(self, seen: Seen, verdict: Verdict) -> str:
        """`on`: the turn goes on; `off`: it ends; `again`: the candidate is decided anew."""
        if self.deck.mode == "on" and verdict.action in ACTS:
            await self._source.pace()
        limits = Limits(self.policy.limits.day, f"{datetime.now(UTC):%Y-%m-%d}")
        checked = time.monotonic()
        kept = self.ledger.keep(verdict, self.plan.turn, self.deck.mode, limits)
        self._count(verdict)
        state: str = kept.state
        if kept.send:
            self._acts += 1
            sent = await self._send(verdict, seen.ref, kept, checked)
            state = sent.state
            if sent.exhausted:
                self._none_left(verdict)
                return "again"
        elif verdict.action in ACTS and self.deck.mode != "on":
            self._acts += 1
        if state != "none":
            self.report.states[state] = self.report.states.get(state, 0) + 1
        if kept.mode != self.deck.mode or (state == "held" and self.ledger.row().mode != "on"):
            self.report.end = "switched off"
            return "off"
        return "on"

    async def _send(self, verdict: Verdict, ref: str, kept: Any, checked: float) -> Any:
        try:
            return await self.acting.send(verdict, ref, kept, checked)
        except ServiceError:
            self.report.states["refused"] = self.report.states.get("refused", 0) + 1
            raise
        except TellapartError:
            self.report.states["unknown"] = self.report.states.get("unknown", 0) + 1
            raise

    def _none_left(self, verdict: Verdict) -> None:
        """The service takes no more of these: the same candidate is decided with that known."""
        key = "super_likes_left" if verdict.action == "super_like" else "likes_left"
        self._out[key] = 0
        self.ledger.change(**{key: 0})

    def _stop(self, decision: Decision) -> None:
        self.report.end = "stop"
        self.report.why = decision.reason
        if decision.rule == "likes" and self.deck.mode == "on":
            self.ledger.change(out_until=out_until())

    def _keep(self, seen: Seen, decision: Decision, recorded: Mapping[str, Any]) -> None:
        verdict = self._verdict(seen, decision, recorded)
        self.ledger.keep(verdict, self.plan.turn, self.deck.mode)
        self._count(verdict)

    def _count(self, verdict: Verdict) -> None:
        self.report.judged += 1
        actions = self.report.actions
        actions[verdict.action] = actions.get(verdict.action, 0) + 1

    # -- the end ----------------------------------------------------------------------------

    def _going(self) -> bool:
        """Whether there is time, and nobody wants the turn to end."""
        if self.plan.cancelled() or self._lost:
            self.report.end = "cancelled"
        elif time.monotonic() > self._end:
            self.report.end = "time"
        elif self.report.judged >= MOST:
            self.report.end = "limit"
        elif self.deck.mode != self.ledger.row().mode:
            self.report.end = "switched off"
        return not self.report.end

    def _met(self, error: TellapartError) -> None:
        """What a person is to be told of; a deck that only a person can help is switched off."""
        shape = _shape(error)
        self.report.error, self.report.end = shape, "error"
        if isinstance(error, ExhaustedError):
            self.report.end = "exhausted"
            self.ledger.change(out_until=out_until(error), likes_left=0)
        if isinstance(error, ServiceError) and error.switch_off:
            self.ledger.switch("off", error.what, shape)
        elif isinstance(error, UnclearError) and (self.deck.error or {}).get("code") == error.code:
            self.ledger.switch("off", f"Twice in a row: {error.what}", shape)
        else:
            self.ledger.went_wrong(shape)

    def _close(self, start: float) -> None:
        self.report.ended = iso(datetime.now(UTC))
        self.report.seconds = round(time.perf_counter() - start, 3)
        source = getattr(self, "_source", None)
        left: dict[str, Any] = {}
        if source is not None and source.likes_left is not None:
            left["likes_left"] = self.report.likes_left = source.likes_left
        if source is not None and source.super_likes_left is not None:
            left["super_likes_left"] = source.super_likes_left
        if self.report.error is None:
            left["error"] = None
        self.ledger.turned(self.report.to_dict(), **left)
        if self._erased:
            self.ledger.settle()


def facts_of(seen: Seen) -> Facts:
    """What a candidate says of itself, as a policy takes it."""
    return Facts(
        name=seen.name,
        bio=seen.bio,
        age=seen.age,
        distance_km=seen.distance_km,
        pictures=len(seen.pictures),
        fields=seen.fields,
    )


def _facts(candidate: Candidate) -> Facts:
    return Facts(age=candidate.age)


def _offered(candidate: Candidate) -> Offered:
    return Offered(
        ref=candidate.ref,
        name=candidate.name,
        bio=candidate.bio,
        age=candidate.age,
        distance_km=candidate.distance_km,
        fields=candidate.fields,
        url=candidate.url,
        pictures=tuple(
            (one.file_url, str(one.path) if one.path else "") for one in candidate.pictures
        ),
    )


def _recorded(standing: Standing, looking: Looking) -> dict[str, Any]:
    """What a replay needs of how it was decided."""
    return {
        "now": iso(standing.now),
        "likes_left": standing.likes_left,
        "super_likes_left": standing.super_likes_left,
        "session": standing.session,
        "today": standing.today,
        "judged": {str(at): [one.score, one.problem] for at, one in looking.judged.items()},
        "whole": looking.all_together,
    }


def _shape(error: TellapartError) -> dict[str, Any]:
    shape: dict[str, Any] = error.to_dict()["error"]
    return shape


def _unforeseen(error: Exception) -> TellapartError:
    if isinstance(error, TimeoutError):
        return ServiceError(
            "The deck's source gave no answer in time.",
            expected=f"an answer within {NEXT_S:.0f} s",
            do="Nothing: the next turn asks again. If it goes on, look at the service.",
            reason="timeout",
        )
    return WorkerError(
        f"The deck's source failed: {type(error).__name__}: {error}",
        expected="candidates, or an error of the door's own kinds",
        do="Report it to whoever wrote the source.",
    )


def _quietly(do: Callable[[], object]) -> None:
    """What nothing stands on may fail."""
    try:
        do()
    except Interrupted:
        raise
    except Exception:  # noqa: S110 - its pictures are looked at when they are needed
        pass


def _nobody() -> Judge:
    raise RuntimeError("a turn without a judge")
