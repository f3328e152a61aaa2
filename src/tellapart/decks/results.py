"""Candidates as people see them: with pictures, the last verdict, what was sent and said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tellapart.decks.base import Base, missing
from tellapart.decks.shapes import (
    ActionRow,
    CandidateRow,
    Counts,
    Filters,
    Page,
    PictureRow,
)
from tellapart.store import schema_decks as schema

_c, _p, _a = schema.deck_candidates.c, schema.deck_pictures.c, schema.deck_actions.c
_l = schema.deck_feedback.c
#: The last verdict and the last label of a candidate. Of verdicts the one that was sent counts.
_one = schema.deck_actions.alias("one")
_VERDICT = (
    sa.select(_one.c.id)
    .where(_one.c.candidate_id == _c.id)
    .order_by(sa.case((_one.c.intent.is_not(None), 0), else_=1), _one.c.id.desc())
    .limit(1)
    .correlate(schema.deck_candidates)
    .scalar_subquery()
)
_word = schema.deck_feedback.alias("word")
_WORD = (
    sa.select(sa.func.max(_word.c.id))
    .where(_word.c.candidate_id == _c.id)
    .correlate(schema.deck_candidates)
    .scalar_subquery()
)
_ALL = schema.deck_candidates.outerjoin(schema.deck_actions, _a.id == _VERDICT).outerjoin(
    schema.deck_feedback, _l.id == _WORD
)
_FACTS = (
    *(_c.id, _c.deck_id, _c.ref, _c.name, _c.bio, _c.age, _c.distance_km, _c.fields, _c.url),
    *(_c.seen_at, _c.state, _c.novelty, _c.new_looking, _c.part),
)
_NAMES = tuple("deck" if one is _c.deck_id else one.name for one in _FACTS)
_ACTION = (
    *(_a.id, _a.turn, _a.at, _a.mode, _a.action, _a.rule, _a.reason, _a.picture, _a.score),
    *(_a.person, _a.explored, _a.head, _a.state, _a.intent_at, _a.outcome_at, _a.answer, _a.match),
)
_LIKED = _a.action.in_(("like", "super_like"))
_AGREES = sa.or_(sa.and_(_l.label == "like", _LIKED), sa.and_(_l.label == "pass", ~_LIKED))


class Results(Base):
    """Lists of candidates, and counts."""

    def candidate(self, id: str) -> CandidateRow:
        """Raises `NotFoundError`."""
        found = self.candidates([id])
        if not found:
            raise missing(id, "candidate")
        return found[0]

    def candidates(self, ids: Sequence[str]) -> list[CandidateRow]:
        """Those of these ids that there are, in the order of `ids`."""
        with self._reading() as connection:
            found = self._rows(connection, [_c.id.in_(list(ids))])
        rows = {row.id: row for row in found}
        return [rows[id] for id in ids if id in rows]

    def page(self, filters: Filters) -> Page:
        """Part of the candidates, newest first."""
        conditions = _conditions(filters)
        with self._reading() as connection:
            every = [_c.deck_id == self.id, *conditions]
            total = connection.scalar(sa.select(sa.func.count()).select_from(_ALL).where(*every))
            if filters.after:
                every.append(_c.id < filters.after)
            rows = self._rows(connection, every, filters.limit + 1)
        more = len(rows) > filters.limit
        items = tuple(rows[: filters.limit])
        return Page(items, int(total or 0), items[-1].id if more else "")

    def counts(self) -> Counts:
        """How many candidates, verdicts and labels there are."""
        mine = _c.deck_id == self.id

        def number(connection: sa.Connection, *conditions: Any) -> int:
            query = sa.select(sa.func.count()).select_from(_ALL).where(mine, *conditions)
            return int(connection.scalar(query) or 0)

        def by(connection: sa.Connection, column: sa.ColumnElement[str]) -> dict[str, int]:
            query = sa.select(column, sa.func.count()).select_from(_ALL).where(mine, _a.id != "")
            found = connection.execute(query.group_by(column))
            return {row[0]: int(row[1]) for row in found}

        dry = (
            sa.select(_one.c.id)
            .where(_one.c.candidate_id == _c.id, _one.c.mode == "dry", _l.at > _one.c.at)
            .correlate(schema.deck_candidates, schema.deck_feedback)
            .exists()
        )
        day = schema.deck_days.c
        guarded = sa.select(sa.func.sum(day.number)).where(
            day.deck_id == self.id, day.what == "not_adult"
        )
        with self._reading() as connection:
            return Counts(
                candidates=number(connection),
                judged=number(connection, _c.state != "new"),
                actions=by(connection, _a.action),
                states=by(connection, _a.state),
                labelled=number(connection, _l.id.is_not(None)),
                reviewed_dry=number(connection, _l.id.is_not(None), dry),
                to_review=number(connection, _a.person, _l.id.is_(None)),
                new_looking=number(connection, _c.new_looking, _l.id.is_(None)),
                matches=number(connection, _a.match.is_(True)),
                not_adult=int(connection.scalar(guarded) or 0),
            )

    def unlabelled(self, limit: int = 2_000) -> list[str]:
        """Candidates that wait for a label, newest first."""
        query = sa.select(_c.id).select_from(_ALL)
        query = query.where(_c.deck_id == self.id, _l.id.is_(None), _c.state == "judged")
        with self._reading() as connection:
            return list(connection.scalars(query.order_by(_c.id.desc()).limit(limit)))

    def verdicts(self, limit: int = 500) -> list[tuple[str, dict[str, Any], ActionRow]]:
        """(candidate, what was recorded, verdict) of the last verdicts that a replay can take up,
        newest first."""
        last = _a.id == _VERDICT
        query = (
            sa.select(_c.id, _a.recorded, *_ACTION)
            .select_from(schema.deck_candidates.join(schema.deck_actions, last))
            .where(_c.deck_id == self.id, _c.state != "emptied")
            .order_by(_a.id.desc())
            .limit(limit)
        )
        with self._reading() as connection:
            return [(row[0], row[1], _action(row[2:])) for row in connection.execute(query)]

    def picture(self, candidate: str, position: int) -> tuple[int, str, str, str]:
        """A picture's id, address, path and SHA-256. Raises `NotFoundError`."""
        query = (
            sa.select(_p.id, _p.url, _p.path, _p.sha256)
            .join(schema.deck_candidates, _c.id == _p.candidate_id)
            .where(_c.deck_id == self.id, _c.id == candidate, _p.position == position)
        )
        with self._reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise missing(f"{candidate}/{position}", "picture")
        return (row[0], row[1], row[2], row[3])

    def _rows(
        self, connection: sa.Connection, conditions: Sequence[Any], limit: int | None = None
    ) -> list[CandidateRow]:
        words = (_l.label, _l.by, _l.at)
        query = sa.select(*_FACTS, *_ACTION, *words).select_from(_ALL)
        query = query.where(_c.deck_id == self.id, *conditions).order_by(_c.id.desc())
        rows = connection.execute(query.limit(limit)).all()
        pictures: dict[str, list[PictureRow]] = {}
        columns = (_p.position, _p.url, _p.sha256, _p.width, _p.height, _p.score, _p.problem)
        found = sa.select(_p.candidate_id, *columns).order_by(_p.position)
        for row in connection.execute(found.where(_p.candidate_id.in_([r[0] for r in rows]))):
            pictures.setdefault(row[0], []).append(PictureRow(*row[1:]))
        return [_row(row, tuple(pictures.get(row[0], ()))) for row in rows]


