"""An act on its way: sent once, never twice, and its outcome written down, known or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import iso
from tellapart.decks.verdicts import Kept, Unknown, Verdict
from tellapart.doors import ActAnswer, DeckSource
from tellapart.errors import (
    ExhaustedError,
    Interrupted,
    ServiceError,
    TellapartError,
    WorkerError,
)

#: Seconds that lie at most between the switch being looked at and an act being sent.
FRESH_S = 0.5
#: Seconds after which an act without an answer is of unknown outcome.
ACT_S = 60.0
#: Seconds for which a service without likes left is left alone, unless it says otherwise.
OUT_S = 12 * 3600.0


class UnclearError(TellapartError):
    """Nobody can say what became of an act; the turn ends after it."""

    code, exit_code, http_status = "unclear", 5, 502


@dataclass(frozen=True)
class Sent:
    """What became of an act."""

    state: str
    #: The service has none of these left: the candidate is to be decided anew.
    exhausted: bool = False


class Acting:
    """Sends what a ledger has stored the intent of."""

    def __init__(self, ledger: Ledger, source: DeckSource, holder: str) -> None:
        self._ledger = ledger
        self._holder = holder
        self._source = source

    async def send(self, verdict: Verdict, ref: str, kept: Kept, checked: float) -> Sent:
        """Send one act whose intent was stored just now; `checked`: when (monotonic seconds).

        Raises what the service says where it concerns the deck as a whole, `UnclearError` where
        the outcome is unknown.
        """
        if not self._fresh(kept, checked):
            if self._ledger.row().mode == "on":
                raise Interrupted(
                    "This turn was taken over before its act was sent.",
                    expected="a turn that gives a sign of life every minute",
                    do="Nothing has to be done: the other turn goes on.",
                )
            why = {"reason": "the deck was switched off before it was sent"}
            self._ledger.outcome(kept.id, "held", why, again=True)
            return Sent("held")
        try:
            async with asyncio.timeout(ACT_S):
                answer = await self._source.act(ref, verdict.action, kept.id)  # type: ignore[arg-type]
        except ServiceError as error:
            return self._not_done(kept, error)
        except BaseException as error:
            self._unknown(kept, f"no answer: {type(error).__name__}")
            if not isinstance(error, Exception):
                raise
            raise _unclear(error) from error
        return self._answered(kept, answer)

    def _fresh(self, kept: Kept, checked: float) -> bool:
        """Whether the switch was looked at just now: a process may have slept meanwhile."""
        while time.monotonic() - checked > FRESH_S:
            checked = time.monotonic()
            if not self._ledger.may_still(kept.id, self._holder):
                return False
        return True

    def _not_done(self, kept: Kept, error: ServiceError) -> Sent:
        answer = {"reason": error.reason, "what": error.what}
        self._ledger.outcome(kept.id, "refused", answer, again=True)
        if isinstance(error, ExhaustedError):
            return Sent("refused", exhausted=True)
        raise error

    def _answered(self, kept: Kept, answer: ActAnswer) -> Sent:
        self._ledger.outcome(
            kept.id,
            answer.state,
            dict(answer.detail),
            match=answer.match,
            left=left_of(answer),
        )
        if answer.state == "unknown":
            raise UnclearError(
                f"Nobody can say whether an act was done ({answer.detail.get('reason', '?')}).",
                expected="a clear answer of the service",
                do="Nothing: it is not sent again; the service is asked in the next turn.",
            )
        return Sent(answer.state)

    def _unknown(self, kept: Kept, reason: str) -> None:
        self._ledger.outcome(kept.id, "unknown", {"reason": reason})

    async def reconcile(self, going: Callable[[], bool]) -> int:
        """Ask what became of acts of which nobody knows; how many are known now."""
        self._ledger.left_over()
        told = 0
        for one in self._ledger.unknown():
            if not going():
                break
            answer = await self._source.has(one.ref, one.action, one.id)  # type: ignore[arg-type]
            if answer is None:
                break  # it cannot be asked, not for the others either
            told += self._told(one, answer)
        return told + await self._turned_away(going)

    async def _turned_away(self, going: Callable[[], bool]) -> int:
        """Before an act is sent anew that met 401, 403 or 429, ask whether it was done after all;
        how many were."""
        told = 0
        for one in self._ledger.turned_away():
            if not going():
                break
            answer = await self._source.has(one.ref, one.action, one.id)  # type: ignore[arg-type]
            if answer is None:
                break
            self._ledger.asked(one.id)
            if answer.state == "done":
                detail = {**answer.detail, "reconciled": True}
                self._ledger.done_all_the_same(one.id, detail, answer.match)
                told += 1
        return told

    async def hear(self, since: datetime) -> None:
        """What the service says now of earlier acts, such as who likes back."""
        for result in await self._source.results(since):
            if result.action is not None:
                self._ledger.done_after_all(result.ref, result.action)
            if result.match is not None:
                self._ledger.matched(result.ref, result.match)

    def _told(self, one: Unknown, answer: ActAnswer) -> bool:
        if answer.state == "unknown":
            self._ledger.asked(one.id)
            return False
        # `refused`: it never came, and never will. A person may decide on it anew.
        state: Any = "done" if answer.state == "done" else "missed"
        detail = {**answer.detail, "reconciled": True}
        self._ledger.outcome(one.id, state, detail, match=answer.match, left=left_of(answer))
        return True


def left_of(answer: ActAnswer) -> dict[str, int | None]:
    """What is left, as the service says with an answer."""
    return {"likes_left": answer.likes_left, "super_likes_left": answer.super_likes_left}


def out_until(error: ServiceError | None = None) -> str:
    """Until when a service that has no likes left is left alone."""
    seconds = OUT_S if error is None or error.retry_after is None else error.retry_after
    return iso(datetime.now(UTC) + timedelta(seconds=seconds))


def _unclear(error: Exception) -> TellapartError:
    if isinstance(error, TellapartError):
        return error
    return WorkerError(
        f"The deck's source broke off: {type(error).__name__}.",
        expected="an answer, or an error of the door's own kinds",
        do="Report it to whoever wrote the source. The act is not sent again.",
    )
