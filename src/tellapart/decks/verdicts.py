"""Verdicts and acts: an intent is stored before an act is sent, its outcome after.

One act a candidate: the database lets only one row of a candidate carry an intent. The switch and
the limits are looked at in the transaction that stores the intent, under the deck's own row lock:
after the deck was switched off none can be stored any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tellapart.decks.holding import Holding
from tellapart.decks.shapes import Mode, State, new_id, now
from tellapart.errors import Interrupted
from tellapart.store import schema_decks as schema

_a, _d, _c = schema.deck_actions.c, schema.decks.c, schema.deck_candidates.c
#: What may be sent.
ACTS = frozenset({"like", "pass", "super_like"})
#: How often a service is asked what became of one act.
_ASKED = 10
#: Why an act was refused that never got in, as sources say it.
_NO_ENTRANCE = frozenset(("http_401", "http_403", "http_429", "rate_limited"))


@dataclass(frozen=True)
class Verdict:
    """What a turn has decided of one candidate."""

    candidate: str
    action: str
    rule: str
    reason: str
    picture: int | None = None
    score: float | None = None
    person: bool = False
    explored: bool = False
    head: str = ""
    policy: str = ""
    #: What a replay needs: see `ActionRow`.
    recorded: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """How many acts may be begun; None: no limit."""

    today: int | None = None
    day: str = ""


@dataclass(frozen=True)
class Kept:
    """A stored verdict. `send`: its intent is stored too, so that it may be sent, once, now."""

    id: str
    state: State
    send: bool
    #: The deck's mode at that moment.
    mode: Mode


@dataclass(frozen=True)
class Unknown:
    """An act whose outcome nobody knows yet."""

    id: str
    candidate: str
    ref: str
    action: str


class Verdicts(Holding):
    """What was decided, sent and answered."""

    def keep(
        self,
        verdict: Verdict,
        turn: str,
        mode: Mode,
        limits: Limits | None = None,
        *,
        people: bool = True,
        holder: str = "",
    ) -> Kept:
        """Store a verdict, and the intent to act on it where the deck is on, in one transaction.

        `mode`: in which the turn began; a deck that is in another one now acts no more. `people`:
        whether the turn judges people. `holder`: as which it holds the deck, its name where left
        out. Raises `Interrupted` where the turn was taken over, or the
        deck has become one of people meanwhile.
        """
        limits = limits or Limits()
        id, at = new_id("a"), now()
        with self._writing(durable=mode == "on") as connection:
            self._renew(
                connection, holder or turn
            )  # locks the deck's row, which the switch waits for
            now_is = sa.select(_d.mode, _d.people).where(_d.id == self.id)
            current, guarded = connection.execute(now_is).one()
            if guarded and not people:
                raise _other_now()
            state, intent = self._may(connection, verdict, mode, str(current), limits)
            row = {
                "id": id,
                "deck_id": self.id,
                "candidate_id": verdict.candidate,
                "turn": turn,
                "at": at,
                "mode": mode,
                "action": verdict.action,
                "rule": verdict.rule,
                "reason": verdict.reason,
                "picture": verdict.picture,
                "score": verdict.score,
                "person": verdict.person,
                "explored": verdict.explored,
                "head": verdict.head,
                "policy": verdict.policy,
                "recorded": dict(verdict.recorded),
                "intent": "act" if intent else None,
                "intent_at": at if intent else "",
                "state": state,
            }
            connection.execute(schema.deck_actions.insert().values(row))
            change = schema.deck_candidates.update().where(_c.id == verdict.candidate)
            connection.execute(change.values(state="judged", judged_at=at))
            numbers = {verdict.action: 1, "judged": 1} | ({"acts": 1} if intent else {})
            self._count(connection, limits.day or at[:10], **numbers)
        return Kept(id, state, intent, current)

    def _may(
        self,
        connection: sa.Connection,
        verdict: Verdict,
        mode: Mode,
        current: str,
        limits: Limits,
    ) -> tuple[State, bool]:
        """The state a verdict begins in, and whether its intent is stored with it."""
        if verdict.action not in ACTS or mode != "on":
            return "none", False
        if current != "on":
            return "held", False
        if limits.today is not None and self._acts(connection, limits.day) >= limits.today:
            return "held", False
        acted = sa.select(_a.id).where(_a.candidate_id == verdict.candidate, _a.intent == "act")
        if connection.scalar(acted) is not None:
            return "held", False
        return "intended", True

    def acts_of(self, day: str) -> int:
        """Acts begun on a day (`2026-01-31`)."""
        with self._reading() as connection:
            return self._acts(connection, day)

    def _acts(self, connection: sa.Connection, day: str) -> int:
        table = schema.deck_days.c
        which = (table.deck_id == self.id, table.day == day, table.what == "acts")
        return int(connection.scalar(sa.select(table.number).where(*which)) or 0)

    def outcome(
        self,
        action: str,
        state: State,
        answer: Mapping[str, Any],
        *,
        match: bool | None = None,
        again: bool = False,
        left: Mapping[str, int | None] | None = None,
    ) -> None:
        """Note what came of an act.

        `again`: it was surely not done, so that the candidate may be judged and acted on anew.
        `left`: `likes_left` and `super_likes_left`, as the service says.
        """
        values: dict[str, Any] = {"state": state, "answer": dict(answer), "outcome_at": now()}
        if match is not None:
            values["match"] = match
        if again or state == "missed":
            values["intent"] = None
        with self._writing(durable=True) as connection:
            mine = (_a.id == action, _a.deck_id == self.id)
            connection.execute(schema.deck_actions.update().where(*mine).values(values))
            if again:
                one = sa.select(_a.candidate_id).where(_a.id == action).scalar_subquery()
                change = schema.deck_candidates.update().where(_c.id == one)
                connection.execute(change.values(state="new"))
            told = {key: value for key, value in (left or {}).items() if value is not None}
            if told:
                self._update(connection, **told)

    def may_still(self, action: str, holder: str) -> bool:
        """Whether an act whose intent was stored some time ago may still be sent by its holder."""
        query = sa.select(_d.mode, _d.holder, _a.state).where(_a.id == action, _d.id == self.id)
        with self._reading() as connection:
            row = connection.execute(query.where(_a.deck_id == _d.id)).first()
        return row is not None and tuple(row) == ("on", holder, "intended")

    def left_over(self) -> int:
        """Acts of turns that were cut off before the answer came: their outcome is unknown.

        Only for who holds the deck: nothing else is under way then.
        """
        why = {"reason": "the program ended before the answer came"}
        values = {"state": "unknown", "answer": why, "outcome_at": now()}
        which = (_a.deck_id == self.id, _a.state == "intended")
        with self._writing() as connection:
            return connection.execute(
                schema.deck_actions.update().where(*which).values(values)
            ).rowcount

    def unknown(self, limit: int = 50) -> list[Unknown]:
        """Acts whose outcome is to be asked for, the least often asked first."""
        query = (
            sa.select(_a.id, _a.candidate_id, _c.ref, _a.action)
            .join(schema.deck_candidates, _c.id == _a.candidate_id)
            .where(_a.deck_id == self.id, _a.state == "unknown", _a.asked < _ASKED)
            .order_by(_a.asked, _a.id)
            .limit(limit)
        )
        with self._reading() as connection:
            return [Unknown(*row) for row in connection.execute(query)]

    def turned_away(self, limit: int = 50) -> list[Unknown]:
        """Acts that were answered with no entrance (401, 403, 429) and would be sent anew: believed
        not done, but something before the service may have said so after it. Not asked for yet."""
        query = (
            sa.select(_a.id, _a.candidate_id, _c.ref, _a.action, _a.answer)
            .join(schema.deck_candidates, _c.id == _a.candidate_id)
            .where(_a.deck_id == self.id, _a.state == "refused", _c.state == "new")
            .where(_a.intent.is_(None), _a.asked == 0)
            .order_by(_a.id)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [Unknown(*row[:-1]) for row in rows if row.answer.get("reason") in _NO_ENTRANCE][
            :limit
        ]

    def done_all_the_same(self, action: str, answer: Mapping[str, Any], match: bool | None) -> None:
        """The service says that an act was done to which there had been no entrance."""
        values: dict[str, Any] = {"state": "done", "intent": "act", "outcome_at": now()}
        values["answer"] = dict(answer)
        if match is not None:
            values["match"] = match
        with self._writing(durable=True) as connection:
            mine = (_a.id == action, _a.deck_id == self.id)
            connection.execute(schema.deck_actions.update().where(*mine).values(values))
            one = sa.select(_a.candidate_id).where(*mine).scalar_subquery()
            change = schema.deck_candidates.update().where(_c.id == one)
            connection.execute(change.values(state="judged"))

    def asked(self, action: str) -> None:
        """The service was asked what became of an act, and could not tell."""
        with self._writing() as connection:
            more = schema.deck_actions.update().where(_a.id == action)
            connection.execute(more.values(asked=_a.asked + 1))

    def done_after_all(self, ref: str, action: str) -> bool:
        """The service says that an act of unknown outcome was done; whether it is news."""
        one = sa.select(_c.id).where(_c.deck_id == self.id, _c.ref == ref).scalar_subquery()
        doubt = _a.state.in_(("unknown", "missed"))
        newest = sa.select(sa.func.max(_a.id)).where(_a.candidate_id == one, doubt)
        which = (_a.id == newest.scalar_subquery(), _a.action == action)
        with self._writing() as connection:
            acted = sa.select(_a.id).where(_a.candidate_id == one, _a.intent == "act")
            acted = acted.where(_a.state.not_in(("unknown", "missed")))
            if connection.scalar(acted) is not None:
                return False
            values = {"state": "done", "intent": "act", "outcome_at": now()}
            change = schema.deck_actions.update().where(*which).values(values)
            return bool(connection.execute(change).rowcount)

    def matched(self, ref: str, match: bool) -> bool:
        """Note what the other side said later; whether it is news."""
        one = sa.select(_c.id).where(_c.deck_id == self.id, _c.ref == ref).scalar_subquery()
        news = sa.or_(_a.match.is_(None), _a.match != match)
        which = (_a.candidate_id == one, _a.state.in_(("done", "unknown")), news)
        with self._writing() as connection:
            change = schema.deck_actions.update().where(*which)
            return bool(connection.execute(change.values(match=match)).rowcount)


def _other_now() -> Interrupted:
    return Interrupted(
        "The deck has become one of people amid the turn.",
        expected="a deck that is what it was when the turn began",
        do="Nothing: the next turn judges people.",
    )
