"""Candidates as they come: their facts, their pictures, what a model saw of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tellapart.decks.base import Base, Erased, missing
from tellapart.decks.shapes import iso, new_id, now
from tellapart.store import schema_decks as schema
from tellapart.store.inserting import insert_new

#: Years from which on people are judged; the same as `policy.ADULT`.
ADULT = 18
#: Days after its verdict for which the facts of a candidate that nobody labelled are kept.
KEPT_DAYS = 30
_c, _p, _a = schema.deck_candidates.c, schema.deck_pictures.c, schema.deck_actions.c
_f = schema.deck_features.c


@dataclass(frozen=True)
class Offered:
    """One candidate as its source offers it, with nothing in it that may not be kept."""

    ref: str
    name: str = ""
    bio: str = ""
    age: int | None = None
    distance_km: float | None = None
    fields: Mapping[str, Any] | None = None
    url: str = ""
    #: Of each picture: its address and its path, both maybe empty.
    pictures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Seen:
    """A candidate in the ledger, as a turn needs it."""

    id: str
    ref: str
    name: str
    bio: str
    age: int | None
    distance_km: float | None
    fields: dict[str, Any]
    #: Rows of its pictures: id, position, address, path, sha256.
    pictures: tuple[tuple[int, int, str, str, str], ...]


class Stream(Base):
    """What came, and what is still to be judged."""

    def offer(self, offered: Offered) -> Seen:
        """Keep a candidate, or the newer facts of one that is known."""
        facts = {
            "name": offered.name,
            "bio": offered.bio,
            "age": offered.age,
            "distance_km": offered.distance_km,
            "fields": dict(offered.fields or {}),
            "url": offered.url,
        }
        with self._writing() as connection:
            same = sa.select(_c.id).where(_c.deck_id == self.id, _c.ref == offered.ref)
            id = connection.scalar(same)
            if id is None:
                id = new_id("c")
                row = {"id": id, "deck_id": self.id, "ref": offered.ref, "seen_at": now(), **facts}
                insert_new(connection, schema.deck_candidates, row)
            else:
                change = schema.deck_candidates.update().where(_c.id == id)
                emptied = sa.case((_c.state == "emptied", "judged"), else_=_c.state)
                connection.execute(change.values(**facts, state=emptied))
            self._pictures(connection, id, offered.pictures)
            return _seen(connection, [id])[0]

    def _pictures(
        self, connection: sa.Connection, id: str, pictures: Sequence[tuple[str, str]]
    ) -> None:
        """Bring a candidate's pictures up to what is offered; a new address is a new picture."""
        known = {
            row.position: row
            for row in connection.execute(
                sa.select(_p.id, _p.position, _p.url, _p.path).where(_p.candidate_id == id)
            )
        }
        for position, (url, path) in enumerate(pictures):
            row = known.pop(position, None)
            if row is not None and (row.url, row.path) == (url, path):
                continue
            if row is not None:
                connection.execute(schema.deck_pictures.delete().where(_p.id == row.id))
            new = {"candidate_id": id, "position": position, "url": url, "path": path}
            connection.execute(schema.deck_pictures.insert().values(**new))
        for row in known.values():
            connection.execute(schema.deck_pictures.delete().where(_p.id == row.id))

    def pending(self, mode: str, head: str, limit: int = 200) -> list[Seen]:
        """Candidates to be judged before new ones: those that a turn was cut off at, and those that
        another head could not judge. On a live deck also those that were held back by a switch,
        and those on which a person has decided since."""
        mine = schema.deck_actions.alias()
        last = sa.select(sa.func.max(mine.c.id)).where(mine.c.candidate_id == _c.id)
        joined = _a.id == last.correlate(schema.deck_candidates).scalar_subquery()
        waiting = [_c.state == "new", _unjudged(head)]
        if mode == "on":
            word = schema.deck_feedback.c
            said = sa.select(word.id).where(word.candidate_id == _c.id, word.at > _a.at).exists()
            waiting += [
                _a.state == "held",
                sa.and_(_a.action == "leave", _a.person, said),
                sa.and_(_a.state == "missed", said),
            ]
        query = (
            sa.select(_c.id)
            .select_from(schema.deck_candidates.outerjoin(schema.deck_actions, joined))
            .where(_c.deck_id == self.id, _c.state != "emptied", sa.or_(*waiting))
            .order_by(_c.id)
            .limit(limit)
        )
        with self._reading() as connection:
            return _seen(connection, connection.scalars(query).all())

    def known_refs(self, mode: str) -> set[str]:
        """What the source need not offer again in this mode."""
        acted = _a.intent.is_not(None)
        judged = sa.or_(_a.rule != "model", _a.action != "leave")
        final = judged if mode != "on" else sa.and_(judged, _a.mode == "on", _a.state == "none")
        query = (
            sa.select(_c.ref)
            .join(schema.deck_actions, _a.candidate_id == _c.id)
            .where(_c.deck_id == self.id, sa.or_(acted, final, _a.state == "missed"))
            .distinct()
        )
        with self._reading() as connection:
            return set(connection.scalars(query))

    def seen(self, candidate: str) -> Seen:
        """Raises `NotFoundError`."""
        with self._reading() as connection:
            mine = sa.select(_c.id).where(_c.id == candidate, _c.deck_id == self.id)
            if connection.scalar(mine) is None:
                raise missing(candidate, "candidate")
            return _seen(connection, [candidate])[0]

    def forget(self, candidate: str) -> None:
        """Drop a candidate with all that hangs on it, such as one who turns out to be no adult."""
        with self._writing() as connection:
            self._erase(connection, _c.id == candidate)

    def forget_ref(self, ref: str) -> Erased:
        """The same by the source's own name."""
        with self._writing() as connection:
            return self._erase(connection, _c.ref == ref)

    def guard(self, policy: Mapping[str, Any]) -> Erased:
        """From now on the deck is one of people, under `policy`: whoever of those kept is not
        declared an adult is erased and counted. May be called again."""
        no_adult = sa.and_(sa.or_(_c.age.is_(None), _c.age < ADULT), _c.state != "emptied")
        with self._writing(durable=True) as connection:
            self._update(connection, people=True, policy=dict(policy))
            gone = self._erase(connection, no_adult)
            if gone.number:
                self._count(connection, now()[:10], not_adult=gone.number)
            told = "It is a deck of people from now on."
            self._log(connection, "switch", told, dropped=gone.number)
        return gone

    def count_not_adult(self) -> None:
        """One more who is not judged; nothing else is kept of them."""
        with self._writing() as connection:
            self._count(connection, now()[:10], not_adult=1)

    # -- what a model saw -------------------------------------------------------------------

    def fetched(self, picture: int, sha256: str, width: int | None, height: int | None) -> None:
        """A picture's file is there."""
        values = {"sha256": sha256, "width": width, "height": height, "problem": ""}
        with self._writing() as connection:
            connection.execute(schema.deck_pictures.update().where(_p.id == picture).values(values))

    def looked(
        self,
        scores: Mapping[int, tuple[float | None, str]],
        head: str,
        base: str = "",
        features: Mapping[int, bytes] | None = None,
    ) -> None:
        """Keep scores (or problems) of pictures by their id, and what the model saw of them."""
        with self._writing() as connection:
            for id, (score, problem) in scores.items():
                change = schema.deck_pictures.update().where(_p.id == id)
                values = {"score": score, "head": head, "problem": problem}
                connection.execute(change.values(values))
            for id, data in (features or {}).items():
                row = {"picture_id": id, "base": base, "features": data}
                insert_new(connection, schema.deck_features, row)

    def features(
        self, base: str, candidates: Collection[str] | None = None
    ) -> list[tuple[str, int, bytes]]:
        """(candidate, picture's id, features) of all pictures looked at with this base."""
        query = (
            sa.select(_p.candidate_id, _p.id, _f.features)
            .join(schema.deck_pictures, _p.id == _f.picture_id)
            .join(schema.deck_candidates, _c.id == _p.candidate_id)
            .where(_c.deck_id == self.id, _f.base == base)
            .order_by(_p.candidate_id, _p.position)
        )
        if candidates is not None:
            query = query.where(_p.candidate_id.in_(list(candidates)))
        with self._reading() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def unlooked(self, base: str, limit: int = 500) -> list[tuple[int, str]]:
        """(id, sha256) of pictures that are there and were not looked at with this base."""
        there = sa.select(_f.picture_id).where(_f.picture_id == _p.id, _f.base == base)
        query = (
            sa.select(_p.id, _p.sha256)
            .join(schema.deck_candidates, _c.id == _p.candidate_id)
            .where(_c.deck_id == self.id, _p.sha256 != "", _p.problem == "", ~there.exists())
            .limit(limit)
        )
        with self._reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def owners(self, pictures: Collection[int]) -> dict[int, str]:
        """Whose pictures these are, in the order of candidates and positions."""
        query = (
            sa.select(_p.id, _p.candidate_id)
            .join(schema.deck_candidates, _c.id == _p.candidate_id)
            .where(_c.deck_id == self.id, _p.id.in_(list(pictures)))
            .order_by(_p.candidate_id, _p.position)
        )
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def marked(self, novelty: Mapping[str, tuple[float, bool]]) -> None:
        """Keep how unlike the labelled candidates others look."""
        with self._writing() as connection:
            for id, (how, new) in novelty.items():
                which = (_c.id == id, _c.deck_id == self.id)
                change = schema.deck_candidates.update().where(*which)
                connection.execute(change.values(novelty=how, new_looking=new))

    # -- keeping no longer than needed ------------------------------------------------------

    def shas(self) -> set[str]:
        """The pictures that are named."""
        query = sa.select(_p.sha256).join(schema.deck_candidates, _c.id == _p.candidate_id)
        with self._reading() as connection:
            return set(connection.scalars(query.where(_c.deck_id == self.id, _p.sha256 != "")))

    def empty_old(self, days: int = KEPT_DAYS) -> int:
        """Drop facts, pictures and features of candidates judged (or, where they never were, seen)
        long ago that nobody labelled, from free pages too; how many."""
        before = iso(datetime.now(UTC) - timedelta(days=days))
        said = sa.select(schema.deck_feedback.c.id).where(
            schema.deck_feedback.c.candidate_id == _c.id
        )
        last = sa.case((_c.judged_at != "", _c.judged_at), else_=_c.seen_at)
        old = sa.and_(_c.deck_id == self.id, _c.state != "emptied", last < before)
        with self._writing() as connection:
            self._overwriting(connection)
            ids = connection.scalars(sa.select(_c.id).where(old, ~said.exists())).all()
            nothing: dict[str, Any] = {"name": "", "bio": "", "age": None, "distance_km": None}
            nothing |= {"fields": {}, "url": "", "state": "emptied", "new_looking": False}
            for id in ids:
                change = schema.deck_candidates.update().where(_c.id == id)
                connection.execute(change.values(nothing))
                connection.execute(schema.deck_pictures.delete().where(_p.candidate_id == id))
                recorded = schema.deck_actions.update().where(_a.candidate_id == id)
                connection.execute(recorded.values(recorded={}))
            return len(ids)


def _unjudged(head: str) -> sa.ColumnElement[bool]:
    """Not judged for want of a head that could."""
    return sa.and_(_a.rule == "model", _a.action == "leave", _a.head != head)


def _seen(connection: sa.Connection, ids: Sequence[str]) -> list[Seen]:
    columns = (_c.id, _c.ref, _c.name, _c.bio, _c.age, _c.distance_km, _c.fields)
    rows = connection.execute(sa.select(*columns).where(_c.id.in_(ids)).order_by(_c.id)).all()
    pictures: dict[str, list[tuple[int, int, str, str, str]]] = {}
    found = sa.select(_p.candidate_id, _p.id, _p.position, _p.url, _p.path, _p.sha256)
    for row in connection.execute(found.where(_p.candidate_id.in_(ids)).order_by(_p.position)):
        pictures.setdefault(row[0], []).append((row[1], row[2], row[3], row[4], row[5]))
    return [Seen(*row, pictures=tuple(pictures.get(row.id, ()))) for row in rows]
