"""What people say: the last word on a candidate counts, and it can be taken back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from tellapart.decks.base import Base, missing
from tellapart.decks.shapes import Label, Part, now
from tellapart.store import schema_decks as schema

_c, _l, _a = schema.deck_candidates.c, schema.deck_feedback.c, schema.deck_actions.c


@dataclass(frozen=True)
class Said:
    """The last word on one candidate."""

    candidate: str
    label: Label
    by: str
    at: str
    part: Part
    by_chance: bool
    #: What had been decided when it was said; empty: nothing yet.
    decided: str


class Labels(Base):
    """Labels by people."""

    def say(self, candidate: str, label: Label, by: str = "") -> None:
        """Store a label; the same label twice is stored once. Raises `NotFoundError`."""
        with self._writing() as connection:
            mine = (_c.id == candidate, _c.deck_id == self.id)
            row = connection.execute(sa.select(_c.picked).where(*mine)).first()
            if row is None:
                raise missing(candidate, "candidate")
            last = _last(connection, candidate)
            if last is not None and last.label == label:
                return
            by_chance = row.picked == "by chance"
            part = _part(candidate) if by_chance else "train"
            if last is None:
                change = schema.deck_candidates.update().where(*mine)
                connection.execute(change.values(part=part))
            decided = sa.select(_a.action).where(_a.candidate_id == candidate)
            values = {
                "deck_id": self.id,
                "candidate_id": candidate,
                "label": label,
                "by": by,
                "at": now(),
                "held_back": part != "train",
                "by_chance": by_chance,
                "decided": connection.scalar(decided.order_by(_a.id.desc()).limit(1)) or "",
            }
            connection.execute(schema.deck_feedback.insert().values(values))
            self._changed(connection)

    def unsay(self, candidate: str = "") -> str | None:
        """Take back the last label (of a candidate); whose it was, None: there was none."""
        with self._writing() as connection:
            query = sa.select(_l.id, _l.candidate_id).where(_l.deck_id == self.id)
            if candidate:
                query = query.where(_l.candidate_id == candidate)
            row = connection.execute(query.order_by(_l.id.desc()).limit(1)).first()
            if row is None:
                return None
            which = _l.id == row.id if not candidate else _l.candidate_id == candidate
            first = connection.scalar(sa.select(sa.func.min(_l.at)).where(which))
            connection.execute(schema.deck_feedback.delete().where(which))
            self._taken_back(connection, row.candidate_id, str(first))
            self._changed(connection)
            return str(row.candidate_id)

    def _taken_back(self, connection: sa.Connection, candidate: str, since: str) -> None:
        """Mark a candidate without a label from whose label a head may have learned: if it is ever
        forgotten, that head is to go too."""
        if _last(connection, candidate) is not None:
            return
        head = schema.deck_heads.c
        learned = sa.select(head.id).where(head.deck_id == self.id, head.created_at >= since)
        which = (_c.id == candidate, _c.part == "train", learned.exists())
        change = schema.deck_candidates.update().where(*which)
        connection.execute(change.values(picked=schema.TAKEN_BACK))

    def said(self) -> list[Said]:
        """The last word on every labelled candidate, in the order of labelling."""
        last = sa.select(sa.func.max(_l.id)).where(_l.deck_id == self.id).group_by(_l.candidate_id)
        query = (
            sa.select(_l.candidate_id, _l.label, _l.by, _l.at, _c.part, _l.by_chance, _l.decided)
            .join(schema.deck_candidates, _c.id == _l.candidate_id)
            .where(_l.id.in_(last))
            .order_by(_l.id)
        )
        with self._reading() as connection:
            return [Said(*row) for row in connection.execute(query)]

    def word(self, candidate: str) -> Label | None:
        """The last word on one candidate."""
        with self._reading() as connection:
            last = _last(connection, candidate)
        return None if last is None else last.label

    def pick(self, picked: dict[str, str]) -> None:
        """Remember why candidates were picked to be labelled."""
        with self._writing() as connection:
            for id, why in picked.items():
                kept = _c.picked.in_(("by chance", schema.TAKEN_BACK))
                which = (_c.id == id, _c.deck_id == self.id, ~kept)
                connection.execute(schema.deck_candidates.update().where(*which).values(picked=why))

    def drawn(self, limit: int) -> list[str]:
        """Candidates drawn by chance that wait for a label."""
        said = sa.select(_l.id).where(_l.candidate_id == _c.id)
        query = sa.select(_c.id).where(
            _c.deck_id == self.id, _c.picked == "by chance", ~said.exists(), _c.state != "emptied"
        )
        with self._reading() as connection:
            return list(connection.scalars(query.order_by(_c.id).limit(limit)))

    def _changed(self, connection: sa.Connection) -> None:
        self._update(connection, corrected=schema.decks.c.corrected + 1)


def _part(candidate: str) -> Part:
    """Of the candidates drawn by chance one in three is for the frozen test, the rest is held
    back for the gate: the same whatever is said of it, and however often."""
    return "test" if hashlib.sha256(candidate.encode()).digest()[0] % 3 == 0 else "held"


def _last(connection: sa.Connection, candidate: str) -> sa.Row[tuple[Label]] | None:
    query = sa.select(_l.label).where(_l.candidate_id == candidate)
    return connection.execute(query.order_by(_l.id.desc()).limit(1)).first()
