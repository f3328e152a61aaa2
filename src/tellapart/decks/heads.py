"""The heads of a deck: which one judges, which ones wait, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from tellapart.decks.base import Base
from tellapart.decks.shapes import HeadRow, HeadState, new_id, now
from tellapart.errors import InputError
from tellapart.store import schema_decks as schema

_h = schema.deck_heads.c
_COLUMNS = [_h[item.name] for item in fields(HeadRow)]
#: Heads that are neither champion nor challenger and are kept to be looked at.
_KEPT = 50


class Heads(Base):
    """Heads, with their weights as bytes."""

    def heads(self) -> list[HeadRow]:
        """All heads, newest first."""
        query = sa.select(*_COLUMNS).where(_h.deck_id == self.id).order_by(_h.id.desc())
        with self._reading() as connection:
            return [HeadRow(*row) for row in connection.execute(query)]

    def head(self, state: HeadState) -> tuple[HeadRow, bytes] | None:
        """The newest head in this state with its weights; None: there is none."""
        query = sa.select(*_COLUMNS, _h.weights).where(_h.deck_id == self.id, _h.state == state)
        with self._reading() as connection:
            row = connection.execute(query.order_by(_h.id.desc()).limit(1)).first()
        return None if row is None else (HeadRow(*row[:-1]), row[-1])

    def challenge(self, weights: bytes, base: str, labels: int) -> str:
        """Keep a newly fitted head as the challenger, in place of an earlier one; its id."""
        id = new_id("h")
        with self._writing() as connection:
            mine = (_h.deck_id == self.id, _h.state == "challenger")
            connection.execute(schema.deck_heads.delete().where(*mine))
            row = {
                "id": id,
                "deck_id": self.id,
                "state": "challenger",
                "base": base,
                "weights": weights,
                "created_at": now(),
                "labels": labels,
                "evaluation": {},
            }
            connection.execute(schema.deck_heads.insert().values(row))
        return id

    def decide(self, head: str, state: HeadState, evaluation: Mapping[str, Any], why: str) -> None:
        """Store what the gate said of a challenger; a new champion takes the old one's place."""
        values: dict[str, Any] = {"state": state, "evaluation": dict(evaluation), "why": why}
        with self._writing() as connection:
            if state == "champion":
                champion = (_h.deck_id == self.id, _h.state == "champion")
                before = connection.scalar(sa.select(_h.id).where(*champion))
                retire = schema.deck_heads.update().where(*champion)
                connection.execute(retire.values(state="retired"))
                values["before"] = before or ""
            which = (_h.id == head, _h.deck_id == self.id)
            connection.execute(schema.deck_heads.update().where(*which).values(values))
            self._log(connection, "head", why, **{**evaluation, "head": head, "state": state})
            self._drop_old(connection)

    def has_acted(self, head: str) -> bool:
        """Whether a verdict of a live deck stands on this head."""
        table = schema.deck_actions.c
        mine = (table.deck_id == self.id, table.head == head, table.mode == "on")
        with self._reading() as connection:
            return connection.scalar(sa.select(table.id).where(*mine).limit(1)) is not None

    def roll_back(self) -> str:
        """Put the champion before the present one back; its id. Raises `InputError`."""
        with self._writing() as connection:
            champion = (_h.deck_id == self.id, _h.state == "champion")
            now_live = connection.execute(sa.select(_h.id, _h.before).where(*champion)).first()
            before = now_live.before if now_live is not None else ""
            there = (_h.deck_id == self.id, _h.id == before)
            if now_live is None or connection.scalar(sa.select(_h.id).where(*there)) is None:
                raise InputError(
                    "There is no head before this one.",
                    expected="a deck whose head has been replaced",
                    do="Label more candidates and retrain instead.",
                )
            table = schema.deck_heads
            connection.execute(table.update().where(*champion).values(state="retired"))
            back = "Put back by a person."
            change = table.update().where(_h.id == before)
            connection.execute(change.values(state="champion", why=back))
            # A challenger learned with the head that was put away: it is not to come back by it.
            waiting = (_h.deck_id == self.id, _h.state == "challenger")
            connection.execute(table.update().where(*waiting).values(state="retired", why=back))
            self._log(connection, "head", back, head=before, instead=now_live.id)
            return str(before)

    def _drop_old(self, connection: sa.Connection) -> None:
        """Forget heads of long ago that nothing leads back to."""
        idle = (_h.deck_id == self.id, _h.state.in_(("refused", "shadow", "retired")))
        named = sa.select(_h.before).where(_h.deck_id == self.id)
        query = sa.select(_h.id).where(*idle, _h.id.not_in(named)).order_by(_h.id.desc())
        old = connection.scalars(query.offset(_KEPT)).all()
        connection.execute(schema.deck_heads.delete().where(_h.id.in_(old)))
