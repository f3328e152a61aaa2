"""One turn: ask the source for candidates, judge each by the policy, act where the deck is on.

Nothing is judged twice and nothing sent twice, however often a turn is cut off: what was seen and
not judged comes first in the next one, what was sent without an answer is asked for, never sent
again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tellapart import registry
from tellapart.decks.shapes import TurnReport, iso
from tellapart.decks.stream import Seen
from tellapart.decks.verdicts import ACTS, Limits, Verdict
from tellapart.doors import DeckContext, DeckSource
from tellapart.errors import (
    ExhaustedError,
    Interrupted,
    ServiceError,
    TellapartError,
)
from tellapart.fetch import Fetcher
from tellapart.policy import (
    Decision,
    Standing,
    decide,
    decide_as_told,
    seed_of,
)
from tellapart.steps.decide.acting import Acting, UnclearError, out_until
from tellapart.steps.decide.eyes import Album, Looking
from tellapart.steps.decide.intake import Intake
from tellapart.steps.decide.plan import RENEW_S, Plan, day_of, facts_of, shape_of, unforeseen


def take(plan: Plan) -> TurnReport:
    """Take one turn, to its end. Never raises what a service or a model does: it is in the report.

    The caller holds the deck (`Ledger.hold`). Raises `StorageError` and `Interrupted`.
    """
    return asyncio.run(_Turn(plan).run())


class _Turn(Intake):
    """One turn, from its first question to its report."""

    async def run(self) -> TurnReport:
        start = time.perf_counter()
        renewing = asyncio.create_task(self._renew())
        try:
            async with Fetcher(self.plan.settings) as fetcher:
                self._source = self._open(fetcher)
                await self._work()
        except Interrupted as error:
            self.report.end = self.report.end or "cancelled"
            self.report.error = shape_of(error)
            self._close(start)
            raise
        except TellapartError as error:
            self._met(error)
        except Exception as error:  # a stranger's source may fail with anything
            self._met(unforeseen(error))
        finally:
            renewing.cancel()
        self._close(start)
        return self.report

    async def _renew(self) -> None:
        """Say now and then that the turn goes on, however long its source takes."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await asyncio.to_thread(self.ledger.renew, self.plan.holder)
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
            known=self._is_known,
        )
        return registry.load("deck", self.deck.source)(context)

    def _is_known(self, ref: str) -> bool:
        return ref not in self._waiting and (ref in self._known or ref in self._done)

    async def _work(self) -> None:
        self.acting = Acting(self.ledger, self._source, self.plan.holder)
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
        today = self.ledger.acts_of(day_of(self.policy, at))
        return Standing(now=at, session=self._acts, today=today, **left)

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
        if self.deck.mode == "on" and verdict.action in ACTS and not await self._paced():
            return "off"
        limits = Limits(self.policy.limits.day, day_of(self.policy, datetime.now(UTC)))
        checked = time.monotonic()
        kept = self.ledger.keep(
            verdict,
            self.plan.turn,
            self.deck.mode,
            limits,
            people=self.deck.people,
            holder=self.plan.holder,
        )
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

    async def _paced(self) -> bool:
        """Wait until the service may be asked again; False: the turn has ended meanwhile."""
        pace = asyncio.ensure_future(self._source.pace())
        try:
            while not pace.done():
                await asyncio.wait({pace}, timeout=0.5)
                if not pace.done() and not self._going():
                    return False
            await pace
            return True
        finally:
            pace.cancel()

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
        self.ledger.keep(verdict, self.plan.turn, self.deck.mode, people=self.deck.people)
        self._count(verdict)

    def _count(self, verdict: Verdict) -> None:
        self.report.judged += 1
        actions = self.report.actions
        actions[verdict.action] = actions.get(verdict.action, 0) + 1

    # -- the end ----------------------------------------------------------------------------

    def _met(self, error: TellapartError) -> None:
        """What a person is to be told of; a deck that only a person can help is switched off."""
        shape = shape_of(error)
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


def _quietly(do: Callable[[], object]) -> None:
    """What nothing stands on may fail."""
    try:
        do()
    except Interrupted:
        raise
    except Exception:  # noqa: S110 - its pictures are looked at when they are needed
        pass