def _action(values: Any) -> ActionRow:
    return ActionRow(*values)


def _row(row: Any, pictures: tuple[PictureRow, ...]) -> CandidateRow:
    facts = dict(zip(_NAMES, row, strict=False))
    action, (label, by, at) = row[len(_FACTS) : -3], row[-3:]
    return CandidateRow(
        **facts,
        pictures=pictures,
        action=None if action[0] is None else _action(action),
        label=label,
        labelled_by=by or "",
        labelled_at=at or "",
    )


def _conditions(filters: Filters) -> list[Any]:
    found: list[Any] = []
    for column, value in ((_a.action, filters.action), (_a.state, filters.state)):
        if value is not None:
            found.append(column == value)
    if filters.rule is not None:
        found.append(_a.rule == filters.rule)
    if filters.match is not None:
        found.append(_a.match.is_(True) if filters.match else _a.match.is_not(True))
    if filters.label is not None:
        labels = {
            "corrected": sa.and_(_l.id.is_not(None), _a.id.is_not(None), ~_AGREES),
            "confirmed": sa.and_(_l.id.is_not(None), _a.id.is_not(None), _AGREES),
            "none": _l.id.is_(None),
        }
        found.append(labels.get(filters.label, _l.label == filters.label))
    if filters.waiting is not None:
        waiting = {
            "review": sa.and_(_a.person, _l.id.is_(None)),
            "new": sa.and_(_c.new_looking, _l.id.is_(None)),
            "labelled": _l.id.is_not(None),
            "judged": _a.id.is_not(None),
        }
        found.append(waiting.get(filters.waiting, sa.true()))
    if filters.words:
        like = "%" + filters.words.replace("\\", "\\\\").replace("%", "\\%") + "%"
        texts = (_c.name, _c.bio, _c.ref, _a.reason)
        found.append(sa.or_(*(text.ilike(like, escape="\\") for text in texts)))
    return found
